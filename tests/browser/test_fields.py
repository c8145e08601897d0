"""The Fields page in a real browser: maps that change, values under the pointer, and joints that explain themselves."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.app_support import MODEL, jpeg
from tests.browser.running_app import Server
from tests.browser.test_browser import expect_new_picture, settle, shown

SHIPPED = "posenet-mobilenet_v1-075.posecore"
SHOWN = ".frame[data-shown]"
WHY = "Why is this joint here?"


def open_fields(page: Any, server: Server, **query: str) -> None:
    """The page with its picture, seen by a model that is always there."""
    address = "&".join(f"{name}={value}" for name, value in {"model": SHIPPED, **query}.items())
    page.goto(f"{server.url}fields?{address}")
    page.wait_for_selector(SHOWN)
    settle(page)


def choose(page: Any, label: str, option: str) -> None:
    """Choose from a list by the keyboard."""
    page.get_by_role("combobox", name=label).last.click()
    page.keyboard.type(option)
    page.keyboard.press("Enter")


def find_joint(page: Any) -> tuple[float, float, str]:
    """A place of the screen where a joint is, and its name."""
    area = page.locator(SHOWN).bounding_box()
    for row in range(4, 36):
        for column in range(2, 38):
            x, y = area["x"] + area["width"] * column / 40, area["y"] + area["height"] * row / 40
            page.mouse.move(x, y)
            if page.locator(".tip").is_visible():
                return x, y, page.locator(".tip").inner_text().split(" · ")[1]
    pytest.fail("no joint was named anywhere on the picture")


def test_cold_deep_link(app_home: Path, page: Any) -> None:
    fresh = Server(app_home)
    try:
        page.goto(f"{fresh.url}fields")
        page.get_by_text("Kind of map").wait_for()
        page.get_by_test_id("stTopNavSection").filter(has_text="Explore").wait_for()
    finally:
        page.goto("about:blank")
        fresh.stop()


def test_the_map_follows_the_chosen_joint(server: Server, page: Any) -> None:
    open_fields(page, server)
    before = shown(page)
    for joint in ("left knee", "nose"):
        choose(page, "Joint", joint)
        before = expect_new_picture(page, before)
    page.get_by_text("Offsets", exact=True).click()
    before = expect_new_picture(page, before)
    settle(page)
    x, y, joint = find_joint(page)
    page.mouse.click(x, y)
    settle(page)
    page.mouse.move(x + 1, y)
    assert f"{joint} (" in page.locator(".readout").inner_text()


def place(page: Any) -> list[int]:
    """The position that is read under the pointer."""
    return [int(part) for part in page.locator(".readout").inner_text().split()[1:4:2]]


def test_the_pointer_reads_values_at_every_zoom(server: Server, page: Any) -> None:
    open_fields(page, server)
    area = page.locator(SHOWN).bounding_box()
    # Whole pixels: wheel events know no others.
    spot = (round(area["x"] + 0.4 * area["width"]), round(area["y"] + 0.5 * area["height"]))
    page.mouse.move(*spot)
    first = page.locator(".readout").inner_text()
    assert "strongest 0." in first
    where = place(page)
    page.mouse.wheel(0, -600)
    assert float(page.locator(SHOWN).get_attribute("data-zoom")) > 2
    page.mouse.move(spot[0] + 1, spot[1])
    page.mouse.move(*spot)
    assert place(page) == pytest.approx(where, abs=1)
    page.mouse.down()
    page.mouse.move(spot[0] + 80, spot[1] + 30, steps=4)
    page.mouse.up()
    page.mouse.move(*spot)
    assert page.locator(".readout").inner_text() != first
    page.mouse.dblclick(*spot)
    assert page.locator(SHOWN).get_attribute("data-zoom") == "1.00"


def test_a_clicked_joint_explains_itself(server: Server, page: Any) -> None:
    open_fields(page, server)
    page.get_by_text(WHY).click()
    page.locator(".marks .last").wait_for(state="attached")
    settle(page)
    x, y, joint = find_joint(page)
    page.mouse.click(x, y)
    page.get_by_text(f"{joint.capitalize()} of person ").first.wait_for()
    settle(page)
    choose(page, "Joint", "left ankle")
    page.get_by_text("Left ankle of person ").first.wait_for()


def test_a_tile_opens_its_map(server: Server, page: Any) -> None:
    open_fields(page, server)
    page.get_by_text("Side by side", exact=True).click()
    page.get_by_text("Click on a tile").wait_for()
    settle(page)
    area = page.locator(SHOWN).bounding_box()
    page.mouse.click(area["x"] + 12, area["y"] + 20)
    page.get_by_role("combobox", name="Joint").last.wait_for()
    settle(page)
    page.mouse.move(area["x"] + 100, area["y"] + 100)
    assert "nose" in page.locator(".readout").inner_text()


def test_maps_are_saved(server: Server, page: Any, tmp_path: Path) -> None:
    open_fields(page, server, sample="Grace+Hopper")
    page.get_by_role("button", name="Save").first.click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Map (PNG)").click()
    assert Image.open(waiting.value.path()).size == (512, 600)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="All maps (NPZ)").click()
    assert waiting.value.suggested_filename == "grace_hopper_fields.npz"
    assert "heatmaps" in np.load(io.BytesIO(Path(waiting.value.path()).read_bytes()))


def test_a_large_photograph_stays_quick(server: Server, page: Any, tmp_path: Path) -> None:
    photo = tmp_path / "large.jpg"
    photo.write_bytes(jpeg(4000, 3000))
    page.goto(f"{server.url}fields?model={MODEL}&source=Upload")
    page.locator("input[type=file]").first.set_input_files(photo)
    page.get_by_text("4000 × 3000").wait_for()
    page.wait_for_selector(SHOWN)
    settle(page)
    before = shown(page)
    page.get_by_text("Stretch to maximum", exact=True).click()
    start = page.evaluate("performance.now()")
    expect_new_picture(page, before)
    assert page.evaluate("performance.now()") - start < 5000
    assert (
        page.evaluate(
            """() => { for (const e of document.querySelectorAll('*')) {
          const i = e.shadowRoot ? e.shadowRoot.querySelector('img.shown') : e.matches('img.shown') ? e : null;
          if (i) return Math.max(i.naturalWidth, i.naturalHeight); } }"""
        )
        <= 1280
    )


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_the_page_fits(server: Server, browser: Any, size: tuple[int, int]) -> None:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    open_fields(page, server)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    area = page.locator(SHOWN).bounding_box()
    assert area["x"] >= 0
    assert area["x"] + area["width"] <= size[0]
    assert area["y"] + area["height"] <= size[1]
    page.close()
