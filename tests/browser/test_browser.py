"""What only a real browser can show: deep links, the picture itself, dragging, downloads, the keyboard."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from posecore.ui.app.router import MENU
from posecore.zoo import list_models
from tests.app_support import MODEL, encoded
from tests.browser.running_app import Server, open_from_menu

SHOWN = ".frame[data-shown]"


def open_explore(page: Any, server: Server, **query: str) -> None:
    """The Explore page with its picture."""
    address = "&".join(f"{name}={value}" for name, value in {"model": MODEL, **query}.items())
    page.goto(f"{server.url}?{address}")
    page.wait_for_selector(SHOWN)
    settle(page)


def settle(page: Any) -> None:
    """Wait until the server has answered."""
    page.wait_for_timeout(150)
    page.wait_for_function("!document.querySelector('[data-testid=stStatusWidget]')")
    page.wait_for_timeout(150)


def shown(page: Any) -> str:
    """What identifies the picture on the screen."""
    return str(page.locator(SHOWN).get_attribute("data-shown"))


def expect_new_picture(page: Any, before: str) -> str:
    """Wait for another picture."""
    page.wait_for_function(
        """(before) => [...document.querySelectorAll('*')].some((e) => {
          const f = e.shadowRoot ? e.shadowRoot.querySelector('.frame') : e.matches('.frame') ? e : null;
          return f && f.dataset.shown && f.dataset.shown !== before; })""",
        arg=before,
    )
    return shown(page)


def pixels(page: Any) -> np.ndarray[Any, Any]:
    """The picture on the screen."""
    data = np.frombuffer(page.locator(SHOWN).screenshot(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


@pytest.mark.parametrize(
    ("path", "text"), [("", "input 289"), ("models", "models are on this machine"), ("about", "This installation")]
)
def test_cold_deep_link(app_home: Path, page: Any, path: str, text: str) -> None:
    fresh = Server(app_home)
    try:
        page.goto(fresh.url + path)
        page.get_by_text(text).first.wait_for()
        groups = page.get_by_test_id("stTopNavSection").all_inner_texts()
        assert groups == list(MENU)
    finally:
        page.goto("about:blank")
        fresh.stop()


def test_upload_of_a_photograph(server: Server, page: Any, mirror: Path | None, tmp_path: Path) -> None:
    photo = mirror / "media" / "couple.jpg" if mirror else None
    if photo is None or not photo.exists():
        from posecore.data.synthetic import render_scene

        photo = tmp_path / "scene.png"
        photo.write_bytes(encoded(Image.fromarray(render_scene(3).image), "PNG"))
    open_explore(page, server)
    before = shown(page)
    page.get_by_text("Upload", exact=True).first.click()
    page.get_by_text("Drop pictures").wait_for()
    page.locator("input[type=file]").first.set_input_files(photo)
    page.get_by_text(f"{photo.name} · ").wait_for()
    expect_new_picture(page, before)
    assert page.locator(".shown").get_attribute("alt").startswith(photo.name)


def test_poses_are_drawn_over_the_picture(server: Server, page: Any) -> None:
    open_explore(page, server)
    drawn = pixels(page)
    page.get_by_text("Drawing", exact=True).click()
    before = shown(page)
    for name in ("Skeleton", "Joints"):
        page.get_by_text(name, exact=True).click()
        before = expect_new_picture(page, before)
    settle(page)
    changed = (np.abs(pixels(page).astype(int) - drawn).max(axis=-1) > 60).mean()
    assert 0.001 < changed < 0.5


def move_slider(page: Any, name: str, key: str = "End") -> None:
    """Move a slider to its end by the keyboard."""
    page.get_by_role("slider", name=name).first.focus()
    page.keyboard.press(key)


def test_controls_show_the_values_of_the_model_chosen(server: Server, page: Any) -> None:
    """Two families whose thresholds have other defaults under one name: what is shown must be what is used."""
    from playwright.sync_api import expect

    page.goto(server.url)
    page.wait_for_selector(SHOWN)
    for family, threshold in (("MoveNet", "0.15"), ("PoseNet", "0.25")):
        page.get_by_role("combobox", name="Model").first.click()
        page.get_by_role("option", name=family).first.click()
        expect(page.get_by_role("slider", name="Pose threshold").first).to_have_value(threshold, timeout=30_000)


def test_every_main_control_has_an_effect(server: Server, page: Any) -> None:
    open_explore(page, server, draw_labels="true", draw_scores="true")
    facts = page.locator("[data-testid=stMarkdownContainer]", has_text="decoded in").first
    moves = {
        "Output stride": lambda: page.get_by_text("8", exact=True).first.click(),
        "Input size": lambda: move_slider(page, "Input size", "ArrowRight"),
        "Keypoint threshold": lambda: move_slider(page, "Keypoint threshold"),
        "Pose threshold": lambda: move_slider(page, "Pose threshold", "Home"),
    }
    for name, move in moves.items():
        before = (shown(page), facts.inner_text())
        move()
        for _ in range(100):
            page.wait_for_timeout(100)
            if (shown(page), facts.inner_text()) != before:
                break
        else:
            pytest.fail(f"{name} changed nothing")
        settle(page)


def test_every_drawing_option_has_an_effect(server: Server, page: Any) -> None:
    open_explore(page, server, pose_threshold="0")
    page.get_by_text("Drawing", exact=True).click()
    for name in ("Boxes", "Names", "Scores", "Joints", "Skeleton"):
        before = shown(page)
        page.get_by_text(name, exact=True).first.click()
        expect_new_picture(page, before)
    page.get_by_text("Boxes", exact=True).first.click()
    for query in ("draw_color_by=score", "draw_color_by=side", "draw_background=black", "draw_background=dimmed"):
        before = shown(page)
        open_explore(page, server, pose_threshold="0", **dict([query.split("=")]))
        assert shown(page) != before, query


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the picture; positions in parts of its size."""
    area = page.locator(SHOWN).bounding_box()
    page.mouse.move(area["x"] + start[0] * area["width"], area["y"] + start[1] * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + end[0] * area["width"], area["y"] + end[1] * area["height"], steps=4)
    page.mouse.up()


