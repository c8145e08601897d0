"""Compare in a real browser: columns that zoom in step, blink, and lie over each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.running_app import Server
from tests.browser.test_browser import settle

MODELS = ("posenet-mobilenet_v1-075.posecore", "movenet-lightning.posecore", "openpose-mobilenet_thin.posecore")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The models that come with posecore."""
    running = Server(tmp_path_factory.mktemp("compared"))
    yield running
    running.stop()


def open_columns(page: Any, server: Server, *models: str) -> Any:
    """The page with these columns; their frames."""
    page.goto(f"{server.url}compare?columns={';'.join(models)}")
    frames = page.locator(".tile .frame[data-shown]")
    frames.nth(len(models) - 1).wait_for()
    settle(page)
    return frames


def zooms(frames: Any) -> list[str]:
    return [frame.get_attribute("data-zoom") for frame in frames.all()]


def test_columns_zoom_blink_and_swipe(page: Any, fresh: Server) -> None:
    frames = open_columns(page, fresh, *MODELS, MODELS[0])
    boxes = [frame.bounding_box() for frame in frames.all()]
    assert all(box["x"] + box["width"] <= 1280 and box["y"] + box["height"] <= 800 for box in boxes)
    assert zooms(frames) == ["1.00"] * 4
    frames.nth(1).focus()
    page.keyboard.press("+")
    assert zooms(frames) == ["1.50"] * 4
    page.get_by_role("button", name="Blink").click()
    page.get_by_role("button", name="C", exact=True).click()
    assert page.locator(".tile:not(.away) b").all_inner_texts() == ["C"]
    page.get_by_role("button", name="Swipe").click()
    assert page.locator(".tile:not(.away) b").all_inner_texts() == ["A", "B"]
    page.get_by_label("Where the left column ends").fill("20")
    assert page.locator(".tile.over .frame").evaluate("(e) => getComputedStyle(e).clipPath") == "inset(0px 0px 0px 20%)"


def test_on_a_phone_columns_stand_below_each_other(page: Any, fresh: Server) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    frames = open_columns(page, fresh, MODELS[0], MODELS[1])
    first, second = (frame.bounding_box() for frame in frames.all())
    assert first["x"] == second["x"]
    assert second["y"] >= first["y"] + first["height"]
    assert first["width"] > 340
