"""What happens once when the app's server starts, and what goes on beside the pages while it runs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event, Thread
from typing import Any

from streamlit.runtime import get_instance

from posecore.errors import PosecoreError
from posecore.ui.shared.background import stop_left_tasks
from posecore.ui.shared.visitor_files import TIDY_INTERVAL, sweep_left_files, visitor_folders
from posecore.ui.video.run_folders import remove_old_runs

log = logging.getLogger(__name__)

#: Seconds between looks at the queue of training runs.
DISPATCH_INTERVAL = 2.0
#: Seconds between looks for results of videos that nobody looks at any more.
OLD_RUNS_INTERVAL = 600.0
#: Training runs at the same time. A second one would make both slower, and the pages with them.
RUNS_AT_ONCE = 1


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[None]:
    """Prepare in the background, so that the page can be shown meanwhile, and keep the queue of runs moving."""
    Thread(target=_warm_up, name="warm-up", daemon=True).start()
    ended = Event()
    sweep_left_files()
    Thread(target=_tidy_home, name="upkeep", daemon=True).start()
    for name, work, interval in (
        ("dispatcher", _dispatch, DISPATCH_INTERVAL),
        ("janitor", _tidy, TIDY_INTERVAL),
        ("old runs", remove_old_runs, OLD_RUNS_INTERVAL),
    ):
        Thread(target=keep_doing, args=(work, ended, interval), name=name, daemon=True).start()
    yield
    ended.set()
    visitor_folders.close()


def _warm_up() -> None:
    # Imported here, because torch takes seconds that the page need not wait for.
    from posecore.ui.shared.models.engine import warm_up
    from posecore.ui.shared.pictures.sources import first_sample

    try:
        warm_up(first_sample())
    except PosecoreError as error:
        # The page says the same to whoever wants to use that model.
        log.warning("The default model was not loaded: %s", error)


def _tidy_home() -> None:
    from posecore.training.upkeep import tidy_home

    tidy_home()


def _dispatch() -> None:
    from posecore.training.jobs import dispatch

    dispatch(limit=RUNS_AT_ONCE)


def _tidy() -> None:
    is_active = get_instance().is_active_session
    visitor_folders.tidy(is_active)
    stop_left_tasks(is_active)


def keep_doing(work: Callable[[], None], ended: Event, interval: float) -> None:
    """Call ``work`` every ``interval`` seconds until ``ended`` is set, whatever it raises."""
    trouble = ""
    while not ended.is_set():
        try:
            work()
            trouble = ""
        except Exception as error:
            # One bad look, for example at a full disk, must not keep all later runs waiting. Said once, not every time.
            if str(error) != trouble:
                log.exception("Something that is done beside the pages failed")
            trouble = str(error)
        ended.wait(interval)
