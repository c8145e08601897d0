"""Training in the background: states, the queue, control, and what survives when processes end."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from posecore.errors import DataError, PosecoreError, SettingsError, StorageError, UnknownModelError
from posecore.runs import Registry, run_folder
from posecore.training import jobs
from posecore.zoo import list_models, load_model, load_weights
from tests.job_support import curve, idle_workers, tiny, until

pytestmark = pytest.mark.usefixtures("home")


def state(name: str) -> str:
    run = Registry().get(name)
    assert run is not None
    return run.state


# --- states and control, without training anything ---


def test_a_run_that_waits_can_be_paused_resumed_and_cancelled() -> None:
    run = jobs.submit(tiny("one"), note="first try")
    assert (run.state, run.note) == ("waiting", "first try")
    assert (run.folder / "config.yaml").is_file()
    jobs.pause("one")
    assert state("one") == "paused"
    jobs.resume("one")
    assert state("one") == "waiting"
    with pytest.raises(SettingsError, match="one is waiting; only runs that stopped"):
        jobs.resume("one")
    jobs.cancel("one")
    assert state("one") == "cancelled"
    with pytest.raises(SettingsError, match="nothing to pause"):
        jobs.pause("one")
    jobs.set_note("one", "not needed")
    assert jobs.view("one").run.note == "not needed"


def test_the_state_follows_the_lock_and_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.submit(tiny("one"))
    with idle_workers(monkeypatch) as workers:
        assert jobs.dispatch() == ["one"]
        run = Registry().get("one")
        assert run is not None
        assert (run.state, run.process, run.alive) == ("running", workers[0].pid, True)
        jobs.pause("one")
        assert state("one") == "pausing"
        jobs.resume("one")
        assert state("one") == "running"
        jobs.cancel("one")
        assert state("one") == "cancelling"
        workers[0].kill()
        until(lambda: state("one") == "lost", 10)
    view = jobs.view("one")
    assert "Resume the run" in view.message
    assert view.eta_seconds is None
    jobs.resume("one")
    assert state("one") == "waiting"


def test_a_process_id_that_is_used_again_does_not_make_a_dead_run_look_alive() -> None:
    jobs.submit(tiny("one"))
    Registry().change("one", status="running", process=os.getpid())
    assert state("one") == "lost"


def test_the_oldest_waiting_run_starts_first_and_never_more_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second", "third"):
        jobs.submit(tiny(name))
    jobs.pause("first")
    jobs.resume("first")
    with idle_workers(monkeypatch) as workers:
        assert jobs.dispatch(2) == ["second", "third"]
        assert jobs.dispatch(2) == []
        workers[0].kill()
        until(lambda: state("second") == "lost", 10)
        assert jobs.dispatch(2) == ["first"]
        assert jobs.dispatch(2) == []


_RACER = """
import subprocess, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.job_support import IDLE
from posecore.training import jobs
real = subprocess.Popen
started = []
def start(program, **options):
    started.append(real(["sleep", "30"], pass_fds=options["pass_fds"]))
    return started[-1]
subprocess.Popen = start
Path(sys.argv[2]).touch()
while not Path(sys.argv[3]).exists():
    pass
names = []
for _ in range(40):
    names += jobs.dispatch(8)
print(" ".join(names), flush=True)
sys.stdin.read()
for process in started:
    process.kill()
