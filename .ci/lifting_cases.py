"""Where lifting goes wrong, as a picture: people whose joints are known, what a camera sees, and what is made of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.drawing.overlay import draw_poses
from posecore.drawing.sheets import draw_caption, join_tiles
from posecore.imaging import Picture
from posecore.lifting import lift
from posecore.poses import Poses
from posecore.skeleton import COCO_17
from posecore.video import PoseSequence

Array = NDArray[np.float64]
#: Two directions of a limb, or three of a body's axes: x to the camera's right, y up, z towards the camera.
Directions = tuple[tuple[float, float, float], ...]

SIDE, DISTANCE, HEIGHT = 220, 4.0, 1.0
DOWN = ((0.0, -1.0, 0.0), (0.0, -1.0, 0.0))
AHEAD = ((0.0, -0.1, 1.0), (0.0, 0.0, 1.0))
LEFT_BENT, RIGHT_BENT = (((sign * 0.3, -0.25, 1.0), (0.0, -1.0, -0.3)) for sign in (1, -1))
UP = ((0.0, 1.0, 0.0), (0.0, 1.0, 0.0))
#: Title → trunk, left, and both arms and legs where they are not hanging.
CASES: dict[str, dict[str, Directions]] = {
    "walking past": {
        "body": ((0, 1, 0), (0, 0, -1)),
        "left_leg": ((0.4, -1, 0), (0.1, -1, 0)),
        "right_leg": ((-0.3, -1, 0), (-0.6, -1, 0)),
        "left_arm": ((-0.3, -1, 0), (0, -1, 0)),
        "right_arm": ((0.3, -1, 0), (0.5, -1, 0)),
    },
    "squat from before": {
        "body": ((0, 1, 0.6), (1, 0, 0)),
        "left_leg": LEFT_BENT,
        "right_leg": RIGHT_BENT,
        "left_arm": AHEAD,
        "right_arm": AHEAD,
    },
    "kick towards you": {"right_leg": AHEAD},
    "bow towards you": {"body": ((0, 0.25, 1), (1, 0, 0))},
    "lying": {
        "body": ((1, 0, 0), (0, 0, -1)),
        "left_leg": ((-1, 0, 0), (-1, 0, 0)),
        "right_leg": ((-1, 0, 0), (-1, 0, 0)),
        "left_arm": ((-1, 0, 0), (-1, 0, 0)),
        "right_arm": ((-1, 0, 0), (-1, 0, 0)),
    },
    "handstand": {"body": ((0, -1, 0), (1, 0, 0)), "left_leg": UP, "right_leg": UP},
}


def body_of(parts: dict[str, Directions]) -> Array:
    """``(17, 3)`` metres of a person whose lowest joint is on the floor."""
    trunk, left = (unit(np.array(axis, float)) for axis in parts.get("body", ((0, 1, 0), (1, 0, 0))))
    front = np.cross(left, trunk)
    joints = {"nose": 0.68 * trunk + 0.1 * front}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        joints[f"{side}_eye"] = 0.72 * trunk + 0.08 * front + sign * 0.03 * left
        joints[f"{side}_ear"] = 0.70 * trunk + sign * 0.07 * left
        limbs = (
            ("arm", 0.5 * trunk + sign * 0.18 * left, ("shoulder", "elbow", "wrist"), 0.27),
            ("leg", sign * 0.1 * left, ("hip", "knee", "ankle"), 0.43),
        )
        for limb, place, names, length in limbs:
            upper, lower = (unit(np.array(one, float)) for one in parts.get(f"{side}_{limb}", DOWN))
            places = (place, place + length * upper, place + length * (upper + lower))
            joints |= {f"{side}_{name}": at for name, at in zip(names, places, strict=True)}
    positions = np.stack([joints[name] for name in COCO_17.keypoints])
    return np.asarray(positions - [0, positions[:, 1].min(), 0])


def unit(direction: Array) -> Array:
    """A direction of length 1."""
    return np.asarray(direction / np.linalg.norm(direction))


def lifting_cases() -> Picture:
    """For every case what the camera sees, and from the side how it is and how it is lifted."""
    tiles = []
    for title, parts in CASES.items():
        truth = (body_of(parts) - [0, HEIGHT, DISTANCE]) * [1, -1, -1]
        seen = truth[:, :2] / truth[:, 2:] * SIDE * 1.5 + (SIDE - 1) / 2
        pose = Poses(seen[None], np.ones((1, 17)), np.ones(1), COCO_17, (SIDE, SIDE), np.array([1]))
        clip = PoseSequence.collect(((frame / 30, pose) for frame in range(27)), COCO_17, (SIDE, SIDE))
        lifted = lift(clip, focal=SIDE * 1.5)[0].keypoints[13].astype(np.float64)
        tiles += [_tile(seen, title), _tile(_aside(truth), "from the side"), _tile(_aside(lifted), "lifted")]
    return join_tiles(tiles, 6)


def _aside(positions: Array) -> Array:
    """``(17, 2)`` pixels of positions with the camera's axes, seen from the person's left."""
    middle = (positions.min(0) + positions.max(0)) / 2
    turn = np.radians(70)
    across = np.cos(turn) * (positions - middle)[:, 0] - np.sin(turn) * (positions - middle)[:, 2]
    return np.stack([across, (positions - middle)[:, 1]], 1) * SIDE * 0.42 + SIDE / 2


def _tile(joints: Array, label: str) -> Picture:
    canvas = np.full((SIDE, SIDE, 3), (24, 33, 42), np.uint8)
    tile = draw_poses(canvas, Poses(joints[None], np.ones((1, 17)), np.ones(1), COCO_17, (SIDE, SIDE)))
    draw_caption(tile, label, "")
    return tile
