"""Commands that run a model on pictures."""

from __future__ import annotations

import glob
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from posecore.cli.boxes import BoxesFile, report_boxes, report_outside
from posecore.cli.console import counting_progress, errors, output
from posecore.cli.loading import Device, ModelName, WeightsFile, open_model
from posecore.cli.settings import flag_of, listed, options_of, settings_options
from posecore.drawing.overlay import DrawingOptions
from posecore.errors import PosecoreError
from posecore.fields import Fields
from posecore.imaging import read_image
from posecore.model import PoseModel
from posecore.picture_files import FOREIGN_SUFFIXES, IMAGE_SUFFIXES, Picture
from posecore.result_folder import FORMATS, ResultWriter
from posecore.two_stage import BoxedModel, PlacedBoxes, read_boxes


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


def _readable(paths: Iterable[Path], failures: list[Path]) -> Iterator[tuple[Path, Picture]]:
    """Pictures that can be read; the others are reported and remembered."""
    for path in paths:
        try:
            yield path, read_image(path)
        except (PosecoreError, OSError):
            _report(path, failures)


#: Fields of pictures, given their paths and pixels.
_Look = Callable[[Sequence[Path], Sequence[Picture]], list[Fields]]


def _look_with(model: PoseModel, boxes: PlacedBoxes | None, network: dict[str, Any]) -> _Look:
    """What looks at whole pictures, or at the boxes in them."""

    def look(paths: Sequence[Path], pictures: Sequence[Picture]) -> list[Fields]:
        if boxes is None or not isinstance(model, BoxedModel):
            return model.fields(list(pictures), **network)
        seen = [boxes.inside(path, (one.shape[1], one.shape[0])) for path, one in zip(paths, pictures, strict=True)]
        fields = model.look_in(pictures, [inside for inside, _ in seen], **network)
        for path, (_, outside) in zip(paths, seen, strict=True):
            report_outside(path, outside)
        return fields

    return look


def _analysed(
    look: _Look, paths: Sequence[Path], pictures: Sequence[Picture], failures: list[Path]
) -> Iterator[tuple[Path, Picture, Fields]]:
    """Pictures with their fields; those that the network cannot take are reported and remembered."""
    try:
        yield from zip(paths, pictures, look(paths, pictures), strict=True)
    except PosecoreError:
        if len(pictures) > 1:
            for path, picture in zip(paths, pictures, strict=True):
                yield from _analysed(look, [path], [picture], failures)
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
    person_boxes: BoxesFile = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures that go through the network together.")] = 8,
    device: Device = "auto",
    *,
    settings: dict[str, Any],
    drawing: dict[str, Any],
) -> None:
    """Find the people in pictures and write what was found.

    A picture that cannot be read is reported and left out; the exit code is then 1. Ctrl-C keeps what is done.
    """
    formats = frozenset(listed(save.lower()))
    if unknown := formats - set(FORMATS):
        raise typer.BadParameter(f"unknown format {', '.join(sorted(unknown))}; choose from {', '.join(FORMATS)}.")
    if drawing and "png" not in formats:
        raise typer.BadParameter(f"{flag_of(next(iter(drawing)))} is about drawn pictures: name png in --save.")
    files = find_pictures(paths, recursive)
    placed = None if person_boxes is None else read_boxes(person_boxes).placed(files)
    loaded = open_model(model, device, weights)
    if placed is not None:
        loaded = BoxedModel(loaded)
        report_boxes(placed)
    network, decode = loaded.split_settings(settings)
    # Said once, and not of every picture.
    loaded.network_settings(**network)
    loaded.decode_settings(**decode)
    look = _look_with(loaded, placed, network)
    writer = ResultWriter(destination, formats, DrawingOptions(**drawing), files)
    failures: list[Path] = []
    people = 0
    # Also when it is broken off: the tables of what is done, and which files are whose for the next time.
    with closing(writer), counting_progress() as progress:
        task = progress.add_task("Pictures", total=len(files))
        readable = _readable(files, failures)
        while group := list(islice(readable, batch)):
            names, pictures = zip(*group, strict=True)
            for path, picture, fields in _analysed(look, names, pictures, failures):
                poses = loaded.decode(fields, **decode)
                people += len(poses)
                writer.add(path, picture, fields, poses)
            progress.update(task, advance=len(group))
    done = len(files) - len(failures)
    found = f"{people} people in {done} of {len(files)} pictures with {loaded.name}"
    output.print(f"{found}; results in {escape(str(destination))}/", soft_wrap=True)
    if failures:
        raise typer.Exit(1)
