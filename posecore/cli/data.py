"""Commands about labelled pictures: look at them, convert, split, crop, make and fetch them, and propose labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from posecore.cli import library
from posecore.cli.boxes import ClassNames
from posecore.cli.console import counting_progress, errors, output
from posecore.cli.loading import open_model
from posecore.cli.settings import listed, settings_options
from posecore.cli.skipped import LISTED, report_sides, report_skipped
from posecore.data.annotations import Label, PoseDataset
from posecore.data.coco import write_coco_json
from posecore.data.counts import label_counts, lost_in
from posecore.data.crops import crop_people
from posecore.data.detect import WRITERS, Format, ReadFormat, UnknownLabelsError, detect_format, open_dataset
from posecore.data.download import COCO_URL
from posecore.data.download import fetch_coco as fetch
from posecore.data.operations import Filters, filtered, mapped, paired, renamed, split_by_ratio
from posecore.data.pictures import PictureMode, new_folder
from posecore.data.synthetic import write_dataset
from posecore.data.verify import verify_pictures
from posecore.labelling.completing import CompletionRules, complete_labels
from posecore.labelling.proposals import propose_ignore, propose_labels, unlabelled
from posecore.model import PoseModel
from posecore.skeleton import SKELETONS

app = typer.Typer(help="Labelled pictures: inspect, convert, split, crop, synthesize, fetch.", no_args_is_help=True)
app.add_typer(library.app, name="library")

#: JPEG quality of pictures that are saved anew, unless it is said.
_QUALITY = 90

Source = Annotated[
    Path,
    typer.Argument(
        help="COCO, Dataloop or labelme JSON, data.yaml, CVAT's XML, DeepLabCut's CSV, a folder of labelled pictures, "
        "a zip of one, an LMDB of OpenPose, or tars of WebDataset (a folder, NAME-{0000..0009}.tar, s3://…)."
    ),
]
Target = Annotated[Path, typer.Argument(help="A new or empty folder.")]
Images = Annotated[
    Path | None, typer.Option(help="Folder that the labels' file names are relative to; else looked for.")
]
InputFormat = Annotated[
    ReadFormat | None, typer.Option("--from", help="Format of what is read.", show_default="found out by itself")
]
OutputFormat = Annotated[Format, typer.Option("--to", help="Format that is written.")]
Pictures = Annotated[
    PictureMode, typer.Option(help="Copy pictures, link to them, or save them anew as JPEG (reencode).")
]
Quality = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="JPEG quality of pictures that are saved anew.", show_default=str(_QUALITY)),
]


def _report(dataset: PoseDataset) -> None:
    """Say what was skipped and what was odd."""
    report_skipped(dataset.problems, dataset.remarks)


@contextmanager
def _counting(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar; yields what to call after every step."""
    with counting_progress() as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


@app.command()
def inspect(
    path: Source,
    images: Images = None,
    source_format: InputFormat = None,
    problems: Annotated[int, typer.Option(min=0, help="How many problems to list.")] = LISTED,
    check: Annotated[
        bool, typer.Option("--check", help="Open every picture: is it whole, and of the size the labels say?")
    ] = False,
    without_pictures: Annotated[
        bool, typer.Option("--without-pictures", help="Look at the labels alone; pictures need not be there.")
    ] = False,
) -> None:
    """Show what a set of labelled pictures holds, and what in it cannot be used. Exit code 1 if there is such.

    What is odd but costs nothing is said too, and is no failure.
    """
    if check and without_pictures:
        raise typer.BadParameter("--check opens the pictures: leave --without-pictures out.")
    dataset = open_dataset(path, source_format, images, pictures=not without_pictures)
    found = list(dataset.problems)
    if check:
        with _counting("Pictures", len(dataset)) as advance:
            found.extend(verify_pictures(dataset, advance))
    output.print(_overview(dataset))
    output.print(_keypoints(dataset))
    report_skipped(found, dataset.remarks, problems)
    report_sides(dataset.skeleton)
    if found:
        raise typer.Exit(1)


