"""The same pictures by one process, by processes, by processes of which one is killed, and by a Ray of this machine.

Run with ``python -m benchmarks.spreading [--pictures N] [--workers N] [--model NAME] [--json F]``. All compute with one
thread each in PyTorch's float32. Results are compared bit by bit. Time on the wall holds starting the workers, which
few pictures do not pay back; processor time, of this process and its children, also says something on a busy machine
(workers of a Ray are not among its children).

``--memory N`` instead takes N made-up pictures through the run without any network, and says how much memory whoever
hands out work takes on the way.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from posecore.data.synthetic import SAMPLE_SEEDS, render_scene
from posecore.drawing.encoded import to_jpeg
from posecore.extras import installed
from posecore.poses import MadeBy, Poses
from posecore.skeleton import COCO_17
from posecore.spreading.choosing import open_workers
from posecore.spreading.parts import PartFolder, Seen, facts_of
from posecore.spreading.pictures import Order, order_of, spread_pictures
from posecore.spreading.workers import Processes
from posecore.zoo import load_model

MODEL = "movenet-lightning.posecore"

Results = dict[str, Poses]


def draw_pictures(folder: Path, count: int) -> list[str]:
    """So many pictures of drawn people, no two alike."""
    scenes = [render_scene(seed).image for seed in SAMPLE_SEEDS.values()]
    names = []
    for number in range(count):
        scene = scenes[number % len(scenes)]
        shift = number // len(scenes)
        path = folder / f"{number:05}.jpg"
        path.write_bytes(to_jpeg(np.ascontiguousarray(np.roll(scene, shift, axis=1))))
        names.append(str(path))
    return names


def cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def timed(work: Callable[[], Results]) -> tuple[Results, dict[str, float]]:
    """What comes of some work, and the seconds that it took."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    found = work()
    return found, {"wall": time.perf_counter() - wall, "cpu": cpu_seconds() - cpu}


def alone(order: Order, names: Sequence[str]) -> Results:
    """In this process, one after another."""
    return {one.source: one.poses for one in order.open()(names) if one.poses is not None}


def spread(cluster: str, order: Order, facts: Mapping[str, Any], names: Sequence[str], kill: bool = False) -> Results:
    """By workers, into a folder of its own; perhaps one of them is killed in the middle."""
    killed: list[int] = []

    def progress(done: int) -> None:
        if kill and not killed and done >= len(names) / 2:
            victim = multiprocessing.active_children()[0].pid
            assert victim is not None
            killed.append(victim)
            os.kill(victim, signal.SIGKILL)

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        spread_pictures(names, folder, facts, None, lambda most: open_workers(cluster, order, most), progress)
        assert bool(killed) == kill
        rows = list(PartFolder(folder, facts).rows(set(names)))
    if len(rows) != len(names) or len(dict(rows)) != len(names):
        sys.exit(f"{len(rows)} results of {len(names)} pictures.")
    return dict(rows)


def same(one: Results, other: Results) -> bool:
    """Whether all results are alike to the last bit."""
    return one.keys() == other.keys() and all(
        a.tobytes() == b.tobytes()
        for name in one
        for a, b in zip(_arrays(one[name]), _arrays(other[name]), strict=True)
    )


def _arrays(poses: Poses) -> tuple[np.ndarray, ...]:
    return poses.keypoints, poses.keypoint_scores, poses.scores


def compare(count: int, workers: int, model: str) -> dict[str, Any]:
    """Rows of the table."""
    loaded = load_model(model, device="cpu")
    order, facts = order_of(loaded, "cpu", {}, {})
    ways: dict[str, Callable[[Sequence[str]], Results]] = {
        "one process": lambda names: alone(order, names),
        f"{workers} processes": lambda names: spread(f"processes:{workers}", order, facts, names),
        f"{workers} processes, one killed": lambda names: spread(f"processes:{workers}", order, facts, names, True),
    }
    if installed("cluster"):
        ways["Ray of this machine"] = lambda names: spread("auto", order, facts, names)
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        names = draw_pictures(Path(place), count)
        first: Results | None = None
        for way, work in ways.items():
            found, seconds = timed(partial(work, names))
            first = first or found
            rows[way] = {**seconds, "same": same(first, found)}
            print(f"{way:32} {seconds['wall']:8.1f} s  cpu {seconds['cpu']:8.1f} s  same: {rows[way]['same']}")  # noqa: T201
    return rows


@dataclass(frozen=True)
class MadeUp:
    """A job that invents two people in every picture."""

    made_by: MadeBy

    def open(self) -> Callable[[Sequence[str]], list[Seen]]:
        """There is nothing to load."""
        rng = np.random.default_rng(0)
        return lambda names: [Seen(name, self._poses(rng, name)) for name in names]

    def _poses(self, rng: np.random.Generator, name: str) -> Poses:
        keypoints = rng.random((2, 17, 2), np.float32)
        scores = rng.random((2, 17), np.float32)
        made_by = replace(self.made_by, picture=name[-20:])
        return Poses(keypoints, scores, scores.mean(1), COCO_17, (640, 480), made_by=made_by)


def memory(count: int) -> dict[str, float]:
    """Megabytes of whoever hands out work, with a tenth, a half and all of the pictures done."""
    made_by = MadeBy(version("posecore"), "made up", "none", "")
    facts = {**facts_of(made_by, COCO_17), "files": {}}
    found: dict[str, float] = {}

    def progress(done: int) -> None:
        for share in (0.1, 0.5, 1.0):
            if done >= share * count and f"{share:.0%}" not in found:
                found[f"{share:.0%}"] = resident()

    with tempfile.TemporaryDirectory() as place:
        names = [f"/nowhere/{number:08}.jpg" for number in range(count)]
        spread_pictures(names, Path(place), facts, None, lambda most: Processes(MadeUp(made_by), 2, most), progress)
    for share, megabytes in found.items():
        print(f"{share:>5} of {count}: {megabytes:.0f} MB")  # noqa: T201
    return found


def resident() -> float:
    """Megabytes that this process takes now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--memory", type=int, metavar="N")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    if chosen.memory:
        found: dict[str, Any] = memory(chosen.memory)
    else:
        found = compare(chosen.pictures, chosen.workers, chosen.model)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))
    if not all(row["same"] for row in found.values() if isinstance(row, dict)):
        sys.exit("Results differ.")


if __name__ == "__main__":
    main()
