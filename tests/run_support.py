"""Sets and training runs for the tests of pages: written down as real ones are, without training anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image

from posecore.data.library import Library, StoredSet
from posecore.families import family_of
from posecore.runs import Registry, Run, run_folder
from posecore.training.config import make_config
from posecore.zoo import save_weights

ARCHITECTURE = "posenet-mobilenet_v1-050"


def drawn_set(name: str = "people", count: int = 6, split: float = 0.34) -> StoredSet:
    """A few drawn people, with a part for validation unless ``split`` is 0."""
    stored = Library().add_synthetic(name, count, 3)
    if split:
        stored.set_split(split, 1)
    return stored


def written_run(
    name: str,
    status: str = "finished",
    *,
    epochs: int = 3,
    planned: int = 4,
    weights: bool = True,
    seed: int = 0,
    data: dict[str, Any] | None = None,
    **columns: Any,
) -> Run:
    """A run in the list, with figures of so many epochs (and of the time before them), a log and overlays."""
    config = make_config(
        {
            "name": name,
            "model": {"architecture": ARCHITECTURE, "start": "random"},
            "data": data or {"train": [{"synthetic": 8}]},
            "schedule": {"epochs": planned},
        }
    ).model_dump(mode="json")
    registry = Registry()
    registry.add(name, config)
    for epoch in range(epochs + 1):
        registry.record(name, epoch, _figures(epoch, planned))
        registry.record_step(name, 10 * epoch, 3.0 - epoch / 10, 0.001, epoch / planned)
    registry.change(name, status=status, progress=1.0 if status == "finished" else epochs / planned, **columns)
    folder = run_folder(name)
    (folder / "overlays").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "log.txt").write_text("beginning\nepoch 1\nthe last line\n")
    for epoch in range(epochs + 1):
        Image.new("RGB", (60, 20), (10 * epoch, 90, 90)).save(folder / "overlays" / f"epoch-{epoch:04d}.jpg")
    if weights:
        write_weights(name, seed)
    run = registry.get(name)
    assert run is not None
    return run


def _figures(epoch: int, planned: int) -> dict[str, float]:
    before = {"steps": 10.0 * epoch, "minutes": 0.5 * epoch, "progress": epoch / planned}
    measured = {"validation/loss": 4.0 - epoch / 2, "validation/oks": 0.3 + epoch / 10, "validation/pck": 0.2}
    return before | measured | ({"train/loss": 3.0 - epoch / 3} if epoch else {})


def write_weights(name: str, seed: int = 0) -> Path:
    """Random numbers as the best weights of a run."""
    torch.manual_seed(seed)
    path = run_folder(name) / "best.safetensors"
    network = family_of(ARCHITECTURE).build(ARCHITECTURE)
    figures = json.dumps({"validation/oks": 0.6, "validation/pck": 0.2})
    save_weights(path, network, name=f"run:{name}", architecture=ARCHITECTURE, title=name, epoch="3", figures=figures)
    return path
