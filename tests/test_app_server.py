"""What the app's server does beside and below the pages."""

from __future__ import annotations

import threading

import pytest

from posecore.storage import sweep
from posecore.ui.shared import visitor_files
from posecore.ui.shared.models.caches import ByteCache
from posecore.ui.shared.visitor_files import PATIENCE, PREFIX, VisitorFolders
from posecore.ui.shared.widgets.options import option_texts


class Context:
    """Stands in for a session that asks."""

    session_id = "a"


def test_folders_go_with_their_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor_files, "get_script_run_ctx", Context)
    folders = VisitorFolders()
    folder = folders.new().path
    (folder / "picture").write_bytes(b"x")
    connected = {"a"}
    folders.tidy(connected.__contains__, 0)
    connected.clear()
    folders.tidy(connected.__contains__, PATIENCE - 1)
    assert folder.is_dir(), "a reload takes a moment"
    folders.tidy(connected.__contains__, PATIENCE + 1)
    assert not folder.exists()


def test_folders_of_a_running_server_are_not_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visitor_files, "get_script_run_ctx", Context)
    folders = VisitorFolders()
    folder = folders.new().path
    sweep(folder.parent, PREFIX)
    assert folder.is_dir()
    folders.close()
    assert not folder.exists()


def test_nobody_waits_for_a_value_that_cannot_be_measured() -> None:
    def size_of(value: object) -> int:
        raise MemoryError("no size")

    cache: ByteCache[int] = ByteCache(10, size_of)
    begun, go = threading.Event(), threading.Event()
    seen: list[BaseException] = []

    def ask(compute: object) -> None:
        try:
            cache.get("key", compute)  # type: ignore[arg-type]
        except MemoryError as error:
            seen.append(error)

    def slow() -> int:
        begun.set()
        go.wait(10)
        return 1

    threads = [threading.Thread(target=ask, args=(slow,), daemon=True)]
    threads[0].start()
    begun.wait(10)
    threads.append(threading.Thread(target=ask, args=(lambda: 2,), daemon=True))
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert len(seen) == 2


def test_options_of_equal_titles_are_told_apart() -> None:
    text = option_texts({"a": "Mine", "b": "Mine", "c": "Mine (2)", "d": "Yours"})
    assert len({text(key) for key in "abcd"}) == 4
    assert text("a") == "Mine"
    assert text("unknown") == "unknown"
