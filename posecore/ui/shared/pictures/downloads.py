"""Files to take away: pictures, tables and annotations, one by one or for all pictures together."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from posecore.drawing import DrawingOptions, draw_poses
from posecore.drawing.views import MapView, draw_view
from posecore.errors import PosecoreError
from posecore.poses import Poses
from posecore.results import coco_file, keypoint_table
from posecore.ui.shared.models.engine import Analysis
from posecore.ui.shared.pictures.open_picture import OpenPicture, Source, to_png
from posecore.words import unused_name


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
            lambda: keypoints_csv([analysis]),
        ),
        Download(
            "Annotations (COCO)",
            f"{stem}_coco.json",
            "application/json",
            "dataset",
            "A COCO keypoints file, for labelling tools and training.",
            lambda: coco_json([analysis]),
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


def zip_download(sources: Sequence[Source], analyse: Callable[[Source], Analysis], options: DrawingOptions) -> Download:
    """Everything about all pictures; those that cannot be used are listed in the archive."""
    return Download(
        f"All {len(sources)} pictures (ZIP)",
        "posecore_poses.zip",
        "application/zip",
        "folder_zip",
        "Analyses all pictures at the current settings: drawn pictures, JSON, and one CSV and COCO file for all.",
        lambda: zip_all(sources, analyse, options),
    )


def drawn_png(opened: OpenPicture, poses: Poses, options: DrawingOptions) -> bytes:
    """The whole picture with the poses on it."""
    return to_png(draw_poses(opened.pixels(), poses, options))


def keypoints_csv(analyses: Iterable[Analysis]) -> bytes:
    """One line per keypoint; people are counted from 1, as on the screen."""
    table = keypoint_table(_named(analyses), "file", first_person=1)
    return table.to_csv(index=False, float_format="%.4f").encode() if len(table.columns) else b""


def coco_json(analyses: Iterable[Analysis]) -> bytes:
    """A COCO keypoints file; see :func:`posecore.results.coco_file`."""
    return json.dumps(coco_file(_named(analyses)), indent=1).encode()


def _named(analyses: Iterable[Analysis]) -> list[tuple[str, Poses]]:
    return [(analysis.opened.source.name, analysis.poses) for analysis in analyses]


def zip_all(sources: Sequence[Source], analyse: Callable[[Source], Analysis], options: DrawingOptions) -> bytes:
    """See :func:`zip_download`."""
    done: list[Analysis] = []
    refused: list[str] = []
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        taken: set[str] = set()
        for source in sources:
            try:
                analysis = analyse(source)
            except PosecoreError as error:
                refused.append(f"{source.name}: {error}")
                continue
            done.append(analysis)
            stem = unused_name(source.stem, taken, "_")
            taken.add(stem)
            archive.writestr(
                f"{stem}_poses.png", drawn_png(analysis.opened, analysis.poses, options), zipfile.ZIP_STORED
            )
            archive.writestr(f"{stem}_poses.json", analysis.poses.to_json(indent=1))
        archive.writestr("keypoints.csv", keypoints_csv(done))
        archive.writestr("coco.json", coco_json(done))
        if refused:
            archive.writestr("not_analysed.txt", "\n".join(refused) + "\n")
    return memory.getvalue()
