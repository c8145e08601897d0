"""How fast the installed runtimes compute our networks, as ratios to our own float32 within one run.

Run with ``python -m benchmarks.runtimes [--threads N] [--rounds N] [--cpu-time] [--json FILE]``. The ways take turns,
so that a busy machine slows all of them alike; ``--cpu-time`` leaves out what other programs took of the processor.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import turns
from posecore.errors import PosecoreError
from posecore.families import family_of
from posecore.model import PoseModel
from posecore.runtimes.checking import check_pixels
from posecore.runtimes.engines import ENGINES
from posecore.runtimes.runner import Runner, settle
from posecore.zoo import list_models, load_model

#: Architecture, (height, width) of the input.
NETWORKS = (
    ("posenet-mobilenet_v1-075", (353, 481)),
    ("posenet-mobilenet_v1-075", (257, 257)),
    ("movenet-lightning", (192, 192)),
    ("movenet-thunder", (256, 256)),
    ("movenet-multipose", (192, 256)),
    ("openpose-mobilenet_thin", (224, 224)),
)


def main() -> None:
    """Print a table, and write the figures when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--networks", nargs="*", help="only these architectures")
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    report = []
    for architecture, size in NETWORKS:
        if arguments.networks and architecture not in arguments.networks:
            continue
        row = measure(architecture, size, arguments.rounds, clock)
        report.append(row)
        _show(row)
    if arguments.json:
        arguments.json.write_text(json.dumps({"threads": arguments.threads, "rows": report}, indent=1))


def measure(
    architecture: str, size: tuple[int, int], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Any]:
    """Least milliseconds of every way that is there, and which one ``auto`` takes."""
    model, pixels = _model(architecture), check_pixels(size)
    wanted = [("torch", "float32"), ("torch", "bfloat16")]
    wanted += [(name, way) for name, engine in ENGINES.items() if engine.installed() for way in engine.precisions()]
    alternatives: dict[str, Callable[[], object]] = {}
    for runtime, precision in wanted:
        settings = model.network_settings(runtime=runtime, precision=precision)
        try:
            model.runner.run(pixels, settings)
        except PosecoreError as error:
            print(f"{architecture}: {error}", flush=True)  # noqa: T201
            continue
        alternatives[f"{runtime} {precision}"] = partial(model.runner.run, pixels, settings)
    open_settings = model.network_settings()
    for _ in range(Runner.worth + 1):
        model.runner.run(pixels, open_settings)
    settle()
    alternatives["auto"] = partial(model.runner.run, pixels, open_settings)
    taken = str(model.runner.run(pixels, open_settings)[1])
    least = {name: min(spent) for name, spent in turns(alternatives, rounds, clock).items()}
    return {"network": architecture, "size": size, "auto": taken, "milliseconds": least}


def _model(architecture: str) -> PoseModel:
    """With weights that are on this machine, else with random ones: they take the same time."""
    here = [info.name for info in list_models() if info.available and info.name.partition(".")[0] == architecture]
    if here:
        return load_model(here[0], device="cpu")
    family = family_of(architecture)
    network = family.build(architecture, family.skeleton)
    return PoseModel(f"{architecture}.random", family, architecture, network, "random", device="cpu")


def _show(row: dict[str, Any]) -> None:
    least = row["milliseconds"]
    base = least["torch float32"]
    print(f"{row['network']} at {row['size'][1]} × {row['size'][0]} (auto: {row['auto']})")  # noqa: T201
    for name, value in least.items():
        print(f"  {name:24} {value:8.1f} ms   {base / value:5.2f} × as fast", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
