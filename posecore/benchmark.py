"""How long a machine takes: models, runtimes and settings side by side, with what each stage takes of it.

``python -m posecore.benchmark`` reads a plan as JSON and writes a line of JSON per row: the app measures in a process
of its own, which disturbs nobody, has its own memory and can be stopped.
"""

from __future__ import annotations

import itertools
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from posecore.data.annotations import Person, PoseDataset
from posecore.data.library import Library
from posecore.data.synthetic import render_scene
from posecore.data.synthetic.sample import sample_people
from posecore.drawing.overlay import draw_poses
from posecore.errors import PosecoreError, SettingsError
from posecore.evaluation import evaluate
from posecore.imaging import Picture, picture_id
from posecore.model import PoseModel
from posecore.runtimes.engines import ENGINES
from posecore.runtimes.runner import Runner, settle
from posecore.runtimes.ways import processor_name
from posecore.zoo import load_model

#: Seed of the scene that is used when no picture is given.
_SCENE = 155
STAGES = ("preprocess", "network", "decode", "draw")
_LEVELS = (5, 50, 95)


@dataclass(frozen=True)
class Trial:
    """What one row measures.

    Attributes:
        model: Name of the model.
        settings: Network and decode settings that differ from the model's own.
        threads: Threads of the processor.
        batch: Pictures that go through the network together.
    """

    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 0
    batch: int = 1


@dataclass(frozen=True)
class Row:
    """What was measured.

    Attributes:
        trial: What was asked for.
        computed: Runtime and precision that computed the network.
        size: Input of the network, ``width×height``.
        milliseconds: For each stage and their ``total``: ``p5``, ``p50`` and ``p95`` of the time for one picture.
        megabytes: What the process grew by while it was measured, as the system tells.
        people: People found in the pictures.
        ap: OKS AP on labelled people, cut out one by one, with the same settings; None where nobody asked for it.
        error: Why nothing was measured, as a sentence.
    """

    trial: Trial
    computed: str = ""
    size: str = ""
    milliseconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    megabytes: float = 0.0
    people: int = 0
    ap: float | None = None
    error: str = ""


def trials(
    models: Sequence[str],
    each: Mapping[str, Sequence[Any]],
    settings: Mapping[str, Any] | None = None,
    threads: Sequence[int] = (),
    batches: Sequence[int] = (1,),
) -> list[Trial]:
    """Every combination of models, of the values of ``each`` setting, of threads and of batches."""
    shared = dict(settings or {})
    combinations = itertools.product(
        models, itertools.product(*each.values()), threads or (torch.get_num_threads(),), batches
    )
    return [
        Trial(model, {**shared, **dict(zip(each, values, strict=True))}, count, batch)
        for model, values, count, batch in combinations
    ]


def measure(
    wanted: Sequence[Trial],
    pictures: Sequence[Picture] = (),
    runs: int = 20,
    load: Callable[[str], PoseModel] = load_model,
    judged: PoseDataset | None = None,
) -> Iterator[Row]:
    """One row after the other, in this process; what goes wrong with one is said in its row.

    Args:
        wanted: What to measure.
        pictures: Pictures to look at; a drawn scene unless given.
        runs: Timed runs per picture.
        load: Loads a model by name.
        judged: Labelled pictures that accuracy is measured on as well.
    """
    shots = list(pictures) or [render_scene(_SCENE).image]
    before = torch.get_num_threads()
    known: dict[Any, float | None] = {}
    try:
        for trial in wanted:
            try:
                row = _measured(trial, shots, runs, load)
                if judged is not None:
                    # Threads and batches change no answer.
                    key = (trial.model, repr(sorted(trial.settings.items())))
                    if key not in known:
                        known[key] = _precision(load(trial.model), judged, trial.settings)
                    row = replace(row, ap=known[key])
                yield row
            except PosecoreError as error:
                yield Row(trial, error=str(error))
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Paced:
    """Network settings and how fast a machine is with them.

    Attributes:
        network: The settings.
        size: Input of the network, ``width×height``.
        rate: Pictures a second, one at a time, with decoding and without drawing.
    """

    network: Mapping[str, Any]
    size: str
    rate: float


