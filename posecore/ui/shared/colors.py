"""Colours of people, the same in pictures, charts and figures."""

from __future__ import annotations

from posecore.drawing.overlay import PERSON_COLORS


def color_of(number: int) -> str:
    """The CSS colour of a person by their number, or by their place in a picture."""
    red, green, blue = PERSON_COLORS[number % len(PERSON_COLORS)]
    return f"rgb({red}, {green}, {blue})"
