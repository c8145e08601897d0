"""Tables of model cards: figures with intervals, and which input and threshold suit a model best.

``python -m benchmarks.accuracy FOLDER --models A B --sets coco_val lsp_val --protocols crops full`` measures models on
the sets ``FOLDER/annotations/SET.json`` with pictures under ``FOLDER/images``. With ``--sweep SETTING V1 V2 …`` (a
decode setting) and ``--sides S1 S2 …`` it prints precision, recall, F1 and AP of whole pictures at each value for each
input side instead: for choosing defaults, on pictures that the model may have been trained on but is not judged by.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from posecore.data.annotations import PoseDataset
from posecore.data.coco import read_coco
from posecore.evaluation import evaluate
from posecore.evaluation.chance import Interval, intervals
from posecore.evaluation.predictions import Protocol, analyse, protocol_settings
from posecore.evaluation.tuning import Bench
from posecore.evaluation.tuning import sweep as figures_along
from posecore.model import PoseModel
from posecore.zoo import load_model


def figures(model: PoseModel, dataset: PoseDataset, protocol: Protocol, settings: dict[str, Any]) -> dict[str, Any]:
    """One line of a card's table."""
    evaluation = evaluate(model, dataset, protocol, settings)
    found = intervals(evaluation)
    line = {"model": model.name, "set": dataset.name, "protocol": protocol, "people": evaluation.people}
    line["AP"] = _figure(evaluation.precision["AP"], found.get("ap"))
    line["PCK@0.2"] = _figure(evaluation.pck, found.get("pck"))
    return line


def _figure(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" + ("" if interval is None else f" ({interval.low:.3f} … {interval.high:.3f})")


def sweep(
    model: PoseModel, dataset: PoseDataset, setting: str, values: Sequence[float], sides: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """A line for every value and side of the input, on whole pictures."""
    for side in sides:
        network, decode = protocol_settings(model, "full", {"input_size": side})
        bench = Bench(model, list(analyse(model, dataset.images, "full", network)), dataset.skeleton, decode)
        for value, figures in zip(values, figures_along(bench, setting, values), strict=True):
            shown = {name: getattr(figures, name) for name in ("precision", "recall", "f1", "AP")}
            yield {"model": model.name, "set": dataset.name, "side": side, setting: value} | {
                name: "–" if value is None else f"{value:.3f}" for name, value in shown.items()
            }


def printed(lines: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines as rows of a Markdown table, each as soon as it is there."""
    done: list[dict[str, Any]] = []
    for line in lines:
        if not done:
            _say(f"| {' | '.join(line)} |\n|{'---|' * len(line)}")
        _say(f"| {' | '.join(str(value) for value in line.values())} |")
        done.append(line)
    return done


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Print a table, and write it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--protocols", nargs="+", choices=["crops", "full"], default=["crops"])
    parser.add_argument("--every", type=int, default=1, help="take every so many-th picture only")
    parser.add_argument("--set", dest="settings", nargs="*", default=[], metavar="NAME=VALUE", help="settings, as JSON")
    parser.add_argument("--sweep", nargs="+", metavar=("SETTING", "VALUE"))
    parser.add_argument("--sides", nargs="+", type=int, default=[])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = {name: json.loads(value) for name, value in (text.split("=", 1) for text in arguments.settings)}

    def lines() -> Iterator[dict[str, Any]]:
        for name in arguments.sets:
            whole = read_coco(arguments.folder / "annotations" / f"{name}.json", arguments.folder / "images")
            dataset = replace(whole, images=whole.images[:: arguments.every])
            for model in (load_model(one, device="cpu") for one in arguments.models):
                if arguments.sweep:
                    setting, *values = arguments.sweep
                    yield from sweep(model, dataset, setting, [float(value) for value in values], arguments.sides)
                    continue
                for protocol in arguments.protocols:
                    yield figures(model, dataset, protocol, settings)

    table = printed(lines())
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(table, indent=2), "utf-8")


if __name__ == "__main__":
    main()
