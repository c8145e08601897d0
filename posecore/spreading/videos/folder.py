"""A folder of results of videos, and of segments of those that are not done."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from posecore.errors import DataError
from posecore.parsing import open_arrays, parse_json
from posecore.skeleton import Skeleton, skeleton_of_data
from posecore.spreading.tables import people_columns, read_table, write_table
from posecore.spreading.videos.tasks import Joining, Looked, Probed
from posecore.storage import replacing, sweep, writing
from posecore.video import VideoResult
from posecore.video.sequence import ARRAYS, PoseSequence

#: Kind of the rows of a video's file.
VIDEO = "people_of_video"
_PEOPLE, _SEGMENTS = "people", "segments"


@dataclass
class VideoState:
    """How far a video has come."""

    source: str
    name: str
    about: Probed | None = None
    missing: set[int] = field(default_factory=set)
    looked: set[int] = field(default_factory=set)


class VideoFolder:
    """Results of videos, and segments of those that are not done, in a folder.

    ``people/NAME.parquet`` has a row for every person in every frame and is written last, so that a video that has one
    is done. ``segments/NAME/`` holds what has been found of the others.

    Args:
        folder: Where; made if missing.
        facts: How results are made; what was made otherwise is refused.
        save: Writes other files of a video, given its result and what their names begin with.
    """

    def __init__(
        self,
        folder: Path,
        facts: Mapping[str, Any],
        save: Callable[[VideoResult, Path], object] = lambda result, stem: None,
    ) -> None:
        self.folder, self.save = folder, save
        # As they are read back.
        self.facts = json.loads(json.dumps(facts))
        with writing(folder):
            for name in (_PEOPLE, _SEGMENTS):
                (folder / name).mkdir(parents=True, exist_ok=True)
            sweep(folder / _PEOPLE)

    def is_done(self, video: VideoState) -> bool:
        """Whether a video was done before; raises ``DataError`` when that was done otherwise."""
        path = self._path(video)
        if not path.exists():
            return False
        _, facts = read_table(path, VIDEO, ["frame"])
        if facts.get("source") != video.source or not self._are_ours(facts):
            raise DataError(f"{path} is of another video, model or settings; give another folder.")
        return True

    def _are_ours(self, facts: Mapping[str, Any]) -> bool:
        """Whether something was made as this run makes it; another version of posecore may have."""
        return all(facts.get(name) == one for name, one in self.facts.items() if name != "posecore")

    def take_up(self, video: VideoState) -> None:
        """Know which segments of a video have been looked at."""
        place = self.folder / _SEGMENTS / video.name
        if not place.is_dir():
            return
        sweep(place)
        for index in sorted(video.missing):
            try:
                self._segment(video, index)
            except (OSError, DataError):
                continue
            video.looked.add(index)
        video.missing -= video.looked

    def keep(self, video: VideoState, index: int, looked: Looked) -> None:
        """Write what was found in a segment; it is there as a whole, or not at all."""
        frames = looked.frames
        meta = {"source": video.source, "facts": self.facts, "size": frames.image_size, "warnings": looked.warnings}
        path = self._segment_path(video, index)
        with writing(path), replacing(path) as part, part.open("wb") as file:
            np.savez(file, __meta__=np.array(json.dumps(meta)), **frames.arrays())

    def joined(self, video: VideoState) -> Joining:
        """All frames of a video whose segments have been looked at."""
        assert video.about is not None
        parts = [self._segment(video, index) for index in sorted(video.looked)]
        whole = PoseSequence.joined([part.frames for part in parts])
        warnings = dict.fromkeys(warning for part in parts for warning in part.warnings)
        return Joining(video.source, video.about, whole, tuple(warnings))

    def finish(self, video: VideoState, result: VideoResult) -> None:
        """Write a video's results; its segments are of no more use."""
        self.save(result, self.folder / video.name)
        poses = result.poses
        columns = {
            "frame": pa.array(poses.numbers[poses.frames]),
            "time": pa.array(poses.times[poses.frames]),
            "track_id": pa.array(poses.track_ids),
            **people_columns(poses.skeleton, poses.keypoints, poses.keypoint_scores, poses.scores),
        }
        about = {
            "source": video.source,
            "size": list(poses.image_size),
            "frames": len(poses),
            "rate": float(result.info.rate),
            "warnings": list(result.warnings),
        }
        write_table(self._path(video), VIDEO, columns, {**self.facts, **about})
        self.drop(video)

    def drop(self, video: VideoState) -> None:
        """Remove the segments of a video."""
        shutil.rmtree(self.folder / _SEGMENTS / video.name, ignore_errors=True)

    def _path(self, video: VideoState) -> Path:
        return self.folder / _PEOPLE / f"{video.name}.parquet"

    def _segment_path(self, video: VideoState, index: int) -> Path:
        return self.folder / _SEGMENTS / video.name / f"{index:05}.npz"

    def _segment(self, video: VideoState, index: int) -> Looked:
        """A segment that was looked at in the same way; raises ``DataError`` or ``OSError`` for anything else."""
        path = self._segment_path(video, index)
        try:
            with open_arrays(path) as archive:
                meta = parse_json(str(archive["__meta__"]))
                if meta["source"] != video.source or not self._are_ours(meta["facts"]):
                    raise DataError(f"{path} was made otherwise.")
                size = (int(meta["size"][0]), int(meta["size"][1]))
                sequence = PoseSequence(self._skeleton, size, **{name: archive[name] for name in ARRAYS})
                return Looked(sequence, tuple(meta["warnings"]))
        except (OSError, DataError):
            raise
        except Exception as error:
            # zipfile, zlib and NumPy raise a dozen kinds for damaged files.
            raise DataError(f"{path} is damaged.") from error

    @property
    def _skeleton(self) -> Skeleton:
        return skeleton_of_data(self.facts["skeleton"])
