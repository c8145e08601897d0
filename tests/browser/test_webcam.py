"""The Webcam page in a real browser whose camera is a rendered clip."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from posecore.data.synthetic import render_clip
from tests.app_support import MODEL
from tests.browser.running_app import CHROMIUM, Server, open_from_menu

#: The app in a process that reaches the browser over the loopback address, and that tells of its threads.
_LAUNCH = """
import os, sys, threading, time
import aioice.ice
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]

place = sys.argv[1]

def tell():
    while True:
        count = sum(thread.name == "posecore-live" for thread in threading.enumerate())
        with open(place + ".new", "w") as file:
            file.write(str(count))
        os.replace(place + ".new", place)
        time.sleep(0.1)

threading.Thread(target=tell, daemon=True).start()
from streamlit.web import cli
sys.argv = ["streamlit", "run", "app.py", *sys.argv[2:]]
cli.main()
"""
#: Share of the browser's picture that is not black: the drawing, where the background is.
_DRAWN = """(video) => { const c = document.createElement('canvas'); c.width = video.videoWidth;
  c.height = video.videoHeight; if (!c.width) return 1; const g = c.getContext('2d'); g.drawImage(video, 0, 0);
  const d = g.getImageData(0, 0, c.width, c.height).data; let n = 0;
  for (let i = 0; i < d.length; i += 4) n += Math.max(d[i], d[i + 1], d[i + 2]) > 60;
  return 4 * n / d.length; }"""
#: Mean brightness of the picture's left half less that of its right half.
_BALANCE = """(video) => { const c = document.createElement('canvas'); c.width = 2; c.height = 1;
  const g = c.getContext('2d'); g.imageSmoothingQuality = 'high'; g.drawImage(video, 0, 0, 2, 1);
  const d = g.getImageData(0, 0, 2, 1).data; return d[0] + d[1] + d[2] - d[4] - d[5] - d[6]; }"""


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's camera sees: one person, again and again."""
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    with path.open("wb") as file:
        for scene in render_clip(29, (640, 480), frames=12, fps=12, people=1):
            file.write(cv2.imencode(".jpg", cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR))[1].tobytes())
    return path


@pytest.fixture(scope="session")
def threads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File in which the app says how many sessions look at pictures."""
    return tmp_path_factory.mktemp("threads") / "count"


@pytest.fixture(scope="session")
def webcam_server(app_home: Path, threads: Path) -> Iterator[Server]:
    running = Server(app_home, command=[sys.executable, "-c", _LAUNCH, str(threads)])
    yield running
    running.stop()


@pytest.fixture(scope="session")
def camera_browser(browser: Any, film: Path) -> Iterator[Any]:
    """Chromium with a camera."""
    chromium = launch(
        browser,
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
        "--allow-loopback-in-peer-connection",
    )
    yield chromium
    chromium.close()


def launch(browser: Any, *arguments: str) -> Any:
    """One more browser of the same kind."""
    usual = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--use-fake-device-for-media-stream"]
    return browser.browser_type.launch(executable_path=CHROMIUM, args=[*usual, *arguments])


@pytest.fixture
def page(camera_browser: Any) -> Iterator[Any]:
    opened = camera_browser.new_page(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    opened.set_default_timeout(60_000)
    yield opened
    opened.close()


def frame(page: Any) -> Any:
    return page.frame_locator("iframe[title*='webrtc']")


def open_webcam(page: Any, server: Server, **query: str) -> None:
    address = "&".join(f"{name}={value}" for name, value in {"model": MODEL, "input_size": "193", **query}.items())
    page.goto(f"{server.url}webcam?{address}")
    frame(page).get_by_role("button", name="Start camera").wait_for()


def start(page: Any) -> None:
    frame(page).get_by_role("button", name="Start camera").click()
    page.get_by_text("Analysed", exact=True).wait_for()
    page.wait_for_timeout(300)


def stop(page: Any) -> None:
    frame(page).get_by_role("button", name="Stop").click()
    page.get_by_text("Press Start camera").wait_for()


def until(page: Any, condition: Callable[[], Any], seconds: float = 90) -> Any:
    for _ in range(int(seconds * 5)):
        if value := condition():
            return value
        page.wait_for_timeout(200)
    raise AssertionError("it did not happen")


def drawn(page: Any) -> float:
    """Share of the picture that the drawing takes, when the background is black."""
    return float(frame(page).locator("video").evaluate(_DRAWN))


def skeleton_is_shown(page: Any) -> bool:
    """More than specks, and less than the camera's picture, which is there before the first result."""
    return 0.002 < drawn(page) < 0.4


