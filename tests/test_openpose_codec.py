"""OpenPose's codec: it inverts itself, and it does what the published algorithm does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from posecore.families.openpose.codec import (
    LIMBS,
    OpenPoseDecodeSettings,
    OpenPoseMaps,
    assembly_order,
    decode,
    encode,
    limbs_of,
)
from posecore.families.openpose.codec.limbs import ASSEMBLY_ORDER
from posecore.families.openpose.codec.pairs import SAMPLES, judge_pairs
from posecore.families.openpose.codec.peaks import find_peaks
from posecore.skeleton import COCO_17, LSP_14, OPENPOSE_18, Skeleton, map_skeleton
from tests.oracles.openpose import bilinear, decode_literally, nearest
from tests.oracles.precision import average_precision
from tests.oracles.scenes import (
    OPENPOSE_STRIDE,
    PEAK_THRESHOLD,
    crowd,
    openpose_maps,
    openpose_settings,
    scene,
    with_neck,
)

#: Encoded positions come back to within this part of a cell (float32 rounding of values near the threshold).
pytestmark = pytest.mark.usefixtures("one_thread")

TOLERANCE = 0.01


def everybody(**changes: Any) -> OpenPoseDecodeSettings:
    return OpenPoseDecodeSettings(
        **{"max_poses": 100, "pose_threshold": 0.0, "min_keypoints": 1, "peak_threshold": PEAK_THRESHOLD} | changes
    )


def encoded(people: np.ndarray, labelled: np.ndarray, grid: tuple[int, int], stride: int, limbs: Any) -> OpenPoseMaps:
    fields = encode(torch.from_numpy(people)[None], torch.from_numpy(labelled)[None], grid, stride, limbs)
    heatmaps, affinity = (fields[name][0].numpy() for name in ("heatmaps", "part_affinity"))
    return OpenPoseMaps(heatmaps[:-1], affinity, tuple(limbs), stride)


def in_pixels(maps: OpenPoseMaps, xy: np.ndarray) -> np.ndarray:
    return xy * maps.stride + (maps.stride - 1) / 2


@st.composite
def skeletons(draw: st.DrawFn) -> Skeleton:
    """OpenPose's skeleton, or a random tree."""
    if draw(st.booleans()):
        return OPENPOSE_18
    count = draw(st.integers(2, 9))
    parents = [draw(st.integers(0, index - 1)) for index in range(1, count)]
    pairs = [(parent, child) for child, parent in enumerate(parents, 1)]
    edges = tuple((b, a) if draw(st.booleans()) else (a, b) for a, b in pairs)
    return Skeleton("tree", tuple(f"k{index}" for index in range(count)), tuple(draw(st.permutations(edges))))


