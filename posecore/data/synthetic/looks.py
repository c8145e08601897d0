"""How synthetic people look: proportions, clothes and hair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from posecore.data.synthetic.painting import Color, linear


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
