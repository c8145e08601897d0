"""Pages on a home that cannot be written, and with a list of runs that cannot be read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from posecore.runs import Registry
from tests.app_support import open_app, words
from tests.run_support import drawn_set, written_run
from tests.test_storage import as_root, mount, small_disk

pytestmark = pytest.mark.usefixtures("home")

__all__ = ["small_disk"]

PAGES = ("explore", "fields", "models", "runs", "train", "label", "datasets", "about")


def check_pages(pages: tuple[str, ...] = PAGES) -> str:
    """All pages open; what they say."""
    said = ""
    for page in pages:
        app = open_app(page)
        assert not app.exception, page
        said += words(app)
    assert "Something went wrong" not in said
    return said


@as_root
def test_all_pages_open_on_a_home_that_cannot_be_written(small_disk: Path) -> None:
    drawn_set()
    written_run("mine", epochs=1)
    mount("-o", "remount,ro", str(small_disk))
    said = check_pages()
    assert "mine" in said


@pytest.mark.skipif(sys.platform == "win32", reason="SQLite's files are open there")
def test_pages_that_need_no_runs_open_without_their_list() -> None:
    written_run("mine", epochs=1)
    Registry().file.write_bytes(b"no list at all" * 500)
    check_pages(("explore", "fields", "models", "label", "datasets", "about"))
