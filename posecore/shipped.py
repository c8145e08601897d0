"""What comes with posecore beside its code: pages, weights, configurations, the app's entry script."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def shipped(name: str) -> Path:
    """Where something that comes with posecore lies: in the installed package, else beside it in a checkout.

    Args:
        name: ``app.py``, ``pages``, ``weights``, ``configs`` …, as at the top of the project.
    """
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.exists() else _PACKAGE.parent / name
