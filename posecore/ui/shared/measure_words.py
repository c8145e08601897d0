"""Measures as people call them."""

from __future__ import annotations

from posecore.ui.shared.maps.map_tabs import words
from posecore.video import Measure

#: Before the names of what counts as a repetition, in session state and address.
COUNT_PREFIX = "count_"


def in_words(measure: Measure) -> str:
    """A measure as people would call it."""
    kind, names = measure.kind, [words(name) for name in measure.names]
    if kind in ("angle", "rate"):
        where = names[1] if measure.is_usual else f"{names[1]} from {names[0]} to {names[2]}"
        return f"{where} angle" if kind == "angle" else f"change of {where} angle"
    return {
        "tilt": f"tilt from {names[0]} to {names[-1]}",
        "length": f"distance {names[0]} to {names[-1]}",
        "distance": f"way of {names[0]}",
        "speed": f"speed of {names[0]}",
    }.get(kind, f"{kind} of {names[0]}")