@st.composite
def crowds(draw: st.DrawFn, most: int = 3) -> Any:
    """People in boxes of their own, anywhere inside them: their limbs do not cross, their own joints may lie anyhow."""
    skeleton = draw(skeletons())
    stride = draw(st.sampled_from([4, 8]))
    columns, rows = draw(st.integers(1, most)), draw(st.integers(1, most))
    box = np.array([draw(st.integers(12, 30)), draw(st.integers(12, 30))]) * 1.0
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Clear of the neighbour's peaks and bands by their width.
    margin = 5.0 if stride == 4 else 3.0
    people = []
    for place in range(columns * rows):
        corner = np.array([place % columns, place // columns]) * (box + 2 * margin)
        for _ in range(100):
            person = corner + margin + rng.uniform(0, 1, (len(skeleton), 2)) * box
            ends = np.array([person[list(edge)] for edge in limbs_of(skeleton)])
            if (np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1) > 0.5).all():
                break
        people.append(person)
    grid = (np.array([columns, rows]) * (box + 2 * margin)).astype(int)
    xy = np.array(people) * stride + (stride - 1) / 2
    return skeleton, stride, (int(grid[0]), int(grid[1])), xy


def assert_same_people(found: np.ndarray, people: np.ndarray, tolerance: float) -> None:
    assert len(found) == len(people)
    worst = np.nan_to_num(np.abs(found[:, None] - people[None]), nan=np.inf).max((2, 3))
    rows, columns = linear_sum_assignment(np.minimum(worst, 1e9))
    assert worst[rows, columns].max() < tolerance


@given(crowds(), st.sampled_from(["greedy", "optimal"]))
@settings(max_examples=120, deadline=None)
def test_decoding_inverts_encoding(case: Any, matching: str) -> None:
    skeleton, stride, grid, people = case
    maps = encoded(people, np.ones(people.shape[:2], bool), grid, stride, limbs_of(skeleton))
    found = decode(maps, everybody(matching=matching))
    assert_same_people(in_pixels(maps, found.xy), people, TOLERANCE * stride)


@given(crowds(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_people_changes_nothing(case: Any, random: Any) -> None:
    skeleton, stride, grid, people = case
    labelled = np.ones(people.shape[:2], bool)
    order = list(range(len(people)))
    random.shuffle(order)
    first, second = (
        decode(encoded(which, labelled, grid, stride, limbs_of(skeleton)), everybody())
        for which in (people, people[order])
    )
    assert np.array_equal(first.xy, second.xy, equal_nan=True)
    assert np.array_equal(first.scores, second.scores)


@given(crowds(), st.data())
@settings(max_examples=40, deadline=None)
def test_an_unlabelled_joint_is_missing_and_no_other(case: Any, data: st.DataObject) -> None:
    """Unlabelled is a keypoint without which the others still hang together."""
    skeleton, stride, grid, people = case
    limbs = limbs_of(skeleton)
    ends = [index for edge in limbs for index in edge]
    leaves = [index for index in range(len(skeleton)) if ends.count(index) == 1]
    assume(len(skeleton) >= 3 and leaves)
    gone = data.draw(st.sampled_from(leaves))
    labelled = np.ones(people.shape[:2], bool)
    labelled[:, gone] = False
    maps = encoded(people, labelled, grid, stride, limbs)
    found = in_pixels(maps, decode(maps, everybody()).xy)
    assert np.isnan(found[:, gone]).all()
    others = [index for index in range(len(skeleton)) if index != gone]
    assert_same_people(found[:, others], people[:, others], TOLERANCE * stride)


@pytest.mark.parametrize("corner", [(0.0, 0.0), (319.0, 0.0), (0.0, 239.0), (319.0, 239.0)])
@pytest.mark.parametrize("keypoint", [0, 1, 4, 17])
def test_joints_at_the_border_and_keypoint_0_are_joints_like_others(corner: Any, keypoint: int) -> None:
    """The first peak of the first keypoint has number 0 everywhere, which must not mean "none"."""
    person = with_neck(scene(1, seed=1))[0]
    person = (person - person.min(0)) / np.ptp(person, axis=0) * (200, 160) + (60, 40)
    person[keypoint] = corner
    maps = encoded(person[None], np.ones((1, 18), bool), (40, 30), 8, LIMBS)
    found = decode(maps, everybody())
    assert_same_people(in_pixels(maps, found.xy), person[None], TOLERANCE * 8)
    assert found.peaks.keypoints[0] == 0
    assert 0 in found.people[0].joints.values()


def with_literal(maps: OpenPoseMaps, sampler: Any, options: OpenPoseDecodeSettings) -> Any:
    """Our people and the literal port's, the latter from our peaks."""
    ours = decode(maps, options)
    peaks: list[list[tuple[float, float, float, int]]] = [[] for _ in maps.heatmaps]
    for index in ours.peaks.kept:
        x, y = ours.peaks.xy[index]
        peaks[ours.peaks.keypoints[index]].append((float(x), float(y), float(ours.peaks.scores[index]), int(index)))
    literal = decode_literally(
        maps,
        limb_share=options.limb_share,
        min_keypoints=options.min_keypoints,
        pose_threshold=options.pose_threshold,
        sampler=sampler,
        peaks=peaks,
    )
    return ours, literal


def assert_equals_literal(ours: Any, literal: Any) -> None:
    assert len(ours.scores) == len(literal)
    assert ours.scores == pytest.approx([person.score for person in literal], abs=1e-5)
    mine = {frozenset((k, int(p)) for k, p in person.joints.items()) for person in ours.people[: len(ours.scores)]}
    assert mine == {frozenset((k, peak[3]) for k, peak in person.joints.items()) for person in literal}


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.3, 0.6, 0.8]), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_equals_the_literal_algorithm_on_noise(seed: int, share: float, fewest: int) -> None:
    """Random fields have no structure to hide behind: every pair, conflict and merger must come out the same."""
    rng = np.random.default_rng(seed)
    height, width = int(rng.integers(3, 12)), int(rng.integers(3, 12))
    heatmaps = rng.uniform(-0.2, 1, (18, height, width)).astype(np.float32)
    affinity = rng.normal(0.1, 0.6, (19, 2, height, width)).astype(np.float32)
    options = everybody(limb_share=share, min_keypoints=max(fewest, 2), nms_radius=0.0)
    assert_equals_literal(*with_literal(OpenPoseMaps(heatmaps, affinity, LIMBS, 8), bilinear, options))


@pytest.mark.parametrize("seed", range(4))
def test_equals_the_literal_algorithm_in_crowds(seed: int) -> None:
    maps = openpose_maps(crowd(15, seed), noise=0.03, seed=seed)
    ours, literal = with_literal(maps, bilinear, openpose_settings())
    assert_equals_literal(ours, literal)
    assert len(literal) >= 10


def test_the_published_way_of_reading_fields_finds_the_same_people() -> None:
    people = with_neck(scene(20, seed=20))
    maps = openpose_maps(people)
    literal = decode_literally(maps, sampler=nearest)
    assert len(literal) == len(decode(maps, OpenPoseDecodeSettings()).scores) == 20


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_looking_at_few_points_first_loses_no_pair(noise: float) -> None:
    maps = openpose_maps(crowd(12, seed=5), noise, seed=1)
    for share in (0.0, 0.4, 0.6, 0.8, 0.9):
        options = everybody(limb_share=share)
        peaks = find_peaks(maps, options)
        quick, slow = judge_pairs(maps, peaks, options), judge_pairs(maps, peaks, options, every=True)
        kept = slow.select(slow.accepted)
        for name in ("limbs", "starts", "ends"):
            assert np.array_equal(getattr(quick, name), getattr(kept, name))
        assert quick.scores == pytest.approx(kept.scores, abs=1e-6)


def test_recording_changes_nothing() -> None:
    maps = openpose_maps(crowd(10, seed=2), noise=0.02)
    plain, recorded = (decode(maps, openpose_settings(), record=record) for record in (False, True))
    assert np.array_equal(plain.xy, recorded.xy, equal_nan=True)
    assert np.array_equal(plain.scores, recorded.scores)
    assert len(recorded.pairs.scores) > len(plain.pairs.scores)
    assert recorded.pairs.samples.shape[1] == SAMPLES


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_upsampling_and_smoothing_move_nobody_far(factor: int) -> None:
    people = with_neck(scene(5, seed=5))
    maps = openpose_maps(people)
    found = decode(maps, everybody(upsampling=factor, smoothing=3.0, min_keypoints=4))
    assert_same_people(in_pixels(maps, found.xy), people, 1.0)


def test_peaks_without_refinement_lie_on_cells() -> None:
    found = decode(openpose_maps(with_neck(scene(3, seed=3))), everybody(refine_peaks=False))
    assert np.array_equal(found.xy, np.rint(found.xy))


def test_only_the_highest_of_near_peaks_is_kept() -> None:
    heatmaps = np.zeros((18, 12, 12), np.float32)
    heatmaps[0, 5, 5], heatmaps[0, 5, 7], heatmaps[0, 5, 10] = 0.9, 0.8, 0.7
    maps = OpenPoseMaps(heatmaps, np.zeros((19, 2, 12, 12), np.float32), LIMBS, 8)
    assert find_peaks(maps, everybody(nms_radius=20.0)).rivals.tolist() == [-1, 0, -1]
    assert find_peaks(maps, everybody(nms_radius=8.0)).rivals.tolist() == [-1, -1, -1]


def test_a_joint_halfway_between_two_cells_is_one_joint() -> None:
    person = with_neck(scene(1, seed=1))
    person = np.round((person - 3.5) / 8) * 8 + 3.5 + (4, 0)
    found = decode(openpose_maps(person), everybody())
    assert_same_people(found.xy * OPENPOSE_STRIDE + 3.5, person, 0.1)


def test_empty_and_tiny_maps_give_nobody() -> None:
    for height, width in ((5, 7), (1, 1), (1, 9), (2, 2)):
        maps = OpenPoseMaps(
            np.zeros((18, height, width), np.float32), np.zeros((19, 2, height, width), np.float32), LIMBS, 8
        )
        assert decode(maps, everybody(), record=True).xy.shape == (0, 18, 2)
        full = OpenPoseMaps(maps.heatmaps + 0.5, maps.affinity + 1, LIMBS, 8)
        assert np.isfinite(decode(full, everybody()).scores).all()


def test_thresholds_and_limits_leave_people_out() -> None:
    maps = openpose_maps(with_neck(scene(5, seed=5)))
    assert len(decode(maps, everybody(max_poses=2)).scores) == 2
    assert len(decode(maps, everybody(pose_threshold=1.0)).scores) == 0
    assert len(decode(maps, everybody(peak_threshold=1.0)).scores) == 0
    found = decode(maps, everybody())
    assert (np.diff(found.scores) <= 0).all()
    assert ((found.scores > 0.8) & (found.scores <= 1)).all()


def test_limbs_of_other_skeletons_hold_them_together() -> None:
    assert limbs_of(OPENPOSE_18) == LIMBS
    assert sorted(LIMBS) == sorted(ASSEMBLY_ORDER)
    assert [LIMBS[index] for index in assembly_order(LIMBS)] == list(ASSEMBLY_ORDER)
    for skeleton in (COCO_17, LSP_14, Skeleton("loose", ("a", "b", "c", "d"), ((0, 1),))):
        limbs = limbs_of(skeleton)
        reached = {0}
        for _ in limbs:
            reached |= {end for edge in limbs if reached & set(edge) for end in edge}
        assert reached == set(range(len(skeleton)))
        assert sorted(assembly_order(limbs)) == list(range(len(limbs)))


def test_a_skeleton_of_one_keypoint_has_people_of_one_joint() -> None:
    people = np.array([[[20.0, 30.0]], [[90.0, 60.0]]])
    maps = encoded(people, np.ones((2, 1), bool), (16, 12), 8, ())
    assert_same_people(in_pixels(maps, decode(maps, OpenPoseDecodeSettings()).xy), people, 0.1)


def test_targets_have_a_background_and_average_where_limbs_overlap() -> None:
    people = np.zeros((2, 18, 2))
    people[0, 1], people[0, 8] = (20, 40), (100, 40)
    people[1, 1], people[1, 8] = (60, 0), (60, 80)
    labelled = np.zeros((2, 18), bool)
    labelled[:, [1, 8]] = True
    fields = encode(torch.from_numpy(people)[None], torch.from_numpy(labelled)[None], (16, 12), 8, LIMBS)
    heatmaps, affinity = fields["heatmaps"][0], fields["part_affinity"][0, LIMBS.index((1, 8))]
    assert heatmaps.shape == (19, 12, 16)
    assert torch.equal(heatmaps[-1], 1 - heatmaps[:-1].amax(0))
    assert heatmaps[0].sum() == 0
    assert affinity[:, 5, 3].tolist() == [1, 0]
    assert affinity[:, 2, 7].tolist() == [0, 1]
    assert affinity[:, 4, 7].tolist() == [0.5, 0.5]
    assert fields["part_affinity"][0].abs().sum() == affinity.abs().sum()


def test_the_neck_of_coco_people_lies_between_their_shoulders() -> None:
    person = scene(1, seed=1)
    mapped, _ = map_skeleton(COCO_17, OPENPOSE_18).keypoints(person, np.ones((1, 17)))
    left, right = (person[0, COCO_17.index(f"{side}_shoulder")] for side in ("left", "right"))
    assert mapped[0, OPENPOSE_18.index("neck")] == pytest.approx((left + right) / 2, abs=1e-3)


def test_nobody_encodes_to_background() -> None:
    targets = encode(torch.zeros(2, 1, 18, 2), torch.zeros(2, 1, 18, dtype=torch.bool), (9, 7), 8, LIMBS)
    assert targets["part_affinity"].abs().sum() == 0
    assert torch.equal(targets["heatmaps"][:, -1], torch.ones(2, 7, 9))
    assert targets["heatmaps"][:, :-1].sum() == 0


def test_optimal_matching_never_has_a_smaller_sum_than_greedy() -> None:
    for seed in range(5):
        maps = openpose_maps(crowd(12, seed), noise=0.03, seed=seed)
        sums = {}
        for matching in ("greedy", "optimal"):
            found = decode(maps, openpose_settings(matching=matching))
            sums[matching] = found.pairs.scores[found.chosen].sum()
        assert sums["optimal"] >= sums["greedy"] - 1e-9


def test_average_precision_of_the_benchmark_is_one_for_the_truth() -> None:
    people = crowd(6, 1)
    assert average_precision([(people, people, np.ones(6))]) == pytest.approx(1.0)
