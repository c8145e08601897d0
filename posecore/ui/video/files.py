"""What was found in a video as files to take away."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from posecore.ui.shared.pictures.downloads import Download
from posecore.ui.video.measures import Measuring
from posecore.video import PoseSequence, VideoResult, save_tables


def video_downloads(result: VideoResult, sequence: PoseSequence, measuring: Measuring, stem: str) -> list[Download]:
    """Tables of what is shown, one by one and all together with the clip.

    Args:
        result: The run.
        sequence: Its people, as they are smoothed now.
        measuring: What is measured.
        stem: Beginning of all file names.
    """
    shown = replace(result, poses=sequence)

    def one(formats: Collection[str], ending: str) -> Callable[[], bytes]:
        return lambda: _table(shown, measuring, formats, ending)

    files = [
        Download(
            "Keypoints (CSV)",
            f"{stem}_keypoints.csv",
            "text/csv",
            "table",
            "One line per person, frame and keypoint, for spreadsheets and data frames.",
            one({"csv"}, ".csv"),
        ),
        Download(
            "Everything (JSON)",
            f"{stem}_poses.json",
            "application/json",
            "data_object",
            "Keypoints frame by frame, measures and repetitions, and what the video said about itself.",
            one({"json"}, ".json"),
        ),
        Download(
            "COCO results (JSON)",
            f"{stem}_coco.json",
            "application/json",
            "dataset",
            "Keypoints in COCO's layout for results; image_id is the frame's number, counted from 1.",
            one({"coco"}, ".coco_results.json"),
        ),
    ]
    if measuring.measures:
        what = Download(
            "Measures (CSV)",
            f"{stem}_measures.csv",
            "text/csv",
            "straighten",
            "One line per person, frame and measure.",
            one({"csv"}, ".measures.csv"),
        )
        files.insert(1, what)
    if measuring.counted is not None:
        what = Download(
            "Repetitions (CSV)",
            f"{stem}_repetitions.csv",
            "text/csv",
            "repeat",
            "One line per repetition: when it began, turned and ended.",
            one({"csv"}, ".repetitions.csv"),
        )
        files.insert(2, what)
    everything = Download(
        "All as ZIP",
        f"{stem}_all.zip",
        "application/zip",
        "folder_zip",
        "The clip and all tables.",
        lambda: zip_everything(shown, measuring, stem),
    )
    return [*files, everything]


def _save(result: VideoResult, stem: Path, formats: Collection[str], measuring: Measuring) -> list[Path]:
    counted = [measuring.counted.text] if measuring.counted is not None else []
    measures = [measure.text for measure in measuring.measures]
    return save_tables(result, stem, formats, measures, counted, measuring.counting)


def _table(result: VideoResult, measuring: Measuring, formats: Collection[str], ending: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="posecore-") as folder:
        stem = Path(folder) / "table"
        _save(result, stem, formats, measuring)
        return stem.with_name(stem.name + ending).read_bytes()


def zip_everything(result: VideoResult, measuring: Measuring, stem: str) -> bytes:
    """The clip and all tables as an archive."""
    with tempfile.TemporaryDirectory(prefix="posecore-") as folder:
        tables = _save(result, Path(folder) / stem, {"csv", "json", "coco"}, measuring)
        place = Path(folder) / "all.zip"
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            for table in tables:
                archive.write(table, table.name)
            if result.clip is not None:
                # Compressed already.
                archive.write(result.clip, f"{stem}.mp4", zipfile.ZIP_STORED)
        return place.read_bytes()
