"""Synthetic people: proportions, clothes, and the solids and keypoints of a person in a posture.

A person's own axes are x to its left, y up, z forward. Lengths in this module are fractions of the body height unless
they are said to be metres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from posecore.data.synthetic.painting import Array, Color, Keep, Paint, Solid, linear
from posecore.data.synthetic.poses import Posture
from posecore.skeleton import COCO_17

_THIGH, _SHIN, _ANKLE = 0.242, 0.232, 0.045
_UPPER_ARM, _FOREARM, _PALM = 0.165, 0.143, 0.048
_SHOULDER_HEIGHT, _NECK_HEIGHT, _HEAD_HEIGHT = 0.288, 0.31, 0.412
_WAIST_HEIGHT = 0.1
#: Half the height of a grown-up's head; the unit of everything on the head.
_HEAD = 0.069
_HEAD_WIDTH = 0.86
_EYE = (0.29, 0.05)

SIDES = ("left", "right")


@dataclass(frozen=True)
class Look:
    """Appearance of one person; colours are linear.

    Attributes:
        height: Body height, metres.
        girth: Thickness of body and limbs, 1 is average.
        shoulders, hips: Half distance of the shoulder and hip joints, fractions of the height.
        head: Size of the head, 1 is a grown-up's.
        sleeve: Length of the sleeves, 0 (none) … 2 (to the wrist); 1 is the elbow.
        legwear: ``trousers``, ``shorts`` or ``skirt``.
        pattern: ``plain``, ``stripes``, ``hoops``, ``check``, ``logo`` or ``halves``.
        hair_style: ``short``, ``long``, ``bun``, ``ponytail``, ``afro``, ``bald`` or ``cap``.
    """

    height: float
    girth: float
    shoulders: float
    hips: float
    head: float
    skin: Color
    hair: Color
    eyes: Color
    shirt: Color
    accent: Color
    legs: Color
    shoes: Color
    soles: Color
    sleeve: float
    legwear: str
    pattern: str
    hair_style: str
    beard: bool
    glasses: bool


@dataclass(frozen=True)
class Figure:
    """A person in the world: how it looks, what it does, where it stands and where it faces.

    ``x``, ``z`` are metres in world axes; ``yaw`` is in degrees, 0 faces the viewer and 90 faces the right side of the
    picture.
    """

    look: Look
    posture: Posture
    x: float
    z: float
    yaw: float


@dataclass(frozen=True, eq=False)
class Body:
    """Geometry of a figure: solids from which it is drawn, ``(17, 3)`` COCO keypoints in world metres, seat height."""

    solids: tuple[Solid, ...]
    keypoints: Array
    seat: float


_SKINS = (
    (255, 224, 196),
    (241, 199, 166),
    (226, 177, 138),
    (198, 144, 104),
    (160, 108, 74),
    (118, 77, 52),
    (84, 55, 40),
)
_HAIRS = ((28, 22, 20), (54, 36, 26), (92, 60, 36), (140, 96, 54), (196, 158, 98), (150, 66, 34), (170, 168, 165))
_SHIRTS = (
    (236, 236, 232), (200, 52, 48), (38, 84, 150), (46, 128, 92), (240, 186, 60), (60, 62, 72), (228, 120, 60),
    (112, 82, 150), (92, 166, 200), (222, 140, 160), (150, 40, 70), (34, 110, 116), (196, 190, 172), (120, 140, 70),
)  # fmt: skip
_LEGS = (
    (46, 62, 96), (70, 92, 130), (40, 40, 46), (112, 98, 78), (86, 86, 90), (168, 152, 122), (60, 74, 56),
    (120, 52, 50), (204, 198, 186), (34, 46, 70),
)  # fmt: skip
_SHOES = ((240, 240, 240), (40, 40, 42), (120, 74, 44), (190, 50, 46), (50, 80, 140), (90, 90, 92))


_LEGWEAR = ("trousers", "shorts", "skirt")
_PATTERNS = ("plain", "hoops", "stripes", "check", "logo", "halves")


def _pick(rng: np.random.Generator, colors: Sequence[tuple[int, int, int]]) -> Color:
    """One of the display colours, slightly changed, as linear light."""
    chosen = np.array(colors[int(rng.integers(len(colors)))]) * rng.uniform(0.92, 1.06) + rng.normal(0, 4, 3)
    return linear(np.clip(chosen, 6, 250))


def random_look(rng: np.random.Generator) -> Look:
    """Draw proportions, clothes and hair."""
    child = rng.uniform() < 0.12
    feminine = rng.uniform()
    height = rng.uniform(1.1, 1.42) if child else rng.normal(1.78 - 0.12 * feminine, 0.06)
    skirts = 0.35 * (feminine > 0.55)
    hair_styles = ["short", "long", "bun", "ponytail", "afro", "bald", "cap"]
    likely = np.array([3.0, 0.2, 0.1, 0.15, 0.4, 0.7, 0.7] if feminine < 0.5 else [1.0, 2.4, 1.0, 1.5, 0.4, 0.02, 0.3])
    soles = linear((235, 235, 230)) if rng.uniform() < 0.7 else linear((50, 46, 44))
    return Look(
        height=float(height),
        girth=float(np.clip(rng.normal(1.03 if not child else 1.1, 0.09), 0.86, 1.3)),
        shoulders=float(0.112 - 0.014 * feminine + rng.normal(0, 0.003)),
        hips=float(0.05 + 0.006 * feminine),
        head=1.24 if child else float(rng.uniform(1.0, 1.08)),
        skin=_pick(rng, _SKINS),
        hair=_pick(rng, _HAIRS),
        eyes=_pick(rng, ((70, 46, 30), (60, 96, 140), (74, 104, 66), (40, 30, 26))),
        shirt=_pick(rng, _SHIRTS),
        accent=_pick(rng, _SHIRTS),
        legs=_pick(rng, _LEGS),
        shoes=_pick(rng, _SHOES),
        soles=soles,
        sleeve=float(rng.choice([0.0, 0.45, 0.55, 1.3, 2.0], p=[0.1, 0.3, 0.2, 0.1, 0.3])),
        legwear=str(rng.choice(_LEGWEAR, p=[0.68 - 0.6 * skirts, 0.32 - 0.4 * skirts, skirts])),
        pattern=str(rng.choice(_PATTERNS, p=[0.46, 0.18, 0.08, 0.1, 0.1, 0.08])),
        hair_style=str(rng.choice(hair_styles, p=likely / likely.sum())),
        beard=bool(feminine < 0.45 and not child and rng.uniform() < 0.35),
        glasses=bool(rng.uniform() < 0.16),
    )  # fmt: skip


def rotation(axis: int, degrees: float) -> NDArray[np.float64]:
    """``(3, 3)`` right-handed rotation about axis 0, 1 or 2."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i] = matrix[j, j] = cosine
    matrix[i, j], matrix[j, i] = -sine, sine
    return matrix


