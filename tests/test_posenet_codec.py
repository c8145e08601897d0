"""PoseNet's codec: it inverts itself, and it does what the published algorithm does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from posecore.families.posenet.codec import (
    COCO_TREE,
    PoseNetDecodeSettings,
    PoseNetMaps,
    decode_multi,
    decode_single,
    encode,
    tree_of,
)
from posecore.skeleton import COCO_17, Skeleton
from tests.oracles.posenet import decode_literally
from tests.oracles.scenes import posenet_maps, scene

#: Decoded positions may differ from encoded ones by float32 rounding of coordinates up to 2,000 px.
TOLERANCE = 1e-3


def encoded(keypoints: np.ndarray, labelled: np.ndarray, grid: tuple[int, int], stride: int, tree: Any) -> PoseNetMaps:
    fields = encode(torch.from_numpy(keypoints)[None], torch.from_numpy(labelled)[None], grid, stride, tree)
    arrays = {name: value[0].numpy() for name, value in fields.items()}
    both = np.concatenate([arrays["displacement_forward"], arrays["displacement_backward"]])
    return PoseNetMaps(arrays["heatmaps"], arrays["offsets"], both, stride, tuple(tree))


def everybody(**changes: Any) -> PoseNetDecodeSettings:
    return PoseNetDecodeSettings(
        **{"max_poses": 50, "pose_threshold": 0.0, "keypoint_threshold": 0.0, "root_threshold": 0.5} | changes
    )


@st.composite
def skeletons(draw: st.DrawFn) -> Skeleton:
    """The COCO skeleton, or a random one whose edges need not reach every keypoint."""
    if draw(st.booleans()):
        return COCO_17
    count = draw(st.integers(1, 9))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] != pair[1])
    edges = draw(st.lists(pairs, max_size=12)) if count > 1 else []
    return Skeleton("random", tuple(f"k{index}" for index in range(count)), tuple(edges))


@st.composite
def crowds(draw: st.DrawFn) -> Any:
    """People whose equal joints are further apart than the decoder's radius and than a cell can confuse."""
    skeleton = draw(skeletons())
    stride = draw(st.sampled_from([4, 8, 16, 32]))
    grid = (draw(st.integers(8, 40)), draw(st.integers(8, 40)))
    size = (np.array(grid) - 1) * stride
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    apart = max(20.0, 1.5 * stride) + 1
    people: list[np.ndarray] = []
    for _ in range(draw(st.integers(1, 6))):
        person = rng.uniform(0, 1, (len(skeleton), 2)) * size
        if all((np.linalg.norm(person - other, axis=1) > apart).all() for other in people):
            people.append(person)
    return skeleton, stride, grid, np.array(people)


@given(crowds())
@settings(max_examples=150, deadline=None)
def test_decoding_inverts_encoding(crowd: Any) -> None:
    skeleton, stride, grid, people = crowd
    tree = tree_of(skeleton)
    maps = encoded(people, np.ones(people.shape[:2], bool), grid, stride, tree)
    found = decode_multi(maps, everybody())
    assert len(found.scores) == len(people)
    worst = np.abs(found.xy[:, None] - people[None]).max((2, 3))
    rows, columns = linear_sum_assignment(worst)
    assert worst[rows, columns].max() < TOLERANCE
    assert found.scores == pytest.approx(np.ones(len(people)))


@given(crowds(), st.data())
@settings(max_examples=60, deadline=None)
def test_an_unlabelled_leaf_disturbs_no_other_joint(crowd: Any, data: st.DataObject) -> None:
    skeleton, stride, grid, people = crowd
    tree = tree_of(skeleton)
    parents = {parent for parent, _ in tree}
    leaves = [index for index in range(len(skeleton)) if index not in parents and index != 0]
    assume(leaves)
    labelled = np.ones(people.shape[:2], bool)
    for person in labelled:
        person[data.draw(st.sampled_from(leaves))] = False
    found = decode_multi(encoded(people, labelled, grid, stride, tree), everybody())
    distance = np.where(labelled[None], np.abs(found.xy[:, None] - people[None]).max(3), 0).max(2)
    rows, columns = linear_sum_assignment(distance)
    assert len(rows) == len(people)
    assert distance[rows, columns].max() < TOLERANCE


