"""Where models lie on this machine."""

from __future__ import annotations

from pathlib import Path

from posecore.home import home
from posecore.shipped import shipped


def shipped_folder() -> Path:
    """``weights/`` beside the package: the models trained by this project."""
    return shipped("weights")


def cache_folder() -> Path:
    """Official weights after conversion, one safetensors file per model."""
    return home() / "weights"
