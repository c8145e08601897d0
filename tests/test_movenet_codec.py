"""MoveNet's codec: it inverts itself, and it does what the published graphs do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from posecore.families.movenet.codec import (
    ORIGIN,
    MoveNetDecodeSettings,
    MoveNetMaps,
    TargetShape,
    decode_multi,
    decode_single,
    encode,
    find_centres,
)
from posecore.families.movenet.network import STRIDE

#: Decoded positions may differ from encoded ones by float32 rounding, in input pixels.
TOLERANCE = 1e-3


def options(**changes: Any) -> MoveNetDecodeSettings:
    return MoveNetDecodeSettings(**{"pose_threshold": 0.0, "keypoint_threshold": 0.0, "root_threshold": 0.5} | changes)


def encoded(keypoints: np.ndarray, labelled: np.ndarray, grid: tuple[int, int], **changes: Any) -> MoveNetMaps:
    """Target fields of people ``(P, K, 2)`` in input pixels as the decoder's input."""
    fields = encode(torch.from_numpy(keypoints)[None], torch.from_numpy(labelled)[None], grid, **changes)
    arrays = {name: value[0].numpy() for name, value in fields.items()}
    return MoveNetMaps(
        arrays["centre"][0],
        arrays["regression"],
        arrays["heatmaps"],
        arrays["offsets"],
        arrays["box_size"][0],
        arrays["box_offset"][0],
    )


def to_input(cells: np.ndarray) -> np.ndarray:
    return cells * STRIDE + ORIGIN


@st.composite
def grids(draw: st.DrawFn) -> tuple[int, int]:
    return 8 * draw(st.integers(3, 9)), 8 * draw(st.integers(3, 9))


