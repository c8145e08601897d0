"""One pass through every page of the app as it comes: shipped models, an empty home, no network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.running_app import Server

#: Page → words that are there once it has been drawn.
PAGES = {
    "": "3 people",
    "compare": "Model of column A",
    "fields": "Why is this joint here?",
    "video": "Run",
    "webcam": "Start camera",
    "datasets": "set",
    "label": "Label",
    "train": "New run",
    "runs": "There are no training runs yet",
    "models": "on this machine",
    "evaluate": "How good is a model on your pictures?",
    "tune": "Look at the pictures",
    "benchmark": "Measure",
    "about": "Licences",
}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app on a machine where it has never run."""
    running = Server(tmp_path_factory.mktemp("fresh"))
    yield running
    running.stop()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens(page: Any, fresh: Server, path: str) -> None:
    page.goto(fresh.url + path)
    page.get_by_text(PAGES[path]).first.wait_for()
    page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')", timeout=60_000)
    assert page.locator("[data-testid=stException]").count() == 0
    assert "Unexpected error" not in page.inner_text("body")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_first_page_shows_poses(page: Any, fresh: Server) -> None:
    page.goto(fresh.url)
    page.locator(".frame[data-shown]").wait_for(timeout=60_000)
    page.get_by_text("3 people").first.wait_for()
