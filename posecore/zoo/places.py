"""Where models lie on this machine."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posecore.errors import WeightsError
from posecore.home import home


def shipped_folder() -> Path:
    """``weights/`` beside the package: the models trained by this project."""
    return Path(__file__).resolve().parents[2] / "weights"


def cache_folder() -> Path:
    """Official weights after conversion, one safetensors file per model."""
    return home() / "weights"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn failures to write to ``path`` into ``WeightsError`` sentences that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            advice = "the disk is full; free some space, or set POSECORE_HOME to a folder on another disk."
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            advice = "this folder may not be written to; set POSECORE_HOME to a folder of your own."
        else:
            advice = f"{error.strerror or error}."
        raise WeightsError(f"{path} could not be written: {advice}") from error
