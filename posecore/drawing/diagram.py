"""A skeleton as a drawing of its own: keypoints, lines and sides, without any picture."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from posecore.drawing.overlay import SIDE_COLORS
from posecore.skeleton import Skeleton

#: Where keypoints of a person who stands facing us are, (x, y) in a box of one by one: left is on our right.
_STANDING = {
    "head_top": (0.5, 0.0), "nose": (0.5, 0.08), "left_eye": (0.535, 0.055), "right_eye": (0.465, 0.055),
    "left_ear": (0.585, 0.075), "right_ear": (0.415, 0.075), "neck": (0.5, 0.19), "left_shoulder": (0.65, 0.21),
    "right_shoulder": (0.35, 0.21), "left_elbow": (0.74, 0.36), "right_elbow": (0.26, 0.36), "left_wrist": (0.8, 0.5),
    "right_wrist": (0.2, 0.5), "mid_hip": (0.5, 0.53), "left_hip": (0.59, 0.53), "right_hip": (0.41, 0.53),
    "left_knee": (0.61, 0.76), "right_knee": (0.39, 0.76), "left_ankle": (0.62, 0.98), "right_ankle": (0.38, 0.98),
}  # fmt: skip
_WIDTH, _HEIGHT, _MARGIN = 420, 520, 56
#: People who are looked at for a layout.
_ENOUGH = 500


def skeleton_layout(skeleton: Skeleton, people: Iterable[NDArray[np.floating]] = ()) -> NDArray[np.float64]:
    """``(K, 2)`` positions (x, y) in 0 … 1 for a drawing.

    A skeleton whose names are all known is a person who stands. Else each keypoint is where it usually is in the box of
    the ``people``'s joints, ``(K, 2)`` each with NaN for what is not labelled; those that nobody has lie on a circle.
    """
    if all(name in _STANDING for name in skeleton.keypoints):
        return np.array([_STANDING[name] for name in skeleton.keypoints])
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
        ink: CSS colour of text and middle parts.
    """
    xy = [(_MARGIN + x * (_WIDTH - 2 * _MARGIN), _MARGIN + y * (_HEIGHT - 2 * _MARGIN)) for x, y in layout.tolist()]
    colors = [_color(skeleton, index, ink) for index in range(len(skeleton))]
    parts = [
        f'<line x1="{xy[a][0]:.1f}" y1="{xy[a][1]:.1f}" x2="{xy[b][0]:.1f}" y2="{xy[b][1]:.1f}" '
        f'stroke="{colors[a] if colors[a] == colors[b] else ink}" stroke-width="3" stroke-opacity="0.6"/>'
        for a, b in skeleton.edges
    ]
    for (left, right), _ in zip(skeleton.flip_pairs, range(200), strict=False):
        (x0, y0), (x1, y1) = xy[left], xy[right]
        parts.append(
            f'<path d="M{x0:.1f} {y0:.1f} Q{(x0 + x1) / 2:.1f} {(y0 + y1) / 2 + 10:.1f} {x1:.1f} {y1:.1f}" fill="none" '
            f'stroke="{ink}" stroke-opacity="0.35" stroke-dasharray="2 4"/>'
        )
    middle = float(np.median(layout[:, 0]))
    for index, ((x, y), name) in enumerate(zip(xy, skeleton.keypoints, strict=True)):
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="{colors[index]}"/>')
        outwards = math.copysign(1, layout[index, 0] - middle) if abs(layout[index, 0] - middle) > 0.01 else 1
        anchor = "start" if outwards > 0 else "end"
        parts.append(
            f'<text x="{x + 10 * outwards:.1f}" y="{y + 4:.1f}" text-anchor="{anchor}" font-size="11.5" '
            f'fill="{ink}">{html.escape(name.replace("_", " "))}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">'
        f"{''.join(parts)}</svg>"
    )


def _color(skeleton: Skeleton, index: int, ink: str) -> str:
    side = skeleton.side(index)
    return ink if side == "middle" else "rgb({} {} {})".format(*SIDE_COLORS[side])