"""


def test_two_dispatchers_never_start_the_same_run(tmp_path: Path) -> None:
    names = [f"run-{number}" for number in range(8)]
    for name in names:
        jobs.submit(tiny(name))
    ready, go = [tmp_path / "a", tmp_path / "b"], tmp_path / "go"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, str(Path(__file__).parent), str(mark), str(go)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for mark in ready
    ]
    try:
        until(lambda: all(mark.exists() for mark in ready))
        go.touch()
        started = [racer.stdout.readline().split() for racer in racers if racer.stdout is not None]
        assert sorted(started[0] + started[1]) == names
        assert {state(name) for name in names} == {"running"}
    finally:
        for racer in racers:
            racer.communicate("")


def test_names_are_checked_and_not_taken_twice() -> None:
    jobs.submit(tiny("one"))
    with pytest.raises(SettingsError, match="already"):
        jobs.submit(tiny("one"))
    with pytest.raises(SettingsError, match="cannot be the name"):
        jobs.submit(tiny("one"), name="../out")
    run_folder("left-over").mkdir(parents=True)
    with pytest.raises(SettingsError, match="choose another name"):
        jobs.submit(tiny("left-over"))
    with pytest.raises(SettingsError, match="no run 'two'"):
        jobs.view("two")


def test_renaming_takes_everything_along(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.submit(tiny("one"))
    jobs.submit(tiny("other"))
    registry = Registry()
    registry.record("one", 0, {"validation/oks": 0.5})
    registry.record_step("one", 1, 2.0, 0.001, 0.1)
    with pytest.raises(SettingsError, match="already"):
        jobs.rename("one", "other")
    jobs.rename("one", "two")
    assert registry.get("one") is None
    assert registry.epochs("two") == [(0, {"validation/oks": 0.5})]
    assert registry.steps("two") == [(1, 2.0, 0.001)]
    assert (run_folder("two") / "config.yaml").is_file()
    assert not run_folder("one").exists()
    with idle_workers(monkeypatch):
        jobs.dispatch(2)
        for refused in (lambda: jobs.rename("two", "three"), lambda: jobs.delete("two")):
            with pytest.raises(SettingsError, match="two is running; pause or cancel it before"):
                refused()
    assert run_folder("two").is_dir()


def test_steps_are_thinned_and_keep_the_last() -> None:
    jobs.submit(tiny("one"))
    registry = Registry()
    with sqlite3.connect(registry.file) as connection:
        connection.executemany(
            "INSERT INTO steps VALUES ('one', ?, ?, 0.1)", [(step, float(step)) for step in range(1, 1001)]
        )
    steps = registry.steps("one", most=50)
    assert 50 <= len(steps) <= 60
    assert steps[-1][0] == 1000
    registry.rewind("one", -1, 500)
    assert registry.steps("one", most=1000)[-1][0] == 500


_FIRST_LAYOUT = """
CREATE TABLE runs (
    name TEXT PRIMARY KEY, status TEXT NOT NULL, config TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
    process INTEGER, progress REAL NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT '', stop INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE epochs (
    run TEXT NOT NULL REFERENCES runs (name) ON DELETE CASCADE, epoch INTEGER NOT NULL, figures TEXT NOT NULL,
    PRIMARY KEY (run, epoch)
);
INSERT INTO runs VALUES ('old', 'stopped', '{"a": 1}', 10.0, 20.0, NULL, 0.4, '', 1);
INSERT INTO runs VALUES ('older', 'finished', '{}', 5.0, 20.0, NULL, 1.0, '', 0);
INSERT INTO epochs VALUES ('old', 0, '{"validation/oks": 0.25}');
"""


def test_a_list_of_the_first_layout_is_brought_up_to_date() -> None:
    registry = Registry()
    registry.file.parent.mkdir(parents=True)
    connection = sqlite3.connect(registry.file)
    connection.executescript(_FIRST_LAYOUT)
    connection.close()
    runs = registry.all()
    assert [(run.name, run.state, run.progress, run.note) for run in runs] == [
        ("old", "paused", 0.4, ""),
        ("older", "finished", 1.0, ""),
    ]
    assert runs[0].queued == 10.0
    assert registry.epochs("old") == [(0, {"validation/oks": 0.25})]
    jobs.set_note("old", "kept")
    jobs.resume("old")
    assert jobs.view("old").run.note == "kept"
    jobs.delete("older")
    assert [run.name for run in registry.all()] == ["old"]


# --- tiny runs in this process ---


def train(name: str = "trial", resume: bool = False, **changes: Any) -> Path:
    from posecore.training.run import train as run

    return run(tiny(name, **changes), Path.cwd(), resume=resume)


def ask_at(monkeypatch: pytest.MonkeyPatch, step: int, request: str) -> None:
    """Have something asked of the run once it has taken so many steps."""
    from posecore.training.module import PoseTraining

    original = PoseTraining.on_train_batch_end

    def asked(self: PoseTraining, *arguments: Any) -> None:
        if self.steps == step - 1:
            assert self.watch is not None
            self.watch.request = request  # type: ignore[assignment]
        original(self, *arguments)

    monkeypatch.setattr(PoseTraining, "on_train_batch_end", asked)


@pytest.mark.parametrize("step", [5, 6])
def test_a_run_paused_within_or_at_the_end_of_an_epoch_goes_on_exactly(
    step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Inputs grow from epoch to epoch; what an epoch began with, it ends with.
    training = {"batch_size": 4, "input_sides": [65, 81, 97], "threads": 1, "device": "cpu", "ema": 0.9}
    unbroken = train("unbroken", training=training)
    with monkeypatch.context() as patch:
        ask_at(patch, step, "pause")
        broken = train("broken", training=training)
    run = Registry().get("broken")
    assert run is not None
    assert run.state == "paused"
    assert "exactly here" in run.message
    assert len(Registry().epochs("broken")) == step // 3
    assert train("broken", resume=True, training=training) == broken
    assert state("broken") == "finished"
    assert curve(unbroken) == curve(broken)
    states = [load_weights(folder / "last.safetensors").state for folder in (unbroken, broken)]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_cancelled_run_keeps_its_best_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    ask_at(monkeypatch, 5, "cancel")
    folder = train()
    run = Registry().get("trial")
    assert run is not None
    assert run.state == "cancelled"
    assert "best weights so far are kept" in run.message
    assert run.weights == folder / "best.safetensors"
    assert any(path.name == "epoch-0001.jpg" for path in jobs.view("trial").overlays)
    assert any("similarity" in line for line in jobs.view("trial").log_tail)


def test_a_renamed_or_removed_run_takes_its_model_along() -> None:
    train()
    jobs.rename("trial", "mine")
    assert [info.name for info in list_models() if info.origin == "yours"] == ["run:mine"]
    assert load_model("run:mine", device="cpu").name == "run:mine"
    jobs.delete("mine")
    assert not run_folder("mine").exists()
    with pytest.raises(UnknownModelError):
        load_model("run:mine")


def test_a_run_that_cannot_be_written_is_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("posecore.training.recording.write_config", full)
        with pytest.raises(StorageError, match="disk is full"):
            jobs.submit(tiny("one"))
    assert Registry().get("one") is None
    assert jobs.submit(tiny("one")).state == "waiting"


def test_a_full_disk_ends_the_run_with_a_sentence_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    original, written = Path.write_bytes, []

    def write(self: Path, data: bytes) -> int:
        if "resume.ckpt" in self.name:
            written.append(self)
            if len(written) == 2:
                original(self, data[:1000])
                raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write)
        with pytest.raises(PosecoreError, match="disk is full"):
            train()
    run = Registry().get("trial")
    assert run is not None
    assert run.state == "failed"
    assert "the disk is full; free some space" in run.message
    # Nothing half written lies about, and what was there before is whole.
    assert not list(run.folder.glob(".*.part"))
    assert torch.load(run.folder / "resume.ckpt", weights_only=True)["posecore"]["steps"] == 3
    load_weights(run.folder / "best.safetensors")
    train(resume=True)
    assert state("trial") == "finished"
    assert curve(run.folder) == curve(train("unbroken"))


def test_pictures_to_look_at_may_fail_without_ending_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from posecore.training.recording import Recorder

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Recorder, "_write_overlay", full)
    train()
    assert state("trial") == "finished"
    assert any("overlays could not be written" in line for line in jobs.view("trial").log_tail)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
    ],
)
def test_running_out_of_memory_names_a_smaller_batch(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    from posecore.training.module import PoseTraining

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(PoseTraining, "training_step", fail)
    with pytest.raises(type(error)):
        train()
    run = Registry().get("trial")
    assert run is not None
    assert run.state == "failed"
    assert run.message == "There is not enough memory for a batch size of 4; try 2, then start again."


def test_pictures_that_are_gone_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone"):
        train(data={"train": [{"annotations": str(tmp_path / "gone.json")}]})
    run = Registry().get("trial")
    assert run is not None
    assert run.state == "failed"
    assert str(tmp_path / "gone.json") in run.message
    assert "Put them back" in run.message


# --- real processes ---


@pytest.mark.slow
def test_a_killed_worker_is_lost_and_resumes_to_the_same_end() -> None:
    """SIGTERM pauses, SIGKILL loses; either way the run ends as if it had never been broken."""
    unbroken = train("unbroken", schedule={"epochs": 25})
    jobs.submit(tiny("broken", schedule={"epochs": 25}))
    for kind, expected in ((signal.SIGTERM, "paused"), (signal.SIGKILL, "lost")):
        before = len(Registry().epochs("broken"))
        assert jobs.dispatch() == ["broken"]
        until(lambda before=before: len(Registry().epochs("broken")) > before + 1)  # type: ignore[misc]
        run = Registry().get("broken")
        assert run is not None
        assert run.process is not None
        os.kill(run.process, kind)
        until(lambda expected=expected: state("broken") == expected)  # type: ignore[misc]
        assert jobs.view("broken").log_tail
        jobs.resume("broken")
    assert jobs.dispatch() == ["broken"]
    until(lambda: state("broken") == "finished")
    assert curve(unbroken) == curve(run_folder("broken"))


@pytest.mark.slow
def test_a_worker_outlives_whoever_started_it() -> None:
    jobs.submit(tiny("one", schedule={"epochs": 12}))
    jobs.submit(tiny("two", schedule={"epochs": 1}))
    program = "from posecore.training import jobs; import time; jobs.dispatch(); time.sleep(60)"
    server = subprocess.Popen([sys.executable, "-c", program])
    until(lambda: bool(Registry().epochs("one")))
    server.kill()
    server.wait()
    assert state("one") in ("running", "finished")
    # The worker also starts what waits behind it.
    until(lambda: state("one") == state("two") == "finished")


@pytest.mark.slow
def test_a_pause_is_answered_while_pictures_are_still_read() -> None:
    source = {"synthetic": 100000, "pack": {"side": 64}}
    jobs.submit(tiny("one", data={"train": [source]}))
    jobs.dispatch()
    until(lambda: any("drawing" in line for line in jobs.view("one").log_tail))
    jobs.pause("one")
    until(lambda: state("one") == "paused", 20)
    assert "nothing is lost" in jobs.view("one").message
    jobs.resume("one")
    jobs.dispatch()
    # Before the worker has even begun.
    jobs.cancel("one")
    until(lambda: state("one") == "cancelled")
