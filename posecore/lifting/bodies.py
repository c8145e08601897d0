"""Motions as bodies: seventeen vectors from joint to joint, which can be given other lengths without bending the pose.

Bodies are measured in statures. From the ankle to the middle of the shoulders, straightened, is ``CHAIN`` of a stature
(Winter, *Biomechanics and Motor Control of Human Movement*), so that every body has a stature though heads and feet
are not among the joints.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.errors import DataError
from posecore.lifting.bvh import Motion, read_bvh
from posecore.skeleton import COCO_17
from posecore.video.resampling import between

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

#: Part of a stature from the ankle over knee and hip to the middle of the shoulders.
CHAIN = 0.779

#: Frames per second of bodies.
RATE = 30.0

#: The vectors of a body: name → length in statures (Winter; widths where COCO's annotators click).
LENGTHS = {
    "half_hips": 0.070,
    "trunk": 0.288,
    "half_shoulders": 0.105,
    "left_upper_arm": 0.186,
    "right_upper_arm": 0.186,
    "left_forearm": 0.146,
    "right_forearm": 0.146,
    "left_thigh": 0.245,
    "right_thigh": 0.245,
    "left_shin": 0.246,
    "right_shin": 0.246,
    "head": 0.090,
}
VECTORS = (*LENGTHS, "nose", "left_eye", "right_eye", "left_ear", "right_ear")

#: Names of a BVH's joints by what they are; the first that a file has counts. Case and punctuation do not.
NAMES: Mapping[str, Sequence[str]] = {
    "head": ("head", "neckend"),
    "neck": ("neck", "neck1"),
    **{
        f"{side}_{joint}": tuple(name for given in names for name in (f"{side}{given}", f"{side[0]}{given}"))
        for side in ("left", "right")
        for joint, names in {
            "shoulder": ("shldr", "arm", "upperarm", "shoulder"),
            "elbow": ("forearm", "lowerarm", "elbow"),
            "wrist": ("hand", "wrist", "elbowend"),
            "hip": ("thigh", "upleg", "upperleg", "hip"),
            "knee": ("shin", "leg", "lowerleg", "knee"),
            "ankle": ("foot", "ankle", "kneeend"),
        }.items()
    },
}

#: Where the face is in the axes of the head (x to the left, y up, z to the front), in statures.
_FACE = np.array(
    [[0, 0.028, 0.062], [0.019, 0.047, 0.048], [-0.019, 0.047, 0.048], [0.043, 0.035, 0], [-0.043, 0.035, 0]]
)

#: A limb that jumps by so much of a stature from frame to frame, or a root by so much, is no motion.
_LIMB_JUMP, _ROOT_JUMP = 0.26, 0.20

#: Fewest frames of a motion that is used.
_LEAST_FRAMES = 12


@dataclass(frozen=True, eq=False)
class Bodies:
    """Motions of people at ``RATE`` frames per second, one after the other; y is up.

    Attributes:
        vectors: ``(F, 17, 3)`` float32 statures, as ``VECTORS`` names them.
        roots: ``(F, 3)`` float32 statures: the middle of the hips.
        bounds: ``(S, 2)`` int64 first frame and end of each unbroken motion.
    """

    vectors: NDArray[np.float32]
    roots: NDArray[np.float32]
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.vectors)


def joints_of(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """``(…, 17, 3)`` positions of COCO's joints relative to the middle of the hips, from vectors of a body."""
    part = dict(zip(VECTORS, np.moveaxis(vectors, -2, 0), strict=True))
    at = {"left_hip": part["half_hips"], "right_hip": -part["half_hips"]}
    at |= {
        "left_shoulder": part["trunk"] + part["half_shoulders"],
        "right_shoulder": part["trunk"] - part["half_shoulders"],
    }
    for side in ("left", "right"):
        at[f"{side}_elbow"] = at[f"{side}_shoulder"] + part[f"{side}_upper_arm"]
        at[f"{side}_wrist"] = at[f"{side}_elbow"] + part[f"{side}_forearm"]
        at[f"{side}_knee"] = at[f"{side}_hip"] + part[f"{side}_thigh"]
        at[f"{side}_ankle"] = at[f"{side}_knee"] + part[f"{side}_shin"]
    head = part["trunk"] + part["head"]
    at |= {name: head + part[name] for name in VECTORS[len(LENGTHS) :]}
    return np.stack([at[name] for name in COCO_17.keypoints], -2)


