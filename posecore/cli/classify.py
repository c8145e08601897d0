"""Commands that tell what people do from their poses."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.table import Table

from posecore.classification import PoseClassifier, Rated, class_folders, cross_validate, fit, learn_from, states_of
from posecore.cli.console import counting_progress, errors, output
from posecore.cli.images import find_pictures
from posecore.cli.loading import Device, ModelName, WeightsFile, open_model
from posecore.cli.settings import settings_options
from posecore.errors import ImageError, PosecoreError
from posecore.imaging import read_image
from posecore.results import safe_table
from posecore.storage import replacing, writing
from posecore.video import VideoOptions, process_video
from posecore.words import counted

app = typer.Typer(no_args_is_help=True, help="Tell what people do: teach a classifier of poses, and use it.")

Classifier = Annotated[Path, typer.Argument(help="What posecore classify fit wrote.")]
Csv = Annotated[Path | None, typer.Option(help="Write the table here.")]


@app.command("fit")
def fit_command(
    folder: Annotated[Path, typer.Argument(help="A folder that holds a folder of pictures for each class.")],
    to: Annotated[Path, typer.Option(help="Where the classifier goes (JSON).")] = Path("classifier.json"),
    model: ModelName = None,
    weights: WeightsFile = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    device: Device = "auto",
) -> None:
    """Teach a classifier from pictures, and say how well it tells pictures that were kept apart.

    Pictures whose names differ by a number at the end (frames of one clip) are never on both sides.
    """
    pictures = class_folders(folder)
    loaded = open_model(model, device, weights)
    with counting_progress() as progress:
        task = progress.add_task("Pictures", total=sum(map(len, pictures.values())))
        found = learn_from(loaded, pictures, lambda: progress.advance(task))
    for path, reason in found.left_out:
        errors.print(f"left out: {path}: {reason}", markup=False, soft_wrap=True, highlight=False)
    examples = (found.keypoints, found.labels, found.classes, loaded.skeleton)
    classifier = fit(*examples, model=loaded.name, seed=seed)
    classifier.save(to)
    rated, caution = cross_validate(*examples, groups=found.groups, seed=seed), ""
    if rated is None:
        caution = " Their names may be those of one clip, whose frames are alike: others will be told less well."
        rated = cross_validate(*examples, groups=[str(number) for number in range(len(found.labels))], seed=seed)
    if rated is None:
        output.print("Too few pictures to keep some apart: how well it tells others is not known.")
    else:
        output.print(_confusion(rated))
        output.print(f"{rated.right:.0%} of pictures kept apart are told right (mean over the classes).{caution}")
    output.print(f"{counted(len(found.labels), 'example')} of {len(found.classes)} classes: {to}", soft_wrap=True)


def _confusion(rated: Rated) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("is, told as")
    for name in rated.classes:
        table.add_column(name, justify="right")
    for name, row in zip(rated.classes, rated.confusion, strict=True):
        table.add_row(name, *map(str, row))
    return table


@app.command("image")
def image_command(
    classifier: Classifier,
    pictures: Annotated[list[str], typer.Argument(help="Pictures, folders or patterns.")],
    csv: Csv = None,
    model: ModelName = None,
    weights: WeightsFile = None,
    device: Device = "auto",
) -> None:
    """Say what everybody in pictures does."""
    teller = PoseClassifier.load(classifier)
    loaded = open_model(model or teller.model or None, device, weights)
    rows: list[dict[str, Any]] = []
    failed = 0
    for path in find_pictures(pictures, recursive=False):
        try:
            poses = loaded(read_image(path))
        except ImageError as error:
            errors.print(f"left out: {error}", markup=False, soft_wrap=True, highlight=False)
            failed += 1
            continue
        for person, shares in enumerate(teller(poses), 1):
            rows.append(
                {
                    "picture": str(path),
                    "person": person,
                    "class": teller.classes[int(shares.argmax())],
                    **dict(zip(teller.classes, shares.round(4).tolist(), strict=True)),
                }
            )
    _say(pd.DataFrame(rows, columns=["picture", "person", "class", *teller.classes]), csv)
    if failed:
        raise typer.Exit(1)


@settings_options
def _video(
    classifier: Classifier,
    video: Annotated[Path, typer.Argument(help="The video.")],
    csv: Csv = None,
    model: ModelName = None,
    weights: WeightsFile = None,
    device: Device = "auto",
    *,
    settings: dict[str, Any],
) -> None:
    """Say what everybody in a video does, moment by moment, and how often each class begins."""
    teller = PoseClassifier.load(classifier)
    loaded = open_model(model or teller.model or None, device, weights)
    network, decode = loaded.split_settings(settings)
    options = VideoOptions(
        network=loaded.network_settings(**network).model_dump(), decode=loaded.decode_settings(**decode).model_dump()
    )
    with counting_progress() as progress:
        task = progress.add_task("Frames", total=None)
        result = process_video(video, loaded, None, options, lambda step: progress.update(task, completed=step.frames))
    people = result.poses
    frames: list[pd.DataFrame] = []
    for number in np.unique(people.track_ids):
        own = people.rows(people.track_ids == number)
        times = own.times[own.frames] - result.start
        shares = np.concatenate([teller(poses) for poses in own if len(poses)])
        states = states_of(times, shares)
        names = [teller.classes[state] if state >= 0 else "" for state in states.state]
        table = pd.DataFrame({"seconds": times.round(4), "person": int(number), "class": names})
        frames.append(table.join(pd.DataFrame(states.probabilities.round(4), columns=list(teller.classes))))
        told = ", ".join(f"{name} {count}×" for name, count in zip(teller.classes, states.begun, strict=True) if count)
        output.print(f"person {number}: {told or 'nothing for sure'}", highlight=False, markup=False)
    if not frames:
        raise PosecoreError(f"Nobody is found in {video}; try a lower --pose-threshold or another model.")
    if csv is not None:
        _say(pd.concat(frames, ignore_index=True), csv)


app.command("video")(_video)


def _say(table: pd.DataFrame, csv: Path | None) -> None:
    if csv is None:
        output.print(table.to_string(index=False), markup=False, highlight=False)
        return
    with writing(csv), replacing(csv) as draft:
        safe_table(table).to_csv(draft, index=False)
    output.print(f"{counted(len(table), 'row')}: {csv}", soft_wrap=True)
