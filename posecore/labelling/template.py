"""Where to put the joints of a person of whom only the box is known yet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.skeleton import Skeleton

#: (x, y) in the box of a person who stands and faces the camera, (0, 0) top left; the person's left is on the right.
_MIDDLE = {"head_top": (0.5, 0.02), "nose": (0.5, 0.1), "neck": (0.5, 0.2), "mid_hip": (0.5, 0.53)}
_SIDES = {
    "eye": (0.05, 0.08),
    "ear": (0.1, 0.09),
    "shoulder": (0.22, 0.21),
    "elbow": (0.32, 0.36),
    "wrist": (0.36, 0.51),
    "hip": (0.14, 0.53),
    "knee": (0.15, 0.74),
    "ankle": (0.16, 0.95),
}
STANDING: dict[str, tuple[float, float]] = {
    **_MIDDLE,
    **{f"left_{name}": (0.5 + x, y) for name, (x, y) in _SIDES.items()},
    **{f"right_{name}": (0.5 - x, y) for name, (x, y) in _SIDES.items()},
}


def template(skeleton: Skeleton) -> NDArray[np.float64]:
    """``(K, 2)`` places (x, y) for a person in a box from (0, 0) to (1, 1).

    Keypoints with names of the human body stand as :data:`STANDING` says. Any other lies beside the nearest one that
    does, found along the skeleton's edges; without any, all lie on an ellipse in their order. No two coincide.
    """
    places = {index: STANDING[name] for index, name in enumerate(skeleton.keypoints) if name in STANDING}
    if not places:
        angles = 2 * np.pi * np.arange(len(skeleton)) / len(skeleton) - np.pi / 2
        return 0.5 + 0.45 * np.column_stack([np.cos(angles), np.sin(angles)])
    # Breadth first from any keypoint that has a place: parents come before their children.
    for parent, child in skeleton.directed_tree(next(iter(places))):
        if child not in places:
            places[child] = _beside(places[parent], [places[index] for index in places])
    return np.array([places[index] for index in range(len(skeleton))])


def _beside(place: tuple[float, float], taken: list[tuple[float, float]]) -> tuple[float, float]:
    """The place in the box, on a ring around ``place``, that is farthest from all that are taken."""
    angles = np.arange(0, 2 * np.pi, np.pi / 8)
    ring = np.clip(np.array(place) + 0.07 * np.column_stack([np.cos(angles), np.sin(angles)]), 0, 1)
    gaps = np.linalg.norm(ring[:, None] - np.array(taken)[None], axis=-1).min(1)
    x, y = ring[int(gaps.argmax())]
    return float(x), float(y)
