"""Head, face and hair of a synthetic person; lengths are in half heights of a grown-up's head."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from posecore.data.synthetic.bones import HEAD, Builder
from posecore.data.synthetic.looks import Look
from posecore.data.synthetic.painting import Array, Color, Keep, Paint

_HEAD_WIDTH = 0.86
EYE = (0.29, 0.05)


def _skull_front(x: float, y: float) -> float:
    """Depth of the face's surface at ``x``, ``y`` in half head heights, see :func:`add_head`."""
    t = np.linspace(0, 1, 101)
    rest = (0.78 - 0.42 * t) ** 2 - (x / _HEAD_WIDTH) ** 2 - (y - 0.22 + 0.84 * t) ** 2
    return float((-0.06 + 0.26 * t + np.sqrt(np.maximum(rest, 0)))[rest > 0].max())


EYE_FRONT = _skull_front(*EYE)


def add_head(builder: Builder) -> None:
    look = builder.look
    unit = HEAD * look.head

    def point(x: float, y: float, z: float) -> Array:
        return builder.at("head", "head", (x * unit, y * unit, z * unit))

    def part(
        tag: str, start: Array, end: Array, radii: tuple[float, float], paint: Color | Paint,
        stretch: tuple[float, float, float] = (1, 1, 1), keep: Keep | None = None, gloss: float = 0.04,
    ) -> None:  # fmt: skip
        builder.add(
            tag, start, end, (radii[0] * unit, radii[1] * unit), paint, "head", stretch, keep=keep, gloss=gloss,
            grow=False,
        )  # fmt: skip

    metre = unit * look.height
    part(
        "head", point(0, 0.22, -0.06), point(0, -0.62, 0.2), (0.78, 0.36), _face_paint(look, metre), (_HEAD_WIDTH, 1, 1)
    )
    shade = (0.94 * look.skin[0], 0.94 * look.skin[1], 0.94 * look.skin[2])
    part("nose", point(0, 0.02, 0.66), point(0, -0.19, 0.75), (0.08, 0.105), look.skin)
    for x in (-0.09, 0.09):
        part("nose", point(x, -0.22, 0.67), point(x, -0.22, 0.67), (0.08, 0.08), shade)
    for sign in (1, -1):
        part(
            "ear", point(sign * 0.67, 0.1, -0.08), point(sign * 0.64, -0.1, -0.02), (0.17, 0.12), shade, (0.45, 1, 0.8)
        )
    _add_hair(look, part, point, metre)


def _face_paint(look: Look, unit: float) -> Paint:
    """Eyes, brows, mouth, cheeks and beard on the skin of the head; ``unit`` is half the head's height in metres."""
    skin, hair = np.array(look.skin, np.float32), np.array(look.hair, np.float32)
    iris = np.array(look.eyes, np.float32)
    lips = skin * np.array([0.86, 0.5, 0.5], np.float32)
    dark = np.array([0.006, 0.005, 0.005], np.float32)
    white = np.array([0.82, 0.82, 0.8], np.float32)

    def paint(points: Array) -> Array:
        x, y, z = points[:, 0] / unit, points[:, 1] / unit + 0.22, points[:, 2] / unit - 0.06
        front = z > 0.1
        side = np.abs(x)
        color = np.broadcast_to(skin, points.shape).copy()
        blush = 0.25 * np.exp(-((side - 0.36) ** 2 + (y + 0.28) ** 2) * 22) * front
        color *= 1 - blush[:, None] * np.array([0.0, 0.6, 0.6], np.float32)
        if look.beard:
            jaw = (y < -0.28 - 0.35 * (side < 0.3) * (y > -0.42)) & (y < -0.05 - 0.9 * (z - 0.05)) | (y < -0.62) & front
            color[jaw] = 0.75 * hair + 0.25 * skin
            color[front & (np.abs(y + 0.36) < 0.045) & (side < 0.24)] = hair
        ex, ey = side - EYE[0], y - EYE[1]
        socket = front & (ex * ex / 0.035 + (ey - 0.02) ** 2 / 0.014 < 1)
        color[socket] *= 0.88
        eye = front & (ex * ex / 0.0150 + ey * ey / 0.0056 < 1)
        color[eye] = white
        ball = ex * ex + ey * ey
        color[eye & (ball < 0.0056)] = iris
        color[eye & (ball < 0.0016)] = dark
        color[front & (np.abs(ey - 0.078 + ex * ex * 2.2) < 0.016) & (np.abs(ex) < 0.135)] = dark
        brow = front & (np.abs(ey - 0.19 + 1.6 * ex * ex) < 0.034) & (np.abs(ex) < 0.16)
        color[brow] = 0.8 * hair + 0.1 * skin
        smile = y + 0.52 - 0.35 * x * x
        color[front & (np.abs(smile) < 0.062 * (1 - (x / 0.27) ** 2)) & (side < 0.26)] = lips
        color[front & (np.abs(smile) < 0.014) & (side < 0.25)] = lips * 0.35
        if look.glasses:
            ring = np.sqrt(ex * ex / 1.25 + ey * ey)
            color[front & (np.abs(ring - 0.185) < 0.024)] = dark
            color[(np.abs(y - 0.09) < 0.022) & ((side < 0.1) & front | (side > 0.48))] = dark
        if look.hair_style == "bald":
            color[(y > 0.15) & (y < 0.42) & (z < -0.1)] *= 0.97
        return color

    return paint


