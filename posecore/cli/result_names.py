"""Names for what commands write about a video, so that nothing that is there gets lost."""

from __future__ import annotations

from collections.abc import Collection
from glob import escape
from itertools import count
from pathlib import Path

from posecore.errors import PosecoreError
from posecore.video import VIDEO_SUFFIXES


def with_ending(stem: Path, ending: str) -> Path:
    """``stem`` with ``ending`` after its whole name: ``run.1`` and ``.csv`` give ``run.1.csv``."""
    return stem.with_name(stem.name + ending)


def free_stem(place: Path, usual: str, endings: Collection[str], overwrite: bool) -> Path:
    """What the names of all results begin with.

    Args:
        place: The clip as it was asked for, with or without the ending of a video; or a folder.
        usual: Name in a folder; the next free number follows it where it is taken.
        endings: What comes after the stem; ``*`` stands for whatever there is.
        overwrite: Replace what is there.

    Raises:
        PosecoreError: Naming what is there already, when it may not be replaced.
    """
    if place.is_dir():
        stems = (place / (usual if number == 1 else f"{usual}-{number}") for number in count(1))
        return next(stem for stem in stems if overwrite or not _taken(stem, endings))
    stem = place.with_suffix("") if place.suffix.lower() in VIDEO_SUFFIXES else place
    taken = _taken(stem, endings)
    if taken and not overwrite:
        raise PosecoreError(f"{taken[0]} exists; give another name, or --overwrite to replace it.")
    return stem


def _taken(stem: Path, endings: Collection[str]) -> list[Path]:
    return [path for ending in endings for path in _present(stem, ending)]


def _present(stem: Path, ending: str) -> list[Path]:
    if "*" not in ending:
        return [path] if (path := with_ending(stem, ending)).exists() else []
    return sorted(stem.parent.glob(escape(stem.name) + ending))