def read_bodies(paths: Iterable[Path], skip_first: int = 1) -> Bodies:
    """The motions of BVH files as bodies; a file that cannot be used is logged and left out, a second copy too.

    Args:
        paths: Files, in any order.
        skip_first: Frames at the beginning of every file that are no motion (often a T-pose).

    Raises:
        DataError: When none can be used.
    """
    parts: list[tuple[Array, Array]] = []
    seen: set[str] = set()
    for path in sorted(paths):
        try:
            motion = read_bvh(path)
            mark = hashlib.sha256(motion.values.tobytes()).hexdigest()
            if mark in seen:
                log.warning("%s holds the same motion as another file and is left out.", path.name)
                continue
            seen.add(mark)
            parts += _unbroken(*_body(motion, skip_first))
        except DataError as error:
            log.warning("%s", error)
    if not parts:
        raise DataError("None of the motions can be used; name BVH files of people.")
    ends = np.cumsum([len(vectors) for vectors, _ in parts])
    bounds = np.stack([np.concatenate([[0], ends[:-1]]), ends], 1)
    vectors, roots = (np.concatenate(list(arrays)).astype(np.float32) for arrays in zip(*parts, strict=True))
    return Bodies(vectors, roots, bounds)


def _body(motion: Motion, skip_first: int) -> tuple[Array, Array]:
    """``(F, 17, 3)`` vectors and ``(F, 3)`` roots of a motion in statures, at ``RATE``."""
    index = find_joints(motion.joints)
    positions, rotations = _straightened(motion, index).places()
    at = {name: positions[:, joint] for name, joint in index.items()}
    root, neck = (at["left_hip"] + at["right_hip"]) / 2, (at["left_shoulder"] + at["right_shoulder"]) / 2
    parts = {
        "half_hips": at["left_hip"] - root,
        "trunk": neck - root,
        "half_shoulders": at["left_shoulder"] - neck,
        "head": at["head"] - neck,
    }
    for side in ("left", "right"):
        for name, start, end in (
            ("upper_arm", "shoulder", "elbow"),
            ("forearm", "elbow", "wrist"),
            ("thigh", "hip", "knee"),
            ("shin", "knee", "ankle"),
        ):
            parts[f"{side}_{name}"] = at[f"{side}_{end}"] - at[f"{side}_{start}"]
    lengths = {name: float(np.median(np.linalg.norm(part, axis=-1))) for name, part in parts.items()}
    stature = (lengths["trunk"] + lengths["left_thigh"] + lengths["left_shin"]) / CHAIN
    if not stature > 0 or min(lengths.values()) <= 0:
        raise DataError("two joints of its skeleton lie in one place; use motions of a whole body.")
    face = np.einsum("fij,kj->fki", rotations[:, index["head"]], _FACE)
    body = np.concatenate([np.stack([parts[name] for name in LENGTHS], 1) / stature, face], 1)
    return _at_rate(body[skip_first:], motion.frame_time), _at_rate(root[skip_first:] / stature, motion.frame_time)


def find_joints(names: Sequence[str]) -> dict[str, int]:
    """Index of each joint of ``NAMES`` (the neck where there is one) in a BVH's joints; raises ``DataError``."""
    spelled = ["".join(filter(str.isalnum, name.rpartition(":")[2])).lower() for name in names]
    plain = {name: spelled.index(name) for name in spelled}
    found = {joint: next((plain[name] for name in known if name in plain), -1) for joint, known in NAMES.items()}
    missing = [joint for joint, place in found.items() if place < 0 and joint != "neck"]
    if missing:
        raise DataError(f"its skeleton has no {', '.join(missing).replace('_', ' ')} that is known by name.")
    return {joint: place for joint, place in found.items() if place >= 0}


def _straightened(motion: Motion, index: Mapping[str, int]) -> Motion:
    """The same motion of a body whose knees and elbows are straight when nothing is turned."""
    offsets = motion.offsets.copy()
    for side in ("left", "right"):
        for middle, end in (("elbow", "wrist"), ("knee", "ankle")):
            joints = [index[f"{side}_{middle}"], index[f"{side}_{end}"]]
            if motion.parents[joints[1]] == joints[0]:
                line = offsets[joints].sum(0)
                lengths = np.linalg.norm(offsets[joints], axis=1, keepdims=True)
                offsets[joints] = lengths * line / max(float(np.linalg.norm(line)), 1e-9)
    return Motion(motion.joints, motion.parents, offsets, motion.channels, motion.values, motion.frame_time)


def _at_rate(values: Array, frame_time: float) -> Array:
    """``(F, …)`` values at ``RATE`` frames per second."""
    step = 1 / (RATE * frame_time)
    if abs(step - 1) < 0.02 or len(values) < 2:
        return values
    return between(values, np.arange(0, len(values) - 1, step))


def _unbroken(vectors: Array, roots: Array) -> list[tuple[Array, Array]]:
    """The parts of a motion between jumps that nobody can make."""
    limbs = np.linalg.norm(np.diff(joints_of(vectors), axis=0), axis=-1).max(1, initial=0)
    jumps = (limbs > _LIMB_JUMP) | (np.linalg.norm(np.diff(roots, axis=0), axis=-1) > _ROOT_JUMP)
    pieces = np.split(np.arange(len(vectors)), np.flatnonzero(jumps) + 1)
    return [(vectors[piece], roots[piece]) for piece in pieces if len(piece) >= _LEAST_FRAMES]
