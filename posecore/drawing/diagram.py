"""A skeleton as a drawing of its own: keypoints, lines and sides, without any picture."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from posecore.data.naming import suggested_names
from posecore.drawing.overlay import SIDE_COLORS
from posecore.skeleton import Skeleton

#: Where keypoints of a person who stands facing us are, (x, y) in a box of one by one: left is on our right. The head
#: is large, for there is much to name on it.
_STANDING = {
    "head_top": (0.5, 0.0), "nose": (0.5, 0.11), "left_eye": (0.57, 0.055), "right_eye": (0.43, 0.055),
    "left_ear": (0.67, 0.1), "right_ear": (0.33, 0.1), "neck": (0.5, 0.235), "left_shoulder": (0.68, 0.25),
    "right_shoulder": (0.32, 0.25), "left_elbow": (0.78, 0.4), "right_elbow": (0.22, 0.4), "left_wrist": (0.84, 0.53),
    "right_wrist": (0.16, 0.53), "mid_hip": (0.5, 0.56), "left_hip": (0.61, 0.57), "right_hip": (0.39, 0.57),
    "left_knee": (0.63, 0.78), "right_knee": (0.37, 0.78), "left_ankle": (0.64, 0.99), "right_ankle": (0.36, 0.99),
}  # fmt: skip
_WIDTH, _HEIGHT, _MARGIN = 420, 520, 56
#: Colour of text and middle parts: what the drawing says once.
_INK = "currentColor"
#: People who are looked at for a layout.
_ENOUGH = 500


def skeleton_layout(skeleton: Skeleton, people: Iterable[NDArray[np.floating]] = ()) -> NDArray[np.float64]:
    """``(K, 2)`` positions (x, y) in 0 … 1 for a drawing.

    Where at least half of the names are known however they are spelled, it is a person who stands, and other keypoints
    are near those they are joined to. Else each keypoint is where it usually is in the box of the ``people``'s joints,
    ``(K, 2)`` each with NaN for what is not labelled; those that nobody has lie on a circle.
    """
    known = _standing(skeleton)
    if 2 * len(known) >= len(skeleton):
        return _around(skeleton, known)
    angles = 2 * np.pi * np.arange(len(skeleton)) / len(skeleton) - np.pi / 2
    layout = 0.5 + 0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    boxes = [box for _, box in zip(range(_ENOUGH), map(_in_box, people), strict=False) if box is not None]
    if boxes:
        stacked = np.array(boxes)
        for index in range(len(skeleton)):
            seen = stacked[np.isfinite(stacked[:, index, 0]), index]
            if len(seen):
                layout[index] = np.median(seen, axis=0)
    return layout


def _standing(skeleton: Skeleton) -> dict[int, tuple[float, float]]:
    """Positions of the keypoints whose names are known."""
    spelled = {name: name for name in skeleton.keypoints} | suggested_names(skeleton.keypoints)
    return {i: _STANDING[spelled[n]] for i, n in enumerate(skeleton.keypoints) if spelled[n] in _STANDING}


def _around(skeleton: Skeleton, known: Mapping[int, tuple[float, float]]) -> NDArray[np.float64]:
    """Positions of all keypoints from those of some: a little outwards and below what they are joined to."""
    places = dict(known)
    for index in range(len(skeleton)):
        near = [b if a == index else a for a, b in skeleton.edges if index in (a, b)]
        found = [places[other] for other in near if other in places]
        if index not in places:
            x, y = np.mean(found, axis=0) if found else (0.95, 0.05 + 0.08 * index % 0.9)
            places[index] = (float(x) + 0.05 * float(np.sign(round(x - 0.5, 2))), float(y) + 0.05)
    return np.array([places[index] for index in range(len(skeleton))])


def _in_box(keypoints: NDArray[np.floating]) -> NDArray[np.float64] | None:
    """Positions relative to the box around them; None when there is no such box."""
    seen = keypoints[np.isfinite(keypoints).all(1)]
    if len(seen) < 2 or np.ptp(seen, axis=0).max() <= 0:
        return None
    middle, side = (seen.min(0) + seen.max(0)) / 2, np.ptp(seen, axis=0).max()
    return np.asarray((keypoints - middle) / side + 0.5, np.float64)


def skeleton_svg(skeleton: Skeleton, layout: NDArray[np.floating], ink: str) -> str:
    """An SVG drawing in the colours of sides.

    Args:
        skeleton: What is drawn.
        layout: ``(K, 2)`` positions (x, y) in 0 … 1.
        ink: CSS colour of text and middle parts; ``light-dark()`` follows the theme of the page that shows it.
    """
    xy = [(_MARGIN + x * (_WIDTH - 2 * _MARGIN), _MARGIN + y * (_HEIGHT - 2 * _MARGIN)) for x, y in layout.tolist()]
    colors = [_color(skeleton, index) for index in range(len(skeleton))]
    parts = [
        f'<line x1="{xy[a][0]:.1f}" y1="{xy[a][1]:.1f}" x2="{xy[b][0]:.1f}" y2="{xy[b][1]:.1f}" '
        f'stroke="{colors[a] if colors[a] == colors[b] else _INK}" stroke-width="3" stroke-opacity="0.6"/>'
        for a, b in skeleton.edges
    ]
    for (left, right), _ in zip(skeleton.flip_pairs, range(200), strict=False):
        (x0, y0), (x1, y1) = xy[left], xy[right]
        parts.append(
            f'<path d="M{x0:.1f} {y0:.1f} Q{(x0 + x1) / 2:.1f} {(y0 + y1) / 2 + 10:.1f} {x1:.1f} {y1:.1f}" fill="none" '
            f'stroke="{_INK}" stroke-opacity="0.35" stroke-dasharray="2 4"/>'
        )
    middle = float(np.median(layout[:, 0]))
    for index, ((x, y), name) in enumerate(zip(xy, skeleton.keypoints, strict=True)):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="{colors[index]}"/>')
        outwards = math.copysign(1, layout[index, 0] - middle) if abs(layout[index, 0] - middle) > 0.01 else 1
        anchor = "start" if outwards > 0 else "end"
        parts.append(
            f'<text x="{x + 10 * outwards:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}" font-size="11.5" '
            f'fill="{_INK}">{html.escape(name.replace("_", " "))}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'style="color-scheme: light dark; color: {html.escape(ink)}">'
        f"{''.join(parts)}</svg>"
    )


def _color(skeleton: Skeleton, index: int) -> str:
    side = skeleton.side(index)
    return _INK if side == "middle" else "rgb({} {} {})".format(*SIDE_COLORS[side])