@st.composite
def crowds(draw: st.DrawFn, most: int) -> Any:
    """1 … ``most`` people, their centres and equal joints further apart than the decoder confuses."""
    grid = draw(grids())
    keypoints = draw(st.sampled_from([1, 2, 5, 17]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = np.array(grid) * STRIDE - 1.0
    people: list[np.ndarray] = []
    for _ in range(draw(st.integers(1, most))):
        middle, extent = rng.uniform(0, size), rng.uniform(0.05, 0.6) * size
        person = (middle + rng.uniform(-0.5, 0.5, (keypoints, 2)) * extent).clip(-0.49, size + 0.49)
        apart = [np.abs(other.mean(0) - person.mean(0)).max() for other in people]
        joints = [np.linalg.norm(other - person, axis=1).min() for other in people]
        # 8 cells between centres: more than twice the regression's window. 6 between equal joints.
        if min(apart, default=1e9) > 8 * STRIDE and min(joints, default=1e9) > 6 * STRIDE:
            people.append(person)
    return grid, np.array(people)


@given(crowds(most=6))
@settings(max_examples=150, deadline=None)
def test_decoding_inverts_encoding_of_several(crowd: Any) -> None:
    grid, people = crowd
    maps = encoded(people, np.ones(people.shape[:2], bool), grid)
    found = decode_multi(maps, options())
    assert len(found.scores) == len(people)
    worst = np.abs(to_input(found.xy)[:, None] - people[None]).max((2, 3))
    rows, columns = linear_sum_assignment(worst)
    assert worst[rows, columns].max() < TOLERANCE


@pytest.mark.parametrize("count", range(1, 7))
def test_decoding_inverts_encoding_of_every_number_of_people(count: int) -> None:
    rng = np.random.default_rng(count)
    places = np.stack(np.meshgrid([40, 128, 216], [60, 190]), -1).reshape(-1, 2)[:count]
    people = places[:, None] + rng.uniform(-30, 30, (count, 17, 2))
    found = decode_multi(encoded(people, np.ones((count, 17), bool), (64, 64)), options())
    assert len(found.scores) == count
    worst = np.abs(to_input(found.xy)[:, None] - people[None]).max((2, 3))
    rows, columns = linear_sum_assignment(worst)
    assert worst[rows, columns].max() < TOLERANCE


@given(crowds(most=1))
@settings(max_examples=150, deadline=None)
def test_decoding_inverts_encoding_of_one(crowd: Any) -> None:
    grid, people = crowd
    maps = encoded(people, np.ones(people.shape[:2], bool), grid)
    found = decode_single(maps, options())
    assert np.abs(to_input(found.xy) - people).max() < TOLERANCE


@given(crowds(most=1), st.data())
@settings(max_examples=60, deadline=None)
def test_an_unlabelled_joint_disturbs_no_other(crowd: Any, data: st.DataObject) -> None:
    grid, people = crowd
    labelled = np.ones(people.shape[:2], bool)
    labelled[0, data.draw(st.integers(0, people.shape[1] - 1))] = False
    assume(labelled.any())
    maps = encoded(people, labelled, grid)
    for found in (decode_single(maps, options()), decode_multi(maps, options())):
        assert np.abs(to_input(found.xy) - people)[labelled].max() < TOLERANCE


def literal_single(maps: MoveNetMaps) -> np.ndarray:
    """The published single-pose graph, cell by cell: ``(K, 3)`` normalised y, x, score."""
    height, width = maps.centre.shape
    cells = [(row, column) for row in range(height) for column in range(width)]

    def centre_score(cell: tuple[int, int]) -> float:
        return float(maps.centre[cell] / (np.hypot(cell[0] - height / 2, cell[1] - width / 2) + 1.8))

    centre = max(cells, key=centre_score)
    result = []
    for keypoint, heatmap in enumerate(maps.heatmaps):
        # Vectors here start at the cells' middles; the published ones start at their corners.
        x, y = maps.regression[keypoint, :, centre[0], centre[1]] + 0.5
        target = (centre[0] + y, centre[1] + x)

        def score(cell: tuple[int, int], heatmap: Any = heatmap, target: Any = target) -> float:
            return float(heatmap[cell] / (np.hypot(cell[0] - target[0], cell[1] - target[1]) + 1.8))

        best = max(cells, key=score)
        x, y = maps.offsets[keypoint, :, best[0], best[1]] + 0.5
        result.append(((best[0] + y) / height, (best[1] + x) / width, heatmap[best]))
    return np.array(result)


def literal_multi(maps: MoveNetMaps) -> tuple[np.ndarray, np.ndarray]:
    """The published MultiPose graph, cell by cell: ``(P, K, 3)`` normalised y, x, score, and ``(P,)`` scores."""
    assert maps.box_size is not None
    assert maps.box_offset is not None
    height, width = maps.centre.shape
    peaks = []
    for row in range(height):
        for column in range(width):
            around = maps.centre[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
            if maps.centre[row, column] == around.max():
                peaks.append((maps.centre[row, column], row, column))
    centres, products, places = [], [], []
    for score, row, column in sorted(peaks, key=lambda peak: -peak[0])[:6]:
        w, h = np.maximum(maps.box_size[:, row, column], 0)
        x, y = maps.box_offset[:, row, column] + 0.5
        y0, y1 = np.clip([row + y - h / 2, row + y + h / 2], 0, height)
        x0, x1 = np.clip([column + x - w / 2, column + x + w / 2], 0, width)
        centres.append(score)
        products.append(np.zeros((len(maps.heatmaps), height, width)))
        for keypoint, heatmap in enumerate(maps.heatmaps):
            rx, ry = maps.regression[keypoint, :, row, column] + 0.5 + (column, row)
            for r in range(height):
                for c in range(width):
                    if y0 <= r < y1 and x0 <= c < x1:
                        squared = (r - ry) ** 2 + (c - rx) ** 2
                        products[-1][keypoint, r, c] = heatmap[r, c] * np.exp(-squared / (0.3 * min(height, width)))
        places.append([divmod(int(product.argmax()), width) for product in products[-1]])
    people, scores = [], []
    for centre, cells in zip(centres, places, strict=True):
        joints = []
        for keypoint, (r, c) in enumerate(cells):
            ox, oy = maps.offsets[keypoint, :, r, c] + 0.5
            joints.append(((r + oy) / height, (c + ox) / width, max(product[keypoint, r, c] for product in products)))
        confident = [joint[2] for joint in joints if joint[2] > 0.127]
        people.append(joints)
        scores.append(centre * sum(confident) / max(len(confident), 1))
    return np.array(people), np.array(scores)


def noise(seed: int) -> MoveNetMaps:
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(6, 13, 2))

    def vectors(channels: int, spread: float) -> np.ndarray:
        return rng.normal(0, spread, (channels, 2, height, width)).astype(np.float32)

    return MoveNetMaps(
        rng.uniform(0, 1, (height, width)).astype(np.float32),
        vectors(3, 3),
        rng.uniform(0, 1, (3, height, width)).astype(np.float32),
        vectors(3, 0.5),
        rng.normal(6, 4, (2, height, width)).astype(np.float32),
        vectors(1, 1)[0],
    )


def normalised(xy: np.ndarray, maps: MoveNetMaps) -> np.ndarray:
    """Cells (x, y) to the published (y, x) in 0 … 1."""
    height, width = maps.centre.shape
    return ((xy + 0.5) / (width, height))[..., ::-1]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_single_equals_the_published_graph_on_noise(seed: int) -> None:
    maps = noise(seed)
    found, literal = decode_single(maps, options()), literal_single(maps)
    assert normalised(found.xy[0], maps) == pytest.approx(literal[:, :2], abs=1e-5)
    assert found.keypoint_scores[0] == pytest.approx(literal[:, 2], abs=1e-6)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_multi_equals_the_published_graph_on_noise(seed: int) -> None:
    maps = noise(seed)
    found = decode_multi(maps, options(root_threshold=0))
    literal, scores = literal_multi(maps)
    assert normalised(found.xy, maps) == pytest.approx(literal[..., :2], abs=1e-5)
    assert found.keypoint_scores == pytest.approx(literal[..., 2], abs=1e-6)
    assert found.scores == pytest.approx(scores, abs=1e-6)


def test_nobody_encodes_to_background_and_decodes_to_nobody() -> None:
    nobody = np.zeros((1, 17, 2)), np.zeros((1, 17), bool)
    targets = encode(torch.from_numpy(nobody[0])[None], torch.from_numpy(nobody[1])[None], (48, 48))
    assert all(float(value.abs().sum()) == 0 for value in targets.values())
    found = decode_multi(encoded(*nobody, (48, 48)), options())
    assert found.xy.shape == (0, 17, 2)
    assert found.scores.shape == (0,)


def test_a_joint_outside_has_no_targets() -> None:
    person = np.full((1, 2, 2), 100.0)
    person[0, 1] = (300, 100)
    targets = encode(torch.from_numpy(person)[None], torch.ones(1, 1, 2, dtype=torch.bool), (48, 48))
    assert float(targets["heatmaps"][0, 1].max()) == 0
    assert float(targets["regression_mask"][0, 1].max()) == 0
    assert float(targets["centre"].max()) == 1


def test_gaussians_grow_with_the_person() -> None:
    def width(scale: float) -> float:
        person = np.array([[[96 - scale, 96], [96 + scale, 96]]])
        return float(encoded(person, np.ones((1, 2), bool), (48, 48)).heatmaps[0].sum())

    shape = TargetShape()
    sums = [width(scale) for scale in (4, 60, 80, 90)]
    assert sums == sorted(sums)
    assert sums[0] == pytest.approx(2 * np.pi * shape.least_spread**2, rel=0.02)
    assert sums[-1] <= 2 * np.pi * shape.most_spread**2


def test_only_the_chosen_have_a_centre_but_all_have_heatmaps() -> None:
    people = np.stack([np.full((3, 2), 40.0), np.full((3, 2), 150.0)])
    maps = encoded(people, np.ones((2, 3), bool), (48, 48), chosen=torch.tensor([[False, True]]))
    assert find_centres(maps, options()).cells.tolist() == [[37, 37]]
    assert (maps.heatmaps == 1).sum() == 6


def test_the_nearest_person_owns_a_cell() -> None:
    maps = encoded(np.array([[[80.0, 80.0]], [[92.0, 80.0]]]), np.ones((2, 1), bool), (48, 48))
    for column, expected in ((20, 80.0), (22, 92.0)):
        assert to_input(column + maps.regression[0, 0, 20, column]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("radius", "found"), [(0.0, 2), (8.0, 2), (16.0, 1)])
def test_centres_suppress_each_other_within_the_radius(radius: float, found: int) -> None:
    maps = encoded(np.array([[[80.0, 80.0]], [[92.0, 80.0]]]), np.ones((2, 1), bool), (48, 48))
    maps.centre[20, 20] = 0.9
    assert len(find_centres(maps, options(nms_radius=radius)).scores) == found


def test_the_middle_person_wins_in_single_mode() -> None:
    people = np.stack([np.full((17, 2), 20.0), np.full((17, 2), 100.0)]) + np.linspace(-9, 9, 17)[:, None]
    maps = encoded(people, np.ones((2, 17), bool), (48, 48))
    found = decode_single(maps, options())
    assert np.abs(to_input(found.xy[0]) - people[1]).max() < TOLERANCE
