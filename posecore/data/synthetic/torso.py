"""Torso, shirt and skirt of a synthetic person."""

from __future__ import annotations

import numpy as np

from posecore.data.synthetic.bones import SIDES, Builder
from posecore.data.synthetic.looks import Look
from posecore.data.synthetic.painting import Array, Color, Paint


def shirt_paint(look: Look, offset: Array) -> Color | Paint:
    """Cloth of the shirt; ``offset`` ``(3,)`` is where the solid's start lies seen from the waist, metres."""
    base, accent = np.array(look.shirt, np.float32), np.array(look.accent, np.float32)
    pattern = look.pattern
    if pattern == "plain":
        return look.shirt

    def paint(points: Array) -> Array:
        x, y, z = (points + offset.astype(np.float32)).T
        if pattern == "hoops":
            mixed = np.sin(y * (2 * np.pi / 0.085)) > 0.1
        elif pattern == "stripes":
            mixed = np.sin(x * (2 * np.pi / 0.05)) > 0.45
        elif pattern == "check":
            mixed = np.sin(y * (2 * np.pi / 0.07)) * np.sin(x * (2 * np.pi / 0.07)) > 0
        elif pattern == "halves":
            mixed = y > 0.14
        else:
            mixed = (z > 0.02) & (np.abs(x) < 0.075) & (np.abs(y - 0.2) < 0.055)
        return np.where(mixed[:, None], accent, base)

    return paint


def add_torso(builder: Builder) -> None:
    look = builder.look
    wide = look.shoulders / 0.105
    builder.add(
        "pelvis", builder.at("pelvis", "pelvis", (0, 0.035, 0)), builder.at("pelvis", "pelvis", (0, -0.008, -0.004)),
        (0.06, 0.06), look.legs, "pelvis", (1.38 * look.hips / 0.052, 1, 1), folds=0.1,
    )  # fmt: skip

    def cloth(
        tag: str, start: Array, end: Array, radii: tuple[float, float], frame: str = "chest",
        stretch: tuple[float, float, float] = (1, 1, 1), cut: bool = False,
    ) -> None:  # fmt: skip
        offset = builder.bones.frames[frame].T @ (start - builder.at("waist"))
        builder.add(
            tag,
            start,
            end,
            radii,
            shirt_paint(look, offset),
            frame,
            stretch,
            cut=cut,
            folds=0.12,
            lead=0.022 if cut else 0.017,
        )

    # The hem reaches round both thighs, however thick they are.
    hem = (look.hips / look.girth + 0.059) / 0.074
    cloth("belly", builder.at("waist", "chest", (0, 0.01, 0)), builder.at("pelvis", "belly", (0, -0.024, 0)),
          (0.057, 0.074), "belly", (hem, 1, 1), cut=True)  # fmt: skip
    cloth("chest", builder.at("waist"), builder.at("breast"), (0.061, 0.067), "chest", (1.4 * wide, 0.85, 1))
    cloth("chest", builder.at("breast"), builder.at("neck", "chest", (0, -0.05, 0.004)), (0.067, 0.046), "chest",
          (1.45 * wide, 0.9, 1))  # fmt: skip
    for side, sign in zip(SIDES, (1, -1), strict=True):
        shoulder = f"{side}_shoulder"
        slope = builder.at(shoulder, "chest", (-sign * 0.012, -0.002, 0))
        cloth("shoulders", builder.at("neck", "chest", (sign * 0.016, -0.014, 0)), slope, (0.029, 0.032))
        socket = builder.at(shoulder, "chest", (-sign * 0.02, -0.012, 0.002))
        cloth("shoulders", builder.at("neck", "chest", (sign * 0.03, -0.056, 0.004)), socket, (0.046, 0.037))
    builder.add(
        "neck", builder.at("neck", "chest", (0, -0.015, 0)), builder.at("head", "head", (0, -0.03, -0.014)),
        (0.031, 0.027), look.skin, "chest",
    )  # fmt: skip


def add_skirt(builder: Builder) -> None:
    """One bell from the waist to above the knees, wide enough for both thighs."""
    look = builder.look
    pelvis = builder.bones.frames["pelvis"]
    top = builder.at("pelvis", "pelvis", (0, 0.03, 0))
    knees = [builder.at(f"{side}_knee") for side in SIDES]
    down = (knees[0] + knees[1]) / 2 - top
    length = float(np.linalg.norm(down))
    down /= length
    side = pelvis[:, 0] - down * (pelvis[:, 0] @ down)
    side /= np.linalg.norm(side)
    builder.bones.frames["skirt"] = np.stack([side, -down, np.cross(side, -down)], 1)
    spread = np.abs((knees[0] - knees[1]) @ builder.bones.frames["skirt"]) / (2 * look.height)
    reach = 0.8
    flare = min(0.078 + spread[2] * reach * 0.7, 0.13)
    wide = min(max((spread[0] * reach + 0.05) / flare, 1.0), 2.6)
    builder.add(
        "skirt", top, top + down * length * reach, (0.058, flare), look.legs, "skirt", (max(wide, 1.5), 1, 1),
        cut=True, folds=0.22, lead=0.012,
    )  # fmt: skip
