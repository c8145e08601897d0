"""Commands that run a model on pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from posecore.addresses import is_address
from posecore.cli.boxes import BoxesFile, report_boxes, report_outside
from posecore.cli.console import counting_progress, errors, output
from posecore.cli.loading import Device, ModelName, WeightsFile, open_model
from posecore.cli.settings import flag_of, options_of, settings_options
from posecore.cli.spread import PARQUET, Cluster, chosen_formats, report_failure, tell_outcome, workers_of
from posecore.data.box_files import PlacedBoxes, read_boxes
from posecore.drawing.overlay import DrawingOptions
from posecore.errors import PosecoreError
from posecore.fields import Fields
from posecore.imaging import Picture
from posecore.model import PoseModel, usual_batch
from posecore.picture_files import FOREIGN_SUFFIXES, IMAGE_SUFFIXES
from posecore.result_folder import FORMATS, ResultWriter
from posecore.spreading.choosing import check_cluster
from posecore.spreading.parts import FAILED
from posecore.spreading.pictures import FieldsOf, Order, Outcome, Unseen, look_at, order_of, spread_pictures
from posecore.spreading.sources import files_in, find_sources
from posecore.two_stage import BoxedModel

#: What is written unless said.
_USUAL = "png,json"


def find_pictures(paths: Iterable[str], recursive: bool) -> list[Path]:
    """Picture files named by files, folders and glob patterns, in order, each once.

    Raises:
        PosecoreError: When a path or pattern matches nothing.
    """
    found: dict[Path, None] = {}
    for text in paths:
        files = files_in(text, recursive, IMAGE_SUFFIXES)
        _name_foreign(text, recursive)
        if not files:
            raise PosecoreError(f"{text!r} names no picture; give picture files, folders that hold some, or a pattern.")
        found.update(dict.fromkeys(files))
    return list(found)


def _name_foreign(text: str, recursive: bool) -> None:
    """Say which pictures of a folder are of kinds that are not read."""
    if is_address(text) or not Path(text).is_dir():
        return
    kinds = Counter(file.suffix.lower() for file in files_in(text, recursive, FOREIGN_SUFFIXES))
    if kinds:
        left_out = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        errors.print(f"[yellow]left out:[/yellow] {left_out}; convert them to JPEG or PNG.", highlight=False)


@options_of("drawing", DrawingOptions)
@settings_options
def image(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, folders, patterns such as “shots/*.jpg”, lists (.txt, a path a line), or addresses such as "
            "s3://bucket/folder/."
        ),
    ],
    model: ModelName = None,
    weights: WeightsFile = None,
    destination: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("poses"),
    save: Annotated[
        str | None,
        typer.Option(
            help=f"What to write, separated by commas: {', '.join(FORMATS)}; with --cluster {PARQUET} as well. "
            f"Default {_USUAL}, with --cluster {PARQUET}."
        ),
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Look into folders inside folders.")] = False,
    person_boxes: BoxesFile = None,
    batch: Annotated[
        int,
        typer.Option(
            min=0,
            help="Pictures that go through the network together; 0 takes 1 on a processor and 8 on a graphics card.",
        ),
    ] = 0,
    device: Device = "auto",
    cluster: Cluster = None,
    *,
    settings: dict[str, Any],
    drawing: dict[str, Any],
) -> None:
    """Find the people in pictures and write what was found.

    A picture that cannot be read is reported and left out; the exit code is then 1. Ctrl-C keeps what is done. With
    --cluster the same command goes on where it ended.
    """
    formats = frozenset(chosen_formats(save, FORMATS, _USUAL, cluster is not None))
    if drawing and "png" not in formats:
        raise typer.BadParameter(f"{flag_of(next(iter(drawing)))} is about drawn pictures: name png in --save.")
    if cluster is not None:
        check_cluster(cluster)
        if person_boxes is not None:
            raise typer.BadParameter("--person-boxes are looked at in this process: leave --cluster out.")
    files = find_sources(paths, recursive, IMAGE_SUFFIXES, "picture")
    for text in paths:
        _name_foreign(text, recursive)
    placed = None if person_boxes is None else read_boxes(person_boxes).placed([Path(file) for file in files])
    loaded = open_model(model, device, weights)
    if placed is not None:
        loaded = BoxedModel(loaded)
        report_boxes(placed)
    network, decode = loaded.split_settings(settings)
    # Said once, and not of every picture.
    loaded.network_settings(**network)
    loaded.decode_settings(**decode)
    options = DrawingOptions(**drawing)
    if cluster is not None:
        order, facts = order_of(loaded, device, network, decode, formats, options, batch)
        outcome = _spread(files, destination, formats, order, facts, cluster)
    else:
        writer = ResultWriter(destination, formats, options, files)
        fields_of = _fields_with(loaded, placed, network)
        outcome = _in_turn(loaded, files, fields_of, writer, decode, batch or usual_batch(loaded.device))
    found = f"{outcome.people} people in {outcome.pictures} of {len(files)} pictures with {loaded.name}"
    output.print(f"{found}; results in {escape(str(destination))}/", soft_wrap=True)
    if outcome.failures:
        raise typer.Exit(1)


def _fields_with(model: PoseModel, boxes: PlacedBoxes | None, network: Mapping[str, Any]) -> FieldsOf:
    """What looks at whole pictures, or at the boxes in them."""

    def fields_of(sources: Sequence[str], pictures: Sequence[Picture]) -> Sequence[Fields]:
        if boxes is None or not isinstance(model, BoxedModel):
            return model.fields(list(pictures), **network)
        paths = [Path(source) for source in sources]
        seen = [boxes.inside(path, (one.shape[1], one.shape[0])) for path, one in zip(paths, pictures, strict=True)]
        fields = model.look_in(pictures, [inside for inside, _ in seen], **network)
        for path, (_, outside) in zip(paths, seen, strict=True):
            report_outside(path, outside)
        return fields

    return fields_of


def _in_turn(
    model: PoseModel,
    files: list[str],
    fields_of: FieldsOf,
    writer: ResultWriter,
    decode: Mapping[str, Any],
    batch: int,
) -> Outcome:
    """Look at one picture after another."""
    failures: list[tuple[str, str]] = []
    people = 0
    # Also when it is broken off: the tables of what is done, and which files are whose for the next time.
    with closing(writer), counting_progress() as progress:
        task = progress.add_task("Pictures", total=len(files))
        for look in look_at(files, fields_of, batch):
            if isinstance(look, Unseen):
                failures.append((look.source, look.error))
                report_failure(look.source, look.error)
            else:
                poses = model.decode(look.fields, **decode)
                people += len(poses)
                writer.add(look.source, look.picture, look.fields, poses)
            progress.advance(task)
    return Outcome(len(files) - len(failures), people, 0, failures)


def _spread(
    files: list[str],
    folder: Path,
    formats: frozenset[str],
    order: Order,
    facts: Mapping[str, Any],
    cluster: str,
) -> Outcome:
    """Let workers look at the pictures."""
    own = formats - {PARQUET}
    writer = ResultWriter(folder, own, order.drawing, files) if own else None
    with counting_progress() as progress:
        task = progress.add_task("Pictures", total=len(files))
        outcome = spread_pictures(
            files,
            folder,
            facts,
            writer,
            lambda most: workers_of(cluster, order, most, order.model.device, order.network),
            lambda done: progress.update(task, completed=done),
        )
    tell_outcome(outcome.before, len(files), outcome.failures, folder / FAILED)
    return outcome
