"""Arms, hands, legs and feet of a synthetic person."""

from __future__ import annotations

import numpy as np

from posecore.data.synthetic.bones import SHOULDER_HEIGHT, SIDES, WAIST_HEIGHT, Builder
from posecore.data.synthetic.painting import Array
from posecore.data.synthetic.torso import shirt_paint

_PALM = 0.048


def add_arm(builder: Builder, index: int) -> None:
    look, side = builder.look, SIDES[index]
    sign = 1 - 2 * index
    shoulder, elbow, wrist = (builder.at(f"{side}_{joint}") for joint in ("shoulder", "elbow", "wrist"))
    upper, lower = f"{side}_arm", f"{side}_forearm"
    muscle = builder.at(f"{side}_elbow", lower, (0, -0.04, 0))
    if look.sleeve < 1:
        builder.add(upper, shoulder, elbow, (0.031, 0.0235), look.skin, upper)
    if look.sleeve < 2:
        builder.add(lower, elbow, muscle, (0.0235, 0.025), look.skin, lower)
        builder.add(lower, muscle, wrist, (0.025, 0.0165), look.skin, lower)
    cloth = look.accent if look.pattern == "halves" and look.sleeve < 1.5 else look.shirt
    hooped = look.pattern == "hoops"
    level = np.array([0, (SHOULDER_HEIGHT - WAIST_HEIGHT) * look.height, 0])
    cloth_paint = shirt_paint(look, level) if hooped else cloth
    if look.sleeve == 0:
        builder.add(upper, shoulder, shoulder, (0.034, 0.034), cloth_paint, upper)
    else:
        part = min(look.sleeve, 1.0)
        hem = shoulder + (elbow - shoulder) * part
        radii = (0.0355, 0.0355 - 0.005 * part)
        builder.add(upper, shoulder, hem, radii, cloth_paint, upper, cut=look.sleeve < 1, folds=0.16)
    if look.sleeve > 1:
        part = look.sleeve - 1
        hem = elbow + (wrist - elbow) * (0.97 * part)
        builder.add(lower, elbow, hem, (0.0305, 0.0305 - 0.0085 * part), cloth_paint, lower, cut=True, folds=0.18)
    _add_hand(builder, side, sign)


def _add_hand(builder: Builder, side: str, sign: int) -> None:
    """Palm, four fingers in a relaxed curl and a thumb; the palm faces the body when the arm hangs."""
    look, frame, tag = builder.look, f"{side}_forearm", f"{side}_hand"

    def point(x: float, y: float, z: float) -> Array:
        return builder.at(f"{side}_wrist", frame, (sign * x, y, z))

    builder.add(tag, point(0, -0.006, 0), point(0, -_PALM, 0), (0.016, 0.021), look.skin, frame, (0.62, 1, 1))
    for number in range(4):
        z = (number - 1.5) * 0.0105
        length = 0.036 - 0.003 * abs(number - 1.7)
        tip = point(-0.008, -_PALM - length, z * 1.1)
        builder.add(tag, point(0, -_PALM - 0.004, z), tip, (0.0078, 0.006), look.skin, frame)
    builder.add(tag, point(-0.002, -0.016, 0.012), point(-0.012, -0.048, 0.028), (0.0105, 0.0075), look.skin, frame)


def add_leg(builder: Builder, index: int) -> None:
    look, side = builder.look, SIDES[index]
    hip, knee, ankle = (builder.at(f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
    thigh, shin = f"{side}_leg", f"{side}_shin"
    calf = builder.at(f"{side}_knee", shin, (0, -0.075, -0.01))
    if look.legwear == "trousers":
        builder.add(f"{side}_thigh", hip, knee, (0.056, 0.039), look.legs, thigh, folds=0.14)
        builder.add(shin, knee, calf, (0.039, 0.037), look.legs, shin, folds=0.16)
        hem = calf + (ankle - calf) * 0.97
        builder.add(shin, calf, hem, (0.037, 0.03), look.legs, shin, cut=True, folds=0.18)
    else:
        builder.add(f"{side}_thigh", hip, knee, (0.052, 0.0345), look.skin, thigh)
        builder.add(shin, knee, calf, (0.0335, 0.0335), look.skin, shin)
        builder.add(shin, calf, ankle, (0.0335, 0.02), look.skin, shin)
    if look.legwear == "shorts":
        hem = hip + (knee - hip) * 0.74
        builder.add(f"{side}_thigh", hip, hem, (0.058, 0.052), look.legs, thigh, cut=True, folds=0.16)
    elif look.legwear == "skirt":
        builder.add(f"{side}_thigh", hip, hip + (knee - hip) * 0.3, (0.056, 0.055), look.legs, thigh, cut=True)
    _add_foot(builder, side)


def _add_foot(builder: Builder, side: str) -> None:
    look, frame, tag = builder.look, f"{side}_foot", f"{side}_foot"
    sole = np.array(look.soles, np.float32)
    upper = np.array(look.shoes, np.float32)

    def shoe(points: Array) -> Array:
        return np.where((points[:, 1] < -0.011 * look.height)[:, None], sole, upper)

    def point(x: float, y: float, z: float) -> Array:
        return builder.at(f"{side}_ankle", frame, (x, y, z))

    heel, ball, toe = point(0, -0.021, -0.016), point(0, -0.025, 0.07), point(0, -0.027, 0.094)
    builder.add(tag, point(0, 0.0, -0.006), heel, (0.0235, 0.024), look.shoes, frame, grow=False, gloss=0.08)
    builder.add(tag, heel, ball, (0.024, 0.02), shoe, frame, (1.08, 1, 1), grow=False, gloss=0.1)
    builder.add(tag, ball, toe, (0.02, 0.0175), shoe, frame, (1.3, 1, 1), grow=False, gloss=0.1)
    builder.add(tag, point(0, -0.003, 0.006), ball, (0.023, 0.017), look.shoes, frame, (1.05, 1, 1), grow=False)