@dataclass(eq=False)
class _Bones:
    """Joint positions (metres, world directions, pelvis at the origin) and the rotations of the parts."""

    joints: dict[str, Array] = field(default_factory=dict)
    frames: dict[str, Array] = field(default_factory=dict)


def _pose_bones(figure: Figure) -> _Bones:
    """Forward kinematics from the pelvis outwards."""
    look, pose, height = figure.look, figure.posture, figure.look.height
    bones = _Bones()
    joints, frames = bones.joints, bones.frames
    pelvis = rotation(1, figure.yaw) @ rotation(0, pose.lean) @ rotation(2, -pose.roll)
    half = rotation(0, pose.bend / 2) @ rotation(2, -pose.sway / 2) @ rotation(1, pose.twist / 2)
    belly = pelvis @ half
    chest = belly @ half
    head = chest @ rotation(0, pose.bend * -0.3 + pose.nod) @ rotation(2, -pose.tilt) @ rotation(1, pose.turn)
    frames.update(pelvis=pelvis, belly=belly, chest=chest, head=head)
    joints["pelvis"] = np.zeros(3)
    joints["waist"] = belly @ (0, _WAIST_HEIGHT * height, 0)
    joints["breast"] = joints["waist"] + chest @ (0, 0.125 * height, 0.006 * height)
    joints["neck"] = joints["waist"] + chest @ (0, (_NECK_HEIGHT - _WAIST_HEIGHT) * height, -0.006 * height)
    # A larger head sits higher, so that the chin keeps its distance from the neck.
    rise = (_HEAD_HEIGHT - _NECK_HEIGHT + _HEAD * (look.head - 1)) * height
    joints["head"] = joints["neck"] + head @ (0, rise, 0.018 * height)
    for index, (side, sign) in enumerate(zip(SIDES, (1, -1), strict=True)):
        shoulder = (sign * look.shoulders, _SHOULDER_HEIGHT - _WAIST_HEIGHT, -0.004)
        joints[f"{side}_shoulder"] = joints["waist"] + chest @ (np.array(shoulder) * height)
        # A raised arm lifts its shoulder.
        raised = max(pose.arm_out[index] - 60, 0) / 120
        joints[f"{side}_shoulder"] += chest @ (np.array([-sign * 0.012, 0.022, 0]) * raised * height)
        arm = chest @ rotation(2, sign * pose.arm_out[index]) @ rotation(0, -pose.arm_forward[index])
        arm = arm @ rotation(1, -sign * pose.arm_inward[index])
        forearm = arm @ rotation(0, -pose.elbow[index])
        joints[f"{side}_elbow"] = joints[f"{side}_shoulder"] - arm[:, 1] * _UPPER_ARM * height
        joints[f"{side}_wrist"] = joints[f"{side}_elbow"] - forearm[:, 1] * _FOREARM * height
        joints[f"{side}_hip"] = pelvis @ (sign * look.hips * height, 0, 0)
        leg = pelvis @ rotation(2, sign * pose.leg_out[index]) @ rotation(0, -pose.leg_forward[index])
        leg = leg @ rotation(1, sign * pose.leg_outward[index])
        shin = leg @ rotation(0, pose.knee[index])
        joints[f"{side}_knee"] = joints[f"{side}_hip"] - leg[:, 1] * _THIGH * height
        joints[f"{side}_ankle"] = joints[f"{side}_knee"] - shin[:, 1] * _SHIN * height
        frames[f"{side}_arm"], frames[f"{side}_forearm"] = arm, forearm
        frames[f"{side}_leg"], frames[f"{side}_shin"] = leg, shin
        frames[f"{side}_foot"] = _foot_frame(shin, pose.planted[index])
    return bones