def _overview(dataset: PoseDataset) -> Table:
    people = [person for image in dataset for person in image.people]
    table = Table(show_header=False, box=None, pad_edge=False)
    splits = Counter(image.split or "none" for image in dataset)
    classes = Counter(person.category for person in people)
    skeleton = dataset.skeleton
    rows = {
        "Name": dataset.name,
        "Pictures": f"{len(dataset)} ({sum(not image.people for image in dataset)} with nobody on them)",
        "People": f"{dataset.people}, and {sum(person.crowd for person in people)} crowds",
        "Without labelled keypoints": str(sum(not person.labelled.any() for person in people)),
        "Ignore regions": f"{sum(len(image.ignore) for image in dataset)}, "
        f"of which {dataset.ignored} in place of people who are left out",
        "Splits": ", ".join(f"{name} {count}" for name, count in sorted(splits.items())),
        "Classes": ", ".join(f"{name} {count}" for name, count in classes.most_common(10)),
        "Skeleton": f"{skeleton.name}: {len(skeleton)} keypoints, {len(skeleton.edges)} lines, "
        f"{len(skeleton.flip_pairs)} left/right pairs" + ("" if skeleton.sides_known else " (sides not known)"),
        "Problems": f"{len(dataset.problems)}, and {sum(remark.count for remark in dataset.remarks)} odd but read",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _keypoints(dataset: PoseDataset) -> Table:
    """How often every keypoint has each label."""
    table = Table(box=None, pad_edge=False)
    columns = (Label.VISIBLE, Label.HIDDEN, Label.UNLABELLED, Label.ABSENT)
    table.add_column("Keypoint")
    for label in columns:
        table.add_column(label.name.capitalize(), justify="right")
    for name, counts in zip(dataset.skeleton.keypoints, label_counts(dataset), strict=True):
        table.add_row(name, *(str(counts[label]) for label in columns))
    return table


@app.command()
def convert(
    path: Source,
    target: Target,
    target_format: OutputFormat = "coco",
    images: Images = None,
    source_format: InputFormat = None,
    pictures: Pictures = "copy",
    quality: Quality = None,
    skeleton: Annotated[
        str | None, typer.Option(help=f"Map onto this skeleton: {', '.join(SKELETONS)}.", show_default=False)
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(help="Rename a keypoint first: OLD=NEW. May be given many times.")
    ] = None,
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            help="Say which keypoints are mirror images: LEFT=RIGHT, by their new names. May be given many times. "
            "“none” when no keypoint has one."
        ),
    ] = None,
    category: Annotated[list[str] | None, typer.Option(help="Keep this class only. May be given many times.")] = None,
    min_keypoints: Annotated[int, typer.Option(min=0, help="Fewest labelled keypoints of a person.")] = 0,
    min_visible: Annotated[int, typer.Option(min=0, help="Fewest visible keypoints of a person.")] = 0,
    min_area: Annotated[float, typer.Option(min=0, help="Smallest box of a person in square pixels.")] = 0.0,
    drop_crowds: Annotated[bool, typer.Option("--drop-crowds", help="Leave out crowds.")] = False,
    drop_empty: Annotated[bool, typer.Option("--drop-empty", help="Leave out pictures with nobody on them.")] = False,
    class_names: ClassNames = "",
) -> None:
    """Write a set in another format, filtered and mapped to another skeleton on the way."""
    saved_at = _quality(pictures, quality)
    dataset = open_dataset(path, source_format, images, class_names=listed(class_names))
    _report(dataset)
    filters = Filters(
        crowds=not drop_crowds,
        keypoints=min_keypoints,
        visible=min_visible,
        box_area=min_area,
        categories=category or None,
        drop_empty=drop_empty,
    )
    dataset = filtered(dataset, filters)
    dataset = renamed(dataset, dict(_two_names(text, "--rename", "OLD=NEW") for text in rename or ()))
    if mirror:
        pairs = [] if mirror == ["none"] else [_two_names(text, "--mirror", "LEFT=RIGHT") for text in mirror]
        dataset = paired(dataset, pairs)
    if skeleton is not None:
        if skeleton not in SKELETONS:
            raise typer.BadParameter(f"{skeleton!r} is none of {', '.join(SKELETONS)}.", param_hint="--skeleton")
        dataset = mapped(dataset, SKELETONS[skeleton])
    _write(dataset, target, target_format, pictures, saved_at)


def _two_names(text: str, option: str, form: str) -> tuple[str, str]:
    first, equals, second = text.partition("=")
    if not (first and equals and second):
        raise typer.BadParameter(f"{text!r} is not {form}.", param_hint=option)
    return first, second


def _quality(pictures: PictureMode, quality: int | None) -> int:
    if quality is not None and pictures != "reencode":
        raise typer.BadParameter("--quality belongs to --pictures reencode; give that as well.")
    return quality or _QUALITY


def _write(dataset: PoseDataset, target: Path, target_format: Format, pictures: PictureMode, quality: int) -> None:
    with _counting("Pictures", len(dataset)) as advance:
        WRITERS[target_format](dataset, target, pictures, quality, advance)
    for loss in lost_in(dataset, target_format):
        errors.print(f"[yellow]note:[/yellow] {escape(loss)}", soft_wrap=True, highlight=False)
    report_sides(dataset.skeleton)
    output.print(f"{target}: {len(dataset)} pictures, {dataset.people} people ({target_format}).", soft_wrap=True)


