"""The command that times a model."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.table import Table

from posecore.cli.console import output
from posecore.cli.images import find_pictures
from posecore.cli.loading import Device, ModelName, WeightsFile, open_model
from posecore.cli.settings import settings_options
from posecore.data.synthetic import render_scene
from posecore.drawing.overlay import draw_poses
from posecore.imaging import Picture, picture_id, read_image
from posecore.model import PoseModel

#: Seed of the scene that is used when no picture is given.
_SCENE = 155


@settings_options
def benchmark(
    model: ModelName = None,
    pictures: Annotated[list[str] | None, typer.Argument(help="Pictures to use; a rendered scene if none.")] = None,
    weights: WeightsFile = None,
    runs: Annotated[int, typer.Option(min=1, help="Timed runs per picture, after two untimed ones.")] = 20,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of the processor; PyTorch's choice if none.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file too.")] = None,
    device: Device = "auto",
    *,
    settings: dict[str, Any],
) -> None:
    """Time preprocessing, network, decoding and drawing, each apart."""
    if threads:
        torch.set_num_threads(threads)
    loaded = open_model(model, device, weights)
    network, decode = loaded.split_settings(settings)
    shots = (
        [read_image(path) for path in find_pictures(pictures, recursive=False)]
        if pictures
        else [render_scene(_SCENE).image]
    )
    times: dict[str, list[float]] = {"preprocess": [], "network": [], "decode": [], "draw": []}
    for shot in shots:
        for run in range(-2, runs):
            measured = _timed(loaded, shot, network, decode)
            if run >= 0:
                for stage, spent in measured.items():
                    times[stage].append(spent)
    times["total"] = [sum(parts) for parts in zip(*times.values(), strict=True)]
    figures = {
        stage: {f"p{level}": round(float(np.percentile(spent, level)), 3) for level in (5, 50, 95)}
        for stage, spent in times.items()
    }
    sizes = [f"{shot.shape[1]}×{shot.shape[0]}" for shot in shots]
    report = {
        "model": loaded.name,
        "device": str(loaded.device),
        "threads": torch.get_num_threads(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "pictures": sizes,
        "runs": runs,
        "settings": loaded.network_settings(**network).model_dump() | loaded.decode_settings(**decode).model_dump(),
        "milliseconds": figures,
    }
    if json_file:
        json_file.write_text(json.dumps(report, indent=2, ensure_ascii=False), "utf-8")
    table = Table("Milliseconds", "5 %", "median", "95 %", box=None, pad_edge=False)
    for stage, levels in figures.items():
        table.add_row(stage, *(f"{value:.2f}" for value in levels.values()))
    output.print(f"{loaded.name} on {loaded.device}, {torch.get_num_threads()} threads, {', '.join(sizes)}")
    output.print(table)


def _timed(model: PoseModel, picture: Picture, network: dict[str, Any], decode: dict[str, Any]) -> dict[str, float]:
    """Milliseconds of each stage for one picture."""
    fields = model.fields(picture, picture=picture_id(picture), **network)
    start = time.perf_counter()
    poses = model.decode(fields, **decode)
    decoded = time.perf_counter()
    draw_poses(picture, poses)
    drawn = time.perf_counter()
    return {**fields.timings, "decode": 1000 * (decoded - start), "draw": 1000 * (drawn - decoded)}