def test_a_part_is_dragged_and_taken_back(server: Server, page: Any) -> None:
    open_explore(page, server)
    whole = shown(page)
    drag(page, (0.1, 0.1), (0.5, 0.9))
    part = expect_new_picture(page, whole)
    settle(page)
    assert "part=" in page.url
    page.goto(page.url)
    page.wait_for_selector(SHOWN)
    assert shown(page) == part
    page.locator(SHOWN).hover()
    page.get_by_role("button", name="Whole picture").first.click()
    expect_new_picture(page, part)
    assert shown(page) == whole


def test_joints_are_named_under_the_pointer(server: Server, page: Any) -> None:
    open_explore(page, server, pose_threshold="0")
    area = page.locator(SHOWN).bounding_box()
    for row in range(4, 20):
        for column in range(4, 20):
            page.mouse.move(area["x"] + area["width"] * column / 24, area["y"] + area["height"] * row / 24)
            if page.locator(".tip").is_visible():
                assert page.locator(".tip").inner_text().startswith("Person ")
                return
    pytest.fail("no joint was named anywhere on the picture")


def save(page: Any, label: str) -> tuple[str, bytes]:
    """Press a button of the Save menu; returns the file's name and content."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name=label).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def test_every_download_opens(server: Server, page: Any) -> None:
    open_explore(page, server, sample="Grace+Hopper")
    page.get_by_role("button", name="Save").first.click()
    name, data = save(page, "Picture (PNG)")
    assert name == "grace_hopper_poses.png"
    assert Image.open(io.BytesIO(data)).size == (512, 600)
    name, data = save(page, "Poses (JSON)")
    from posecore.poses import Poses

    poses = Poses.from_json(data.decode())
    assert name == "grace_hopper_poses.json"
    assert poses.image_size == (512, 600)
    name, data = save(page, "Keypoints (CSV)")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert name == "grace_hopper_keypoints.csv"
    assert len(rows) == 17 * len(poses)
    name, data = save(page, "Annotations (COCO)")
    coco = json.loads(data)
    assert name == "grace_hopper_coco.json"
    assert [image["file_name"] for image in coco["images"]] == ["grace_hopper.jpg"]
    assert len(coco["annotations"]) == len(poses)
    page.get_by_role("button", name=re.compile("All .* pictures …")).click()
    page.get_by_text("COCO annotations").click()
    page.get_by_role("button", name="Make the ZIP").click()
    name, data = save(page, "pictures (ZIP")
    assert name == "posecore_results.zip"
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert {"keypoints.csv", "annotations.json", "grace_hopper.png", "grace_hopper.json"} <= set(names)


def test_the_link_in_the_menu_works(server: Server, page: Any, browser: Any) -> None:
    open_explore(page, server, sample="Grace+Hopper", output_stride="8", draw_color_by="side")
    page.get_by_role("button", name="Link").first.click()
    link = page.locator("code", has_text="http").first.inner_text()
    other = browser.new_page()
    other.goto(link)
    other.wait_for_selector(SHOWN)
    assert shown(other) == shown(page)
    other.close()


def test_thumbnails_choose_the_picture(server: Server, page: Any) -> None:
    open_explore(page, server)
    before = shown(page)
    page.get_by_role("button", name="Grace Hopper").click()
    expect_new_picture(page, before)
    page.get_by_text("Grace Hopper · 512 × 600").wait_for()


def test_camera(server: Server, page: Any) -> None:
    page.context.grant_permissions(["camera"], origin=server.url)
    open_explore(page, server)
    page.get_by_text("Camera", exact=True).first.click()
    page.get_by_role("button", name="Start camera").click()
    page.get_by_role("button", name="Take picture").click()
    page.get_by_text("snapshot_1.jpg · ").wait_for()


def test_a_model_is_removed_and_fetched_again(tmp_path: Path, mirror: Path | None, page: Any, app_home: Path) -> None:
    if mirror is None:
        pytest.skip("no published weights at hand to fetch")
    fresh = Server(tmp_path / "home", POSECORE_WEIGHTS_MIRROR=str(mirror))
    shipped = sum(info.origin == "shipped" for info in list_models())
    try:
        page.goto(f"{fresh.url}?model={MODEL}")
        page.get_by_role("button", name="Download it").click()
        page.get_by_text("input 513").wait_for()
        open_from_menu(page, "Models", "Models")
        page.get_by_role("button", name="Verify").last.click()
        page.get_by_text("File intact").wait_for()
        page.get_by_text(f"{shipped + 1} of").first.wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Remove", exact=True).first.click()
        page.get_by_role("dialog").get_by_role("button", name="Remove", exact=True).click()
        page.get_by_text(f"{shipped} of").first.wait_for()
    finally:
        page.goto("about:blank")
        fresh.stop()


def test_the_keyboard_reaches_everything(server: Server, page: Any) -> None:
    open_explore(page, server)
    reached: set[str] = set()
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                """() => { let e = document.activeElement;
                while (e && e.shadowRoot && e.shadowRoot.activeElement) e = e.shadowRoot.activeElement;
                return e ? (e.getAttribute('aria-label') || e.innerText || e.title || '').trim() : ''; }"""
            )
        )
    text = " | ".join(sorted(reached))
    for wanted in ("Samples", "Pose threshold", "Region", "Save", "Link", "Full screen", "Grace Hopper", "Opacity"):
        assert wanted in text, text


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits(server: Server, browser: Any, size: tuple[int, int], scheme: str) -> None:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    open_explore(page, server)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    area = page.locator(SHOWN).bounding_box()
    assert area["x"] >= 0
    assert area["x"] + area["width"] <= size[0]
    assert area["y"] + area["height"] <= size[1]
    page.close()


def test_a_click_on_a_joint_opens_its_evidence(server: Server, page: Any) -> None:
    open_explore(page, server, pose_threshold="0", max_poses="1")
    area = page.locator(SHOWN).bounding_box()
    spots = [(column / 24, row / 24) for row in range(4, 20) for column in range(4, 20)]
    for x, y in spots:
        page.mouse.move(area["x"] + area["width"] * x, area["y"] + area["height"] * y)
        if page.locator(".tip").is_visible():
            break
    joint = page.locator(".tip").inner_text().split(" · ")[1]
    page.mouse.down()
    page.mouse.up()
    page.get_by_text(f"{joint.capitalize()} of person 1").first.wait_for()
    assert "/fields" in page.url


def test_numbers_are_the_same_on_the_next_page(server: Server, page: Any) -> None:
    from playwright.sync_api import expect

    page.goto(server.url)
    page.wait_for_selector(SHOWN)
    settle(page)
    threshold = page.get_by_role("spinbutton", name="Pose threshold").first
    value = threshold.input_value()
    assert float(value) > 0
    for group, title in (("Explore", "Fields"), ("Motion", "Video"), ("Explore", "Explore")):
        open_from_menu(page, group, title)
        page.get_by_role("heading", name=title).first.wait_for()
        threshold.wait_for(timeout=60_000)  # Video draws its sample first.
        settle(page)
        expect(threshold).to_have_value(value)
        expect(page.get_by_role("slider", name="Pose threshold").first).to_have_value(str(float(value)))


def test_back_leads_to_the_page_before_with_what_was_chosen_there(server: Server, page: Any) -> None:
    from playwright.sync_api import expect

    page.goto(server.url)
    page.wait_for_selector(SHOWN)
    settle(page)
    page.get_by_role("button", name="Grace Hopper").click()
    page.get_by_text("Grace Hopper · 512 × 600").wait_for()
    page.get_by_role("combobox", name="Model").first.click()
    page.get_by_role("option", name="MoveNet").first.click()
    page.get_by_text("input 192").first.wait_for()
    typed = page.get_by_role("spinbutton", name="Pose threshold").first
    typed.fill("0.4")
    typed.press("Enter")
    expect(page.get_by_role("slider", name="Pose threshold").first).to_have_value("0.4")
    page.wait_for_url("**pose_threshold=0.4*")
    settle(page)
    move_slider(page, "Keypoint threshold", "Home")
    settle(page)
    address, entries = page.url, page.evaluate("history.length")

    open_from_menu(page, "Explore", "Fields")
    page.get_by_text("Show poses").first.wait_for()
    settle(page)
    move_slider(page, "Pose threshold", "End")
    page.get_by_role("combobox", name="Model").first.click()
    page.get_by_role("option", name="PoseNet").first.click()
    settle(page)
    assert page.evaluate("history.length") == entries + 1
    elsewhere = page.url

    page.go_back()
    page.get_by_text("Grace Hopper · 512 × 600").wait_for()
    expect(page.get_by_role("slider", name="Pose threshold").first).to_have_value("0.4")
    expect(page.get_by_role("slider", name="Keypoint threshold").first).to_have_value("0")
    page.get_by_text("input 192").first.wait_for()
    settle(page)
    assert page.url == address
    assert page.evaluate("history.length") == entries + 1

    page.go_forward()
    page.get_by_text("Show poses").first.wait_for()
    settle(page)
    assert page.url == elsewhere
