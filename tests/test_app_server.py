"""What the app's server does beside and below the pages."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from posecore.data.library import Library
from posecore.errors import SettingsError, StorageError
from posecore.labelling.edits import Message, to_entry
from posecore.storage import sweep
from posecore.ui.app.guard import Guard
from posecore.ui.label.editor import save_edits
from posecore.ui.label.sets import Labelling, desk_of
from posecore.ui.shared import presence
from posecore.ui.shared.models.caches import ByteCache
from posecore.ui.shared.presence import PATIENCE
from posecore.ui.shared.quota import check_files
from posecore.ui.shared.runs import run_actions
from posecore.ui.shared.visitor_files import PREFIX, VisitorFolders
from posecore.ui.shared.visitors import COOKIE, VARIABLE, NotAllowedError, folders_allowed, is_cookie, is_local, require
from posecore.ui.shared.widgets.options import option_texts
from tests.app_support import kept, open_app


class Context:
    """Stands in for a session that asks."""

    session_id = "a"


def test_folders_go_with_their_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "get_script_run_ctx", Context)
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
    monkeypatch.setattr(presence, "get_script_run_ctx", Context)
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


def test_browsers_get_a_cookie_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with_options(monkeypatch, address="127.0.0.1", baseUrlPath="/poses/")

    def cookies(kind: str, asked: str = "") -> list[str]:
        async def app(scope: object, receive: object, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]})

        said: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        headers = [(b"host", b"localhost"), (b"cookie", asked.encode())]
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": headers,
            "scheme": "http",
            "query_string": b"",
        }
        asyncio.run(Guard(app)(scope, _nothing, send))  # type: ignore[arg-type]
        return [value.decode() for name, value in said[0]["headers"] if name == b"set-cookie"]

    (first,), (second,) = cookies("text/html; charset=utf-8"), cookies("text/html")
    assert first != second
    name, _, value = first.partition(";")[0].partition("=")
    assert name == COOKIE
    assert is_cookie(value)
    assert {"Path=/poses", "HttpOnly", "SameSite=Lax"} <= {part.strip() for part in first.split(";")}
    assert not cookies("text/html", f"{COOKIE}={value}")
    assert cookies("text/html", f"{COOKIE}=../../etc")
    assert not cookies("application/json")


async def _nothing() -> dict[str, object]:
    return {"type": "http.request"}


def answer(host: str | None, kind: str = "http") -> list[dict[str, object]]:
    """What the guarded app says to a request for a host."""

    async def app(scope: object, receive: object, send: Any) -> None:
        await send(
            {"type": "http.response.start" if kind == "http" else "websocket.accept", "status": 200, "headers": []}
        )

    said: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        said.append(message)

    headers = [] if host is None else [(b"host", host.encode())]
    scope = {"type": kind, "method": "GET", "path": "/", "headers": headers}
    asyncio.run(Guard(app)(scope, _nothing, send))  # type: ignore[arg-type]
    return said


def with_options(monkeypatch: pytest.MonkeyPatch, **options: object) -> None:
    """The server's options by the part of their names behind the dot."""
    monkeypatch.setattr(st, "get_option", lambda name: options.get(name.partition(".")[2]))


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("host", "fine"),
    [
        ("127.0.0.1:8501", True),
        ("localhost", True),
        ("[::1]:8501", True),
        ("evil.example:8501", False),
        ("127.0.0.1.evil.example", False),
        ("localhost@evil.example", False),
        (None, False),
    ],
)
def test_a_local_server_answers_to_its_machine_alone(
    monkeypatch: pytest.MonkeyPatch, host: str | None, fine: bool, kind: str
) -> None:
    with_options(monkeypatch, address="127.0.0.1")
    first = answer(host, kind)[0]
    refused = first.get("status") == 403 or first["type"] == "websocket.close"
    assert refused is not fine


def test_hosts_that_are_listed_are_answered_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with_options(monkeypatch, address="0.0.0.0", allowedHosts=["poses.example.org", "*.lab.example"])
    hosts = ("poses.example.org", "POSES.example.org:80", "a.lab.example", "lab.example", "evil.example", "127.0.0.1")
    assert [answer(host)[0]["status"] for host in hosts] == [200, 200, 200, 403, 403, 403]


