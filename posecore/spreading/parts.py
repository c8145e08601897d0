"""A folder of results that grows part by part, so that whoever goes on knows what is done.

``people/part-….parquet`` has a row for every person, ``pictures/part-….parquet`` one for every picture: its size, how
many people there are in it, or why it could not be looked at. A part counts once its pictures are written, which is
done last; what a killed run left of other parts is removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout

from posecore.errors import DataError, StorageError
from posecore.model import PoseModel
from posecore.poses import MadeBy, Poses
from posecore.results import safe_table
from posecore.skeleton import Skeleton, data_of_skeleton, skeleton_of_data
from posecore.spreading.tables import Facts, people_arrays, people_columns, read_table, write_table
from posecore.storage import replacing, sweep, writing

PEOPLE, PICTURES = "people", "pictures"
#: Where the pictures that could not be looked at are listed.
FAILED = "failed.csv"
_LOCK = ".posecore.lock"
_NAME = re.compile(r"part-(\d+)\.parquet")
#: What must be the same for results to lie in one folder.
_SAME = ("model", "weights", "network_settings", "decode_settings", "calibration", "files")
_PICTURE_COLUMNS = {
    "source": pa.string(),
    "width": pa.int32(),
    "height": pa.int32(),
    "people": pa.int32(),
    "picture": pa.string(),
    "computed": pa.string(),
    "error": pa.string(),
}


@dataclass(frozen=True, eq=False)
class Seen:
    """What came of one picture.

    Attributes:
        source: Its path or address.
        poses: The people in it, with how they were found; None when it could not be looked at.
        error: Why it could not.
        files: Files that belong to it, by format.
    """

    source: str
    poses: Poses | None
    error: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)


def facts_of(made_by: MadeBy, skeleton: Skeleton) -> dict[str, Any]:
    """How results were made, apart from what differs from picture to picture."""
    return {
        "posecore": made_by.posecore,
        "model": made_by.model,
        "weights": made_by.weights,
        "skeleton": data_of_skeleton(skeleton),
        "network_settings": dict(made_by.network_settings),
        "decode_settings": dict(made_by.decode_settings),
        "calibration": made_by.calibration,
    }


def facts_with(model: PoseModel, network: Mapping[str, Any], decode: Mapping[str, Any]) -> dict[str, Any]:
    """How results of a model are made that is told all network settings and decode settings."""
    calibration = model.calibration if decode.get("calibrated") else None
    fitted_on = "" if calibration is None else calibration.fitted_on
    made_by = MadeBy(
        version("posecore"), model.name, model.weights_id, "", None, network, decode, calibration=fitted_on
    )
    return facts_of(made_by, model.skeleton)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only run that writes to a folder, which is made if missing.

    Raises:
        StorageError: When another run writes to it.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StorageError(f"Another run is writing to {folder}; give another folder, or wait for it.") from None
    try:
        yield
    finally:
        lock.release()


class PartFolder:
    """Parts of results in a folder; see the module.

    Args:
        folder: Where; made if missing.
        facts: How what will be added is made, as :func:`facts_of` says it.

    Attributes:
        done: Sources that have been looked at. Those that could not be are not among them: they are tried again.

    Raises:
        DataError: When the folder holds results that were made otherwise.
    """

    def __init__(self, folder: Path, facts: Facts) -> None:
        self.folder = folder
        # As they are read back.
        self.facts: Facts = json.loads(json.dumps(facts))
        self.done: set[str] = set()
        self._numbers: set[int] = set()
        with writing(folder):
            for kind in (PEOPLE, PICTURES):
                (folder / kind).mkdir(parents=True, exist_ok=True)
                sweep(folder / kind)
        known = _numbers(folder / PICTURES)
        for number in _numbers(folder / PEOPLE) - known:
            self._path(PEOPLE, number).unlink()
        for number in sorted(known):
            self._take_up(number)
        self._unused = (number for number in count() if number not in self._numbers)

    def _take_up(self, number: int) -> None:
        """Know what a part holds; pictures of it that could not be looked at are forgotten."""
        path = self._path(PICTURES, number)
        table, facts = read_table(path, PICTURES)
        if any(facts.get(name) != self.facts.get(name) for name in _SAME):
            raise DataError(
                f"{self.folder} holds results of {facts.get('model')} made with other weights or settings, or with "
                "other files beside them; give another folder, or ask for the same again."
            )
        good = table.filter(pc.equal(table["error"], ""))
        if good.num_rows < table.num_rows:
            write_table(path, PICTURES, {name: good[name] for name in good.column_names}, facts)
        self.done.update(good["source"].to_pylist())
        self._numbers.add(number)

    def next_number(self) -> int:
        """The number of the next part."""
        return next(self._unused)

    def add(self, number: int, pictures: Sequence[Seen]) -> None:
        """Write a part; it is there as a whole, or not at all."""
        looked = [(one.source, one.poses) for one in pictures if one.poses is not None]
        write_table(self._path(PEOPLE, number), PEOPLE, self._people(looked), self.facts)
        write_table(self._path(PICTURES, number), PICTURES, _pictures(pictures), self.facts)
        self._numbers.add(number)

    def _people(self, looked: Sequence[tuple[str, Poses]]) -> dict[str, Any]:
        skeleton = skeleton_of_data(self.facts["skeleton"])
        counts = [len(poses) for _, poses in looked]
        names = [source for (source, _), people in zip(looked, counts, strict=True) for _ in range(people)]
        everybody = [Poses.empty(skeleton, (1, 1)), *(poses for _, poses in looked)]
        places = [np.arange(people, dtype=np.int32) for people in (0, *counts)]
        return {
            "source": pa.array(names, pa.string()),
            "person": pa.array(np.concatenate(places), pa.int32()),
            **people_columns(
                skeleton,
                np.concatenate([poses.keypoints for poses in everybody]),
                np.concatenate([poses.keypoint_scores for poses in everybody]),
                np.concatenate([poses.scores for poses in everybody]),
            ),
        }

    def rows(self, wanted: Collection[str]) -> Iterator[tuple[str, Poses]]:
        """Those of the ``wanted`` sources that were looked at, with their people, part by part."""
        for number in sorted(self._numbers):
            yield from ((source, poses) for source, poses in self._rows(number) if source in wanted)

    def _rows(self, number: int) -> Iterator[tuple[str, Poses]]:
        pictures, facts = read_table(self._path(PICTURES, number), PICTURES)
        people, _ = read_table(self._path(PEOPLE, number), PEOPLE)
        skeleton = skeleton_of_data(facts["skeleton"])
        keypoints, keypoint_scores, scores = people_arrays(people, skeleton)
        starts: dict[str, int] = {}
        for place, source in enumerate(people["source"].to_pylist()):
            starts.setdefault(source, place)
        for row in pictures.to_pylist():
            if row["error"]:
                continue
            start = starts.get(row["source"], 0)
            these = slice(start, start + row["people"])
            made_by = MadeBy(
                facts["posecore"],
                facts["model"],
                facts["weights"],
                row["picture"],
                None,
                facts["network_settings"],
                facts["decode_settings"],
                row["computed"],
                facts["calibration"],
            )
            yield (
                row["source"],
                Poses(
                    keypoints[these],
                    keypoint_scores[these],
                    scores[these],
                    skeleton,
                    (row["width"], row["height"]),
                    made_by=made_by,
                ),
            )

    def totals(self, wanted: Collection[str]) -> tuple[int, int]:
        """How many of the ``wanted`` sources were looked at, and how many people are in them."""
        pictures = people = 0
        for number in self._numbers:
            table, _ = read_table(self._path(PICTURES, number), PICTURES, ["source", "people", "error"])
            counts = [row["people"] for row in table.to_pylist() if not row["error"] and row["source"] in wanted]
            pictures += len(counts)
            people += sum(counts)
        return pictures, people

    def failures(self) -> list[tuple[str, str]]:
        """Pictures that could not be looked at, and why."""
        found = []
        for number in sorted(self._numbers):
            table, _ = read_table(self._path(PICTURES, number), PICTURES, ["source", "error"])
            found += [(row["source"], row["error"]) for row in table.to_pylist() if row["error"]]
        return found

    def _path(self, kind: str, number: int) -> Path:
        return self.folder / kind / f"part-{number:06}.parquet"


def list_failures(folder: Path, failures: Sequence[tuple[str, str]]) -> None:
    """List in a folder what could not be looked at, and why; there is no list when there is nothing."""
    path = folder / FAILED
    with writing(path):
        if failures:
            with replacing(path) as part:
                safe_table(pd.DataFrame(list(failures), columns=["source", "error"])).to_csv(part, index=False)
        else:
            path.unlink(missing_ok=True)


def _numbers(folder: Path) -> set[int]:
    names = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return {int(name[1]) for name in names if name}


def _pictures(pictures: Sequence[Seen]) -> dict[str, Any]:
    rows = [
        {
            "source": one.source,
            "width": one.poses.image_size[0] if one.poses is not None else None,
            "height": one.poses.image_size[1] if one.poses is not None else None,
            "people": len(one.poses) if one.poses is not None else 0,
            "picture": one.poses.made_by.picture if one.poses is not None and one.poses.made_by else None,
            "computed": one.poses.made_by.computed if one.poses is not None and one.poses.made_by else None,
            "error": one.error,
        }
        for one in pictures
    ]
    return {name: pa.array([row[name] for row in rows], kind) for name, kind in _PICTURE_COLUMNS.items()}
