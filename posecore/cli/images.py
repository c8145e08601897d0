"""Commands that run a model on pictures."""

from __future__ import annotations

import glob
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer
from rich.markup import escape

from posecore.cli.console import counting_progress, errors, output
from posecore.cli.loading import Device, ModelName, WeightsFile, open_model
from posecore.cli.settings import options_of, settings_options
from posecore.drawing.overlay import DrawingOptions, draw_poses
from posecore.errors import PosecoreError
from posecore.fields import Fields
from posecore.imaging import read_image
from posecore.model import PoseModel
from posecore.parsing import MalformedError, parse_json
from posecore.picture_files import FOREIGN_SUFFIXES, IMAGE_SUFFIXES, Picture
from posecore.poses import Poses
from posecore.results import coco_images, coco_info, keypoint_table
from posecore.storage import replacing, writing

FORMATS = ("png", "json", "csv", "coco", "fields")
#: Formats with a file for each picture → ending.
_OF_PICTURES = {"png": ".png", "json": ".json", "fields": ".npz"}
#: What results there are in a folder.
_LIST, _LIST_FORMAT, _TABLE = "posecore_results.json", "posecore.results", "all pictures"


def find_pictures(paths: Iterable[str], recursive: bool) -> list[Path]:
    """Picture files named by files, folders and glob patterns, in order, each once.

    Raises:
        PosecoreError: When a path or pattern matches nothing.
    """
    found: dict[Path, None] = {}
    for text in paths:
        path = Path(text)
        if path.is_dir():
            inside = sorted(path.rglob("*") if recursive else path.iterdir())
            files = [file for file in inside if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()]
            _name_foreign(inside)
        elif path.exists():
            files = [path]
        else:
            files = [Path(name) for name in sorted(glob.glob(text, recursive=True)) if Path(name).is_file()]  # noqa: PTH207 - absolute patterns
        if not files:
            raise PosecoreError(f"{text!r} names no picture; give picture files, folders that hold some, or a pattern.")
        found.update(dict.fromkeys(files))
    return list(found)


def _name_foreign(files: Iterable[Path]) -> None:
    """Say which pictures of a folder are of kinds that are not read."""
    kinds = Counter(file.suffix.lower() for file in files if file.suffix.lower() in FOREIGN_SUFFIXES)
    if kinds:
        left_out = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        errors.print(f"[yellow]left out:[/yellow] {left_out}; convert them to JPEG or PNG.", highlight=False)


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
            drawn = cv2.cvtColor(draw_poses(picture, poses, self.drawing), cv2.COLOR_RGB2BGR)
            self._write(f"{stem}.png", cv2.imencode(".png", drawn)[1].tobytes())
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


def _readable(paths: Iterable[Path], failures: list[Path]) -> Iterator[tuple[Path, Picture]]:
    """Pictures that can be read; the others are reported and remembered."""
    for path in paths:
        try:
            yield path, read_image(path)
        except (PosecoreError, OSError):
            _report(path, failures)


def _analysed(
    model: PoseModel, paths: Sequence[Path], pictures: Sequence[Picture], network: dict[str, Any], failures: list[Path]
) -> Iterator[tuple[Path, Picture, Fields]]:
    """Pictures with their fields; those that the network cannot take are reported and remembered."""
    try:
        yield from zip(paths, pictures, model.fields(list(pictures), **network), strict=True)
    except PosecoreError:
        if len(pictures) > 1:
            for path, picture in zip(paths, pictures, strict=True):
                yield from _analysed(model, [path], [picture], network, failures)
        else:
            _report(paths[0], failures)


def _report(path: Path, failures: list[Path]) -> None:
    """Say why a picture is left out."""
    failures.append(path)
    errors.print(f"[red]{escape(str(path))}:[/red] {escape(str(sys.exception()))}", soft_wrap=True, highlight=False)


@options_of("drawing", DrawingOptions)
@settings_options
def image(
    paths: Annotated[list[str], typer.Argument(help="Pictures, folders or patterns such as “shots/*.jpg”.")],
    model: ModelName = None,
    weights: WeightsFile = None,
    destination: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("poses"),
    save: Annotated[str, typer.Option(help=f"What to write, separated by commas: {', '.join(FORMATS)}.")] = "png,json",
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Look into folders inside folders.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Pictures that go through the network together.")] = 8,
    device: Device = "auto",
    *,
    settings: dict[str, Any],
    drawing: dict[str, Any],
) -> None:
    """Find the people in pictures and write what was found.

    A picture that cannot be read is reported and left out; the exit code is then 1.
    """
    formats = frozenset(part.strip().lower() for part in save.split(",") if part.strip())
    if unknown := formats - set(FORMATS):
        raise typer.BadParameter(f"unknown format {', '.join(sorted(unknown))}; choose from {', '.join(FORMATS)}.")
    files = find_pictures(paths, recursive)
    loaded = open_model(model, device, weights)
    network, decode = loaded.split_settings(settings)
    # Said once, and not of every picture.
    loaded.network_settings(**network)
    loaded.decode_settings(**decode)
    writer = ResultWriter(destination, formats, DrawingOptions(**drawing), files)
    failures: list[Path] = []
    people = 0
    with counting_progress() as progress:
        task = progress.add_task("Pictures", total=len(files))
        readable = _readable(files, failures)
        while group := list(islice(readable, batch)):
            names, pictures = zip(*group, strict=True)
            for path, picture, fields in _analysed(loaded, names, pictures, network, failures):
                poses = loaded.decode(fields, **decode)
                people += len(poses)
                writer.add(path, picture, fields, poses)
            progress.update(task, advance=len(group))
    writer.close()
    done = len(files) - len(failures)
    found = f"{people} people in {done} of {len(files)} pictures with {loaded.name}"
    output.print(f"{found}; results in {escape(str(destination))}/", soft_wrap=True)
    if failures:
        raise typer.Exit(1)
