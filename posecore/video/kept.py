"""The result of a run over a video as one file, so that it can outlive the process that made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from posecore.errors import VideoError
from posecore.parsing import open_arrays, parse_json
from posecore.settings import Settings
from posecore.skeleton import data_of_skeleton, skeleton_of_data
from posecore.storage import replacing
from posecore.video.corrections import Correction, corrected
from posecore.video.options import VideoOptions
from posecore.video.reading import VideoInfo
from posecore.video.results import VideoResult
from posecore.video.sequence import ARRAYS, PoseSequence

_VERSION = 1


def data_of_info(info: VideoInfo) -> dict[str, Any]:
    """What a video says about itself, as plain data for JSON."""
    return asdict(info) | {"rate": str(info.rate), "time_base": str(info.time_base)}


def info_of_data(data: Mapping[str, Any]) -> VideoInfo:
    """Read what :func:`data_of_info` made."""
    exact = {name: Fraction(data[name]) for name in ("rate", "time_base")}
    return VideoInfo(**{**data, **exact})


def data_of_options(options: VideoOptions) -> dict[str, Any]:
    """What was told about a run, as plain data for JSON."""
    values = ((one.name, getattr(options, one.name)) for one in fields(options))
    return {name: value.model_dump() if isinstance(value, Settings) else dict(value) for name, value in values}


def options_of_data(data: Mapping[str, Any]) -> VideoOptions:
    """Read what :func:`data_of_options` made."""
    usual = VideoOptions()
    parts: dict[str, Any] = {}
    for name, value in data.items():
        known = getattr(usual, name)
        parts[name] = type(known)(**value) if isinstance(known, Settings) else dict(value)
    return VideoOptions(**parts)


def save_result(result: VideoResult, path: Path) -> None:
    """Write all of ``result`` but its clip, which must lie beside ``path``; the old file stays until this is whole."""
    about = {
        "version": _VERSION,
        "clip": None if result.clip is None else result.clip.name,
        "model": result.model,
        "info": data_of_info(result.info),
        "skeleton": data_of_skeleton(result.raw.skeleton),
        "image_size": result.raw.image_size,
        "start": result.start,
        "size": result.size,
        "warnings": result.warnings,
        "seconds": dict(result.seconds),
        "cancelled": result.cancelled,
        "options": data_of_options(result.options),
        "corrections": [asdict(one) for one in result.corrections],
        "drawn": [asdict(one) for one in result.drawn],
        "mirrored": result.mirrored,
    }
    found = result.raw if result.as_found is None else result.as_found
    kinds = {"raw": found} | ({} if result.poses is result.raw else {"poses": result.poses})
    arrays = {f"{kind}_{name}": one for kind, sequence in kinds.items() for name, one in sequence.arrays().items()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)


def load_result(path: Path, source: Path) -> VideoResult:
    """Read what :func:`save_result` wrote.

    Args:
        path: The file.
        source: The video that the run was over.

    Raises:
        VideoError: When it is not there or is damaged.
    """
    try:
        with open_arrays(path) as archive:
            return _result_of(archive, path.parent, source)
    except Exception as error:
        # zipfile, zlib and NumPy raise a dozen kinds for damaged files, and none is promised.
        raise VideoError(f"The result in {path} cannot be read ({error!s:.120}); run the video again.") from error


def _result_of(archive: Any, folder: Path, source: Path) -> VideoResult:
    about = parse_json(str(archive["about"]))
    if about["version"] != _VERSION:
        raise ValueError(f"it is of version {about['version']}")
    skeleton, size = skeleton_of_data(about["skeleton"]), (int(about["image_size"][0]), int(about["image_size"][1]))

    def sequence(kind: str) -> PoseSequence:
        return PoseSequence(skeleton, size, **{name: archive[f"{kind}_{name}"] for name in ARRAYS})

    found = sequence("raw")
    # Files of earlier versions say nothing of corrections and mirrors.
    corrections, drawn = (tuple(Correction(**one) for one in about.get(name, ())) for name in ("corrections", "drawn"))
    raw = corrected(found, corrections)
    return VideoResult(
        source=source,
        clip=None if about["clip"] is None else folder / Path(about["clip"]).name,
        model=about["model"],
        info=info_of_data(about["info"]),
        poses=sequence("poses") if "poses_times" in archive else raw,
        raw=raw,
        start=float(about["start"]),
        size=(int(about["size"][0]), int(about["size"][1])),
        warnings=tuple(about["warnings"]),
        seconds=about["seconds"],
        cancelled=bool(about["cancelled"]),
        options=options_of_data(about["options"]),
        corrections=corrections,
        drawn=drawn,
        as_found=found if corrections else None,
        mirrored=bool(about.get("mirrored", False)),
    )
