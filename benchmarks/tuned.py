"""Tuned decode settings against the default ones, on pictures that the search did not see.

``python -m benchmarks.tuned FOLDER --models A B`` looks at the whole pictures of ``FOLDER/annotations/SET.json`` with
each model's own network settings. Half of them choose, for the goals F1 and AP; the table has what that is worth on the
other half, with 95 % intervals of the difference. Fields are kept (``POSECORE_HOME/fields``), so that a second run is
quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.accuracy import printed
from posecore.data.coco import read_coco
from posecore.evaluation.field_sets import keep_fields
from posecore.evaluation.tuning import Bench, Figures, Goal, GoalName, Tuned, tune
from posecore.zoo import load_model

_EXACT = {"runtime": "torch", "precision": "float32"}


def lines(names: Sequence[str], folder: Path, set_name: str, searched: Sequence[str], trials: int) -> Iterator[Any]:
    """A line for every model and goal."""
    dataset = read_coco(folder / "annotations" / f"{set_name}.json", folder / "images")
    for name in names:
        model = load_model(name)
        fields = keep_fields(model, dataset.images, "full", model.network_settings(**_EXACT).model_dump())
        bench = Bench(model, list(fields), dataset.skeleton, model.decode_settings().model_dump())
        goals: tuple[GoalName, ...] = ("F1", "AP")
        for goal in goals:
            yield _line(name, goal, tune(bench, Goal(goal), searched, trials))


def _line(name: str, goal: GoalName, tuned: Tuned) -> dict[str, str]:
    found = ", ".join(f"{setting} {value}" for setting, value in tuned.settings.items())
    line = {"model": name, "goal": goal, "found": found}
    for figure in ("AP", "f1", "precision", "recall"):
        line[figure.replace("f1", "F1")] = f"{_figure(tuned.before, figure)} → {_figure(tuned.confirmed, figure)}"
    return {**line, "gain": str(tuned.gain), "verdict": "better" if tuned.certain else "may be chance"}


def _figure(figures: Figures, name: str) -> str:
    value = getattr(figures, name)
    return "–" if value is None else f"{value:.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--set", default="coco_val")
    parser.add_argument("--search", nargs="+", default=["pose_threshold", "keypoint_threshold"])
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    printed(lines(chosen.models, chosen.folder, chosen.set, chosen.search, chosen.trials))


if __name__ == "__main__":
    main()