def test_pages_cannot_be_framed(monkeypatch: pytest.MonkeyPatch) -> None:
    with_options(monkeypatch, address="127.0.0.1")
    headers = dict(answer("localhost")[0]["headers"])  # type: ignore[call-overload]
    assert headers[b"x-frame-options"] == b"SAMEORIGIN"
    assert headers[b"content-security-policy"] == b"frame-ancestors 'self'"


@pytest.mark.parametrize(
    ("options", "headers", "local"),
    [
        ({"address": "127.0.0.1"}, {"Host": "localhost:8501"}, True),
        ({"address": "127.0.0.1"}, {"Host": "poses.example.org"}, False),
        ({"address": "0.0.0.0"}, {"Host": "localhost:8501"}, False),
        ({}, {"Host": "localhost:8501"}, False),
        ({"address": "127.0.0.1", "baseUrlPath": "poses"}, {"Host": "localhost:8501"}, False),
        *(
            ({"address": "127.0.0.1"}, {"Host": "localhost", name: "x"}, False)
            for name in ("Forwarded", "X-Forwarded-For", "x-forwarded-host", "X-Forwarded-Proto", "X-Real-IP", "Via")
        ),
    ],
)
def test_who_sits_at_the_machine(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, object], headers: dict[str, str], local: bool
) -> None:
    with_options(monkeypatch, **options)
    assert is_local(headers) is local


@pytest.mark.parametrize(("said", "allowed"), [("1", True), ("0", False), ("no", False), (None, True)])
def test_folders_can_be_forced(monkeypatch: pytest.MonkeyPatch, said: str | None, allowed: bool) -> None:
    with_options(monkeypatch, address="127.0.0.1")
    if said is not None:
        monkeypatch.setenv("POSECORE_ALLOW_FOLDERS", said)
    assert folders_allowed() is allowed


@pytest.mark.parametrize(
    ("said", "may"),
    [(None, "view use all"), ("all", "view use all"), ("use", "view use"), ("view", "view"), ("everything", "view")],
)
def test_what_visitors_may_do(monkeypatch: pytest.MonkeyPatch, said: str | None, may: str) -> None:
    if said is not None:
        monkeypatch.setenv(VARIABLE, said)
    for level in ("view", "use", "all"):
        if level in may.split():
            require(level, "Training")
        else:
            with pytest.raises(NotAllowedError, match=f"Training is not allowed.*{VARIABLE}={level}"):
                require(level, "Training")


def test_visitors_fill_only_so_much(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(bytes(2000))
    monkeypatch.setenv("POSECORE_UPLOADS_GB", "plenty")
    with pytest.raises(SettingsError, match="POSECORE_UPLOADS_GB is 'plenty'; give a number"):
        check_files([tmp_path])
    monkeypatch.setenv("POSECORE_UPLOADS_GB", "0.000003")
    check_files([tmp_path])
    monkeypatch.setenv("POSECORE_UPLOADS_GB", "0.000001")
    with pytest.raises(StorageError, match="limit"):
        check_files([tmp_path])


def test_tracebacks_are_for_those_at_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def page() -> None:
        from posecore.ui.shared.error_messages import show_trouble

        show_trouble(RuntimeError("in /srv/secret"))

    monkeypatch.setattr("posecore.ui.shared.error_messages.is_local", lambda: False)
    app = AppTest.from_function(page).run()
    assert not app.code
    monkeypatch.setattr("posecore.ui.shared.error_messages.is_local", lambda: True)
    assert "/srv/secret" in AppTest.from_function(page).run().code[0].value


def test_nothing_is_changed_where_visitors_may_only_use(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each deed is asked for as its button asks for it."""
    stored = Library(home / "datasets").add_synthetic("people", 2, 1)
    before = {path: path.read_bytes() for path in stored.folder.rglob("*") if path.is_file()}
    monkeypatch.setenv(VARIABLE, "use")
    app = open_app("label", {"set": "people"})
    desk, place = desk_of(stored), kept(app, Labelling).place
    image = desk.images()[0]
    sheet = desk.sheet(image)
    entry = {"people": [to_entry(drawn, image.size) for drawn in sheet.people][:0], "done": True}
    edits = {str(image.image_id): {"revision": 1, **entry}}
    message = Message.read({"about": desk.identity, "tab": "t", "attempt": 1, "edits": edits, "has": [], "go": None})
    assert "not allowed" in save_edits(desk, message, place.inbox)
    monkeypatch.setattr("streamlit.session_state", {})
    run_actions.attempt(lambda: pytest.fail("it was done"))
    assert before == {path: path.read_bytes() for path in before}
