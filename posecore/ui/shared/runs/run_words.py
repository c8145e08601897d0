"""Training runs in words: states, times, sizes, and what a run's configuration says."""

from __future__ import annotations

import time
from datetime import datetime

#: State → word for people, colour of its badge, icon.
STATES: dict[str, tuple[str, str, str]] = {
    "waiting": ("waiting", "gray", "hourglass_empty"),
    "running": ("running", "blue", "model_training"),
    "pausing": ("pausing", "orange", "pause_circle"),
    "paused": ("paused", "orange", "pause_circle"),
    "cancelling": ("cancelling", "orange", "cancel"),
    "finished": ("finished", "green", "check_circle"),
    "cancelled": ("cancelled", "gray", "cancel"),
    "failed": ("failed", "red", "error"),
    "lost": ("lost", "red", "link_off"),
}

#: States of runs that something still happens to by itself.
ACTIVE = ("waiting", "running", "pausing", "cancelling")


def state_badge(state: str) -> str:
    """A state as a badge in Markdown."""
    word, color, icon = STATES.get(state, (state, "gray", "help"))
    return f":{color}-badge[:material/{icon}: {word}]"


def state_word(state: str) -> str:
    """A state as a word."""
    return STATES.get(state, (state, "", ""))[0]


def duration(seconds: float) -> str:
    """A time span in words, as exact as an estimate of it can be: ``40 s``, ``6 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(5 * round(minutes / 5), 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def ago(moment: float, now: float | None = None) -> str:
    """How long ago a moment (seconds since 1970) was, in words."""
    passed = (time.time() if now is None else now) - moment
    if passed < 60:
        return "just now"
    if passed < 86400:
        return f"{duration(passed)} ago"
    return datetime.fromtimestamp(moment).strftime("%d %b %Y, %H:%M")


def memory(count: float) -> str:
    """Bytes of memory in words."""
    return f"{count / 1e9:.1f} GB" if count >= 0.95e9 else f"{10 * round(count / 1e7):d} MB"
