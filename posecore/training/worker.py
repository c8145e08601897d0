"""The process that works on one run in the list: ``python -m posecore.training.worker NAME``; jobs start it."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from posecore.errors import PosecoreError
from posecore.run_files import RunLock
from posecore.runs import Registry
from posecore.training.jobs import dispatch

#: How much the work gives way to the app and to everything else on the machine.
_NICE = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Work on the run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="posecore.training.worker")
    parser.add_argument("name")
    parser.add_argument("--lock", type=int, required=True, help="descriptor of the run's lock, taken by the parent")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args(arguments)
    registry = Registry()
    run = registry.get(options.name)
    if run is None:
        return 1
    lock = RunLock(run.lock.path)
    lock.adopt(options.lock)
    os.nice(_NICE)
    try:
        _work(registry, options.name, options.threads)
    except PosecoreError:
        # It stands in the list and in the log.
        return 1
    finally:
        lock.release()
        # So that what waits gets its turn although no app may be open; one at a time, whatever the app allows.
        dispatch()
    return 0


def _work(registry: Registry, name: str, threads: int | None) -> None:
    # Imported here: if that fails, the run's log says why.
    from posecore.training.config import any_config
    from posecore.training.launching import is_first_process
    from posecore.training.memory import keep_freed_memory
    from posecore.training.recording import RESUME
    from posecore.training.run import join, work

    # Its lines are about hardware that is not there and loggers that could be. Importing it sets another level.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    run = registry.get(name)
    assert run is not None
    try:
        config = any_config(run.config, f"The configuration of {name}")
    except PosecoreError as error:
        registry.change(name, status="failed", process=None, message=str(error))
        raise
    keep_freed_memory()
    resume = (run.folder / RESUME).is_file()
    if is_first_process():
        work(registry, config, name, resume, threads)
    else:
        join(config, name, resume)


if __name__ == "__main__":
    sys.exit(main())
