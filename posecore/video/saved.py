"""Poses that posecore saved, read back: of a clip (JSON or keypoint table) or of one picture (JSON)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from posecore.errors import DataError, SkeletonError
from posecore.parsing import MalformedError, parse_json, read_json, shown
from posecore.poses import JSON_VERSION as POSES_VERSION
from posecore.poses import Poses
from posecore.results import safe_cell
from posecore.skeleton import COCO_17, SKELETONS, Skeleton, data_of_skeleton, skeleton_of_data
from posecore.video.live_following import mirrored_poses
from posecore.video.sequence import UNTRACKED, PoseSequence, SequenceBuilder
from posecore.video.tables import JSON_VERSION

#: Columns of the keypoint table that are read.
_COLUMNS = ("frame", "time", "track_id", "pose_score", "keypoint", "x", "y", "score")
#: How programs write that a number is missing.
_MISSING = ["", "NA", "N/A", "#N/A", "<NA>", "n/a", "NaN", "nan", "-nan", "null", "NULL", "None"]
#: Frames between a table's first and last one: more are another kind of number.
_MOST_FRAMES = 20_000_000


def read_saved_poses(path: Path) -> PoseSequence:
    """The people in a file that posecore wrote, where the camera saw them.

    Args:
        path: ``.json`` of a clip or of one picture, or ``.csv`` of a clip, which needs its ``.run.json`` beside it. The
            people of a picture become people 1, 2, … of a clip of one frame.

    Raises:
        DataError: When it is another file, or damaged.
    """
    if path.suffix.lower() == ".csv":
        return _of_table(path)
    data = read_json(path, "poses", DataError)
    kind = data.get("format") if isinstance(data, dict) else None
    readers = {"posecore.video": _of_clip, "posecore.poses": _of_picture}
    if kind not in readers:
        raise DataError(
            f"{path} holds no poses that posecore saved: give a clip's .json or .csv, or a picture's .json."
        )
    try:
        with _damage_of(path, "is malformed"):
            return readers[kind](data)
    except KeyError as error:
        raise DataError(f"{path} is incomplete: {shown(error.args[0])} is missing.") from error


@contextmanager
def _damage_of(path: Path, words: str) -> Iterator[None]:
    """Say which file it is that cannot be read, and in ``words`` what is wrong where its values make no sense."""
    try:
        yield
    except (DataError, SkeletonError) as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}.") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{path} {words}: {error!s:.120}.") from error


def _of_picture(data: dict[str, Any]) -> PoseSequence:
    poses = Poses.from_dict(data)
    sequence = PoseSequence.collect([(0.0, poses)], poses.skeleton, poses.image_size)
    return sequence.with_ids(np.arange(1, len(poses) + 1))


def _of_clip(data: dict[str, Any]) -> PoseSequence:
    if data.get("version") != JSON_VERSION:
        raise DataError(f"version {shown(data.get('version'))} cannot be read; this posecore reads {JSON_VERSION}.")
    skeleton = _skeleton(data)
    builder = SequenceBuilder(skeleton)
    last: tuple[float, int] = (-np.inf, -1)
    size = data["image_size"]
    for number, time, poses in _frames(data["frames"], skeleton, size):
        if not (last[0] < time < np.inf and last[1] < number):
            raise DataError(f"frame {number} does not come after the frame before it.")
        if poses.track_ids is not None and _repeated(poses.track_ids):
            raise DataError(f"two people of frame {number} have one track_id.")
        builder.add(time, poses, number)
        last = time, number
    empty = Poses.from_dict(_picture([], skeleton, size))
    return _as_filmed(builder.build(empty.image_size), data)


def _as_filmed(sequence: PoseSequence, facts: Mapping[str, Any]) -> PoseSequence:
    """People of a clip where the camera saw them, though it may show them as in a mirror."""
    return mirrored_poses(sequence) if facts.get("mirrored") is True else sequence


def _skeleton(data: dict[str, Any]) -> Skeleton:
    said, keypoints = data["skeleton"], tuple(str(one) for one in data["keypoint_names"])
    if not isinstance(said, str):
        return skeleton_of_data(said)
    known = SKELETONS.get(said)
    if known is not None and known.keypoints == keypoints:
        return known
    # Older files name a skeleton of one's own, and say of it what can be drawn.
    return Skeleton(said, keypoints, tuple((int(a), int(b)) for a, b in data["edges"]))


def _frames(frames: Any, skeleton: Skeleton, size: Any) -> Iterator[tuple[int, float, Poses]]:
    for frame in frames:
        yield int(frame["frame"]), float(frame["time"]), Poses.from_dict(_picture(frame["people"], skeleton, size))


def _picture(people: Any, skeleton: Skeleton, size: Any) -> dict[str, Any]:
    about = {"format": "posecore.poses", "version": POSES_VERSION, "skeleton": data_of_skeleton(skeleton)}
    return {**about, "image_size": size, "people": people}


def _repeated(track_ids: np.ndarray[Any, np.dtype[np.int64]]) -> bool:
    followed = track_ids[track_ids != UNTRACKED]
    return len(np.unique(followed)) < len(followed)


def _of_table(path: Path) -> PoseSequence:
    beside = path.with_suffix(".run.json")
    try:
        facts = parse_json(beside.read_bytes())
        width, height = (int(side) for side in facts["image_size"])
        if min(width, height) < 1:
            raise ValueError("no picture is so small")
    except (OSError, MalformedError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} does not say how large the pictures are: keep {beside.name} beside it, or give the .json."
        ) from error
    with _damage_of(path, "is no table of a clip's keypoints"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            # A keypoint may be called 1, or NA.
            missing = {name: _MISSING for name in _COLUMNS if name != "keypoint"}
            table = pd.read_csv(
                path, usecols=list(_COLUMNS), dtype={"keypoint": str}, keep_default_na=False, na_values=missing
            )
        names = tuple(dict.fromkeys(table["keypoint"]))
        return _as_filmed(_sequence_of(table, _skeleton_of_table(names, facts), (width, height)), facts)


def _skeleton_of_table(names: tuple[str, ...], facts: Mapping[str, Any]) -> Skeleton:
    """The skeleton whose keypoints a table lists; of an older table no more than their names are known."""
    said = skeleton_of_data(facts["skeleton"]) if "skeleton" in facts else None
    if not names:
        return said or COCO_17
    known = (*([said] if said else []), *SKELETONS.values())
    return next((one for one in known if tuple(map(safe_cell, one.keypoints)) == names), Skeleton("saved", names))


def _sequence_of(table: pd.DataFrame, skeleton: Skeleton, size: tuple[int, int]) -> PoseSequence:
    """A clip of a table; frames without anybody are not in it and lie evenly between the others."""
    if table.empty:
        return PoseSequence.collect([], skeleton, size)
    numbers = table.astype({name: np.float64 for name in _COLUMNS if name != "keypoint"})
    if not np.isfinite(numbers[["frame", "time", "track_id"]]).all(axis=None):
        raise DataError("every line needs frame, time and track_id.")
    names = tuple(dict.fromkeys(table["keypoint"]))
    count, left = divmod(len(table), len(names))
    if left or list(table["keypoint"]) != list(names) * count:
        raise DataError("every person needs a line for each keypoint, in the same order.")
    person = {name: numbers[name].to_numpy().reshape(count, len(names)) for name in _COLUMNS if name != "keypoint"}
    frames, ids = (person[name][:, 0].astype(np.int64) for name in ("frame", "track_id"))
    if any((person[name] != person[name][:, :1]).any() for name in ("frame", "time", "track_id")):
        raise DataError("the lines of a person must lie together.")
    followed = np.stack([frames, ids], 1)[ids != UNTRACKED]
    if len(np.unique(followed, axis=0)) < len(followed):
        raise DataError("two people of one frame have one track_id.")
    known, at = np.unique(frames, return_index=True)
    times = person["time"][at, 0]
    if frames[0] < 0 or (np.diff(frames) < 0).any() or (np.diff(times) <= 0).any():
        raise DataError("its frames must come one after the other.")
    if frames[-1] - frames[0] > _MOST_FRAMES:
        raise DataError("the numbers of its frames cannot be.")
    every = np.arange(frames[0], frames[-1] + 1)
    return PoseSequence(
        skeleton,
        size,
        np.interp(every, known, times),
        frames - frames[0],
        np.stack([person["x"], person["y"]], -1).astype(np.float32),
        person["score"].astype(np.float32),
        person["pose_score"][:, 0].astype(np.float32),
        ids,
        every,
    )
