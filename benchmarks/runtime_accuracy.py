"""What runtimes and precisions cost in accuracy: AP and PCK of each on the same people.

``python -m benchmarks.runtime_accuracy FOLDER [--set coco_val] [--ranges coco_train] [--people 300]`` measures crops of
the set ``FOLDER/annotations/SET.json`` with pictures under ``FOLDER/images`` and prints rows of a Markdown table. The
ranges of 8-bit integers are taken from another set.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from posecore.data.annotations import PoseDataset
from posecore.data.coco import read_coco
from posecore.errors import PosecoreError
from posecore.evaluation import evaluate
from posecore.model import PoseModel
from posecore.quantising import rounded_model, shots_of
from posecore.runtimes.engines import ENGINES
from posecore.zoo import load_model

MODELS = (
    "movenet-lightning.google_tfjs",
    "posenet-mobilenet_v1-075.google_quant2",
    "openpose-mobilenet_thin.posecore",
)


def some_people(dataset: PoseDataset, most: int) -> PoseDataset:
    """The first pictures, with at most so many labelled people together."""
    images, people = [], 0
    for image in dataset.images:
        people += sum(bool(person.labelled.any()) for person in image.people)
        if people > most:
            break
        images.append(image)
    return replace(dataset, images=tuple(images))


def main() -> None:
    """Print the table, a row as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", default="coco_val")
    parser.add_argument("--ranges", default="coco_train")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    judged, ranges = (
        read_coco(arguments.folder / "annotations" / f"{name}.json", arguments.folder / "images")
        for name in (arguments.set, arguments.ranges)
    )
    judged = some_people(judged, arguments.people)
    _say("| network | computed | people | AP | PCK@0.2 |\n|---|---|---|---|---|")
    for name in arguments.models:
        model = load_model(name, device="cpu")
        for runtime, precision in ways():
            _row(model, judged, runtime, precision, f"{runtime} {precision}")
        if ENGINES["openvino"].installed():
            rounded = rounded_model(model, shots_of((), ranges, single=True)[0])
            _row(rounded, judged, "openvino", "float32", "openvino int8", model.name)


def ways() -> list[tuple[str, str]]:
    """Runtimes and precisions that are here."""
    found = [("torch", "float32"), ("torch", "bfloat16")]
    return found + [
        (name, one) for name, engine in ENGINES.items() if engine.installed() for one in engine.precisions()
    ]


def _row(model: PoseModel, judged: PoseDataset, runtime: str, precision: str, words: str, name: str = "") -> None:
    try:
        found = evaluate(model, judged, "crops", {"runtime": runtime, "precision": precision})
    except PosecoreError as error:
        _say(f"| {name or model.name} | {words} | {error} | – | – |")
        return
    figures = [f"{value:.4f}" if value is not None else "–" for value in (found.precision["AP"], found.pck)]
    _say(f"| {name or model.name} | {words} | {found.people} | {' | '.join(figures)} |")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