@app.command()
def split(
    path: Source,
    target: Target,
    target_format: OutputFormat = "coco",
    ratio: Annotated[
        list[str] | None, typer.Option(help="A part and its share, for example train=0.8. May be given many times.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed splits the same pictures the same way.")] = 0,
    images: Images = None,
    source_format: InputFormat = None,
    pictures: Pictures = "copy",
    quality: Quality = None,
    class_names: ClassNames = "",
) -> None:
    """Split a set at random, by default train 0.8 and val 0.2; parts are named train, val and test."""
    saved_at = _quality(pictures, quality)
    shares = _shares(ratio) if ratio else None
    dataset = open_dataset(path, source_format, images, class_names=listed(class_names))
    _report(dataset)
    parts = split_by_ratio(dataset, shares, seed)
    output.print(", ".join(f"{name}: {len(part)}" for name, part in parts.items()))
    together = tuple(image for part in parts.values() for image in part)
    _write(replace(dataset, images=together), target, target_format, pictures, saved_at)


def _shares(texts: list[str]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for name, share in map(_share, texts):
        if name in shares:
            raise typer.BadParameter(f"{name} is given two shares.", param_hint="--ratio")
        shares[name] = share
    return shares


def _share(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    if name not in ("train", "val", "test"):
        raise typer.BadParameter(f"{text!r} does not name train, val or test.", param_hint="--ratio")
    try:
        return name, float(number)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not NAME=NUMBER.", param_hint="--ratio") from None


@app.command()
def crop(
    path: Source,
    target: Target,
    expand: Annotated[
        float, typer.Option(min=0.5, max=10, help="Size of the crop relative to the person's box.")
    ] = 1.25,
    square: Annotated[bool, typer.Option("--square", help="As wide as high, where the picture reaches.")] = False,
    min_keypoints: Annotated[int, typer.Option(min=0, help="Fewest labelled keypoints of a person.")] = 1,
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG quality of the crops.")] = 95,
    images: Images = None,
    source_format: InputFormat = None,
) -> None:
    """Cut every person out as a picture of their own (written as COCO)."""
    dataset = open_dataset(path, source_format, images)
    _report(dataset)
    kept = filtered(dataset, Filters(keypoints=min_keypoints, drop_empty=True))
    folder = new_folder(target)
    with _counting("Pictures", len(kept)) as advance:
        crops = crop_people(replace(kept, problems=()), folder / "images", expand, square, quality, advance)
    write_coco_json(crops, folder / "annotations.json")
    _report(crops)
    output.print(f"{target}: {len(crops)} crops of {len(kept)} pictures.", soft_wrap=True)


@app.command()
def synthesize(
    target: Annotated[Path, typer.Argument(help="Folder to write to.")],
    count: Annotated[int, typer.Option(min=1, help="Number of pictures.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same pictures.")] = 0,
    width: Annotated[int, typer.Option(min=64, max=4096, help="Width of the pictures in pixels.")] = 640,
    height: Annotated[int, typer.Option(min=64, max=4096, help="Height of the pictures in pixels.")] = 480,
    people: Annotated[
        int | None, typer.Option(min=0, max=20, help="People on every picture.", show_default="1 to 4")
    ] = None,
) -> None:
    """Draw pictures of synthetic people with exact keypoints (COCO format)."""
    with _counting("Pictures", count) as advance:
        path = write_dataset(target, count, seed, (width, height), people, lambda done, total: advance())
    output.print(f"{path}: {count} pictures.", soft_wrap=True)


@app.command("fetch-coco")
def fetch_coco(
    target: Annotated[Path, typer.Argument(help="Folder to fetch into.")],
    subset: Annotated[Literal["val", "train"], typer.Option(help="val: 0.8 GB of pictures; train: 18 GB.")] = "val",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the first so many pictures that have labelled people.")
    ] = None,
    base_url: Annotated[str, typer.Option(help="Server to fetch from.")] = COCO_URL,
) -> None:
    """Download COCO 2017 from its publisher. Run it again after a break: it goes on where it stopped."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name)
            progress.update(tasks[name], completed=done, total=total)

        labels, folder = fetch(target, subset, limit, base_url.rstrip("/"), show)
    output.print(f"Labels: {labels}\nPictures: {folder}", soft_wrap=True)


Model = Annotated[str, typer.Option(help="Name of the model, as listed by “posecore models”.")]
JsonFile = Annotated[Path, typer.Argument(help="COCO JSON to write.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")]


@settings_options
def ignore(
    path: Source,
    target: JsonFile,
    model: Model,
    images: Images = None,
    source_format: InputFormat = None,
    fewest: Annotated[int, typer.Option(min=1, help="Joints outside all labelled people that make a region.")] = 3,
    device: Device = "auto",
    *,
    settings: dict[str, Any],
) -> None:
    """Mark regions where a model sees joints and no label stands, so that training and measures pass over them."""
    dataset = open_dataset(path, source_format, images)
    _report(dataset)
    before = sum(len(image.ignore) for image in dataset)
    loaded = open_model(model, device)
    with _counting("Pictures", len(dataset)) as advance:
        marked = propose_ignore(loaded, replace(dataset, problems=()), settings, fewest=fewest, advance=advance)
    _report(marked)
    _write_labels(marked, target, images or path, _made_by(loaded, path, settings, fewest=fewest))
    regions = sum(len(image.ignore) for image in marked) - before
    output.print(f"{target}: {regions} new ignore regions on {len(marked)} pictures.", soft_wrap=True)


@settings_options
def prelabel(
    path: Annotated[Path, typer.Argument(help="A folder of pictures, or labelled pictures of any format.")],
    target: JsonFile,
    model: Model,
    images: Images = None,
    fewest: Annotated[int, typer.Option(min=1, help="Joints a proposed person must have.")] = 5,
    device: Device = "auto",
    *,
    settings: dict[str, Any],
) -> None:
    """Propose labels: people that a model sees where nobody is labelled yet. Look them over before training."""
    bare = path.is_dir() and not _has_labels(path)
    if bare and images is not None:
        raise typer.BadParameter(f"--images is about the pictures of labels, and {path} holds none: leave it out.")
    loaded = open_model(model, device)
    dataset = unlabelled(path, loaded) if bare else open_dataset(path, None, images)
    _report(dataset)
    before = dataset.people
    with _counting("Pictures", len(dataset)) as advance:
        proposed = propose_labels(loaded, replace(dataset, problems=()), settings, fewest=fewest, advance=advance)
    _report(proposed)
    _write_labels(proposed, target, images or path, _made_by(loaded, path, settings, fewest=fewest))
    output.print(f"{target}: {proposed.people - before} proposed people on {len(proposed)} pictures.", soft_wrap=True)


def _has_labels(folder: Path) -> bool:
    """True when there are labels of a known format in a folder; broken ones shall be reported, not passed over."""
    try:
        detect_format(folder)
    except UnknownLabelsError:
        return False
    return True


@settings_options
def complete(
    path: Source,
    target: JsonFile,
    model: Model,
    images: Images = None,
    source_format: InputFormat = None,
    device: Device = "auto",
    *,
    settings: dict[str, Any],
) -> None:
    """Add unlabelled joints and mend wrong labels where a single-person model is sure, also of the mirror image.

    What the model says is kept beside TARGET, so that a broken-off command goes on where it was.
    """
    dataset = open_dataset(path, source_format, images)
    _report(dataset)
    loaded = open_model(model, device)
    with _counting("Pictures", len(dataset)) as advance:
        done = complete_labels(
            loaded,
            replace(dataset, problems=()),
            settings=settings,
            memory=target.with_name(f"{target.stem}.opinions.jsonl"),
            advance=advance,
        )
    _report(done.dataset)
    made_by = _made_by(loaded, path, settings, rules=CompletionRules().model_dump(), counts=dict(done.counts))
    _write_labels(done.dataset, target, images or path, made_by)
    said = ", ".join(f"{count} {name}" for name, count in sorted(done.counts.items()))
    output.print(f"{target}: {done.dataset.people} people; {said}.", soft_wrap=True)


app.command("ignore")(ignore)
app.command("prelabel")(prelabel)
app.command("complete")(complete)


def _made_by(model: PoseModel, labels: Path, settings: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Where labels come from that no person gave."""
    named = {"model": model.name, "weights": model.weights_id, "settings": dict(settings), "labels": labels.name}
    return {**named, **more}


def _write_labels(dataset: PoseDataset, target: Path, near: Path, made_by: Mapping[str, Any]) -> None:
    """Labels alone, with file names relative to the folder that all the pictures lie in."""
    folder = _common_folder(dataset, near)
    names = {image.image_id: image.path.resolve().relative_to(folder).as_posix() for image in dataset}
    write_coco_json(dataset, target, names, made_by)
    output.print(f"Pictures: {folder}", soft_wrap=True)


def _common_folder(dataset: PoseDataset, near: Path) -> Path:
    """The folder given when all pictures are in it, else the closest one that is above them all."""
    parents = [image.path.resolve().parent for image in dataset]
    candidates = [near.resolve(), *((parents[0], *parents[0].parents) if parents else ())]
    return next(
        folder for folder in candidates if all(folder == parent or folder in parent.parents for parent in parents)
    )