def paces(
    model: PoseModel,
    networks: Sequence[Mapping[str, Any]],
    others: Mapping[str, Any],
    pictures: Sequence[Picture],
    fps: float,
    runs: int = 5,
) -> list[Paced]:
    """How fast this machine is with each of some network settings; with one of them at least ``fps``.

    Args:
        model: The model.
        networks: The network settings.
        others: Settings that go before them.
        pictures: Pictures to look at.
        fps: Pictures a second.
        runs: Timed runs per picture.

    Raises:
        SettingsError: When a setting is impossible, or with none the machine is that fast.
    """
    wanted = [Trial(model.name, {**one, **others}) for one in networks]
    found = []
    for network, row in zip(networks, measure(wanted, pictures, runs, lambda _: model), strict=True):
        if row.error:
            raise SettingsError(row.error)
        spent = sum(row.milliseconds[stage]["p50"] for stage in STAGES if stage != "draw")
        found.append(Paced(network, row.size, 1000 / spent))
    best = max(one.rate for one in found)
    if best < fps:
        raise SettingsError(
            f"With none of these settings this machine looks at {fps:g} pictures a second, with the quickest at "
            f"{best:.1f}: ask for fewer, or add smaller inputs."
        )
    return found


def _measured(trial: Trial, shots: Sequence[Picture], runs: int, load: Callable[[str], PoseModel]) -> Row:
    if trial.threads:
        torch.set_num_threads(trial.threads)
    memory = _megabytes()
    model = load(trial.model)
    network, decode = model.split_settings(trial.settings)
    times: dict[str, list[float]] = {stage: [] for stage in (*STAGES, "total")}
    people, computed, size = 0, "", ""
    for shot in shots:
        pictures = [shot] * trial.batch
        # What is left open is chosen before anything is timed.
        for _ in range(-(-Runner.worth // trial.batch) + 1):
            model.fields(pictures, picture=[picture_id(shot)] * trial.batch, **network)
        settle()
        for run in range(-2, runs):
            spent, fields, found = _timed(model, pictures, network, decode)
            if run >= 0:
                for stage, milliseconds in spent.items():
                    times[stage].append(milliseconds)
        people += found
        computed, size = fields.provenance.computed, "×".join(map(str, fields.transform.input_size))
    figures = {
        stage: {f"p{level}": round(float(np.percentile(values, level)), 3) for level in _LEVELS}
        for stage, values in times.items()
    }
    return Row(trial, computed, size, figures, round(max(_megabytes() - memory, 0.0), 1), people)


def _precision(model: PoseModel, judged: PoseDataset, settings: Mapping[str, Any]) -> float | None:
    # What is left open is what it was when time was measured: not the sizes and runtime of comparisons between models.
    own = model.network_settings()
    open_ones = {name: getattr(own, name) for name in ("input_size", "runtime", "precision") if hasattr(own, name)}
    return evaluate(model, judged, "crops", {**open_ones, **settings}).precision["AP"]


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the (milliseconds, accuracy) that none is both faster and better than, the fastest first."""
    best, found = -float("inf"), []
    for index in sorted(range(len(points)), key=lambda one: (points[one][0], -points[one][1])):
        if points[index][1] > best:
            best = points[index][1]
            found.append(index)
    return found


def _timed(
    model: PoseModel, pictures: Sequence[Picture], network: Mapping[str, Any], decode: Mapping[str, Any]
) -> tuple[dict[str, float], Any, int]:
    """Milliseconds of each stage for one picture of a batch, the last picture's fields, and its people."""
    fields = model.fields(list(pictures), picture=["measured"] * len(pictures), **network)
    start = time.perf_counter()
    poses = [model.decode(one, **decode) for one in fields]
    decoded = time.perf_counter()
    for picture, found in zip(pictures, poses, strict=True):
        draw_poses(picture, found)
    drawn = time.perf_counter()
    count = len(pictures)
    spent = {stage: sum(one.timings[stage] for one in fields) / count for stage in ("preprocess", "network")}
    spent |= {"decode": 1000 * (decoded - start) / count, "draw": 1000 * (drawn - decoded) / count}
    return {**spent, "total": sum(spent.values())}, fields[-1], len(poses[-1])


def _megabytes() -> float:
    """Memory of this process; 0 where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text("utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0.0


def machine_facts() -> dict[str, Any]:
    """Processor, cores and versions: what figures depend on."""
    versions = {name: engine.version() for name, engine in ENGINES.items() if engine.installed()}
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": torch.__version__,
        **versions,
    }


def table_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as a table: one column per setting, the median of every stage, the total's percentiles, memory."""
    listed = []
    for row in rows:
        asked = {**row.trial.settings, "threads": row.trial.threads, "batch": row.trial.batch}
        medians = {stage: row.milliseconds.get(stage, {}).get("p50") for stage in STAGES}
        total = {f"total {level}": row.milliseconds.get("total", {}).get(level) for level in ("p5", "p50", "p95")}
        found = {"computed": row.computed, "input": row.size, **medians, **total}
        found |= {} if row.ap is None else {"AP": row.ap}
        listed.append(
            {"model": row.trial.model, **asked, **found, "MB": row.megabytes, "people": row.people, "error": row.error}
        )
    return pd.DataFrame(listed)


# --- in a process of its own -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """Labelled pictures by name, for another process.

    Attributes:
        name: Of a set in the library; empty for drawn people.
        part: Of the set, or None for all of it.
        pictures: How many are looked at, at most.
    """

    name: str = ""
    part: str | None = None
    pictures: int = 60

    def read(self) -> PoseDataset:
        """The pictures and labels; raises ``PosecoreError`` when they cannot be had."""
        whole = Library().get(self.name).dataset() if self.name else sample_people()
        images = [image for image in whole if self.part in (None, image.split) and any(map(_is_labelled, image.people))]
        return replace(whole, images=tuple(images[: self.pictures]))


def _is_labelled(person: Person) -> bool:
    return bool(person.labelled.any())


def measure_apart(
    wanted: Sequence[Trial], runs: int, stop: threading.Event, judged: Judged | None = None
) -> Iterator[Row]:
    """As :func:`measure` with a drawn scene, in another process, until ``stop`` is set.

    Raises:
        PosecoreError: When that process ends before it is done.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "posecore.benchmark"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    watcher = threading.Thread(target=_kill_when, args=(process, stop), daemon=True)
    watcher.start()
    try:
        with suppress(BrokenPipeError), process.stdin as pipe:
            trials = [asdict(trial) for trial in wanted]
            json.dump({"runs": runs, "trials": trials, "judged": None if judged is None else asdict(judged)}, pipe)
        done = 0
        for line in process.stdout:
            content = json.loads(line)
            done += 1
            yield Row(**{**content, "trial": Trial(**content["trial"])})
        if done < len(wanted) and not stop.is_set():
            raise PosecoreError(f"Measuring ended after {done} of {len(wanted)} rows; its process was ended.")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _kill_when(process: subprocess.Popen[str], stop: threading.Event) -> None:
    while process.poll() is None:
        if stop.wait(0.2):
            process.kill()


def main() -> None:
    """Do what standard input asks for."""
    plan = json.load(sys.stdin)
    wanted = [Trial(**trial) for trial in plan["trials"]]
    try:
        judged = None if plan["judged"] is None else Judged(**plan["judged"]).read()
        rows = measure(wanted, runs=plan["runs"], judged=judged)
    except PosecoreError as error:
        rows = iter([Row(trial, error=str(error)) for trial in wanted])
    for row in rows:
        sys.stdout.write(json.dumps(asdict(row)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
