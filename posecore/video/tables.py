"""What was found in a video as files: tidy CSV, JSON and COCO results, beside the clip and under its name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from posecore.errors import SettingsError, VideoError
from posecore.results import safe_table
from posecore.settings import Settings
from posecore.skeleton import data_of_skeleton
from posecore.storage import replacing, writing
from posecore.video.measures import count_track, measure_table, parse_measure
from posecore.video.repetitions import RepetitionSettings
from posecore.video.results import VideoResult
from posecore.video.sequence import UNTRACKED, PoseSequence

#: Kinds of tables that :func:`save_tables` writes.
FORMATS = ("csv", "json", "coco")
#: Version of the JSON layout.
JSON_VERSION = 1


def table_endings(formats: Collection[str], measures: bool, repetitions: bool) -> list[str]:
    """What :func:`save_tables` puts after the stem, file by file.

    Raises:
        SettingsError: For an unknown format.
    """
    if unknown := set(formats) - set(FORMATS):
        raise SettingsError(f"Unknown format {', '.join(sorted(unknown))}; choose from {', '.join(FORMATS)}.")
    csv, coco = "csv" in formats, "coco" in formats
    wanted = {
        ".csv": csv,
        ".measures.csv": csv and measures,
        ".repetitions.csv": csv and repetitions,
        ".json": "json" in formats,
        ".coco_results.json": coco,
        ".coco_images.json": coco,
        ".run.json": csv or coco,
    }
    return [ending for ending, is_wanted in wanted.items() if is_wanted]


def keypoint_table(sequence: PoseSequence) -> pd.DataFrame:
    """Tidy table: frame, time, track_id, pose_score, keypoint, x, y, score; a row per person, frame and keypoint.

    ``frame`` counts the frames of the whole video from 0, whichever part of it was used.
    """
    count = len(sequence.skeleton)
    rows = len(sequence.frames)
    return pd.DataFrame(
        {
            "frame": sequence.numbers[sequence.frames].repeat(count),
            "time": sequence.times[sequence.frames].repeat(count),
            "track_id": sequence.track_ids.repeat(count),
            "pose_score": sequence.scores.repeat(count),
            "keypoint": list(sequence.skeleton.keypoints) * rows,
            "x": sequence.keypoints[..., 0].ravel(),
            "y": sequence.keypoints[..., 1].ravel(),
            "score": sequence.keypoint_scores.ravel(),
        }
    )


def repetition_table(
    sequence: PoseSequence, measures: Sequence[str], settings: RepetitionSettings | None = None
) -> pd.DataFrame:
    """Repetitions of each measure by each followed person: track_id, measure, number, start, turn, end in seconds.

    The last one has no end when the video stops before it is completed.
    """
    rows: list[dict[str, Any]] = []
    for number, track in sequence.tracks().items():
        for measure in (parse_measure(text, sequence.skeleton) for text in measures):
            found = count_track(track, measure, settings)
            rows += [
                {
                    "track_id": number,
                    "measure": measure.text,
                    "number": index + 1,
                    "start": start,
                    "turn": turn,
                    "end": end,
                }
                for index, (start, turn, end) in enumerate(zip(found.starts, found.turns, found.ends, strict=True))
            ]
    return pd.DataFrame(rows, columns=["track_id", "measure", "number", "start", "turn", "end"])


def save_tables(
    result: VideoResult,
    stem: Path,
    formats: Collection[str],
    measures: Sequence[str] = (),
    repetitions: Sequence[str] = (),
    counting: RepetitionSettings | None = None,
) -> list[Path]:
    """Write tables next to each other.

    Args:
        result: What was found.
        stem: Path without ending: ``clips/out`` gives ``clips/out.csv`` and so on.
        formats: Of ``FORMATS``.
        measures: Measures to write along (see :mod:`posecore.video.measures`).
        repetitions: Measures whose repetitions are counted.
        counting: What counts as a repetition.

    Returns:
        The files written: keypoints ``.csv``, measures ``.measures.csv``, repetitions ``.repetitions.csv``, everything
        ``.json``, COCO results ``.coco_results.json`` with their pictures ``.coco_images.json``. What made them is said
        in ``.json`` itself, and beside the others in ``.run.json``.

    Raises:
        SettingsError: For an unknown format or measure.
        VideoError: When they cannot be written.
    """
    endings = table_endings(formats, bool(measures), bool(repetitions))
    measured = measure_table(result.poses, measures)
    counted = repetition_table(result.poses, repetitions, counting)
    writers: dict[str, Callable[[Path], None]] = {
        ".csv": lambda path: _write_keypoints(result.poses, path),
        ".measures.csv": lambda path: safe_table(measured).to_csv(path, index=False),
        ".repetitions.csv": lambda path: safe_table(counted).to_csv(path, index=False),
        ".json": lambda path: _write_pieces(_json_pieces(result, measured, counted), path),
        ".coco_results.json": lambda path: _write_pieces(_coco_pieces(result), path),
        ".coco_images.json": lambda path: _write_pieces([json.dumps(_coco_images(result))], path),
        ".run.json": lambda path: _write_pieces([json.dumps(run_facts(result), indent=1, allow_nan=False)], path),
    }
    written = [stem.with_name(stem.name + ending) for ending in endings]
    for path, ending in zip(written, endings, strict=True):
        with writing(path, VideoError), replacing(path) as part:
            writers[ending](part)
    return written


def run_facts(result: VideoResult) -> dict[str, Any]:
    """What was found where, by which model, with which settings, for whoever opens the files later."""
    options = result.options
    parts = {one.name: getattr(options, one.name) for one in fields(options)}
    return {
        "posecore": version("posecore"),
        "source": result.source.name,
        "model": result.model,
        "image_size": list(result.poses.image_size),
        "skeleton": data_of_skeleton(result.poses.skeleton),
        "fps": result.fps,
        "mirrored": result.mirrored,
        "corrections": [asdict(one) for one in result.corrections],
        "settings": {
            name: part.model_dump(mode="json") if isinstance(part, Settings) else dict(part)
            for name, part in parts.items()
        },
    }


def _write_pieces(pieces: Iterable[str], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(pieces)


def _write_keypoints(sequence: PoseSequence, path: Path) -> None:
    """The keypoint table, a few thousand people at a time: the whole of a long video would need gigabytes."""
    with path.open("w", encoding="utf-8", newline="") as file:
        safe_table(keypoint_table(sequence.head(0))).to_csv(file, index=False)
        for start in range(0, len(sequence.frames), 2000):
            rows = keypoint_table(sequence.rows(slice(start, start + 2000)))
            safe_table(rows).to_csv(file, index=False, header=False)


def _json_pieces(result: VideoResult, measured: pd.DataFrame, counted: pd.DataFrame) -> Iterator[str]:
    """Everything as one JSON object, frame after frame."""
    info = result.info
    head = {
        "format": "posecore.video",
        "version": JSON_VERSION,
        **run_facts(result),
        "clip_start": result.start,
        "codec": info.codec,
        "keypoint_names": list(result.poses.skeleton.keypoints),
        "edges": [list(edge) for edge in result.poses.skeleton.edges],
        "complete": not result.cancelled,
        "warnings": list(result.warnings),
        "measures": _records(measured),
        "repetitions": _records(counted),
    }
    yield json.dumps(head, allow_nan=False)[:-1] + ', "frames": ['
    separator = "\n"
    for number, time, poses in zip(result.poses.numbers.tolist(), result.poses.times, result.poses, strict=True):
        people = poses.to_dict()["people"]
        yield separator + json.dumps({"frame": number, "time": float(time), "people": people})
        separator = ",\n"
    yield "\n]}\n"


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table for JSON, NaN as null."""
    return [
        {str(name): None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def _coco_images(result: VideoResult) -> list[dict[str, Any]]:
    """The pictures that COCO results speak of; the id is the frame's number in the video + 1."""
    width, height = result.poses.image_size
    size = {"width": width, "height": height}
    return [
        {"id": number + 1, "file_name": f"{result.source.stem}_{number:06}.jpg", **size, "time": float(time)}
        for number, time in zip(result.poses.numbers.tolist(), result.poses.times, strict=True)
    ]


def _coco_pieces(result: VideoResult) -> Iterator[str]:
    """COCO results with ``track_id``, one after another."""
    yield "["
    separator = "\n"
    for number, poses in zip(result.poses.numbers.tolist(), result.poses, strict=True):
        for person, entry in enumerate(poses.to_coco_results(number + 1)):
            if poses.track_ids is not None and poses.track_ids[person] != UNTRACKED:
                entry["track_id"] = int(poses.track_ids[person])
            yield separator + json.dumps(entry)
            separator = ",\n"
    yield "\n]\n"
