"""What was chosen stays chosen: over downloads, changes of page, and pictures from a camera."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.app_support import MODEL, install_model
from tests.browser.running_app import Server
from tests.browser.test_browser import SHOWN, move_slider, settle

OTHER = "posenet-mobilenet_v1-075.google_quant2"


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Server]:
    """An app with one small model and a labelled set."""
    from posecore.data.library import Library

    install_model(tmp_path)
    for seed, name in ((1, "people"), (1000, "strangers")):
        Library(tmp_path / "datasets").add_synthetic(name, 4, seed)
    running = Server(tmp_path)
    yield running
    running.stop()


def asked_for(page: Any, name: str) -> str | None:
    """A parameter of the page's address."""
    return parse_qs(urlsplit(page.url).query).get(name, [None])[0]


def choose(page: Any, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).first.click()
    page.get_by_role("combobox", name=label).first.fill(option)
    page.get_by_role("option", name=option).first.click()
    settle(page)


def chosen(page: Any, label: str) -> str:
    return str(page.get_by_role("combobox", name=label).first.input_value())


def test_a_model_that_arrives_stays_chosen(bare: Server, page: Any, tmp_path: Path) -> None:
    page.goto(f"{bare.url}?model={OTHER}")
    page.get_by_text("is not on this machine yet.").wait_for()
    title = chosen(page, "Model")
    install_model(tmp_path, OTHER)
    page.get_by_text("Upload", exact=True).first.click()
    page.get_by_text("Samples", exact=True).first.click()
    page.wait_for_selector(SHOWN)
    page.get_by_text("16", exact=True).first.click()
    settle(page)
    assert chosen(page, "Model") == title
    assert asked_for(page, "model") == OTHER


def test_a_base_model_that_arrives_stays_chosen(bare: Server, page: Any, tmp_path: Path) -> None:
    page.goto(f"{bare.url}train")
    choose(page, "Base model", "×0.75 (Google, 16-bit)")
    title = chosen(page, "Base model")
    page.get_by_role("button", name="Download it").wait_for()
    install_model(tmp_path, OTHER)
    choose(page, "Set of pictures", "people")
    page.get_by_role("slider", name="Epochs").wait_for()
    move_slider(page, "Epochs")
    settle(page)
    assert chosen(page, "Base model") == title


@pytest.mark.parametrize(
    ("path", "change", "leave", "there"),
    [
        ("models", "On this machine", "Try it", "explore"),
        ("train", "Heads", "Data", "datasets"),
        (f"?model={OTHER}&sample=Grace+Hopper", "Samples", "Your own weights", "models"),
    ],
)
def test_a_page_is_left_whatever_was_set_on_it(
    bare: Server, page: Any, path: str, change: str, leave: str, there: str
) -> None:
    page.goto(bare.url + path)
    page.get_by_text(change, exact=True).first.click()
    settle(page)
    page.get_by_role("button", name=leave, exact=True).first.click()
    page.wait_for_function(
        "(there) => location.pathname.replace('explore', '').endsWith(there)", arg=there.replace("explore", "")
    )
    settle(page)
    assert page.get_by_text("Unexpected error").count() == 0


def test_the_camera_gives_its_own_resolution(server: Server, page: Any) -> None:
    page.context.grant_permissions(["camera"], origin=server.url)
    page.goto(f"{server.url}?model={MODEL}&source=Camera")
    page.get_by_role("button", name="Start camera").click()
    page.get_by_role("button", name="Take picture").click()
    caption = page.get_by_text("snapshot_1.jpg · ")
    caption.wait_for()
    width, height = (int(side) for side in caption.inner_text().split(" · ")[1].split(" × "))
    shown = page.locator(".posecore-camera video").evaluate(
        "(video) => [video.videoWidth, video.videoHeight, video.clientWidth]"
    )
    assert (width, height) == tuple(shown[:2])
    assert width > shown[2]


def test_thumbnails_are_those_of_the_set(bare: Server, page: Any) -> None:
    """Sets number their pictures alike."""
    page.goto(f"{bare.url}datasets?set=people")
    thumbnails = page.locator(".posecore-strip img")
    thumbnails.first.wait_for()
    before = thumbnails.evaluate_all("(images) => images.map(({ src }) => src)")
    choose(page, "Set of pictures", "strangers")
    page.wait_for_function(
        """(before) => [...document.querySelectorAll('*')].some((e) => {
          const image = e.shadowRoot?.querySelector('.posecore-strip img');
          return image && image.src !== before; })""",
        arg=before[0],
    )
    after = thumbnails.evaluate_all("(images) => images.map(({ src }) => src)")
    assert len(after) == len(before)
    assert not set(after) & set(before)
