"""Formats of labels that are not read: recognised, so that people are told what to do instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from posecore.data.checks import beginning_of
from posecore.data.folders import ending_of, is_picture_name, reading

#: Bytes of a file that are looked at, and files of a folder.
_LOOK = 200_000
_MOST_FILES = 200

_CONVERT = "convert it to COCO keypoints or YOLO-pose first"


@dataclass(frozen=True)
class _Foreign:
    """A format that is not read.

    Attributes:
        name: What it is called, as the end of a sentence.
        endings: Of its files.
        words: All of these are in the beginning of a file.
        advice: What to do.
    """

    name: str
    endings: tuple[str, ...]
    words: tuple[bytes, ...] = ()
    advice: str = _CONVERT


_JSON, _XML = (".json",), (".xml",)
_FORMATS = (
    _Foreign("of Label Studio", _JSON, (b'"result"', b'labels"'), "export the project as COCO there"),
    _Foreign("of the VGG Image Annotator", _JSON, (b'"region_attributes"',)),
    _Foreign("of AI Challenger", _JSON, (b'"keypoint_annotations"',)),
    _Foreign("MPII in mmpose's form", _JSON, (b'"joints_vis"',)),
    _Foreign("of PoseTrack 2017", _JSON, (b'"annolist"',), "use PoseTrack 2018's JSON"),
    _Foreign("of OCHuman", _JSON, (b'"keypoint_visible"',), "use its ochuman_coco_format files"),
    _Foreign("what OpenPose found", _JSON, (b'"pose_keypoints_2d"',), "give the labels of these pictures"),
    _Foreign("of Supervisely", _JSON, (b'"geometryType"',), "export it as COCO Keypoints there"),
    _Foreign("of Datumaro", _JSON, (b'"items"', b'"categories"'), "export it as coco_person_keypoints there"),
    _Foreign("of CreateML", _JSON, (b'"coordinates"', b'"annotations"')),
    _Foreign(
        "results in COCO's form, not labels",
        _JSON,
        (b'"keypoints"', b'"image_id"', b'"score"'),
        "give the labels, and these to “posecore evaluate --results”",
    ),
    _Foreign("Pascal VOC", _XML, (b"<annotation", b"<bndbox"), "it has boxes alone; give labels with keypoints"),
    _Foreign("a table of DeepLabCut with semicolons", (".csv",), (b"scorer;", b"\nbodyparts;"), "save it with commas"),
    _Foreign("of SLEAP", (".slp",)),
    _Foreign("a file of MATLAB, as MPII and LSP come", (".mat",)),
    _Foreign(
        "a table in HDF5, as DeepLabCut's and SLEAP's",
        (".h5", ".hdf5"),
        advice="give DeepLabCut's CollectedData….csv, which lies beside it, or export COCO keypoints",
    ),
    _Foreign("TFRecord", (".tfrecord", ".tfrecords")),
    _Foreign("packed", (".gz", ".bz2", ".xz", ".7z", ".rar"), advice="unpack it first"),
)


def foreign_labels(files: Iterable[Path]) -> str | None:
    """A sentence about the first file of labels of a format that is known and not read, or None.

    Raises:
        DataError: When a file may not be read.
    """
    others = (path for path in files if not is_picture_name(path.name))
    for path, _ in zip(others, range(_MOST_FILES), strict=False):
        fitting = [one for one in _FORMATS if ending_of(path.name) in one.endings]
        if not fitting:
            continue
        with reading(path):
            beginning = beginning_of(path, _LOOK)
        for one in fitting:
            if all(word in beginning for word in one.words):
                return f"{path} is {one.name}, which is not read; {one.advice}."
    return None
