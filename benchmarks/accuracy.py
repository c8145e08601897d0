"""How good models are: figures with intervals side by side, and which input and threshold suit a model best.

``python -m benchmarks.accuracy FOLDER`` puts every model on this machine, official ones beside the shipped ones, into
one table: AP and PCK with 95 % intervals on the sets ``FOLDER/annotations/SET.json`` with pictures under
``FOLDER/images``, of people cut out (crops) and of whole pictures (full). With ``--sweep SETTING V1 V2 …`` (a decode
setting) and ``--sides S1 S2 …`` it prints precision, recall, F1 and AP of whole pictures at each value for each input
side instead: for choosing defaults, on pictures that the model may have been trained on but is not judged by.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.tables import NOTHING, Row, printed, table_parser
from posecore.data.annotations import PoseDataset
from posecore.data.coco import read_coco
from posecore.evaluation import evaluate
from posecore.evaluation.chance import Interval, intervals
from posecore.evaluation.predictions import Protocol, analyse, protocol_settings
from posecore.evaluation.tuning import Bench
from posecore.evaluation.tuning import sweep as figures_along
from posecore.model import PoseModel
from posecore.zoo import load_model


def figures(
    model: PoseModel, dataset: PoseDataset, protocols: Sequence[Protocol], settings: Mapping[str, Any]
) -> dict[str, str]:
    """What one model reaches on one set, by ``SET PROTOCOL FIGURE``."""
    cells = {}
    for protocol in protocols:
        evaluation = evaluate(model, dataset, protocol, settings)
        found = intervals(evaluation)
        cells[f"{dataset.name} {protocol} AP"] = _figure(evaluation.precision["AP"], found.get("ap"))
        if evaluation.pck is not None:
            cells[f"{dataset.name} {protocol} PCK@0.2"] = _figure(evaluation.pck, found.get("pck"))
    return cells


def _figure(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:.3f}" + ("" if interval is None else f" ({interval.low:.3f} … {interval.high:.3f})")


def sweep(
    model: PoseModel, dataset: PoseDataset, setting: str, values: Sequence[float], sides: Sequence[int]
) -> Iterator[Row]:
    """A line for every value and side of the input, on whole pictures."""
    for side in sides:
        network, decode = protocol_settings(model, "full", {"input_size": side})
        bench = Bench(model, list(analyse(model, dataset.images, "full", network)), dataset.skeleton, decode)
        for value, figures in zip(values, figures_along(bench, setting, values), strict=True):
            shown = {name: getattr(figures, name) for name in ("precision", "recall", "f1", "AP")}
            yield {"model": model.name, "set": dataset.name, "side": side, setting: value} | {
                name: NOTHING if value is None else f"{value:.3f}" for name, value in shown.items()
            }


def main() -> None:
    """Print a table."""
    parser = table_parser(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", default=["coco_val", "lsp_val"])
    parser.add_argument("--protocols", nargs="+", choices=["crops", "full"], default=["crops", "full"])
    parser.add_argument("--every", type=int, default=1, help="take every so many-th picture only")
    parser.add_argument("--set", dest="settings", nargs="*", default=[], metavar="NAME=VALUE", help="settings, as JSON")
    parser.add_argument("--sweep", nargs="+", metavar=("SETTING", "VALUE"))
    parser.add_argument("--sides", nargs="+", type=int, default=[])
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    settings = {name: json.loads(value) for name, value in (text.split("=", 1) for text in chosen.settings)}
    sets = []
    for name in chosen.sets:
        whole = read_coco(chosen.folder / "annotations" / f"{name}.json", chosen.folder / "images")
        sets.append(replace(whole, name=name, images=whole.images[:: chosen.every]))
    models = (load_model(one, device="cpu") for one in chosen.models)
    if chosen.sweep:
        setting, *values = chosen.sweep
        steps = [float(value) for value in values]
        printed(row for model in models for one in sets for row in sweep(model, one, setting, steps, chosen.sides))
        return
    printed((beside(model, sets, chosen.protocols, settings) for model in models), chosen.into, "accuracy")


def beside(
    model: PoseModel, sets: Sequence[PoseDataset], protocols: Sequence[Protocol], settings: Mapping[str, Any]
) -> Row:
    """The row of one model: its figures on all sets."""
    cells: dict[str, str] = {"model": model.name}
    for one in sets:
        cells |= figures(model, one, protocols, settings)
    return cells


if __name__ == "__main__":
    main()
