"""What comes with posecore beside its code: pages, weights, configurations, the app's entry script, its version."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
#: The browser's side: a folder of HTML, CSS and JavaScript for each widget.
FRONTEND = _PACKAGE / "ui" / "frontend"


@cache
def shipped(name: str) -> Path:
    """Where something that comes with posecore lies: in the installed package, else beside it in a checkout.

    Args:
        name: ``app.py``, ``pages``, ``weights``, ``configs`` …, as at the top of the project.
    """
    installed = _PACKAGE / "_shipped" / name
    return installed if installed.exists() else _PACKAGE.parent / name


@cache
def own_version() -> str:
    """The version of posecore, which is read from a file once."""
    return version("posecore")


@cache
def browser_modules() -> dict[str, Path]:
    """Name below ``FRONTEND`` → file of every JavaScript module."""
    return {path.relative_to(FRONTEND).as_posix(): path for path in sorted(FRONTEND.rglob("*.js"))}
