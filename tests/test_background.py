"""Work beside the pages: order, bounds, what ends it, and what is said of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from posecore.errors import SettingsError
from posecore.ui.shared import background
from posecore.ui.shared.background import BusyError, Task, Tasks, close_all_tasks, stop_left_tasks, tasks
from posecore.ui.shared.presence import PATIENCE

#: Seconds after which a test gives up.
LONG = 20


@pytest.fixture
def kind() -> Iterator[Tasks[int, float]]:
    made: Tasks[int, float] = Tasks("test")
    yield made
    made.close()


def until_stopped(task: Task[int, float]) -> int:
    assert task.stop.wait(LONG)
    return 7


def test_tasks_begin_in_order_and_as_many_as_may() -> None:
    kind: Tasks[int, float] = Tasks("test", at_once=2)
    go_on = threading.Event()
    order: list[str] = []

    def work(task: Task[int, float]) -> int:
        order.append(str(task.key))
        assert go_on.wait(LONG)
        return len(order)

    made = [kind.start(key, work) for key in "abcd"]
    assert [task.state for task in made] == ["working", "working", "waiting", "waiting"]
    assert [kind.waiting_before(task) for task in made] == [0, 0, 0, 1]
    go_on.set()
    assert all(task.wait(LONG) for task in made)
    assert set(order[:2]) == {"a", "b"}
    assert sorted(order) == list("abcd")
    assert [task.state for task in made] == ["done"] * 4


def test_a_key_is_worked_on_once(kind: Tasks[int, float]) -> None:
    first = kind.start("a", until_stopped)
    assert kind.start("a", until_stopped) is first
    assert kind.get("a") is first
    done = kind.start("b", lambda task: 1)
    first.cancel()
    assert done.wait(LONG)
    assert kind.start("b", lambda task: 2) is done
    again = kind.start("b", lambda task: 2, again=True)
    assert again.wait(LONG)
    assert (done.result, again.result) == (1, 2)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SettingsError("There is no such thing."), "There is no such thing."),
        (ZeroDivisionError("oh"), "It failed unexpectedly: ZeroDivisionError: oh"),
        (OSError(28, "No space left on device"), "the disk is full"),
    ],
)
def test_what_fails_is_a_sentence_and_begins_again(kind: Tasks[int, float], error: Exception, words: str) -> None:
    def broken(task: Task[int, float]) -> int:
        raise error

    failed = kind.start("a", broken)
    assert failed.wait(LONG)
    assert failed.state == "failed"
    assert words in failed.error
    again = kind.start("a", lambda task: 3)
    assert again.wait(LONG)
    assert (again.state, again.result, again.error) == ("done", 3, "")


def test_what_is_stopped_keeps_what_it_gives_back(kind: Tasks[int, float]) -> None:
    at_work, waiting = kind.start("a", until_stopped), kind.start("b", until_stopped)
    waiting.cancel()
    assert waiting.wait(LONG), "what waits need not wait for its turn to end"
    assert (waiting.state, waiting.result) == ("cancelled", None)
    assert at_work.active
    at_work.cancel()
    assert at_work.wait(LONG)
    assert (at_work.state, at_work.result) == ("cancelled", 7)
    assert kind.start("a", lambda task: 1) is not at_work


def test_an_error_on_the_way_out_of_a_stopped_task_is_none(kind: Tasks[int, float]) -> None:
    def work(task: Task[int, float]) -> int:
        until_stopped(task)
        raise SettingsError("It was stopped.")

    task = kind.start("a", work)
    task.cancel()
    assert task.wait(LONG)
    assert (task.state, task.error) == ("cancelled", "")


def test_only_the_newest_question_goes_on(kind: Tasks[int, float]) -> None:
    old, new = kind.start("old", until_stopped), kind.start("new", until_stopped)
    kind.cancel_others("new")
    assert old.wait(LONG)
    assert not new.stopping


def test_too_many_are_refused(kind: Tasks[int, float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MOST_WAITING", 2)
    for key in range(3):
        kind.start(key, until_stopped)
    with pytest.raises(BusyError, match="2 others wait"):
        kind.start("one more", until_stopped)


def test_ended_tasks_are_forgotten_in_the_end() -> None:
    kind: Tasks[int, float] = Tasks("test", kept=2)
    for key in range(5):
        assert kind.start(key, lambda task: 1).wait(LONG)
    last = kind.start("last", until_stopped)
    assert [key for key in range(5) if kind.get(key) is not None] == [3, 4]
    last.cancel()


def test_what_shall_follow_follows_in_every_case(kind: Tasks[int, float]) -> None:
    ended: list[str] = []

    def then(name: str) -> Callable[[], None]:
        return lambda: ended.append(name)

    def broken(task: Task[int, float]) -> int:
        raise SettingsError("no")

    first = kind.start("stopped", until_stopped, on_end=then("stopped"))
    never = kind.start("never begun", until_stopped, on_end=then("never begun"))
    failed = kind.start("failed", broken, on_end=then("failed"))
    never.cancel()
    first.cancel()
    assert failed.wait(LONG)
    assert ended == ["never begun", "stopped", "failed"]


@pytest.fixture
def visitors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str | None], None]]:
    """Says whose page is being drawn."""
    close_all_tasks()
    yield lambda name: monkeypatch.setattr(background, "current_session", lambda: name)
    close_all_tasks()


def test_what_a_visitor_asked_for_ends_with_the_last_of_them(visitors: Callable[[str | None], None]) -> None:
    kind = tasks("test", at_once=3)
    here = {"ann", "bob"}
    visitors("ann")
    anns = kind.start("hers", until_stopped, ends_with_session=True)
    both = kind.start("both", until_stopped, ends_with_session=True)
    for_all = kind.start("everybody's", until_stopped)
    visitors("bob")
    assert kind.start("both", until_stopped, ends_with_session=True) is both
    stop_left_tasks(here.__contains__, 0)
    here.remove("ann")
    stop_left_tasks(here.__contains__, PATIENCE - 1)
    assert not anns.stopping, "a page may be loaded anew"
    stop_left_tasks(here.__contains__, PATIENCE + 1)
    assert anns.wait(LONG)
    assert not both.stopping
    here.clear()
    stop_left_tasks(here.__contains__, 3 * PATIENCE)
    assert both.wait(LONG)
    assert not for_all.stopping


def test_whoever_may_leave_makes_it_go_on(visitors: Callable[[str | None], None]) -> None:
    kind = tasks("test")
    visitors("ann")
    task = kind.start("a", until_stopped, ends_with_session=True)
    assert kind.start("a", until_stopped) is task
    stop_left_tasks(lambda session: False, 0)
    stop_left_tasks(lambda session: False, 2 * PATIENCE)
    assert not task.stopping


def test_the_end_of_the_server_ends_everything(visitors: Callable[[str | None], None]) -> None:
    visitors(None)
    at_work, waiting = (tasks("test").start(key, until_stopped) for key in "ab")
    close_all_tasks()
    assert (at_work.state, waiting.state) == ("cancelled", "cancelled")
    assert tasks("test").get("a") is None
