"""Commands about the sets that posecore keeps: the ones of the app's Data page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from posecore.cli.console import counting_progress, errors, output
from posecore.cli.settings import options_of
from posecore.cli.skipped import report_sides, report_skipped
from posecore.data.library import Library
from posecore.settings import build_settings
from posecore.skeleton import COCO_17, SKELETONS, Skeleton
from posecore.video import MOST_STILLS, ClipSettings, take_stills
from posecore.words import counted

app = typer.Typer(help="The sets of labelled pictures that posecore keeps.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the set.")]


@app.command("list")
def list_sets() -> None:
    """List the sets, newest first, with the folder that other commands take."""
    sets = Library().all()
    if not sets:
        output.print("There is no set yet; “posecore data library add NAME PATH” adds one, and so does the app.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("Name", "Pictures", "Labelled", "People", "Parts", "Format", "Folder"):
        table.add_column(column, overflow="fold")
    for stored in sets:
        if reason := stored.broken:
            errors.print(f"[yellow]problem:[/yellow] {escape(stored.name)}: {escape(reason)}", soft_wrap=True)
            continue
        dataset = stored.dataset()
        parts = ", ".join(f"{name} {count}" for name, count in stored.parts().items()) or "not split"
        numbers = (str(len(dataset)), str(stored.labelled()), str(dataset.people))
        table.add_row(stored.name, *numbers, parts, stored.origin, str(stored.folder))
    output.print(table)


@app.command()
def add(
    name: Name,
    source: Annotated[
        Path,
        typer.Argument(
            help="COCO, Dataloop or labelme JSON, data.yaml, CVAT's XML, DeepLabCut's CSV, a folder, a zip of one, an "
            "LMDB of OpenPose, or tars of WebDataset. Pictures alone will do."
        ),
    ],
    images: Annotated[Path | None, typer.Option(help="Folder of the pictures where the labels are elsewhere.")] = None,
) -> None:
    """Keep a copy of labelled pictures under a name. Pictures without labels are to be labelled in the app."""
    with counting_progress() as progress:
        task = progress.add_task("Pictures", total=None)
        stored = Library().add(
            name, source, images=images, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
    report_skipped(stored.problems, stored.remarks)
    report_sides(stored.skeleton)
    output.print(f"{stored.folder}: {counted(len(stored.dataset()), 'picture')} ({stored.origin}).", soft_wrap=True)


def _keypoints_for(library: Library, name: str, asked: str | None) -> Skeleton:
    """The keypoints of a set: its own where it is there, else those that were asked for."""
    if asked is not None and asked not in SKELETONS:
        raise typer.BadParameter(f"{asked!r} is none of {', '.join(SKELETONS)}.", param_hint="--skeleton")
    wanted = SKELETONS[asked or COCO_17.name]
    there = next((stored for stored in library.all() if stored.name == name), None)
    if there is None:
        return wanted
    if asked is not None and there.skeleton != wanted:
        raise typer.BadParameter(
            f"{name} is there already, with the keypoints of {there.skeleton.name}; leave --skeleton out, or name "
            "another set.",
            param_hint="--skeleton",
        )
    return there.skeleton


@options_of("part", ClipSettings)
def frames(
    name: Annotated[str, typer.Argument(help="Name of the set; one that is not there yet is made.")],
    video: Annotated[Path, typer.Argument(help="The video.")],
    count: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_STILLS, help="So many frames, spread evenly.", show_default="every n-th frame"),
    ] = None,
    skeleton: Annotated[
        str | None, typer.Option(help=f"Keypoints of a new set: {', '.join(SKELETONS)}.", show_default=COCO_17.name)
    ] = None,
    *,
    part: dict[str, Any],
) -> None:
    """Keep frames of a video as pictures to be labelled: every n-th one (--stride), or so many (--count)."""
    if (count is None) == ("stride" not in part):
        raise typer.BadParameter(
            "say which frames: --stride 10 for every tenth one, or --count 50 for fifty, spread evenly."
        )
    library = Library()
    keypoints = _keypoints_for(library, name, skeleton)
    with counting_progress() as bar:
        read, kept = bar.add_task("Per cent of the video", total=100), bar.add_task("Pictures", total=None)
        taken = take_stills(
            library,
            name,
            video,
            build_settings(ClipSettings, part),
            count,
            skeleton=keypoints,
            tell=lambda share: bar.update(read, completed=round(100 * share)),
            progress=lambda done, total: bar.update(kept, completed=done, total=total),
        )
    for warning in taken.warnings:
        errors.print(f"[yellow]{escape(video.name)}:[/yellow] {escape(warning)}", highlight=False, soft_wrap=True)
    output.print(taken.sentence, highlight=False, soft_wrap=True)
    output.print(f"Folder: {taken.stored.folder}", highlight=False, soft_wrap=True)


app.command("frames")(frames)


@app.command()
def remove(name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete a set, its pictures and its labels."""
    library = Library()
    stored = library.get(name)
    if not yes:
        typer.confirm(f"Delete {stored.folder} with all that is in it?", abort=True)
    library.remove(name)
    output.print(f"{name} was deleted.")
