"""Files to take away: pictures, tables and annotations, one by one or for all pictures together."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posecore.drawing import DrawingOptions, draw_poses
from posecore.drawing.views import MapView, draw_view
from posecore.poses import Poses
from posecore.results import coco_file, keypoint_table
from posecore.ui.shared.models.engine import Analysis
from posecore.ui.shared.pictures.open_picture import OpenPicture, to_png


@dataclass(frozen=True)
class Download:
    """A file that is made when somebody asks for it."""

    label: str
    file_name: str
    mime: str
    icon: str
    help: str
    make: Callable[[], bytes]


def single_downloads(analysis: Analysis, options: DrawingOptions) -> tuple[Download, ...]:
    """Everything about one picture."""
    stem = analysis.opened.source.stem
    poses = analysis.poses
    return (
        Download(
            "Picture (PNG)",
            f"{stem}_poses.png",
            "image/png",
            "image",
            "The picture in full size with the poses drawn as they are shown.",
            lambda: drawn_png(analysis.opened, poses, options),
        ),
        Download(
            "Poses (JSON)",
            f"{stem}_poses.json",
            "application/json",
            "data_object",
            "Keypoints and scores in posecore's own layout, which `Poses.from_json` reads back.",
            lambda: poses.to_json(indent=1).encode(),
        ),
        Download(
            "Keypoints (CSV)",
            f"{stem}_keypoints.csv",
            "text/csv",
            "table",
            "One line per keypoint, for spreadsheets and data frames.",
            lambda: keypoints_csv(analysis),
        ),
        Download(
            "Annotations (COCO)",
            f"{stem}_coco.json",
            "application/json",
            "dataset",
            "A COCO keypoints file, for labelling tools and training.",
            lambda: coco_json(analysis),
        ),
    )


def map_downloads(analysis: Analysis, view: MapView) -> tuple[Download, ...]:
    """The map that is shown, and all maps as numbers."""
    stem = analysis.opened.source.stem
    return (
        Download(
            "Map (PNG)",
            f"{stem}_{view.name.replace('_', '-')}_map.png",
            "image/png",
            "image",
            "The map chosen under *Maps*, over the picture in full size.",
            lambda: map_png(analysis, view),
        ),
        Download(
            "All maps (NPZ)",
            f"{stem}_fields.npz",
            "application/zip",
            "data_array",
            "Every map as an array under its name, with all that is needed to decode it: `Fields.load` reads it back, "
            "and so does `numpy.load`.",
            lambda: fields_npz(analysis),
        ),
    )


def map_png(analysis: Analysis, view: MapView) -> bytes:
    """A view of the maps over the whole picture."""
    return to_png(draw_view(analysis.opened.pixels(), analysis.fields, view, tile=320))


def fields_npz(analysis: Analysis) -> bytes:
    """All maps as ``Fields.save`` writes them."""
    with tempfile.TemporaryDirectory(prefix="posecore-") as folder:
        path = Path(folder) / "fields.npz"
        analysis.fields.save(path)
        return path.read_bytes()


def drawn_png(opened: OpenPicture, poses: Poses, options: DrawingOptions) -> bytes:
    """The whole picture with the poses on it."""
    return to_png(draw_poses(opened.pixels(), poses, options))


def keypoints_csv(analysis: Analysis) -> bytes:
    """One line per keypoint; people are counted from 1, as on the screen."""
    table = keypoint_table(_named(analysis), "file", first_person=1)
    return table.to_csv(index=False, float_format="%.4f").encode() if len(table.columns) else b""


def coco_json(analysis: Analysis) -> bytes:
    """A COCO keypoints file; see :func:`posecore.results.coco_file`."""
    return json.dumps(coco_file(_named(analysis)), indent=1).encode()


def _named(analysis: Analysis) -> list[tuple[str, Poses]]:
    return [(analysis.opened.source.name, analysis.poses)]
