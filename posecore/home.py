"""The folder in which posecore keeps what it makes and fetches."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """``POSECORE_HOME``, or the platform's user data folder: fetched weights, caches, unpacked data, training runs."""
    chosen = os.environ.get("POSECORE_HOME")
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("posecore", appauthor=False)
