"""People as rows of Parquet: a column for every coordinate of every joint, and in the file how they were made.

Missing joints are null and have the score 0. Values are the float32 of :class:`posecore.poses.Poses`, so that nothing
is lost on the way and back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from posecore.errors import DataError
from posecore.parsing import MalformedError, parse_json
from posecore.skeleton import Skeleton
from posecore.storage import replacing, writing

#: Version of the columns; raised when a reader of the old ones would misunderstand the new ones.
VERSION = 1
#: Where a file says how it was made.
_KEY = b"posecore"

Facts = Mapping[str, Any]


def people_columns(
    skeleton: Skeleton,
    keypoints: NDArray[np.float32],
    keypoint_scores: NDArray[np.float32],
    scores: NDArray[np.float32],
) -> dict[str, Any]:
    """``score`` of every person, then ``NAME_x``, ``NAME_y`` (source pixels) and ``NAME_score`` of every joint.

    Args:
        skeleton: Names of the K joints.
        keypoints: ``(N, K, 2)`` (x, y), NaN where missing.
        keypoint_scores: ``(N, K)``.
        scores: ``(N,)``.
    """
    columns: dict[str, Any] = {"score": pa.array(np.ascontiguousarray(scores))}
    for place, name in enumerate(skeleton.keypoints):
        for axis, letter in enumerate("xy"):
            values = np.ascontiguousarray(keypoints[:, place, axis])
            columns[f"{name}_{letter}"] = pa.array(values, mask=np.isnan(values))
        columns[f"{name}_score"] = pa.array(np.ascontiguousarray(keypoint_scores[:, place]))
    return columns


def people_arrays(
    table: pa.Table, skeleton: Skeleton
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Keypoints ``(N, K, 2)``, their scores ``(N, K)`` and people's scores ``(N,)``, as they went into the columns."""
    rows, count = table.num_rows, len(skeleton)
    keypoints = np.empty((rows, count, 2), np.float32)
    keypoint_scores = np.empty((rows, count), np.float32)
    for place, name in enumerate(skeleton.keypoints):
        for axis, letter in enumerate("xy"):
            keypoints[:, place, axis] = table[f"{name}_{letter}"].to_numpy()
        keypoint_scores[:, place] = table[f"{name}_score"].to_numpy()
    return keypoints, keypoint_scores, table["score"].to_numpy()


def write_table(path: Path, kind: str, columns: Mapping[str, Any], facts: Facts) -> None:
    """Replace a file of Parquet as a whole.

    Args:
        path: The file.
        kind: What its rows are, such as ``people``.
        columns: Name → Arrow array.
        facts: How it was made; goes into the file's metadata under ``posecore``, as JSON.
    """
    stated = {"format": f"posecore.{kind}", "version": VERSION, **facts}
    table = pa.table(dict(columns)).replace_schema_metadata({_KEY: json.dumps(stated, allow_nan=False).encode()})
    with writing(path), replacing(path) as part:
        pq.write_table(table, part, compression="zstd")


def read_table(path: Path, kind: str, columns: list[str] | None = None) -> tuple[pa.Table, dict[str, Any]]:
    """Rows and facts of a file that :func:`write_table` wrote.

    Raises:
        DataError: When the file is damaged, or another one.
    """
    try:
        facts = parse_json((pq.read_schema(path).metadata or {}).get(_KEY, b"null"))
        if not isinstance(facts, dict) or facts.get("format") != f"posecore.{kind}":
            raise DataError(f"{path} holds no {kind} of posecore; remove it, or give another folder.")
        if facts.get("version") != VERSION:
            raise DataError(
                f"{path} is of version {facts.get('version')!r}, this posecore reads {VERSION}; give another folder."
            )
        return pq.read_table(path, columns=columns), facts
    except (pa.ArrowException, MalformedError, KeyError) as error:
        raise DataError(f"{path} is damaged ({error!s:.120}); remove it, and run again.") from error
