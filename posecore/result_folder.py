"""A folder of results: drawn pictures, poses, tables, COCO files and maps of many pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from posecore.addresses import is_address, spelled
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
OF_PICTURES = {"png": ".png", "json": ".json", "fields": ".npz"}
#: What results there are in a folder.
_LIST, _LIST_FORMAT, _TABLE = "posecore_results.json", "posecore.results", "all pictures"
#: Pictures whose rows are made into a table together.
_ROWS = 256

#: A picture's file: a path, or the address of one elsewhere.
Source = Path | str
#: Names of pictures and their poses; may be gone through again and again.
Rows = Iterable[tuple[str, Poses]]


def files_of(
    formats: Iterable[str], drawing: DrawingOptions, picture: Picture, fields: Fields, poses: Poses
) -> dict[str, bytes]:
    """The files that belong to one picture, by format."""
    made: dict[str, bytes] = {}
    if "png" in formats:
        made["png"] = to_png(draw_poses(picture, poses, drawing))
    if "json" in formats:
        made["json"] = poses.to_json(indent=1).encode()
    if "fields" in formats:
        file = BytesIO()
        fields.save(file)
        made["fields"] = file.getvalue()
    return made


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
    files: Sequence[Source]
    _rows: list[tuple[str, Poses]] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _known: dict[str, Any] = field(default_factory=dict)
    _stems: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._shared = _shared_folder(self.files)
        self._own = {_place(path).stem.casefold() for path in self.files}
        try:
            known = parse_json((self.folder / _LIST).read_bytes())
        except (OSError, MalformedError):
            return
        if isinstance(known, dict) and known.get("format") == _LIST_FORMAT and isinstance(known.get("results"), dict):
            self._known = known["results"]

    def add(self, path: Source, picture: Picture, fields: Fields, poses: Poses) -> None:
        """Write what belongs to one picture."""
        stem = self._new_stem(path)
        self._write_files(stem, files_of(self.formats, self.drawing, picture, fields, poses))
        self._remember(stem, path, poses)
        self._rows.append((self.name_of(path), poses))

    def claim(self) -> None:
        """Give all pictures their names now, for :meth:`store` and :meth:`note`, and say so in the folder.

        Whoever goes on after being killed then knows which files are whose, and in whatever order pictures are done,
        each has the name that it has when they are done in turn.
        """
        for path in self.files:
            stem, source = self._new_stem(path), _identity(path)
            self._stems[source] = stem
            known = self._known.get(stem)
            if not (isinstance(known, dict) and known.get("of") == source):
                self._known[stem] = {"of": source}
        self._write_list(())

    def store(self, path: Source, files: Mapping[str, bytes]) -> None:
        """Write the files of one picture, which :func:`files_of` made."""
        self._write_files(self._stems[_identity(path)], files)

    def note(self, path: Source, poses: Poses) -> None:
        """Remember how the files of one picture were made."""
        self._remember(self._stems[_identity(path)], path, poses)

    def name_of(self, path: Source) -> str:
        """What a picture is called in the files of all pictures."""
        name = _place(path)
        return (name.relative_to(self._shared) if name.is_relative_to(self._shared) else name).as_posix()

    def close(self, rows: Rows | None = None) -> None:
        """Write the files that cover all pictures: those that were added, or ``rows``."""
        rows = self._rows if rows is None else rows
        if "csv" in self.formats:
            self._write_pieces(self._table("keypoints", ".csv"), _csv_pieces(rows))
        if "coco" in self.formats:
            results = (entry for index, (_, poses) in enumerate(rows, 1) for entry in poses.to_coco_results(index))
            self._write_pieces(self._table("coco_results", ".json"), _json_list(results))
            self._write_pieces(self._table("coco_images", ".json"), _json_list(coco_images(rows)))
        if "annotations" in self.formats:
            self._write(self._table("annotations", ".json"), json.dumps(coco_file(rows), indent=1).encode())
        self._write_list(rows)

    def _write_list(self, rows: Rows) -> None:
        content = {"format": _LIST_FORMAT, "version": 1, "info": coco_info(poses for _, poses in rows)}
        self._write(_LIST, json.dumps({**content, "results": self._known}, indent=1, default=asdict).encode())

    def _new_stem(self, path: Source) -> str:
        """What the names of a picture's files begin with."""
        endings = [ending for kind, ending in OF_PICTURES.items() if kind in self.formats]
        return self._unused(_place(path).stem, endings, _identity(path))

    def _write_files(self, stem: str, files: Mapping[str, bytes]) -> None:
        for kind, data in files.items():
            self._write(f"{stem}{OF_PICTURES[kind]}", data)

    def _remember(self, stem: str, path: Source, poses: Poses) -> None:
        self._known[stem] = {"of": _identity(path), "image_size": poses.image_size, "made_by": poses.made_by}

    def _write(self, name: str, data: bytes) -> None:
        self._write_pieces(name, [data])

    def _write_pieces(self, name: str, pieces: Iterable[bytes]) -> None:
        with writing(self.folder), replacing(self.folder / name) as part, part.open("wb") as file:
            file.writelines(pieces)

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


def _csv_pieces(rows: Rows) -> Iterator[bytes]:
    """The table of all keypoints, some pictures at a time."""
    left, begun = iter(rows), False
    while some := list(islice(left, _ROWS)):
        table = keypoint_table(some, "picture")
        if len(table):
            yield table.to_csv(index=False, header=not begun).encode()
            begun = True
    if not begun:
        yield keypoint_table(rows, "picture").to_csv(index=False).encode()


def _json_list(entries: Iterable[Any]) -> Iterator[bytes]:
    """A list as :func:`json.dumps` writes it, entry by entry."""
    between = "["
    for entry in entries:
        yield f"{between}{json.dumps(entry)}".encode()
        between = ", "
    yield b"[]" if between == "[" else b"]"


def _identity(path: Source) -> str:
    return spelled(path) if is_address(path) else str(Path(path).resolve())


def _place(path: Source) -> PurePath:
    """Where a file is, as a path from the root; addresses lie below their kind."""
    return PurePosixPath(f"/{spelled(path)}") if is_address(path) else Path(path).absolute()


def _shared_folder(files: Iterable[Source]) -> Path:
    """The folder that all files lie in or below; tables name pictures relative to it."""
    folders = {str(_place(path).parent) for path in files}
    try:
        return Path(os.path.commonpath(folders))
    except ValueError:  # none, or on several drives
        return Path.cwd()
