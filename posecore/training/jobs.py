"""Training in the background: a queue of runs, a process for each that is at work, and what can be done to them.

A job is a run of the registry and nothing else: one started by ``posecore train`` is seen, paused and resumed in the
same way. Workers outlive whoever started them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import posecore
from posecore.errors import SettingsError, StorageError
from posecore.extras import require
from posecore.run_files import LastWords, RunLock
from posecore.runs import NAME_PATTERN, Registry, Run, State
from posecore.storage import writing

if TYPE_CHECKING:
    from posecore.training.config import AnyConfig

#: Files in a run's folder, as :mod:`posecore.training.recording` names them; that module takes seconds to import.
_LOG, _OVERLAYS = "log.txt", "overlays"
#: At work, as far as the list says.
_AT_WORK: tuple[State, ...] = ("running", "pausing", "cancelling")
_RESUMABLE: tuple[State, ...] = ("paused", "cancelled", "failed", "lost")
#: Bytes at the end of a log that are looked at.
_LOG_BYTES = 200_000

_LOST = (
    "The process ended without a word: perhaps memory ran out or the computer was switched off. Resume the run to go "
    "on from its last checkpoint."
)


@dataclass(frozen=True)
class JobView:
    """A run as a page or a table shows it.

    Attributes:
        run: The run.
        state: What it does now.
        progress: Part that is done, 0 … 1.
        eta_seconds: Time it will still take, as far as can be said.
        epochs: (number, figures) in order; number 0 is the model before training.
        steps: (step, mean loss of the epoch so far, learning rate), thinned.
        log_tail: Last lines of its log.
        overlays: Pictures of validation results, one file per epoch in order; ``epoch-0000.jpg`` is before training.
        message: What to know about how it ended or what it waits for, as a sentence.
    """

    run: Run
    state: State
    progress: float
    eta_seconds: float | None
    epochs: Sequence[tuple[int, dict[str, float]]]
    steps: Sequence[tuple[int, float, float]]
    log_tail: Sequence[str]
    overlays: Sequence[Path]
    message: str


def submit(config: AnyConfig, name: str | None = None, note: str = "", config_folder: Path | None = None) -> Run:
    """Put a run in the queue; :func:`dispatch` starts it.

    Args:
        config: What to do.
        name: Name of the run; the configuration's unless given.
        note: Words of its owner.
        config_folder: Folder that relative paths in the configuration start from; the working folder unless given.

    Raises:
        SettingsError: When there is a run of this name or the name cannot be one.
        MissingExtraError: When training is not installed.
        StorageError: When it cannot be written; there is no such run then.
    """
    require("train")
    from posecore.training.config import placed
    from posecore.training.parts import check_run
    from posecore.training.recording import write_config

    name = _checked(name or config.name)
    config = placed(config, config_folder or Path.cwd())
    check_run(config)
    registry = Registry()
    registry.check_new(name)
    # Nobody starts it before all of it is written.
    with registry.queue():
        registry.add(name, config.model_dump(mode="json"), note=note)
        run = _known(registry, name)
        try:
            with writing(run.folder):
                write_config(config, run.folder)
            LastWords(run.folder).reserve()
        except StorageError:
            # Whoever is told that it failed will try again under this name.
            with suppress(StorageError):
                registry.remove(name, files=True)
            raise
    return run


def pause(name: str) -> None:
    """Ask a running run to stop where it is, to go on later; a waiting one leaves the queue.

    Raises:
        SettingsError: When there is nothing to pause.
    """
    _stop(name, "pause")


def cancel(name: str) -> None:
    """Ask a running run to stop for good (its best weights stay); any other unfinished one is marked cancelled.

    Raises:
        SettingsError: When there is nothing to cancel.
    """
    _stop(name, "cancel")


def _stop(name: str, request: str) -> None:
    registry = Registry()
    with registry.queue():
        run = _known(registry, name)
        if run.state in _AT_WORK:
            registry.ask(name, "pause" if request == "pause" else "cancel")
        elif run.state == "waiting" and request == "pause":
            registry.change(name, status="paused", message="Paused before it began.")
        elif run.state in ("waiting", *_RESUMABLE) and request == "cancel":
            registry.change(name, status="cancelled", process=None, stop=0, message="Cancelled.")
        else:
            raise SettingsError(f"{name} is {run.state}; there is nothing to {request}.")


def resume(name: str) -> None:
    """Put a paused, cancelled, failed or lost run back in the queue; it goes on from its last checkpoint.

    A run that was only asked to pause and still works goes on working.

    Raises:
        SettingsError: When it is at work, waits already, or is finished.
    """
    registry = Registry()
    with registry.queue():
        run = _known(registry, name)
        if run.state == "pausing":
            registry.ask(name, "")
            return
        if run.state not in _RESUMABLE:
            raise SettingsError(f"{name} is {run.state}; only runs that stopped before their end can be resumed.")
        registry.change(name, status="waiting", queued=time.time(), process=None, stop=0, message="")


def delete(name: str) -> None:
    """Remove a run with all its files, its model among them.

    Raises:
        SettingsError: While it is at work.
    """
    registry = Registry()
    with registry.queue():
        run = _idle(registry, name, "delete")
        registry.remove(run.name, files=True)


def rename(name: str, new: str) -> None:
    """Give a run, and so its model, another name.

    Raises:
        SettingsError: While it is at work, or when the new name is taken or cannot be one.
    """
    registry = Registry()
    with registry.queue():
        run = _idle(registry, name, "rename")
        if new == run.name:
            return
        if (registry.file.parent / _checked(new)).exists():
            raise SettingsError(f"There is a folder or run {new!r} already; choose another name.")
        registry.rename(run.name, new)


def set_note(name: str, text: str) -> None:
    """Keep words about a run."""
    registry = Registry()
    registry.change(_known(registry, name).name, note=text)


def dispatch(limit: int = 1) -> list[str]:
    """Start waiting runs, oldest first, while fewer than ``limit`` are at work; returns the names of those started.

    Safe to call from several processes, as often as one likes.
    """
    registry = Registry()
    if not any(run.status == "waiting" for run in registry.all()):
        return []
    started: list[str] = []
    with registry.queue(patience=0.0) as ours:
        if not ours:
            # Whoever has the queue starts what there is.
            return []
        runs = registry.all()
        at_work = sum(run.state in _AT_WORK for run in runs)
        waiting = sorted((run for run in runs if run.status == "waiting"), key=lambda run: run.queued)
        for run in waiting:
            if at_work + len(started) >= limit:
                break
            if _start(registry, run, threads_per_run(limit)):
                started.append(run.name)
    return started


def threads_per_run(limit: int = 1) -> int:
    """Threads of each of ``limit`` runs: one core is left to the app, whose work would stall threads that share it."""
    return max(((os.cpu_count() or 1) - 1) // limit, 1)


def _start(registry: Registry, run: Run, threads: int) -> bool:
    """Start the worker of a waiting run; it inherits the lock, so that there is no moment without one."""
    lock = RunLock(run.lock.path)
    # Whoever looks whether it is held holds it for a moment.
    if not lock.acquire(patience=0.2):
        return False
    assert lock.descriptor is not None
    try:
        if not registry.change_if(run.name, "waiting", status="running", heartbeat=time.time(), stop=0, message=""):
            return False
        program = [sys.executable, "-m", "posecore.training.worker", run.name]
        with (run.folder / _LOG).open("ab") as log:
            process = subprocess.Popen(
                [*program, "--lock", str(lock.descriptor), "--threads", str(threads)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock.descriptor,),
                # A session of its own: a Ctrl-C in the server's terminal is not meant for it.
                start_new_session=True,
                # Where posecore is, should it not be installed.
                cwd=Path(posecore.__file__).parent.parent,
            )
    except OSError as error:
        reason = f"Its process could not be started: {error.strerror or error}."
        registry.change(run.name, status="failed", message=reason)
        return False
    finally:
        lock.release()
    registry.change(run.name, process=process.pid)
    # Only so that no zombie is left; the run itself says in the list how it ended.
    threading.Thread(target=process.wait, name=f"wait for {run.name}", daemon=True).start()
    return True


def view(name: str, log_lines: int = 50) -> JobView:
    """Everything about a run; raises ``SettingsError`` when there is none of this name."""
    registry = Registry()
    run = _known(registry, name)
    now = run.state
    overlays = sorted((run.folder / _OVERLAYS).glob("epoch-*.jpg"))
    return JobView(
        run,
        now,
        run.progress,
        _remaining(run, now),
        registry.epochs(name),
        registry.steps(name),
        _tail(run.folder / _LOG, log_lines),
        overlays,
        _LOST if now == "lost" else run.message,
    )


def _remaining(run: Run, now: State) -> float | None:
    """Seconds left at the pace so far; None before that can be said."""
    if now not in ("running", "pausing") or run.progress < 0.005 or run.seconds <= 0:
        return None
    return run.seconds * (1 - run.progress) / run.progress


def _tail(path: Path, lines: int) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - _LOG_BYTES, 0))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-lines:] if lines > 0 else []


def _known(registry: Registry, name: str) -> Run:
    run = registry.get(name)
    if run is None:
        raise SettingsError(f"There is no run {name!r}; `posecore runs list` shows all.")
    return run


def _idle(registry: Registry, name: str, what: str) -> Run:
    run = _known(registry, name)
    if run.state in _AT_WORK or run.lock.held:
        raise SettingsError(f"{name} is running; pause or cancel it before you {what} it.")
    return run


def _checked(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise SettingsError(
            f"{name!r} cannot be the name of a run; use up to 100 letters, digits, dots, dashes and underscores, "
            "beginning with a letter or digit."
        )
    return name
