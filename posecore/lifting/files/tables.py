"""People in the room as tables and as JSON, and what the numbers rest on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from posecore.lifting.room_poses import RoomPoses
from posecore.skeleton import data_of_skeleton

#: Version of the JSON layout.
JSON_VERSION = 1
AXES = "x to the camera's right, y up from the floor, z towards the camera; metres"


def position_table(people: Sequence[RoomPoses]) -> pd.DataFrame:
    """Tidy table: frame, time, track_id, keypoint, x, y, z, score; a row per person, frame and keypoint."""
    tables = [_positions(person) for person in people]
    columns = ["frame", "time", "track_id", "keypoint", "x", "y", "z", "score"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)


def _positions(person: RoomPoses) -> pd.DataFrame:
    frames, count = person.present.shape
    x, y, z = person.keypoints.reshape(-1, 3).T
    return pd.DataFrame(
        {
            "frame": person.frames.repeat(count),
            "time": person.times.repeat(count),
            "track_id": person.track_id,
            "keypoint": list(person.skeleton.keypoints) * frames,
            "x": np.round(x, 5),
            "y": np.round(y, 5),
            "z": np.round(z, 5),
            "score": np.round(person.scores.ravel(), 4),
        }
    )


def room_json(people: Sequence[RoomPoses]) -> Iterator[str]:
    """Everybody as the pieces of one JSON object, person after person and frame after frame."""
    head: dict[str, Any] = {"format": "posecore.room", "version": JSON_VERSION, "posecore": version("posecore")}
    head |= {"axes": AXES}
    yield json.dumps(head)[:-1] + ', "people": ['
    for place, person in enumerate(people):
        about = {
            "track_id": person.track_id,
            "skeleton": data_of_skeleton(person.skeleton),
            "keypoint_names": list(person.skeleton.keypoints),
            "lifted_by": person.lifted_by.to_dict(),
        }
        yield (",\n" if place else "\n") + json.dumps(about, allow_nan=False)[:-1] + ', "frames": ['
        for index in range(len(person)):
            yield (",\n" if index else "\n") + json.dumps(_frame(person, index), allow_nan=False)
        yield "]}"
    yield "\n]}\n"


def _frame(person: RoomPoses, index: int) -> dict[str, Any]:
    positions = [
        [round(value, 5) for value in point] if known else None
        for point, known in zip(person.keypoints[index].tolist(), person.present[index], strict=True)
    ]
    scores = [round(score, 4) for score in person.scores[index].tolist()]
    number, time = int(person.frames[index]), float(person.times[index])
    return {"frame": number, "time": time, "keypoints": positions, "keypoint_scores": scores}
