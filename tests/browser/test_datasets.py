"""The Data page in a real browser: a set comes in, its skeleton is edited in tables, targets are drawn anew."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from posecore.data.detect import WRITERS, open_dataset
from posecore.data.library import Library
from posecore.data.synthetic import write_dataset
from tests.browser.running_app import Server
from tests.browser.test_browser import expect_new_picture, settle, shown

#: From the corner of a table of Streamlit's to the middle of its first cell, in pixels.
FIRST_CELL = (90, 52)


@pytest.fixture(scope="module")
def library(app_home: Path) -> Iterator[Library]:
    """The server's library; empty again afterwards."""
    library = Library(app_home / "datasets")
    yield library
    for stored in library.all():
        library.remove(stored.name)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A zip of four labelled pictures as YOLO writes them."""
    folder = tmp_path_factory.mktemp("scenes")
    write_dataset(folder / "drawn", 4, seed=2, size=(320, 240))
    written = WRITERS["yolo"](open_dataset(folder / "drawn"), folder / "yolo")
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as out:
        for file in written.rglob("*"):
            out.write(file, file.relative_to(written))
    return memory.getvalue()


def open_data(page: Any, server: Server, tab: str | None = None) -> None:
    page.goto(f"{server.url}datasets")
    settle(page)
    if tab is not None:
        page.get_by_role("tab", name=tab).click()
        settle(page)


def test_a_zip_is_uploaded_and_looked_through(server: Server, library: Library, archive: bytes, page: Any) -> None:
    open_data(page, server)
    page.get_by_text("Add your first set").wait_for()
    page.locator("input[type=file]").set_input_files(
        {"name": "four people.zip", "mimeType": "application/zip", "buffer": archive}
    )
    settle(page)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("tab", name="Pictures").wait_for()
    settle(page)
    stored = library.get("four-people")
    assert (stored.origin, len(stored.dataset())) == ("YOLO-pose, zip", 4)
    before = shown(page)
    page.locator(".posecore-strip button").nth(2).click()
    expect_new_picture(page, before)
    page.get_by_role("button", name="Export").click()
    page.get_by_role("button", name="Make the ZIP").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the ZIP").click()
    assert zipfile.ZipFile(download.value.path()).testzip() is None


def test_a_keypoint_is_renamed_in_the_table(server: Server, library: Library, page: Any) -> None:
    library.add_synthetic("renaming", 1, 0)
    page.goto(f"{server.url}datasets?set=renaming")
    settle(page)
    page.get_by_role("tab", name="Skeleton").click()
    settle(page)
    save = page.get_by_role("button", name="Save the skeleton")
    assert save.is_disabled()
    table = page.get_by_test_id("stDataFrame").first.bounding_box()
    page.mouse.dblclick(table["x"] + FIRST_CELL[0], table["y"] + FIRST_CELL[1])
    page.locator("#portal").get_by_role("textbox").fill("snout")
    page.keyboard.press("Enter")
    page.get_by_text("16 of COCO's 17 keypoints").wait_for()
    settle(page)
    save.click()
    page.get_by_text("The skeleton is saved").wait_for()
    skeleton = library.get("renaming").skeleton
    assert skeleton.keypoints[:2] == ("snout", "left_eye")
    # The lines that led to it still do.
    assert (0, 1) in skeleton.edges


def test_targets_are_drawn_anew(server: Server, library: Library, page: Any) -> None:
    library.add_synthetic("targets", 3, 0)
    page.goto(f"{server.url}datasets?set=targets")
    settle(page)
    page.get_by_role("tab", name="Training targets").click()
    page.get_by_text("after augmentation").wait_for()
    settle(page)
    before = shown(page)
    page.get_by_role("button", name="New random crop").click()
    before = expect_new_picture(page, before)
    page.locator(".posecore-strip button").nth(3).click()
    expect_new_picture(page, before)


def test_the_page_fits(server: Server, library: Library, page: Any) -> None:
    library.add_synthetic("fitting", 1, 0)
    page.goto(f"{server.url}datasets?set=fitting")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 800})
        for tab in ("Pictures", "Labels", "Skeleton", "Split", "Training targets"):
            page.get_by_role("tab", name=tab).click()
            settle(page)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (tab, width, wide)
