"""A running app and a real browser for the tests in this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app_support import MODEL, ROOT, install_model
from tests.browser.running_app import CHROMIUM, Server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip with a reason where a browser cannot or should not be started."""
    reason = None
    if CHROMIUM is None:
        reason = "no Chromium on this machine; .ci/chromium installs it"
    else:
        try:
            import playwright  # noqa: F401
        except ImportError:
            reason = "Playwright is not installed; pip install playwright"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def mirror() -> Path | None:
    """Folder with published weights, where there is one."""
    folder = Path(os.environ.get("POSECORE_REFERENCE", ROOT.parent / "shared" / "reference"))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def app_home(tmp_path_factory: pytest.TempPathFactory, mirror: Path | None) -> Path:
    """A home with one model: the published one where it is at hand, else one with random weights."""
    home = tmp_path_factory.mktemp("home")
    if mirror is None:
        install_model(home)
        return home
    before = {name: os.environ.get(name) for name in ("POSECORE_HOME", "POSECORE_WEIGHTS_MIRROR")}
    os.environ |= {"POSECORE_HOME": str(home), "POSECORE_WEIGHTS_MIRROR": str(mirror)}
    try:
        from posecore.zoo import fetch_model

        fetch_model(MODEL)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return home


@pytest.fixture(scope="session")
def server(app_home: Path) -> Iterator[Server]:
    """The app with a model."""
    running = Server(app_home)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """An empty page that complains at the end about errors on the console and requests to other machines."""
    opened = browser.new_page(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    opened.set_default_timeout(60_000)
    troubles: list[str] = []

    def heard(message: Any) -> None:
        # Below the first page Streamlit looks for its own address in two places and one of them does not exist.
        if message.type == "error" and "/_stcore/" not in message.location.get("url", ""):
            troubles.append(message.text)

    def asked(request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")):
            troubles.append(f"asked {request.url}")

    opened.on("console", heard)
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("request", asked)
    yield opened
    opened.close()
    assert not troubles
