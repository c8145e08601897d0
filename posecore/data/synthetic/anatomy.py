"""Synthetic people: the solids and keypoints of a person in a posture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posecore.data.synthetic.bones import HEAD, SIDES, Builder, Figure
from posecore.data.synthetic.head import EYE, EYE_FRONT, add_head
from posecore.data.synthetic.limbs import add_arm, add_leg
from posecore.data.synthetic.painting import Array, Solid
from posecore.data.synthetic.torso import add_skirt, add_torso
from posecore.skeleton import COCO_17


@dataclass(frozen=True, eq=False)
class Body:
    """Geometry of a figure: solids from which it is drawn, ``(17, 3)`` COCO keypoints in world metres, seat height."""

    solids: tuple[Solid, ...]
    keypoints: Array
    seat: float


def build_body(figure: Figure) -> Body:
    """Solids and keypoints of a figure, set down on the ground."""
    builder = Builder(figure)
    add_torso(builder)
    for index in range(2):
        add_arm(builder, index)
        add_leg(builder, index)
    if figure.look.legwear == "skirt":
        add_skirt(builder)
    add_head(builder)
    keypoints = _keypoints(builder)
    lowest = min(_lowest(solid) for solid in builder.solids if solid.tag != "skirt")
    hips = min(_lowest(solid) for solid in builder.solids if solid.tag in ("pelvis", "left_thigh", "right_thigh"))
    shift = np.array([figure.x, figure.posture.lift - lowest, figure.z])
    moved = tuple(_moved(solid, shift) for solid in builder.solids)
    return Body(moved, keypoints + shift, float(hips - lowest))


def _moved(solid: Solid, shift: Array) -> Solid:
    values = {name: getattr(solid, name) for name in solid.__dataclass_fields__}
    return Solid(**{**values, "start": solid.start + shift, "end": solid.end + shift})


def _lowest(solid: Solid) -> float:
    """Height of the lowest point of a solid, metres."""
    reach = float(np.linalg.norm(solid.frame[1] * solid.stretch))
    return float(min(solid.start[1] - reach * solid.radii[0], solid.end[1] - reach * solid.radii[1]))


def _keypoints(builder: Builder) -> Array:
    """``(17, 3)`` COCO keypoints, metres."""
    unit = HEAD * builder.look.head
    face = {"nose": (0.0, -0.19, 0.85)}
    for side, sign in zip(SIDES, (1, -1), strict=True):
        face[f"{side}_eye"] = (sign * EYE[0], EYE[1], EYE_FRONT)
        face[f"{side}_ear"] = (sign * 0.69, 0.0, -0.05)
    points = [
        builder.at("head", "head", np.array(face[name]) * unit) if name in face else builder.at(name)
        for name in COCO_17.keypoints
    ]
    return np.array(points)


#: Parts that show a keypoint, and how deep below their surface it may lie, as a fraction of the body height.
_SHOWN_BY: dict[str, tuple[tuple[str, ...], float]] = {
    "nose": (("nose", "head"), 0.012),
    "eye": (("head",), 0.008),
    "ear": (("ear", "head"), 0.02),
    "shoulder": (("shoulders", "chest", "{side}_arm"), 0.062),
    "elbow": (("{side}_arm", "{side}_forearm"), 0.045),
    "wrist": (("{side}_forearm", "{side}_hand"), 0.035),
    "hip": (("pelvis", "belly", "skirt", "{side}_thigh"), 0.1),
    "knee": (("{side}_thigh", "{side}_shin", "skirt"), 0.065),
    "ankle": (("{side}_shin", "{side}_foot"), 0.045),
}


def shown_by(keypoint: str) -> tuple[frozenset[str], float]:
    """Tags of the parts that show a keypoint, and its greatest depth below them as a fraction of the height."""
    side, _, joint = keypoint.rpartition("_")
    tags, depth = _SHOWN_BY[joint]
    return frozenset(tag.format(side=side) for tag in tags), depth
