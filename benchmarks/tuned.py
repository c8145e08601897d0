"""Tuned decode settings against the default ones, on pictures that the search did not see.

``python -m benchmarks.tuned FOLDER --models A B --protocols crops full`` looks at the people of
``FOLDER/annotations/SET.json`` one by one, or at its whole pictures, with each model's own network settings. Half of
the pictures choose, for the goals F1 and AP; the table has what that is worth on the other half, with 95 % intervals of
the difference. Fields are kept (``POSECORE_HOME/fields``), so that a second run is quick.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.tables import NOTHING, Row, printed, table_parser
from posecore.data.annotations import PoseDataset
from posecore.data.coco import read_coco
from posecore.evaluation.field_sets import keep_fields
from posecore.evaluation.predictions import Protocol
from posecore.evaluation.tuning import Bench, Figures, Goal, GoalName, Tuned, tune
from posecore.model import PoseModel
from posecore.settings import EXACT_NETWORK
from posecore.zoo import load_model

GOALS: tuple[GoalName, ...] = ("F1", "AP")


def lines(
    model: PoseModel, dataset: PoseDataset, protocols: Sequence[Protocol], searched: Sequence[str], trials: int
) -> Iterator[Row]:
    """A line for every protocol and goal."""
    for protocol in protocols:
        fields = keep_fields(model, dataset.images, protocol, model.network_settings(**EXACT_NETWORK).model_dump())
        bench = Bench(model, list(fields), dataset.skeleton, model.decode_settings().model_dump())
        for goal in GOALS:
            yield _line(model.name, protocol, tune(bench, Goal(goal), searched, trials))


def _line(name: str, protocol: Protocol, tuned: Tuned) -> Row:
    found = ", ".join(f"{setting} {value}" for setting, value in tuned.settings.items())
    line = {"model": name, "protocol": protocol, "goal": tuned.goal.name, "found": found}
    for figure in ("AP", "f1", "precision", "recall"):
        line[figure.replace("f1", "F1")] = f"{_figure(tuned.before, figure)} → {_figure(tuned.confirmed, figure)}"
    return {**line, "gain": str(tuned.gain), "verdict": "better" if tuned.certain else "may be chance"}


def _figure(figures: Figures, name: str) -> str:
    value = getattr(figures, name)
    return NOTHING if value is None else f"{value:.3f}"


def main() -> None:
    """Print the table."""
    parser = table_parser(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", default="coco_val")
    parser.add_argument("--protocols", nargs="+", choices=["crops", "full"], default=["crops", "full"])
    parser.add_argument("--search", nargs="+", default=["pose_threshold", "keypoint_threshold"])
    parser.add_argument("--trials", type=int, default=60)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    dataset = read_coco(chosen.folder / "annotations" / f"{chosen.set}.json", chosen.folder / "images")
    models = (load_model(name, device="cpu") for name in chosen.models)
    found = (row for model in models for row in lines(model, dataset, chosen.protocols, chosen.search, chosen.trials))
    printed(found, chosen.into, "tuned", ("model", "protocol", "goal"))


if __name__ == "__main__":
    main()
