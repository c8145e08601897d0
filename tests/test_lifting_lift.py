"""Lifting with a network of random weights: everything but how good it is. What the shipped one reaches is last."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from posecore.errors import SkeletonError, WeightsError
from posecore.lifting import LiveLifter, lift, lift_poses
from posecore.lifting.agreement import agreeing, place_roots
from posecore.lifting.bodies import find_joints
from posecore.lifting.bvh import parse_bvh
from posecore.lifting.features import REACH
from posecore.lifting.files.bvh import write_bvh
from posecore.lifting.lift import lift_rays
from posecore.lifting.loss import LifterLossSettings, angles_of, lifter_loss
from posecore.lifting.network import Lifter
from posecore.lifting.room import make_room
from posecore.lifting.weights import load_lifter, save_lifter
from posecore.poses import Poses
from posecore.skeleton import COCO_17, LSP_14, OPENPOSE_18, Skeleton
from posecore.video.sequence import PoseSequence
from tests.motion_support import seen, walker
from tests.pose_support import poses_from

SIZE = (640, 480)


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "lifter.safetensors"
    save_lifter(path, Lifter(16), name="test")
    monkeypatch.setenv("POSECORE_LIFTER", str(path))
    return path


def people(frames: int, ids: tuple[int, ...] | None = (1,), skeleton: Skeleton = COCO_17) -> list[Poses]:
    rng = np.random.default_rng(0)
    count = len(ids) if ids else 1
    still = rng.uniform(100, 400, (count, len(skeleton), 2))
    return [
        poses_from(
            still + rng.normal(0, 2, still.shape),
            np.full((count, len(skeleton)), 0.9),
            np.ones(count),
            skeleton,
            SIZE,
            None if ids is None else np.array(ids),
        )
        for _ in range(frames)
    ]


def sequence(frames: list[Poses], fps: float = 30) -> PoseSequence:
    return PoseSequence.collect(((n / fps, poses) for n, poses in enumerate(frames)), frames[0].skeleton, SIZE)


def test_every_track_is_lifted_at_the_height_that_is_given() -> None:
    clip = sequence(people(40, (3, 5)))
    assumed, given = lift(clip), lift(clip, height=2.0)
    assert [lifted.track_id for lifted in assumed] == [3, 5]
    assert assumed[0].lifted_by.height == 1.7
    assert not assumed[0].lifted_by.height_given
    assert given[0].lifted_by.height_given
    np.testing.assert_allclose(given[0].keypoints, assumed[0].keypoints * (2 / 1.7), rtol=1e-5)
    hips = assumed[0].keypoints[:, [COCO_17.index("left_hip"), COCO_17.index("right_hip")]].mean(1)
    np.testing.assert_allclose(hips, 0, atol=1e-5)
    assert 0 < assumed[0].keypoint_scores.min() < assumed[0].keypoint_scores.max() <= 1


def test_what_was_not_seen_for_long_is_not_known() -> None:
    frames = people(120)
    ankle = COCO_17.index("left_ankle")
    for number, poses in enumerate(frames):
        keypoints = poses.keypoints.copy()
        if number > 50:
            keypoints[:, ankle] = np.nan
        if 30 < number < 50:
            keypoints[:] = np.nan
        frames[number] = replace(poses, keypoints=keypoints)
    (lifted,) = lift(sequence(frames))
    known = lifted.present[:, ankle]
    assert known[:31].all()
    assert known[51 : 50 + REACH].all()
    assert not known[51 + REACH :].any()
    assert not lifted.present[40].any()
    assert np.isnan(lifted.roots[40]).all()
    assert lifted.present[100].sum() == 16


def test_a_long_clip_is_lifted_in_parts_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = sequence(people(150))
    whole = lift(clip)[0].keypoints
    monkeypatch.setattr(sys.modules[lift_rays.__module__], "_CHUNK", 40)
    told: list[float] = []
    np.testing.assert_allclose(lift(clip, tell=told.append)[0].keypoints, whole, atol=1e-4)
    assert told == pytest.approx([40 / 150, 80 / 150, 120 / 150, 1])


def test_how_far_lifting_is_is_told_over_all_people_at_any_rate() -> None:
    told: list[float] = []
    lift(sequence(people(20, (1, 2)), fps=10), tell=told.append)
    assert told == pytest.approx([0.5, 1])


def test_live_is_what_a_clip_that_ends_there_says() -> None:
    frames = people(70)
    live = LiveLifter()
    newest = [live.update(poses, number / 30)[0] for number, poses in enumerate(frames)]
    for end in (1, 5, 20):
        (lifted,) = lift(sequence(frames[:end]))
        np.testing.assert_allclose(newest[end - 1].keypoints[0], lifted.keypoints[-1], atol=1e-4)
    assert newest[-1].times.tolist() == [pytest.approx(69 / 30)]


def test_live_forgets_who_is_away_and_mixes_nobody_up() -> None:
    both, alone = people(30, (1, 2)), people(30, (2,))
    live = LiveLifter()
    for number, poses in enumerate(both):
        live.update(poses, number / 30)
    back = live.update(alone[0], 10.0)
    np.testing.assert_allclose(back[0].keypoints, lift_poses(alone[0])[0].keypoints, atol=1e-5)


@pytest.mark.parametrize("fps", [5.0, 60.0])
def test_other_frame_rates_are_lifted_at_thirty(fps: float) -> None:
    (lifted,) = lift(sequence(people(50), fps))
    assert len(lifted) == 50
    assert lifted.present.all()
    assert lifted.fps == pytest.approx(fps)


def test_single_pictures_and_people_whom_nobody_follows() -> None:
    (poses,) = people(1, None)
    (lifted,) = lift_poses(poses)
    assert lifted.track_id is None
    assert len(lift(sequence(people(3, None)))) == 3
    assert lift_poses(Poses.empty(COCO_17, SIZE)) == []
    assert lift(sequence([Poses.empty(COCO_17, SIZE)] * 2)) == []


def test_skeletons_are_mapped_by_name_or_refused() -> None:
    (from_openpose,) = lift(sequence(people(5, (1,), OPENPOSE_18)))
    assert from_openpose.skeleton == COCO_17
    (without_face,) = lift(sequence(people(5, (1,), LSP_14)))
    assert not without_face.present[:, :5].any()
    assert without_face.present[:, 5:].all()
    hand = Skeleton("hand", ("thumb", "index"))
    with pytest.raises(SkeletonError, match="has no left shoulder"):
        lift_poses(Poses.empty(hand, SIZE))


@pytest.mark.parametrize("content", ["nothing", "another", "changed", "plain"])
def test_weights_that_are_no_lifters_are_refused(content: str, weights: Path, tmp_path: Path) -> None:
    if content == "nothing":
        weights.unlink()
    elif content == "plain":
        weights.write_bytes(b"no safetensors")
    elif content == "another":
        safetensors.torch.save_file({"a": torch.zeros(1)}, weights)
    else:
        raw = bytearray(weights.read_bytes())
        raw[-20] ^= 255
        weights.write_bytes(raw)
    with pytest.raises(WeightsError):
        load_lifter()


def test_the_root_is_where_the_joints_are_seen() -> None:
    rng = np.random.default_rng(0)
    joints, roots = rng.normal(0, 0.3, (6, 17, 3)), rng.uniform([-1, -1, 2], [1, 1, 6], (6, 3))
    at = joints + roots[:, None]
    rays = at[..., :2] / at[..., 2:]
    rays[0, 3:] = np.nan
    rays[1, 1:] = np.nan
    found = place_roots(joints, rays)
    np.testing.assert_allclose(np.delete(found, 1, 0), np.delete(roots, 1, 0), rtol=1e-6)
    assert np.isnan(found[1]).all()


def test_joints_go_where_the_picture_shows_them_unless_it_is_far_from_anything() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 0.25, (30, 17, 3))
    truth -= truth[:, [11, 12]].mean(1, keepdims=True)
    seen = truth[..., :2] / (truth[..., 2:] + 4)
    lifted = truth.copy()
    lifted[..., :2] += rng.normal(0, 0.01, (30, 17, 2))
    lifted -= lifted[:, [11, 12]].mean(1, keepdims=True)
    before, after = (np.linalg.norm(at - truth, axis=-1).mean() for at in (lifted, agreeing(lifted, seen)))
    assert after < 0.5 * before
    np.testing.assert_array_equal(np.diff(agreeing(lifted, seen)[..., 2], axis=1), np.diff(lifted[..., 2], axis=1))
    wrong = seen.copy()
    wrong[5, 9] += 0.2
    wrong[6, 10] = np.nan
    shifted = agreeing(lifted, wrong) - lifted
    assert np.abs(shifted[5, 9]).max() < 0.05
    assert np.isfinite(shifted).all()


def test_the_loss_is_least_for_the_truth_and_rare_angles_count_more() -> None:
    torch.manual_seed(0)
    truth = torch.randn(4, 6, 17, 3)
    network = Lifter(16)
    lifted = network(torch.randn(4, 6, 52))
    exact = lifted._replace(joints=truth, errors=torch.zeros(4, 6, 17))
    settings = LifterLossSettings()
    for name, term in lifter_loss(exact, truth, settings).items():
        assert float(term.total / term.count) < 2e-4, name
    bent = truth.clone().requires_grad_()
    terms = lifter_loss(lifted._replace(joints=bent * 1.1), truth, settings)
    total = sum(term.weight * term.total for term in terms.values())
    total.backward()
    assert bent.grad is not None
    assert torch.isfinite(bent.grad).all()
    assert angles_of(truth).shape == (4, 6, 8)


def test_a_mirrored_person_is_lifted_to_their_mirror_image() -> None:
    rays = np.random.default_rng(0).normal(0, 0.1, (5, 17, 2))
    rays[2, 7] = np.nan
    mirrored = rays[:, COCO_17.flip_permutation] * [-1, 1]
    lifter = load_lifter()
    joints, errors = lift_rays(rays, lifter)
    other, other_errors = lift_rays(mirrored, lifter)
    np.testing.assert_allclose(other[:, COCO_17.flip_permutation] * [-1, 1, 1], joints, atol=1e-5)
    np.testing.assert_allclose(other_errors[:, COCO_17.flip_permutation], errors, atol=1e-5)


def test_what_is_written_as_bvh_is_read_as_the_same_joints() -> None:
    person = make_room([seen(walker()[:20])]).people[0]
    motion = parse_bvh("".join(write_bvh(person)))
    positions, _ = motion.places()
    joints = find_joints(motion.joints)
    for name in COCO_17.keypoints[5:]:
        written = person.keypoints[:, COCO_17.index(name)]
        np.testing.assert_allclose(positions[:, joints[name]], written, atol=1e-3)


def test_rays_without_anybody_are_lifted_without_harm() -> None:
    joints, errors = lift_rays(np.full((3, 17, 2), np.nan), load_lifter())
    assert np.isfinite(joints).all()
    assert np.isfinite(errors).all()


@pytest.mark.parametrize(("turned", "degrees"), [(25.0, 12), (200.0, 12), (80.0, 45)])
def test_the_shipped_network_lifts_somebody_who_walks(
    turned: float, degrees: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POSECORE_LIFTER")
    truth = seen(walker(3.0, turned, (0.0, 0.0)))
    by = truth.lifted_by
    frames = [
        poses_from(xy[None], np.ones((1, 17)), np.ones(1), COCO_17, by.image_size, np.array([1]))
        for xy in truth.project()
    ]
    clip = PoseSequence.collect(zip(truth.times.tolist(), frames, strict=True), COCO_17, by.image_size)
    (lifted,) = lift(clip, height=1.70, focal=by.focal)
    off = np.linalg.norm(lifted.keypoints - truth.keypoints, axis=-1)[:, 5:]
    angles = [np.degrees(angles_of(torch.from_numpy(at)).numpy())[:, :2] for at in (lifted.keypoints, truth.keypoints)]
    assert off.mean() < 0.09
    # Seen from behind, knees that bend away from the camera look straight.
    assert np.median(np.abs(angles[0] - angles[1])) < degrees
    assert np.linalg.norm(lifted.project() - truth.project(), axis=-1)[:, 5:].max() < 0.05 * max(by.image_size)
    np.testing.assert_allclose(lifted.roots[:, 2], truth.roots[:, 2], rtol=0.12)