def _foot_frame(shin: Array, planted: float) -> Array:
    """Axes of a foot, between square to the shin and level with the ground."""
    level = np.array([shin[0, 2], 0, shin[2, 2]])
    forward = (1 - planted) * shin[:, 2] + planted * level / max(float(np.linalg.norm(level)), 0.3)
    forward /= np.linalg.norm(forward)
    side = shin[:, 0] - forward * (shin[:, 0] @ forward)
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(forward, side), forward], 1)


class _Builder:
    """Collects the solids of one figure; lengths are given in fractions of the height and scaled here."""

    def __init__(self, figure: Figure) -> None:
        self.look = figure.look
        self.bones = _pose_bones(figure)
        self.solids: list[Solid] = []

    def at(self, joint: str, frame: str | None = None, offset: Sequence[float] | Array = (0, 0, 0)) -> Array:
        """Position near a joint (metres); ``offset`` is in fractions of the height along the axes of ``frame``."""
        position = self.bones.joints[joint]
        if frame is None:
            return position
        return position + self.bones.frames[frame] @ (np.array(offset) * self.look.height)

    def add(
        self,
        tag: str,
        start: Array,
        end: Array,
        radii: tuple[float, float],
        paint: Color | Paint,
        frame: str,
        stretch: tuple[float, float, float] = (1, 1, 1),
        *,
        cut: bool = False,
        keep: Keep | None = None,
        folds: float = 0.0,
        gloss: float = 0.03,
        lead: float = 0.0,
        grow: bool = True,
    ) -> None:
        """Add a solid; ``grow`` makes it as thick as the person is."""
        size = self.look.height * (self.look.girth if grow else 1)
        scaled = (radii[0] * size, radii[1] * size)
        axes = self.bones.frames[frame]
        self.solids.append(Solid(tag, start, end, scaled, paint, axes, stretch, cut, keep, folds, gloss, lead * size))


def build_body(figure: Figure) -> Body:
    """Solids and keypoints of a figure, set down on the ground."""
    builder = _Builder(figure)
    _add_torso(builder)
    for index in range(2):
        _add_arm(builder, index)
        _add_leg(builder, index)
    if figure.look.legwear == "skirt":
        _add_skirt(builder)
    _add_head(builder)
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


def _shirt_paint(look: Look, offset: Array) -> Color | Paint:
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


def _add_torso(builder: _Builder) -> None:
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
            _shirt_paint(look, offset),
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


def _add_arm(builder: _Builder, index: int) -> None:
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
    level = np.array([0, (_SHOULDER_HEIGHT - _WAIST_HEIGHT) * look.height, 0])
    cloth_paint = _shirt_paint(look, level) if hooped else cloth
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


def _add_hand(builder: _Builder, side: str, sign: int) -> None:
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


def _add_leg(builder: _Builder, index: int) -> None:
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


def _add_foot(builder: _Builder, side: str) -> None:
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


def _add_skirt(builder: _Builder) -> None:
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


def _skull_front(x: float, y: float) -> float:
    """Depth of the face's surface at ``x``, ``y`` in half head heights, see :func:`_add_head`."""
    t = np.linspace(0, 1, 101)
    rest = (0.78 - 0.42 * t) ** 2 - (x / _HEAD_WIDTH) ** 2 - (y - 0.22 + 0.84 * t) ** 2
    return float((-0.06 + 0.26 * t + np.sqrt(np.maximum(rest, 0)))[rest > 0].max())


_EYE_FRONT = _skull_front(*_EYE)


def _add_head(builder: _Builder) -> None:
    look = builder.look
    unit = _HEAD * look.head

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
        ex, ey = side - _EYE[0], y - _EYE[1]
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


def _keypoints(builder: _Builder) -> Array:
    """``(17, 3)`` COCO keypoints, metres."""
    unit = _HEAD * builder.look.head
    face = {"nose": (0.0, -0.19, 0.85)}
    for side, sign in zip(SIDES, (1, -1), strict=True):
        face[f"{side}_eye"] = (sign * _EYE[0], _EYE[1], _EYE_FRONT)
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