def _add_hair(
    look: Look, part: Callable[..., None], point: Callable[[float, float, float], Array], unit: float
) -> None:
    """Hair or a cap around the skull; the face is left free."""
    style, hair = look.hair_style, look.hair
    if style == "bald":
        return
    low = -0.5 if style in ("long", "bun", "ponytail") else -0.42

    def hairline(x: Array, y: Array, z: Array) -> NDArray[np.bool_]:
        # Coordinates in half head heights around the middle of the skull.
        x, y, z = x / unit, y / unit, z / unit
        return (y > 0.44 + 0.1 * np.cos(x * 5)) | ((z < 0.16 + 0.3 * y) & (y > low - 0.35 * (z < -0.2)))

    skull = point(0, 0.22, -0.06)
    if style == "cap":
        part(
            "hair",
            skull,
            skull,
            (0.81, 0.81),
            hair,
            (_HEAD_WIDTH, 1, 1),
            keep=lambda x, y, z: (z < 0.1 * unit) & (y > -0.42 * unit),
        )
        brim_height = 0.2 * unit
        part("hair", skull, skull, (0.86, 0.86), look.accent, (_HEAD_WIDTH, 1, 1), keep=lambda x, y, z: y > brim_height)
        part("hair", point(0, 0.5, 0.55), point(0, 0.44, 0.95), (0.42, 0.36), look.accent, (1.25, 0.16, 1))
        return
    if style == "afro":
        part("hair", point(0, 0.36, -0.42), point(0, 0.36, -0.42), (0.92, 0.92), hair, gloss=0)
        part(
            "hair",
            point(0, 0.46, -0.1),
            point(0, 0.46, -0.1),
            (0.9, 0.9),
            hair,
            keep=lambda x, y, z: y > 0.12 * unit,
            gloss=0,
        )
        return
    part("hair", skull, point(0, 0.2, -0.1), (0.85, 0.85), hair, (_HEAD_WIDTH, 1, 1), keep=hairline, gloss=0.09)
    if style == "bun":
        part("hair", point(0, 0.72, -0.72), point(0, 0.74, -0.76), (0.33, 0.33), hair, gloss=0.09)
    elif style == "ponytail":
        part("hair", point(0, 0.3, -0.85), point(0, -0.75, -1.05), (0.24, 0.12), hair, gloss=0.09)
    elif style == "long":
        part("hair", point(0, 0.0, -0.3), point(0, -1.05, -0.42), (0.7, 0.5), hair, (1.0, 1, 0.62), gloss=0.09)
        for sign in (1, -1):
            part(
                "hair",
                point(sign * 0.58, 0.1, -0.02),
                point(sign * 0.56, -1.1, 0.0),
                (0.24, 0.17),
                hair,
                (0.7, 1, 1),
                gloss=0.09,
            )
