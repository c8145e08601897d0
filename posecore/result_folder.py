"""A folder of results: drawn pictures, poses, tables, COCO files and maps of many pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from posecore.drawing.encoded import to_png
from posecore.drawing.overlay import DrawingOptions, draw_poses
from posecore.fields import Fields
from posecore.parsing import MalformedError, parse_json
from posecore.picture_files import Picture
from posecore.poses import Poses
from posecore.results import coco_file, coco_images, coco_info, keypoint_table
from posecore.storage import replacing, writing

FORMATS = ("png", "json", "csv", "coco", "annotations", "fields")
#: Formats with a file for each picture → ending.
_OF_PICTURES = {"png": ".png", "json": ".json", "fields": ".npz"}
#: What results there are in a folder.
_LIST, _LIST_FORMAT, _TABLE = "posecore_results.json", "posecore.results", "all pictures"


@dataclass
class ResultWriter:
    """Writes results of picture after picture; the files of all pictures when closed.

    What is in the folder already stays, except results of the same pictures: ``posecore_results.json`` says which
    these are, how they were made and how large the pictures are.

    Attributes:
        folder: Where everything goes; made if missing.
        formats: Which of ``FORMATS`` to write.
        drawing: Options of the drawn pictures.
        files: All pictures that will be added, so that none is given a name that is another's own.
    """

    folder: Path
    formats: frozenset[str]
    drawing: DrawingOptions
    files: Sequence[Path]
    _rows: list[tuple[str, Poses]] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _known: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._shared = _shared_folder(self.files)
        self._own = {path.stem.casefold() for path in self.files}
        try:
            known = parse_json((self.folder / _LIST).read_bytes())
        except (OSError, MalformedError):
            return
        if isinstance(known, dict) and known.get("format") == _LIST_FORMAT and isinstance(known.get("results"), dict):
            self._known = known["results"]

    def add(self, path: Path, picture: Picture, fields: Fields, poses: Poses) -> None:
        """Write what belongs to one picture."""
        endings = [ending for ending in _OF_PICTURES if ending in self.formats]
        source = str(path.resolve())
        stem = self._unused(path.stem, [_OF_PICTURES[ending] for ending in endings], source)
        if "png" in self.formats:
            self._write(f"{stem}.png", to_png(draw_poses(picture, poses, self.drawing)))
        if "json" in self.formats:
            self._write(f"{stem}.json", poses.to_json(indent=1).encode())
        if "fields" in self.formats:
            with writing(self.folder), replacing(self.folder / f"{stem}.npz") as file:
                fields.save(file)
        self._known[stem] = {"of": source, "image_size": poses.image_size, "made_by": poses.made_by}
        name = path.absolute()
        inside = name.relative_to(self._shared) if name.is_relative_to(self._shared) else name
        self._rows.append((inside.as_posix(), poses))

    def close(self) -> None:
        """Write the files that cover all pictures."""
        if "csv" in self.formats:
            table = keypoint_table(self._rows, "picture")
            self._write(self._table("keypoints", ".csv"), table.to_csv(index=False).encode())
        if "coco" in self.formats:
            results = [
                entry for index, (_, poses) in enumerate(self._rows, 1) for entry in poses.to_coco_results(index)
            ]
            self._write(self._table("coco_results", ".json"), json.dumps(results).encode())
            self._write(self._table("coco_images", ".json"), json.dumps(coco_images(self._rows)).encode())
        if "annotations" in self.formats:
            self._write(self._table("annotations", ".json"), json.dumps(coco_file(self._rows), indent=1).encode())
        content = {"format": _LIST_FORMAT, "version": 1, "info": coco_info(poses for _, poses in self._rows)}
        self._write(_LIST, json.dumps({**content, "results": self._known}, indent=1, default=asdict).encode())

    def _write(self, name: str, data: bytes) -> None:
        with writing(self.folder), replacing(self.folder / name) as file:
            file.write_bytes(data)

    def _table(self, stem: str, ending: str) -> str:
        name = self._unused(stem, [ending], _TABLE)
        self._known[name] = {"of": _TABLE}
        return f"{name}{ending}"

    def _unused(self, stem: str, endings: Sequence[str], source: str) -> str:
        """The stem, numbered when another picture, or a file that is not ours to replace, has its name.

        It is never another picture's own.
        """
        name, number = stem, 1
        while (number > 1 and name.casefold() in self._own) or not self._may_write(name, endings, source):
            number += 1
            name = f"{stem}-{number}"
        # Some file systems do not tell case apart.
        self._names.add(name.casefold())
        return name

    def _may_write(self, name: str, endings: Sequence[str], source: str) -> bool:
        if name.casefold() in self._names:
            return False
        known = self._known.get(name)
        if isinstance(known, dict) and known.get("of") == source:
            return True
        return not any((self.folder / f"{name}{ending}").exists() for ending in endings)


def _shared_folder(files: Iterable[Path]) -> Path:
    """The folder that all files lie in or below; tables name pictures relative to it."""
    folders = {str(path.absolute().parent) for path in files}
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # none, or on several drives
        return Path.cwd()
