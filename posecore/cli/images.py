"""Commands that run a model on pictures."""

from __future__ import annotations

import csv
import glob
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
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
from posecore.picture_files import IMAGE_SUFFIXES, Picture
from posecore.poses import Poses

FORMATS = ("png", "json", "csv", "coco", "fields")


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
        elif path.exists():
            files = [path]
        else:
            files = [Path(name) for name in sorted(glob.glob(text, recursive=True)) if Path(name).is_file()]  # noqa: PTH207 - absolute patterns
        if not files:
            raise PosecoreError(f"{text!r} names no picture; give picture files, folders that hold some, or a pattern.")
        found.update(dict.fromkeys(files))
    return list(found)


@dataclass
class ResultWriter:
    """Writes results of picture after picture; the tables of all pictures when closed.

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

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._shared = _shared_folder(self.files)
        self._own = {path.stem.casefold() for path in self.files}

    def add(self, path: Path, picture: Picture, fields: Fields, poses: Poses) -> None:
        """Write what belongs to one picture."""
        stem = self._unique(path.stem)
        if "png" in self.formats:
            drawn = draw_poses(picture, poses, self.drawing)
            # OpenCV itself writes to no name with letters that are not in the code page of Windows.
            _, packed = cv2.imencode(".png", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
            (self.folder / f"{stem}.png").write_bytes(packed.tobytes())
        if "json" in self.formats:
            (self.folder / f"{stem}.json").write_text(poses.to_json(indent=1), "utf-8")
        if "fields" in self.formats:
            fields.save(self.folder / f"{stem}.npz")
        name = path.absolute()
        inside = name.relative_to(self._shared) if name.is_relative_to(self._shared) else name
        self._rows.append((inside.as_posix(), poses))

    def close(self) -> None:
        """Write the files that cover all pictures."""
        if "csv" in self.formats:
            with (self.folder / "keypoints.csv").open("w", encoding="utf-8", newline="") as file:
                self._write_table(csv.writer(file))
        if "coco" in self.formats:
            images = [
                {"id": index, "file_name": name, "width": poses.image_size[0], "height": poses.image_size[1]}
                for index, (name, poses) in enumerate(self._rows, 1)
            ]
            results = [
                entry for index, (_, poses) in enumerate(self._rows, 1) for entry in poses.to_coco_results(index)
            ]
            (self.folder / "coco_results.json").write_text(json.dumps(results), "utf-8")
            (self.folder / "coco_images.json").write_text(json.dumps(images), "utf-8")

    def _write_table(self, writer: Any) -> None:
        header_written = False
        for name, poses in self._rows:
            table = poses.to_dataframe()
            if not header_written:
                writer.writerow(["picture", *table.columns])
                header_written = True
            writer.writerows([name, *row] for row in table.itertuples(index=False))

    def _unique(self, stem: str) -> str:
        """The stem, numbered when another picture already took it; never another picture's own."""
        name, number = stem, 1
        while name.casefold() in self._names or (number > 1 and name.casefold() in self._own):
            number += 1
            name = f"{stem}-{number}"
        self._names.add(name.casefold())
        return name


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
        except (PosecoreError, OSError) as error:
            failures.append(path)
            errors.print(f"[red]{escape(str(path))}:[/red] {escape(str(error))}", soft_wrap=True, highlight=False)


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
    writer = ResultWriter(destination, formats, DrawingOptions(**drawing), files)
    failures: list[Path] = []
    people = 0
    with counting_progress() as progress:
        task = progress.add_task("Pictures", total=len(files))
        readable = _readable(files, failures)
        while group := list(islice(readable, batch)):
            names, pictures = zip(*group, strict=True)
            for path, picture, fields in zip(names, pictures, loaded.fields(list(pictures), **network), strict=True):
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
