"""Motions are read, turned into bodies and shown to virtual cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posecore.errors import DataError
from posecore.lifting.bodies import VECTORS, Bodies, joints_of, read_bodies
from posecore.lifting.bvh import parse_bvh, read_bvh
from posecore.lifting.features import see, turn_to
from posecore.lifting.noise import disturbed
from posecore.lifting.scenes import SceneSettings, draw_scenes
from posecore.skeleton import COCO_17

BONES = {
    "Hips": ("", (0, 90, 0)),
    "Spine": ("Hips", (0, 20, 0)),
    "Neck": ("Spine", (0, 30, 0)),
    "Head": ("Neck", (0, 10, 0)),
    **{
        f"{side}{name}": (parent if parent in ("Hips", "Spine") else f"{side}{parent}", (x * sign, y, z))
        for side, sign in (("Left", 1), ("Right", -1))
        for name, parent, (x, y, z) in (
            ("Arm", "Spine", (17, 28, 0)),
            ("ForeArm", "Arm", (28, 0, 0)),
            ("Hand", "ForeArm", (25, 0, 0)),
            ("UpLeg", "Hips", (10, -5, 0)),
            ("Leg", "UpLeg", (0, -42, 2)),
            ("Foot", "Leg", (0, -41, -2)),
        )
    },
}
MOVED = ("LeftLeg", "RightArm")


def bvh(frames: int = 40, frame_time: float = 1 / 30) -> str:
    """A body whose left knee bends more and more."""

    def joint(name: str) -> str:
        children = "".join(joint(child) for child, (parent, _) in BONES.items() if parent == name)
        moved = "CHANNELS 3 Zrotation Xrotation Yrotation" if name in MOVED else ""
        channels = "CHANNELS 3 Xposition Yposition Zposition" if name == "Hips" else moved
        inner = children or "End Site { OFFSET 0 1 0 }"
        kind = "ROOT" if name == "Hips" else "JOINT"
        return f"{kind} {name} {{ OFFSET {' '.join(map(str, BONES[name][1]))} {channels} {inner} }}\n"

    # Channels in the order of the tree: hips, right arm, left leg, or as the children stand in BONES.
    rows = "\n".join(f"{frame} 90 0 0 0 0 0 {frame} 0" for frame in range(frames))
    text = joint("Hips")
    rows = rows if text.index("RightArm") < text.index("LeftLeg") else rows.replace(" 0 0 0 0 ", " 0 0 ")
    return f"HIERARCHY\n{text}MOTION\nFrames: {frames}\nFrame Time: {frame_time}\n{rows}\n"


@pytest.fixture
def bodies(tmp_path: Path) -> Bodies:
    (tmp_path / "walk.bvh").write_text(bvh(100))
    return read_bodies([tmp_path / "walk.bvh"])


def test_a_joint_is_where_offsets_and_rotations_put_it() -> None:
    motion = parse_bvh(bvh())
    positions, _ = motion.places()
    at = {name: positions[30, index] for index, name in enumerate(motion.joints)}
    np.testing.assert_allclose(at["Hips"], [30, 90, 0])
    np.testing.assert_allclose(at["LeftUpLeg"], [40, 85, 0])
    turn = np.radians(30)
    x, y, z = at["LeftFoot"] - at["LeftLeg"]
    assert x == pytest.approx(0)
    assert y == pytest.approx(-41 * np.cos(turn) + 2 * np.sin(turn))
    assert z == pytest.approx(-41 * np.sin(turn) - 2 * np.cos(turn))


def test_rotations_are_multiplied_in_the_order_of_the_channels() -> None:
    text = (
        "HIERARCHY ROOT a { OFFSET 0 0 0 CHANNELS 3 Zrotation Xrotation Yrotation End Site { OFFSET 1 0 0 } } MOTION "
        "Frames: 1 Frame Time: 0.1 90 90 0"
    )
    # About x first changes nothing, about z then takes x to y.
    np.testing.assert_allclose(parse_bvh(text).places()[0][0, 1], [0, 1, 0], atol=1e-12)
    turned = text.replace("Zrotation Xrotation Yrotation", "Xrotation Zrotation Yrotation")
    np.testing.assert_allclose(parse_bvh(turned).places()[0][0, 1], [0, 0, 1], atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("HIERARCHY", "HIER", "no BVH file"),
        ("MOTION", "MOVES", "no BVH file"),
        ("Frames: 40", "Frames: 41", "numbers"),
        ("Frames: 40", "Frames: many", "no number"),
        ("Frames: 40", "Frames: 99999999999", "up to 200000 frames"),
        ("Frame Time: 0", "Frame Time: -1", "cannot be"),
        ("Xposition", "Xplace", "no channel 'Xplace'"),
        ("CHANNELS 3", "CHANNELS 77777777777777777777", "up to 6"),
        ("OFFSET 0 90 0", "OFFSET 0 nan 0", "cannot be"),
        ("OFFSET 0 90 0", "OFFSET 0 high 0", "a number must stand"),
        ("39 90 0", "nan 90 0", "not finite"),
        ("39 90 0", "far 90 0", "no number"),
        ("ROOT Hips {", "ROOT Hips", "must be a {"),
        ("}", "", "ends too early"),
    ],
)
def test_a_broken_file_is_refused_in_a_sentence(old: str, new: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.bvh"
    path.write_text(bvh().replace(old, new))
    with pytest.raises(DataError, match=words) as error:
        read_bvh(path)
    assert str(error.value).startswith(str(path))


def test_a_tree_without_end_is_refused() -> None:
    text = "HIERARCHY ROOT a {" + " JOINT b {" * 5000 + " MOTION Frames: 1"
    with pytest.raises(DataError, match="deep"):
        parse_bvh(text)


def test_joints_that_nobody_knows_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "dog.bvh"
    path.write_text(bvh().replace("LeftLeg", "Hindleg"))
    with pytest.raises(DataError, match="None of the motions"):
        read_bodies([path])
    assert "no left knee" in caplog.text


def test_a_body_has_straight_limbs_at_rest_and_bends_as_the_motion_does(bodies: Bodies) -> None:
    joints = joints_of(bodies.vectors)
    hip, knee, ankle = (joints[:, COCO_17.index(f"left_{name}")] for name in ("hip", "knee", "ankle"))
    thigh, shin = hip - knee, ankle - knee
    cosine = (thigh * shin).sum(1) / np.linalg.norm(thigh, axis=1) / np.linalg.norm(shin, axis=1)
    # The first frame is left out.
    np.testing.assert_allclose(np.degrees(np.arccos(cosine))[[9, 49]], [170, 130], atol=0.1)


def test_a_body_is_cut_where_it_jumps_and_a_copy_is_left_out(tmp_path: Path) -> None:
    jumping = bvh(60).replace("\n30 90 0", "\n900 90 0")
    for name in ("one.bvh", "two.bvh"):
        (tmp_path / name).write_text(jumping)
    found = read_bodies(tmp_path.glob("*.bvh"))
    assert np.diff(found.bounds).ravel().tolist() == [29, 29]


def test_other_frame_rates_become_thirty(tmp_path: Path) -> None:
    (tmp_path / "fast.bvh").write_text(bvh(121, 1 / 120))
    found = read_bodies([tmp_path / "fast.bvh"], skip_first=0)
    assert len(found) == 30
    # The hips move by four frames' way.
    step = np.linalg.norm(np.diff(found.roots, axis=0), axis=1)
    np.testing.assert_allclose(step, step[0], rtol=1e-4)


def test_scenes_depend_on_their_seed_alone(bodies: Bodies) -> None:
    first, again, other = (
        draw_scenes(bodies, 3, 5, SceneSettings(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.features, again.features)
    assert not np.array_equal(first.joints, other.joints)


def test_scenes_keep_bones_and_stature_and_are_seen_where_they_are(bodies: Bodies) -> None:
    settings = SceneSettings(noise=(0, 0), hidden=0, known_focal=1, any_roll=0, roll=0, pitch=(0, 0.001))
    scenes = draw_scenes(bodies, 40, 6, settings, np.random.default_rng(0))
    at = {name: scenes.joints[:, :, index] for index, name in enumerate(COCO_17.keypoints)}
    shins = np.linalg.norm(at["left_knee"] - at["left_ankle"], axis=-1)
    assert np.ptp(shins, axis=1).max() < 0.01
    assert np.ptp(shins[:, 0]) > 0.03
    # y is down, and straight legs are as long as they have to be.
    assert (at["left_shoulder"][..., 1] < at["left_hip"][..., 1]).all()
    # The exact keypoints are a projection of the joints from somewhere on the virtual camera's axis.
    turned = np.concatenate([scenes.exact, np.ones((*scenes.exact.shape[:3], 1))], -1)
    turned = np.einsum("...ij,...kj->...ki", see(scenes.rays).turns, turned)
    flat = turned[..., :2] / turned[..., 2:]
    joints = scenes.joints.astype(np.float64)
    depth = (joints[..., :2] - flat * joints[..., 2:])[..., 5:, :]
    # flat * (z + d) = (x, y) + (a, b) for one (a, b, d) of each frame.
    for scene in range(5):
        design = np.concatenate([flat[scene, 0, 5:, axis] for axis in (0, 1)])
        ones = np.kron(np.eye(2), np.ones((12, 1)))
        wanted = np.concatenate([depth[scene, 0, :, axis] for axis in (0, 1)])
        matrix = np.column_stack([design, -ones])
        solved, *_ = np.linalg.lstsq(matrix, wanted, rcond=None)
        np.testing.assert_allclose(matrix @ solved, wanted, atol=1e-5)


def test_errors_are_as_strong_as_asked() -> None:
    exact = np.random.default_rng(0).normal(0, 0.1, (50, 30, 17, 2))
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(disturbed(exact, np.zeros(50), rng), exact)
    noisy = disturbed(exact, np.ones(50), rng)
    ankle = COCO_17.index("left_ankle")
    assert 0.1 < np.isnan(noisy[:, :, ankle, 0]).mean() < 0.3
    weak, strong = (np.nanmedian(np.abs(disturbed(exact, np.full(50, by), rng) - exact)) for by in (0.5, 1.0))
    assert 1.6 < strong / weak < 2.4


def test_features_do_not_depend_on_where_somebody_stands() -> None:
    points = np.random.default_rng(0).normal([0, 0, 4], 0.2, (20, 17, 3))
    turn = turn_to(np.array([0.3, -0.2])).T
    elsewhere = points @ turn.T
    seen = [see(at[..., :2] / at[..., 2:]).features for at in (points, elsewhere)]
    # Up to the small roll between the two ways of pointing at the person.
    assert np.abs(seen[0] - seen[1]).max() < 0.35
    assert np.abs(seen[0] - seen[1]).mean() < 0.06


def test_what_is_missing_is_nought_and_said_to_be() -> None:
    rays = np.random.default_rng(0).normal(0, 0.2, (4, 17, 2))
    rays[1, 3] = np.nan
    rays[2] = np.nan
    features = see(rays).features
    assert np.isfinite(features).all()
    assert features[1, 6:8].tolist() == [0, 0]
    assert features[:, 34 + 3].tolist() == [1, 0, 0, 1]
    assert (features[2] == 0).all()


def test_all_vectors_have_a_name() -> None:
    assert len(VECTORS) == len(COCO_17)
