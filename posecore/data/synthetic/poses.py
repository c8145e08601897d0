"""What synthetic people do: joint angles for a choice of activities, still and in motion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

#: A value for the person's left and for the right side.
Pair = tuple[float, float]


@dataclass(frozen=True)
class Posture:
    """Joint angles in degrees; all zero is a person standing with hanging arms.

    Attributes:
        lean, roll: The whole body's tilt forward and to its left side.
        bend, sway, twist: The spine's bend forward, to the left and its turn to the left.
        nod, tilt, turn: The same for the head.
        arm_forward, arm_out, arm_inward: Upper arm swung forward, away from the side, and rolled inward.
        elbow: Flexion; 0 is straight.
        leg_forward, leg_out, leg_outward: Thigh swung forward, away from the middle, and rolled outward.
        knee: Flexion; 0 is straight.
        planted: How level the sole is, 0 (square to the shin) … 1 (flat on the ground).
        lift: Height of the lowest point above the ground, metres.
        seated: Whether the person needs something to sit on.
    """

    lean: float = 0
    roll: float = 0
    bend: float = 0
    sway: float = 0
    twist: float = 0
    nod: float = 0
    tilt: float = 0
    turn: float = 0
    arm_forward: Pair = (3, 3)
    arm_out: Pair = (9, 9)
    arm_inward: Pair = (15, 15)
    elbow: Pair = (14, 14)
    leg_forward: Pair = (0, 0)
    leg_out: Pair = (3, 3)
    leg_outward: Pair = (8, 8)
    knee: Pair = (2, 2)
    planted: Pair = (1, 1)
    lift: float = 0
    seated: bool = False

    def jittered(self, rng: np.random.Generator, degrees: float) -> Posture:
        """The posture with normal noise of ``degrees`` on every angle; knees and elbows never bend backwards."""
        changed: dict[str, float | Pair] = {}
        for item in fields(self):
            if item.name in ("planted", "lift", "seated"):
                continue
            value = getattr(self, item.name)
            noise = rng.normal(0, degrees, 2)
            if isinstance(value, tuple):
                low = 0.0 if item.name in ("elbow", "knee", "leg_out") else -np.inf
                changed[item.name] = (max(value[0] + noise[0], low), max(value[1] + noise[1], low))
            else:
                # The trunk moves less freely than the limbs.
                changed[item.name] = value + 0.5 * noise[0]
        return replace(self, **changed)  # type: ignore[arg-type]


def walk(phase: float, vigour: float = 1.0) -> Posture:
    """One moment of a walk; ``phase`` in turns, ``vigour`` 1 for walking and about 1.7 for running."""
    swing = np.sin(2 * np.pi * phase)
    lifted = np.maximum(np.cos(2 * np.pi * phase) * np.array([1, -1]), 0)
    fast = max(vigour - 1, 0)
    legs = 26 * vigour * swing
    arms = 24 * vigour * swing
    return Posture(
        lean=2 + 10 * fast,
        twist=-5 * swing,
        arm_forward=(-arms, arms),
        arm_out=(8, 8),
        elbow=(16 + 80 * fast - 0.4 * arms, 16 + 80 * fast + 0.4 * arms),
        leg_forward=(legs + 14 * vigour * lifted[0], -legs + 14 * vigour * lifted[1]),
        leg_out=(2, 2),
        leg_outward=(4, 4),
        knee=tuple(6 + 52 * vigour * lifted),
        planted=tuple(1 - 0.8 * lifted - 0.5 * np.clip(np.array([-swing, swing]), 0, 1) * (1 - lifted)),
        lift=0.12 * fast * abs(swing),
    )


def squat(phase: float) -> Posture:
    """One moment of a squat with the arms stretched forward; down at half a turn."""
    depth = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    return Posture(
        lean=30 * depth,
        nod=-14 * depth,
        arm_forward=(10 + 75 * depth, 10 + 75 * depth),
        arm_out=(8, 8),
        elbow=(12, 12),
        leg_forward=(112 * depth, 112 * depth),
        leg_out=(6 + 8 * depth, 6 + 8 * depth),
        leg_outward=(14, 14),
        knee=(3 + 112 * depth, 3 + 112 * depth),
    )


def wave(phase: float) -> Posture:
    """One moment of waving with the left hand."""
    swing = np.sin(2 * np.pi * phase)
    return Posture(
        sway=-3,
        tilt=3 * swing,
        arm_forward=(18, 4),
        arm_out=(100 + 8 * swing, 8),
        arm_inward=(-80, 15),
        elbow=(62 + 28 * swing, 14),
    )


def jumping_jack(phase: float) -> Posture:
    """One moment of a jumping jack: arms and legs together, then spread."""
    spread = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    return Posture(
        arm_out=(12 + 135 * spread, 12 + 135 * spread),
        arm_inward=(-20, -20),
        elbow=(14, 14),
        leg_out=(3 + 20 * spread, 3 + 20 * spread),
        knee=(6, 6),
        lift=0.12 * float(np.sin(2 * np.pi * phase) ** 2),
    )


#: Motions by name: turns of their cycle to a posture.
MOTIONS: dict[str, Callable[[float], Posture]] = {
    "walk": walk,
    "squat": squat,
    "wave": wave,
    "jumping-jack": jumping_jack,
}

#: Still activities with the chance of being drawn.
_STILL: tuple[tuple[float, Posture], ...] = (
    (3.0, Posture()),
    (1.0, Posture(arm_out=(44, 44), arm_forward=(-14, -14), arm_inward=(68, 68), elbow=(96, 96), leg_out=(6, 6))),
    (0.7, Posture(arm_out=(42, 8), arm_forward=(-14, 4), arm_inward=(68, 15), elbow=(96, 14), sway=4, leg_out=(3, 7))),
    (1.0, Posture(arm_forward=(88, 5), arm_inward=(-10, 15), elbow=(10, 18), turn=20)),
    (0.8, Posture(arm_forward=(34, 5), arm_inward=(35, 15), elbow=(108, 18), nod=18)),
    (0.7, Posture(arm_forward=(22, 22), arm_out=(14, 14), arm_inward=(62, 55), elbow=(88, 92), nod=8)),
    (1.2, Posture(arm_out=(150, 150), arm_inward=(-70, -70), elbow=(28, 28), leg_out=(7, 7), nod=-8)),
    (0.8, Posture(arm_out=(88, 88), elbow=(8, 8), arm_inward=(-60, -60), leg_out=(8, 8))),
    (0.7, Posture(arm_out=(100, 100), arm_forward=(6, 6), arm_inward=(-85, -85), elbow=(140, 140), nod=-4)),
    (
        0.8,
        Posture(
            lean=3, leg_forward=(68, -38), knee=(72, 30), planted=(1, 0), arm_out=(50, 50), elbow=(30, 30)
        ),
    ),
    (
        0.8,
        Posture(bend=48, lean=14, arm_forward=(60, 50), elbow=(12, 12), leg_forward=(20, 12), knee=(24, 18), nod=-16),
    ),
    (
        0.6,
        Posture(
            lean=-12, leg_forward=(78, -4), knee=(18, 8), planted=(0, 1), arm_out=(58, 40), arm_forward=(-20, 35),
            elbow=(35, 50),
        ),
    ),
    (0.6, Posture(arm_out=(160, 42), arm_inward=(-60, 68), arm_forward=(0, -14), elbow=(30, 96), sway=-16)),
)  # fmt: skip

_SITTING: tuple[Posture, ...] = (
    Posture(
        seated=True, bend=6, leg_forward=(86, 86), knee=(86, 86), leg_out=(7, 7), arm_forward=(26, 26),
        arm_out=(8, 8), arm_inward=(20, 20), elbow=(58, 58),
    ),
    Posture(
        seated=True, bend=22, nod=10, leg_forward=(84, 84), knee=(92, 84), leg_out=(14, 14), arm_forward=(52, 52),
        arm_inward=(34, 34), elbow=(74, 74),
    ),
    Posture(
        seated=True, lean=-6, leg_forward=(88, 92), knee=(70, 100), leg_out=(5, 5), arm_forward=(20, 40),
        arm_out=(16, 8), arm_inward=(40, 40), elbow=(70, 98), turn=18,
    ),
)  # fmt: skip

_JUMPING: tuple[Posture, ...] = (
    Posture(arm_out=(135, 135), elbow=(18, 18), arm_inward=(-30, -30), leg_out=(28, 28), knee=(14, 14), planted=(0, 0)),
    Posture(
        arm_out=(70, 70), arm_forward=(30, 30), elbow=(50, 50), leg_forward=(55, 50), knee=(95, 88), planted=(0, 0)
    ),
    Posture(arm_out=(155, 30), elbow=(15, 40), leg_forward=(40, -22), knee=(70, 62), planted=(0, 0), lean=6),
)

_LYING: tuple[Posture, ...] = (
    Posture(lean=-90, arm_out=(28, 34), elbow=(20, 20), leg_out=(7, 9), knee=(8, 4), planted=(0, 0)),
    Posture(lean=-90, arm_out=(60, 150), elbow=(25, 40), leg_forward=(42, 4), knee=(74, 6), planted=(1, 0)),
)


def random_posture(rng: np.random.Generator) -> Posture:
    """A plausible posture: mostly upright, sometimes sitting, jumping or crouching, now and then lying."""
    kind = rng.choice(
        ["still", "walk", "run", "sit", "jump", "crouch", "jack", "lie"],
        p=[0.44, 0.2, 0.06, 0.11, 0.07, 0.07, 0.02, 0.03],
    )
    if kind == "still":
        weights = np.array([weight for weight, _ in _STILL])
        return mirrored(_STILL[rng.choice(len(_STILL), p=weights / weights.sum())][1].jittered(rng, 5), rng)
    if kind == "walk":
        return walk(rng.uniform(), rng.uniform(0.8, 1.1)).jittered(rng, 3)
    if kind == "run":
        return walk(rng.uniform(), rng.uniform(1.5, 1.8)).jittered(rng, 3)
    if kind == "sit":
        return mirrored(_SITTING[rng.integers(len(_SITTING))].jittered(rng, 2.5), rng)
    if kind == "jump":
        return mirrored(
            replace(_JUMPING[rng.integers(len(_JUMPING))].jittered(rng, 6), lift=rng.uniform(0.15, 0.4)), rng
        )
    if kind == "crouch":
        return squat(rng.uniform(0.3, 0.5)).jittered(rng, 4)
    if kind == "jack":
        return jumping_jack(rng.uniform(0.3, 0.5)).jittered(rng, 4)
    return mirrored(_LYING[rng.integers(len(_LYING))].jittered(rng, 4), rng)


def mirrored(posture: Posture, rng: np.random.Generator) -> Posture:
    """The posture or, half of the time, its mirror image."""
    if rng.uniform() < 0.5:
        return posture
    swapped = {
        item.name: getattr(posture, item.name)[::-1]
        for item in fields(posture)
        if isinstance(getattr(posture, item.name), tuple)
    }
    turned = {name: -getattr(posture, name) for name in ("roll", "sway", "twist", "tilt", "turn")}
    return replace(posture, **swapped, **turned)