@given(crowds())
@settings(max_examples=40, deadline=None)
def test_single_mode_finds_the_only_person(crowd: Any) -> None:
    skeleton, stride, grid, people = crowd
    maps = encoded(people[:1], np.ones((1, len(skeleton)), bool), grid, stride, tree_of(skeleton))
    found = decode_single(maps, everybody(mode="single"))
    assert np.abs(found.xy - people[:1]).max() < TOLERANCE


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from([0.0, 20.0, 60.0]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_literal_algorithm_on_noise(
    seed: int, max_poses: int, steps: int, radius: float, tied: bool
) -> None:
    """Random fields have no structure to hide behind: every peak, hop and overlap must come out the same."""
    rng = np.random.default_rng(seed)
    height, width, stride = int(rng.integers(2, 14)), int(rng.integers(2, 14)), 16
    scores = rng.uniform(0, 1, (17, height, width)).astype(np.float32)
    maps = PoseNetMaps(
        # Many equal peaks side by side, as on the flat disks of training targets.
        (np.round(3 * scores) / 3).astype(np.float32) if tied else scores,
        rng.normal(0, 12, (17, 2, height, width)).astype(np.float32),
        rng.normal(0, 60, (32, 2, height, width)).astype(np.float32),
        stride,
        COCO_TREE,
    )
    options = everybody(max_poses=max_poses, refinement_steps=steps, nms_radius=radius)
    ours = decode_multi(maps, options)
    literal = decode_literally(maps, max_poses, 0.5, radius, steps)
    assert len(ours.scores) == len(literal)
    for xy, joint_scores, score, expected in zip(ours.xy, ours.keypoint_scores, ours.scores, literal, strict=True):
        assert xy[:, ::-1] == pytest.approx(np.array(expected.points), abs=1e-4)
        assert joint_scores == pytest.approx(np.array(expected.scores), abs=1e-7)
        assert score == pytest.approx(expected.score, abs=1e-6)


@pytest.mark.parametrize("soft", [True, False])
def test_equals_the_literal_algorithm_with_more_peaks_than_a_chunk(soft: bool) -> None:
    maps = posenet_maps(scene(20, seed=3), soft)
    ours = decode_multi(maps, everybody())
    literal = decode_literally(maps, 50, 0.5, 20)
    assert len(ours.scores) == len(literal) == 20
    assert ours.xy[..., ::-1] == pytest.approx(np.array([pose.points for pose in literal]), abs=1e-4)


def test_recording_the_path_changes_nothing_and_leads_to_the_joint() -> None:
    maps = posenet_maps(scene(5, seed=1), soft=True)
    plain, recorded = (decode_multi(maps, everybody(), record=record) for record in (False, True))
    assert np.array_equal(plain.xy, recorded.xy)
    assert recorded.paths is not None
    roots = recorded.peaks.keypoints[recorded.roots]
    for person, root in enumerate(roots):
        others = np.arange(17) != root
        assert np.array_equal(recorded.paths[person, others, -1], recorded.xy[person, others])


def test_a_dropped_person_suppresses_nothing() -> None:
    """With a pose threshold, a weak root near a good one must not take the good one's place."""
    maps = posenet_maps(scene(2, seed=2), soft=True)
    weak = maps.scores.copy()
    weak[:, :, :] *= np.linspace(0.2, 1, 81)[None, None, :]
    faded = PoseNetMaps(weak.astype(np.float32), maps.offsets, maps.displacements, maps.stride, maps.tree)
    kept = decode_multi(faded, everybody(pose_threshold=0.5, root_threshold=0.1))
    assert len(kept.scores) == 1
    assert (kept.scores >= 0.5).all()


def test_empty_maps_give_nobody() -> None:
    nothing = PoseNetMaps(
        np.zeros((17, 5, 5), np.float32), np.zeros((17, 2, 5, 5), np.float32), np.zeros((32, 2, 5, 5), np.float32), 16,
        COCO_TREE,
    )  # fmt: skip
    found = decode_multi(nothing, everybody())
    assert found.xy.shape == (0, 17, 2)
    assert found.scores.shape == (0,)


def test_displacement_targets_are_masked_where_either_end_is_unlabelled() -> None:
    people = torch.from_numpy(scene(1, seed=1))[None]
    labelled = torch.ones(1, 1, 17, dtype=torch.bool)
    labelled[..., 7] = False
    targets = encode(people, labelled, (81, 46), 16, COCO_TREE)
    for number, (parent, child) in enumerate(COCO_TREE):
        defined = 7 not in (parent, child)
        for way in ("forward", "backward"):
            assert bool(targets[f"displacement_{way}_mask"][0, number].any()) is defined
    assert targets["heatmaps"][0, 7].sum() == 0
    assert all(bool(value.isfinite().all()) for value in targets.values())


def test_nobody_encodes_to_background() -> None:
    targets = encode(torch.zeros(2, 1, 17, 2), torch.zeros(2, 1, 17, dtype=torch.bool), (9, 7), 16, COCO_TREE)
    assert targets["heatmaps"].shape == (2, 17, 7, 9)
    assert all(float(value.abs().sum()) == 0 for value in targets.values())