def workers(threads: Path) -> int:
    """How many sessions look at pictures in the app."""
    return int(threads.read_text())


def test_live_from_start_to_stop_and_again(webcam_server: Server, page: Any, threads: Path) -> None:
    open_webcam(page, webcam_server, pose_threshold="0", draw_background="black")
    until(page, lambda: workers(threads) == 0)
    for _ in range(2):
        start(page)
        until(page, lambda: skeleton_is_shown(page))
        until(page, lambda: workers(threads) == 1)
        stop(page)
        until(page, lambda: workers(threads) == 0)


def test_settings_act_without_a_new_start(webcam_server: Server, page: Any) -> None:
    open_webcam(page, webcam_server, pose_threshold="0", draw_background="black")
    start(page)
    until(page, lambda: skeleton_is_shown(page))
    slider = page.get_by_role("slider", name="Pose threshold").first
    slider.focus()
    page.keyboard.press("End")
    until(page, lambda: drawn(page) < 0.001)
    slider.focus()
    page.keyboard.press("Home")
    until(page, lambda: skeleton_is_shown(page))


def test_angles_come_beside_the_picture_without_a_run_of_the_page(webcam_server: Server, page: Any) -> None:
    open_webcam(page, webcam_server, pose_threshold="0", keypoint_threshold="0", max_poses="1")
    start(page)
    page.get_by_text("Measure", exact=True).click()
    person = page.locator(".posecore-gauges section").first
    person.wait_for()
    until(page, lambda: "°" in person.inner_text())
    path = person.locator("path").first
    before = path.get_attribute("d")
    until(page, lambda: path.get_attribute("d") != before)
    stop(page)


def test_the_mirror_turns_the_picture(webcam_server: Server, page: Any) -> None:
    open_webcam(page, webcam_server, pose_threshold="1")
    start(page)
    video = frame(page).locator("video")
    before = until(page, lambda: abs(video.evaluate(_BALANCE)) > 3 and video.evaluate(_BALANCE))
    page.get_by_text("Mirror", exact=True).click()
    until(page, lambda: video.evaluate(_BALANCE) * before < 0)


def test_leaving_the_page_frees_camera_and_worker(webcam_server: Server, page: Any, threads: Path) -> None:
    open_webcam(page, webcam_server)
    start(page)
    until(page, lambda: workers(threads) == 1)
    open_from_menu(page, "Models", "Models")
    page.get_by_text("models are on this machine").first.wait_for()
    until(page, lambda: workers(threads) == 0)
    assert page.locator("iframe[title*='webrtc']").count() == 0


def test_closing_the_tab_frees_the_worker(webcam_server: Server, camera_browser: Any, threads: Path) -> None:
    tab = camera_browser.new_page()
    open_webcam(tab, webcam_server)
    start(tab)
    until(tab, lambda: workers(threads) == 1)
    tab.close()
    watcher = camera_browser.new_page()
    until(watcher, lambda: workers(threads) == 0)
    watcher.close()


def test_recording_and_snapshot(webcam_server: Server, page: Any, tmp_path: Path) -> None:
    from posecore.video import VideoReader

    open_webcam(page, webcam_server, pose_threshold="0")
    start(page)
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop recording").wait_for()
    # Some pictures, also on a busy machine.
    page.wait_for_timeout(8000)
    page.get_by_role("button", name="Stop recording").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Clip").click()
    clip = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(clip)
    with VideoReader(clip) as reader:
        assert reader.info.codec == "h264"
        assert len(list(reader.frames())) >= 1
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Keypoints").click()
    assert Path(waiting.value.path()).read_text().startswith("frame,time,track_id")
    page.get_by_role("button", name="Snapshot").click()
    page.get_by_role("link", name="Open in Explore").click()
    page.get_by_text("webcam_1.png · ").wait_for()


def test_a_refused_camera_is_explained(webcam_server: Server, browser: Any) -> None:
    refusing = launch(browser, "--deny-permission-prompts")
    tab = refusing.new_page()
    open_webcam(tab, webcam_server)
    frame(tab).get_by_role("button", name="Start camera").click()
    frame(tab).get_by_text("NotAllowedError").first.wait_for(timeout=60_000)
    tab.get_by_text("NotAllowedError").first.wait_for()
    tab.get_by_text("at the left end of the address bar").first.wait_for()
    refusing.close()


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits(webcam_server: Server, camera_browser: Any, size: tuple[int, int], scheme: str) -> None:
    tab = camera_browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    open_webcam(tab, webcam_server)
    assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]
    tab.close()
