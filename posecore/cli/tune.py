"""The command that finds settings for one's own pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from posecore.benchmark import Paced, paces
from posecore.cli.console import counting_progress, errors, output
from posecore.cli.evaluate import figure_text
from posecore.cli.loading import ModelName, WeightsFile, open_model
from posecore.cli.settings import each_value, listed, settings_options
from posecore.cli.spread import Cluster, workers_of
from posecore.data.annotations import AnnotatedImage, PoseDataset, spread
from posecore.data.detect import open_dataset
from posecore.data.pictures import read_labelled
from posecore.errors import DataError, ImageError, SettingsError
from posecore.evaluation.field_sets import FieldFolder, FieldSet, alike, keep_fields
from posecore.evaluation.network_choices import OF_MACHINES, changed_words, networks_among
from posecore.evaluation.predictions import protocol_settings
from posecore.evaluation.tuning import Bench, Figures, Goal, Trial, Tuned, searchable, tunable, tune_among
from posecore.model import PoseModel
from posecore.spreading.choosing import check_cluster
from posecore.spreading.field_sets import spread_fields
from posecore.storage import write_json, writing

#: What is searched over unless said: thresholds are what differs from pictures to pictures.
_USUAL = ("pose_threshold", "keypoint_threshold")
#: Precision, or false people per 100 pictures, that the goals with a bound allow unless it is said.
_BOUND = 0.9
#: Pictures that the time is measured on.
_TIMED = 4


@settings_options
def tune(
    model: ModelName = None,
    *,
    annotations: Annotated[Path, typer.Option(help="COCO keypoint JSON, or a folder or zip of labelled pictures.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder that the labels' file names are relative to; else looked for.")
    ] = None,
    goal: Annotated[
        Literal["AP", "F1", "precision", "false-people"],
        typer.Option(
            help="AP; F1 of precision and recall; precision: most people found with a precision of at least --bound; "
            "false-people: most people found with at most --bound false ones per 100 pictures."
        ),
    ] = "F1",
    bound: Annotated[
        float | None, typer.Option(help="For the goals precision and false-people.", show_default=str(_BOUND))
    ] = None,
    search_over: Annotated[
        str, typer.Option("--search", help="Decode settings to search over, separated by commas; or all.")
    ] = ",".join(_USUAL),
    trials: Annotated[int, typer.Option(min=2, max=100_000, help="Most settings that are tried.")] = 200,
    seed: Annotated[
        int, typer.Option(min=0, help="Which half of the pictures chooses, and where the search begins.")
    ] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the settings here, for --settings of other commands.")
    ] = None,
    each: Annotated[
        list[str] | None,
        typer.Option(
            help="Also choose among these values of a network setting, and see what each costs and brings: "
            "--each input_size=193,257,353, --each flip=false,true, --each 'scales=1; 0.5, 1'."
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Leave out network settings with which this machine looks at fewer pictures a second, one at a time, "
            "as it is now.",
        ),
    ] = None,
    weights: WeightsFile = None,
    limit: Annotated[int | None, typer.Option(min=2, help="Only the first so many pictures.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    cluster: Cluster = None,
    settings: dict[str, Any],
) -> None:
    """Find the settings that suit labelled pictures best, and what they are worth on pictures kept apart.

    What the network says about the pictures is kept, so that the same command goes on where it ended.
    """
    # What is wrong is said before the work.
    if cluster is not None:
        check_cluster(cluster)
    if bound is not None and goal not in ("precision", "false-people"):
        raise SettingsError("--bound belongs to --goal precision or false-people; give one of these as well.")
    wanted = Goal("false people" if goal == "false-people" else goal, _BOUND if bound is None else bound)
    dataset = open_dataset(annotations, images=images)
    loaded = open_model(model, device, weights)
    network, decode = protocol_settings(loaded, "full")
    # Of the protocol only what finds several people; thresholds begin where people use them.
    own_network, own_decode = loaded.split_settings(settings)
    # Where nothing is said, the input is as large as in the commands that take what is found.
    network = {**network, **{name: value for name, value in loaded.network_defaults if name not in OF_MACHINES}}
    start = loaded.decode_settings(
        **{**({"mode": decode["mode"]} if "mode" in decode else {}), **own_decode}
    ).model_dump()
    names = [one.name for one in tunable(loaded)] if search_over == "all" else _names(search_over)
    searchable(loaded, names)
    dataset = replace(dataset, images=dataset.images[:limit])
    now = loaded.network_settings(**{**network, **own_network}).model_dump()
    values = each_value(each or [])
    among = networks_among(loaded, now, values)
    found: list[Paced] = []
    if fps is not None or values:
        # Figures come from one runtime on every machine; time is that of the one in use.
        open_ones = [name for name in OF_MACHINES if name in now and name not in (*own_network, *values)]
        used = {name: getattr(loaded.network_defaults, name) for name in open_ones}
        found = _paces(loaded, among, {**used, **start}, dataset.images, fps or 0.0)
        among = [network for network, one in zip(among, found, strict=True) if one.rate >= (fps or 0.0)]
        found = [one for one in found if one.rate >= (fps or 0.0)]
    networks = [now, *(one for one in among if one != now)]
    every = [
        Bench(loaded, kept, dataset.skeleton, start) for kept in _looks(loaded, dataset, networks, cluster, device)
    ]
    benches = [every[networks.index(one)] for one in among]
    with counting_progress() as progress:
        task = progress.add_task("Settings", total=trials * len(benches))
        searched = tune_among(benches, every[0], wanted, names, trials, seed, lambda: progress.advance(task))
    best = among[searched.place]
    changed = {name: value for name, value in best.items() if name in values or value != now[name]}
    tuned = replace(searched.tuned, settings={**changed, **searched.tuned.settings})
    if values:
        output.print(_each_table(among, list(values), found, searched.best))
    output.print(_table(tuned))
    output.print(tuned.verdict)
    if json_file is not None:
        with writing(json_file):
            write_json(json_file, {"model": loaded.name, "settings": {**own_network, **start, **tuned.settings}})


def _paces(
    model: PoseModel,
    among: Sequence[dict[str, Any]],
    others: Mapping[str, Any],
    images: Sequence[AnnotatedImage],
    fps: float,
) -> list[Paced]:
    """How many pictures a second this machine looks at with each; ``others`` are settings that go before them."""
    shots = []
    for image in spread(images, _TIMED):
        with suppress(ImageError):
            shots.append(read_labelled(image))
    if not shots:
        raise DataError("None of the pictures that the time is measured on can be read.")
    found = paces(model, among, others, shots, fps)
    for one in found:
        words = "" if one.rate >= fps else ": too slow, left out"
        errors.print(f"Input {one.size}, {one.rate:.1f} pictures a second{words}", highlight=False)
    return found


def _looks(
    model: PoseModel, dataset: PoseDataset, networks: Sequence[Mapping[str, Any]], cluster: str | None, device: str
) -> list[FieldSet]:
    """The fields of all pictures with each of these network settings; what is on disk already is taken from there.

    Pictures that cannot be looked at with some of the settings are left out of all.
    """
    with counting_progress() as progress:
        task = progress.add_task("Pictures", total=len(dataset) * len(networks))

        def advance() -> None:
            progress.advance(task)

        if cluster is None:
            place = FieldFolder()
            sets = alike(
                [
                    keep_fields(model, dataset.images, "full", network, folder=place, advance=advance)
                    for network in networks
                ]
            )
        else:
            sets = spread_fields(
                model,
                dataset.images,
                "full",
                networks,
                lambda order, most: workers_of(cluster, order, most, device, *order.networks),
                device=device,
                advance=advance,
            )
    for problem in sets[0].problems:
        errors.print(f"skipped: {problem}", markup=False, soft_wrap=True, highlight=False)
    if not len(sets[0]):
        raise DataError(f"No picture of {dataset.name} can be used.")
    return sets


def _names(text: str) -> list[str]:
    return [name.replace("-", "_") for name in listed(text)]


def _table(tuned: Tuned) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for title in ("Pictures", "AP", "Precision", "Recall", "F1", "False per 100"):
        table.add_column(title, justify="right")
    rows = (("chosen on", tuned.chosen), ("kept apart", tuned.confirmed), ("… before", tuned.before))
    for name, figures in rows:
        table.add_row(name, *_cells(figures))
    return table


def _each_table(
    among: Sequence[Mapping[str, Any]], names: Sequence[str], found: Sequence[Paced], best: Sequence[Trial]
) -> Table:
    """What each of the network settings costs, and what the best decode settings bring with it."""
    table = Table(box=None, pad_edge=False, title="Each with the best settings for it, on the half that chose")
    table.add_column("")
    for title in ("Pictures a second", "AP", "Precision", "Recall", "F1", "False per 100"):
        table.add_column(title, justify="right")
    for network, pace, trial in zip(among, found, best, strict=True):
        table.add_row(changed_words(network, names), f"{pace.rate:.1f}", *_cells(trial.figures)[1:])
    return table


def _cells(figures: Figures) -> list[str]:
    shown = (figures.AP, figures.precision, figures.recall, figures.f1)
    return [str(figures.pictures), *map(figure_text, shown), f"{figures.false_per_100:.1f}"]
