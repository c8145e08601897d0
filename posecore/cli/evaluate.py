"""The command that measures a model on labelled pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from posecore.cli.boxes import BoxesFile, ClassNames, measure_boxes
from posecore.cli.console import counting_progress, errors, output
from posecore.cli.loading import WeightsFile, open_model
from posecore.cli.settings import flag_of, listed, settings_options
from posecore.cli.spread import Cluster, workers_of
from posecore.data.annotations import PoseDataset
from posecore.data.box_files import GivenBoxes, read_boxes
from posecore.data.detect import open_dataset
from posecore.errors import SettingsError
from posecore.evaluation import Evaluation, Protocol, ranked, worst_cases
from posecore.evaluation import evaluate as run_evaluation
from posecore.evaluation.error_kinds import KINDS, LOCALISATION, ErrorKinds, error_kinds
from posecore.evaluation.predictions import PicturePoses, predict
from posecore.evaluation.progress import between
from posecore.evaluation.report import report_html
from posecore.evaluation.results_files import evaluate_results
from posecore.evaluation.saved import SavedEvaluations
from posecore.evaluation.sheets import contact_sheet
from posecore.evaluation.summary import DRAWN, Measured, Summary, summarise
from posecore.model import PoseModel
from posecore.spreading.choosing import check_cluster
from posecore.spreading.evaluating import SpreadPrediction
from posecore.storage import replacing, write_json, write_text, writing
from posecore.two_stage import BoxedModel

#: Endings of sheets → what Pillow calls the format.
_SHEETS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}


@settings_options
def evaluate(
    model: Annotated[
        str | None,
        typer.Option(help="Name of the model, as listed by “posecore models”, or the path of weights of your own."),
    ] = None,
    *,
    annotations: Annotated[Path, typer.Option(help="COCO keypoint JSON, or a folder or zip of labelled pictures.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder that the labels' file names are relative to; else looked for.")
    ] = None,
    protocol: Annotated[
        Literal["crops", "full"] | None,
        typer.Option(
            help="crops: every labelled person on their own; full: whole pictures, everybody found. Default crops, "
            "with --person-boxes and --results full."
        ),
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a picture of the worst and the best cases here (PNG or JPEG).")
    ] = None,
    weights: WeightsFile = None,
    results: Annotated[
        Path | None,
        typer.Option(help="Measure this file of results in COCO's format, from any program, in place of a model."),
    ] = None,
    person_boxes: BoxesFile = None,
    html: Annotated[Path | None, typer.Option(help="Write a report here: one page that needs nothing else.")] = None,
    save: Annotated[
        str | None,
        typer.Option(
            help="Keep the evaluation under this name; without a name of yours it may go when there are many."
        ),
    ] = None,
    no_save: Annotated[bool, typer.Option("--no-save", help="Keep nothing.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many pictures.")] = None,
    class_names: ClassNames = "",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    cluster: Cluster = None,
    settings: dict[str, Any],
) -> None:
    """Measure a model on labelled pictures: OKS AP and AR, PCK@0.2, every keypoint, and the kinds of errors.

    Of models that find boxes (SSDLite) it is the AP and AR of boxes.
    """
    if (model is None and weights is None) == (results is None):
        raise SettingsError("Say what to measure: --model NAME, --weights FILE or --results FILE.")
    _check_effect(results, protocol, device, settings, sheet)
    _check_boxes(person_boxes, results, protocol)
    _check_spread(cluster, person_boxes, results)
    _check_name(save, no_save)
    dataset = open_dataset(annotations, images=images, class_names=listed(class_names))
    if results is not None:
        evaluation, mark = evaluate_results(results, replace(dataset, images=dataset.images[:limit])), ""
    else:
        given = None if person_boxes is None else read_boxes(person_boxes)
        loaded = open_model(model, device, weights)
        if loaded.finds_boxes:
            unused = {"--protocol": protocol, "--person-boxes": given, "--sheet": sheet, "--html": html, "--save": save}
            unused["--cluster"] = cluster
            measure_boxes(loaded, dataset, settings, limit, json_file, unused)
            return
        loaded = loaded if given is None else BoxedModel(loaded)
        looked: Protocol = protocol or ("crops" if given is None else "full")
        evaluation, mark = (
            _of_model(loaded, dataset, looked, settings, limit, given, _predicting(cluster, device)),
            loaded.weights_id,
        )
    for problem in (*dataset.problems, *evaluation.problems):
        errors.print(f"[yellow]skipped:[/yellow] {escape(str(problem))}", soft_wrap=True, highlight=False)
    what = "results" if person_boxes is None else "boxes"
    for remark in evaluation.remarks:
        errors.print(f"[yellow]{what}[/yellow] {escape(str(remark))}", soft_wrap=True, highlight=False)
    kinds, measured = _figures(evaluation, mark, results is not None)
    if json_file is not None:
        content = {**evaluation.to_dict(), "intervals": _intervals(measured.summary), "errors": kinds.to_dict()}
        with writing(json_file):
            write_json(json_file, content)
    if html is not None:
        write_page(report_html(measured.summary), html)
    if sheet is not None:
        save_sheet(evaluation, sheet)
    output.print(summary(evaluation))
    output.print(keypoint_table(evaluation))
    output.print(kinds_table(kinds))
    if not no_save:
        kept = SavedEvaluations().save(measured, save or "")
        errors.print(
            f"Kept as {kept.name}; “posecore evaluations” lists and compares.", soft_wrap=True, highlight=False
        )


def _check_effect(
    results: Path | None, protocol: Protocol | None, device: str, settings: dict[str, Any], sheet: Path | None
) -> None:
    """Refuse what could have no effect, before the work and not after it."""
    if results is not None and settings:
        raise SettingsError(f"--results takes no {flag_of(next(iter(settings)))}: settings are a model's.")
    if results is not None and device != "auto":
        raise SettingsError("--results need no --device: no model looks at the pictures.")
    if results is not None and protocol == "crops":
        raise SettingsError("--results are of whole pictures: leave --protocol crops out.")
    if sheet is not None and sheet.suffix.lower() not in _SHEETS:
        raise SettingsError(f"{sheet} must end in {', '.join(_SHEETS)}.")


def _check_name(save: str | None, no_save: bool) -> None:
    """Refuse a name under which nothing can be kept, before the work and not after it."""
    if save is not None and no_save:
        raise SettingsError("--save and --no-save contradict each other; give one of them.")
    if save is not None:
        SavedEvaluations().check_name(save)


def _check_boxes(boxes: Path | None, results: Path | None, protocol: Protocol | None) -> None:
    """Refuse boxes beside what leaves them without effect."""
    if boxes is not None and results is not None:
        raise SettingsError("--person-boxes are for a model to look at, --results need no model; give one of them.")
    if boxes is not None and protocol == "crops":
        raise SettingsError("--person-boxes are looked at under the protocol full; leave --protocol crops out.")


def _of_model(
    loaded: PoseModel,
    dataset: PoseDataset,
    protocol: Protocol,
    settings: dict[str, Any],
    limit: int | None,
    boxes: GivenBoxes | None,
    predicting: Callable[..., Sequence[PicturePoses]],
) -> Evaluation:
    with counting_progress() as progress:
        task = progress.add_task("Pictures", total=min(limit or len(dataset), len(dataset)))
        return run_evaluation(
            loaded,
            dataset,
            protocol,
            settings,
            limit=limit,
            advance=lambda: progress.advance(task),
            boxes=boxes,
            predicting=predicting,
        )


def _check_spread(cluster: str | None, boxes: Path | None, results: Path | None) -> None:
    """Refuse --cluster where it has no effect."""
    if cluster is None:
        return
    check_cluster(cluster)
    if boxes is not None or results is not None:
        other = "--person-boxes" if boxes is not None else "--results"
        raise SettingsError(f"{other} is looked at in this process: leave --cluster out.")


def _predicting(cluster: str | None, device: str) -> Callable[..., Sequence[PicturePoses]]:
    """What looks at the pictures: this process, or workers."""
    if cluster is None:
        return predict
    return SpreadPrediction(device, lambda order, most: workers_of(cluster, order, most, device, order.network))


def _figures(evaluation: Evaluation, weights: str, results: bool) -> tuple[ErrorKinds, Measured]:
    """Kinds of errors, and everything that is kept and shown."""
    with counting_progress() as progress:
        task = progress.add_task("Figures", total=100)

        def tell(share: float) -> None:
            progress.update(task, completed=round(100 * share))

        kinds = error_kinds(evaluation, between(tell, 0.0, 0.5))
        return kinds, summarise(evaluation, kinds, weights=weights, results=results, tell=between(tell, 0.5, 1.0))


def _intervals(summary: Summary) -> dict[str, list[float]]:
    """Figures with where they lie on other pictures with 95 % confidence; those that cannot be told left out."""
    known = {name: summary.figures[name] for name in DRAWN if name in summary.figures}
    return {
        DRAWN[name]: [one.low, one.high] for name, one in known.items() if one.low is not None and one.high is not None
    }


def write_page(page: str, path: Path) -> None:
    """A page of HTML as a file."""
    with writing(path):
        write_text(path, page)


def save_sheet(evaluation: Evaluation, path: Path) -> None:
    """The twelve worst and the twelve best cases as one picture; without a case it is said that there is none."""
    from PIL import Image

    chosen = [*worst_cases(evaluation, 12), *ranked(evaluation)[::-1][:12]]
    if not chosen:
        errors.print(f"{path} was not written: nobody is labelled.", markup=False, soft_wrap=True, highlight=False)
        return
    with writing(path), replacing(path) as part:
        Image.fromarray(contact_sheet(chosen)).save(part, _SHEETS[path.suffix.lower()])


def summary(evaluation: Evaluation) -> Table:
    """The main figures in a row."""
    table = Table(title=f"{evaluation.model} · {evaluation.dataset} · {evaluation.protocol}", title_justify="left")
    figures = {**evaluation.precision, "PCK@0.2": evaluation.pck}
    shown = [name for name in ("AP", "AP50", "AP75", "AP_medium", "AP_large", "AR", "PCK@0.2") if name in figures]
    for name in ("People", *shown, "Seconds"):
        table.add_column(name.replace("_medium", " M").replace("_large", " L"), justify="right")
    values = (figure_text(figures[name]) for name in shown)
    table.add_row(str(evaluation.people), *values, f"{evaluation.seconds:.1f}")
    return table


def keypoint_table(evaluation: Evaluation) -> Table:
    """A row per keypoint."""
    table = Table(box=None, pad_edge=False)
    table.add_column("Keypoint")
    for title in ("Labelled", "Similarity", "PCK@0.2"):
        table.add_column(title, justify="right")
    for name, one in evaluation.per_keypoint.items():
        table.add_row(name, str(one.count), figure_text(one.similarity), figure_text(one.pck))
    return table


def kinds_table(kinds: ErrorKinds) -> Table:
    """What kinds of errors there are, and the AP that mending each would gain."""
    table = Table(box=None, pad_edge=False)
    for title in ("Errors", "Joints", "Share", "AP gained"):
        table.add_column(title, justify="left" if title == "Errors" else "right")
    for kind, row in zip(KINDS, kinds.counts, strict=True):
        gain = figure_text(kinds.gains.get(kind)) if kind in LOCALISATION else ""
        table.add_row(kind, str(int(row.sum())), f"{kinds.shares[kind]:.1%}", gain)
    table.add_row("people in the wrong order", "", "", figure_text(kinds.gains.get("score")))
    table.add_row(f"{kinds.false_poses} poses about nobody", "", "", figure_text(kinds.gains.get("background")))
    table.add_row(f"{kinds.missed_people} people not found", "", "", figure_text(kinds.gains.get("not found")))
    return table


def figure_text(value: float | None) -> str:
    """A figure of 0 … 1, or a dash where there is none."""
    return "–" if value is None else f"{value:.3f}"
