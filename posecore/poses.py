"""Poses: what every model returns.

Coordinates are (x, y) in pixels of the source picture, x to the right and y down. The *centre* of the top-left pixel
is (0, 0), as in OpenCV; the picture therefore spans -0.5 … width - 0.5. Families whose published decoding uses another
origin convert at their own edge, in the input transform, so that nothing else needs to know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import DataError, SkeletonError
from posecore.extras import require
from posecore.imaging import Region, check_region
from posecore.parsing import MalformedError, parse_json, shown
from posecore.skeleton import Skeleton, data_of_skeleton, map_skeleton, skeleton_of_data

if TYPE_CHECKING:
    import pandas as pd

#: Version of the JSON layout; raised when a reader of the old layout would misunderstand the new one.
JSON_VERSION = 1


@dataclass(frozen=True)
class MadeBy:
    """How poses were made: enough to make them again.

    Attributes:
        posecore: Version of posecore.
        model: Full model name.
        weights: Hash of the weights.
        picture: Identity of the picture, see :class:`posecore.fields.Provenance`.
        region: The region that was looked at, or None for the whole picture.
        network_settings, decode_settings: The settings that were in force.
        computed: Runtime and precision that computed the network; empty where nobody knows.
        calibration: What was learnt from to make chances of scores (``calibrated`` in the decode settings); empty
            where scores are the model's own.
    """

    posecore: str
    model: str
    weights: str
    picture: str
    region: Region | None = None
    network_settings: Mapping[str, Any] = field(default_factory=dict)
    decode_settings: Mapping[str, Any] = field(default_factory=dict)
    computed: str = field(default="", compare=False)
    calibration: str = ""


@dataclass(frozen=True, eq=False)
class Poses:
    """The people found in one picture, best first.

    Attributes:
        keypoints: ``(P, K, 2)`` float32, source-picture pixels (x, y); NaN where a keypoint is missing.
        keypoint_scores: ``(P, K)`` float32 in 0 … 1; 0 where missing.
        scores: ``(P,)`` float32, one score per person.
        skeleton: Meaning of the K keypoints.
        image_size: ``(width, height)`` of the source picture in pixels.
        track_ids: ``(P,)`` int64 identities over the frames of a video, or None for a single picture.
        made_by: How they were made, or None where nobody knows.

    Raises:
        ValueError: When the shapes do not fit together.
    """

    keypoints: NDArray[np.float32]
    keypoint_scores: NDArray[np.float32]
    scores: NDArray[np.float32]
    skeleton: Skeleton
    image_size: tuple[int, int]
    track_ids: NDArray[np.int64] | None = None
    made_by: MadeBy | None = None

    def __post_init__(self) -> None:
        count = len(self.skeleton)
        keypoints = np.asarray(self.keypoints, np.float32).reshape(-1, count, 2)
        people = len(keypoints)
        object.__setattr__(self, "keypoints", keypoints)
        object.__setattr__(self, "keypoint_scores", np.asarray(self.keypoint_scores, np.float32).reshape(people, count))
        object.__setattr__(self, "scores", np.asarray(self.scores, np.float32).reshape(people))
        if self.track_ids is not None:
            object.__setattr__(self, "track_ids", np.asarray(self.track_ids, np.int64).reshape(people))

    @classmethod
    def empty(cls, skeleton: Skeleton, image_size: tuple[int, int]) -> Poses:
        """No people in a picture of ``image_size`` (width, height)."""
        count = len(skeleton)
        nobody = np.zeros((0, count), np.float32)
        return cls(np.zeros((0, count, 2), np.float32), nobody, nobody[:, 0], skeleton, image_size)

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def present(self) -> NDArray[np.bool_]:
        """``(P, K)`` True where a keypoint has a position."""
        return np.isfinite(self.keypoints[..., 0]) & np.isfinite(self.keypoints[..., 1])

    def select(self, which: NDArray[Any] | Sequence[int] | slice) -> Poses:
        """The people at ``which`` (indices, boolean mask or slice), in that order."""
        index: Any = which if isinstance(which, slice) else np.asarray(which, bool if len(which) == 0 else None)
        if not isinstance(index, slice) and not len(index):
            index = slice(0, 0)
        return replace(
            self,
            keypoints=self.keypoints[index],
            keypoint_scores=self.keypoint_scores[index],
            scores=self.scores[index],
            track_ids=None if self.track_ids is None else self.track_ids[index],
        )

    def filter(self, pose_threshold: float = 0.0, keypoint_threshold: float = 0.0) -> Poses:
        """Drop people scoring below ``pose_threshold``; mark keypoints below ``keypoint_threshold`` as missing."""
        kept = self.select(self.scores >= pose_threshold)
        weak = kept.keypoint_scores < keypoint_threshold
        return replace(
            kept,
            keypoints=np.where(weak[..., None], np.nan, kept.keypoints),
            keypoint_scores=np.where(weak, 0.0, kept.keypoint_scores),
        )

    def boxes(self) -> NDArray[np.float32]:
        """``(P, 4)`` tight boxes (x0, y0, x1, y1) around the present keypoints; NaN for a person without any.

        Their corners are positions, as keypoints are: centres of pixels, not edges.
        """
        boxes = np.full((len(self), 4), np.nan, np.float32)
        seen = self.present.any(-1)
        if seen.any():
            boxes[seen, :2] = np.nanmin(self.keypoints[seen], axis=1)
            boxes[seen, 2:] = np.nanmax(self.keypoints[seen], axis=1)
        return boxes

    def to_skeleton(self, target: Skeleton) -> Poses:
        """The same people in another skeleton; keypoints that this one does not know are missing."""
        if target == self.skeleton:
            return self
        keypoints, scores = map_skeleton(self.skeleton, target).keypoints(self.keypoints, self.keypoint_scores)
        return replace(self, keypoints=keypoints, keypoint_scores=scores, skeleton=target)

    def resized(self, size: tuple[int, int]) -> Poses:
        """The same people in the picture made ``size`` (width, height)."""
        if size == self.image_size:
            return self
        factor = np.divide(size, self.image_size, dtype=np.float32)
        # Sizes count from the picture's edge, positions from the centre of its first pixel.
        return replace(self, keypoints=(self.keypoints + 0.5) * factor - 0.5, image_size=size)

    def to_coco_results(self, image_id: int, category_id: int = 1) -> list[dict[str, Any]]:
        """COCO result entries: ``keypoints`` as x, y, score triples (0, 0, 0 where missing) and ``bbox`` x, y, w, h."""
        triples = np.concatenate([np.nan_to_num(self.keypoints), self.keypoint_scores[..., None]], axis=-1)
        triples[~self.present] = 0
        boxes = np.nan_to_num(self.boxes())
        results = []
        for person, box, score in zip(triples, boxes, self.scores, strict=True):
            x0, y0, x1, y1 = (float(side) for side in box)
            results.append(
                {
                    "image_id": image_id,
                    "category_id": category_id,
                    "keypoints": [round(float(value), 4) for value in person.ravel()],
                    "bbox": [round(x0, 4), round(y0, 4), round(x1 - x0, 4), round(y1 - y0, 4)],
                    "score": float(score),
                }
            )
        return results

    def to_dataframe(self) -> pd.DataFrame:
        """Tidy table, one row per person and keypoint: person, (track_id,) pose_score, keypoint, x, y, score."""
        import pandas as pd

        people, count = len(self), len(self.skeleton)
        columns: dict[str, Any] = {"person": np.repeat(np.arange(people), count)}
        if self.track_ids is not None:
            columns["track_id"] = np.repeat(self.track_ids, count)
        columns["pose_score"] = np.repeat(self.scores, count)
        columns["keypoint"] = list(self.skeleton.keypoints) * people
        columns["x"] = self.keypoints[..., 0].ravel()
        columns["y"] = self.keypoints[..., 1].ravel()
        columns["score"] = self.keypoint_scores.ravel()
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, missing positions as null; :meth:`from_dict` reads it back exactly."""
        people = []
        for index in range(len(self)):
            xy = [
                None if not np.isfinite(point).all() else [float(v) for v in point] for point in self.keypoints[index]
            ]
            person: dict[str, Any] = {
                "score": float(self.scores[index]),
                "keypoints": xy,
                "keypoint_scores": [float(score) for score in self.keypoint_scores[index]],
            }
            if self.track_ids is not None:
                person["track_id"] = int(self.track_ids[index])
            people.append(person)
        data: dict[str, Any] = {
            "format": "posecore.poses",
            "version": JSON_VERSION,
            "image_size": list(self.image_size),
            "skeleton": data_of_skeleton(self.skeleton),
            "keypoint_names": list(self.skeleton.keypoints),
            "people": people,
        }
        return data if self.made_by is None else {**data, "made_by": asdict(self.made_by)}

    def to_json(self, indent: int | None = None) -> str:
        """:meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Poses:
        """Read what :meth:`to_dict` wrote.

        Raises:
            DataError: When the layout is another one, naming what is missing or wrong.
        """
        if not isinstance(data, dict) or data.get("format") != "posecore.poses":
            raise DataError('These are not posecore poses: the field "format" must be "posecore.poses".')
        if data.get("version") != JSON_VERSION:
            raise DataError(
                f"Poses of version {shown(data.get('version'))} cannot be read; this posecore reads {JSON_VERSION}."
            )
        try:
            skeleton = skeleton_of_data(data["skeleton"])
            width, height = (int(side) for side in data["image_size"])
            if min(width, height) < 1:
                raise DataError(f"The picture of the poses cannot be {width} × {height} pixels.")
            people = data["people"]
            missing = [np.nan, np.nan]
            keypoints = [[missing if xy is None else xy for xy in person["keypoints"]] for person in people]
            tracks = [person["track_id"] for person in people if "track_id" in person]
            if people and any(len(person) != len(skeleton) for person in keypoints):
                raise DataError(f"A person must have {len(skeleton)} keypoints, as skeleton {skeleton.name!r} has.")
            return cls(
                _numbers(keypoints, missing=True),
                _numbers([person["keypoint_scores"] for person in people]),
                _numbers([person["score"] for person in people]),
                skeleton,
                (width, height),
                np.array(tracks) if people and len(tracks) == len(people) else None,
                _made_by(data.get("made_by")),
            )
        except KeyError as error:
            raise DataError(f"Poses are incomplete: {shown(error.args[0])} is missing.") from error
        except DataError:
            raise
        except SkeletonError as error:
            raise DataError(f"Poses have no usable skeleton: {error}") from error
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            raise DataError(f"Poses are malformed: {error!s:.120}.") from error

    @classmethod
    def from_json(cls, text: str) -> Poses:
        """Read what :meth:`to_json` wrote; raises ``DataError`` for anything else."""
        try:
            data = parse_json(text, finite=True)
        except MalformedError as error:
            raise DataError(f"Poses are not valid JSON: {error}.") from error
        return cls.from_dict(data)

    def to_supervision(self) -> Any:
        """A ``supervision.KeyPoints`` for that package's annotators (missing keypoints at 0, 0 as it expects).

        Raises:
            MissingExtraError: When ``supervision`` is not installed.
        """
        require("supervision")
        import supervision

        return supervision.KeyPoints(xy=np.nan_to_num(self.keypoints), confidence=self.keypoint_scores)


def _numbers(values: Any, missing: bool = False) -> NDArray[np.float32]:
    """Finite float32 numbers; NaN, where something may be ``missing``, for None alone."""
    wide = np.array(values, np.float64)
    good = np.abs(wide) < np.finfo(np.float32).max
    if not (good | np.isnan(wide) if missing else good).all():
        raise ValueError("a number is not finite or far too large")
    return wide.astype(np.float32)


def _made_by(data: Any) -> MadeBy | None:
    """How poses were made as :meth:`Poses.to_dict` writes it; a later posecore may say more."""
    if data is None:
        return None
    texts = [data[name] for name in ("posecore", "model", "weights", "picture")]
    texts += [data.get(name, "") for name in ("computed", "calibration")]
    settings = [data[name] for name in ("network_settings", "decode_settings")]
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(values, dict) for values in settings):
        raise ValueError("made_by must hold texts and settings")
    # What was read can be written again: numbers too large for a float are not finite.
    json.dumps(settings, allow_nan=False)
    version, model, weights, picture, computed, calibration = texts
    region = None if data["region"] is None else check_region(data["region"])
    network, decode = settings
    return MadeBy(version, model, weights, picture, region, network, decode, computed, calibration)
