"""The Video page in a real browser: from upload to result, a player that seeks, charts that go along."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from posecore.data.synthetic import render_clip
from tests.browser.running_app import Server, open_from_menu
from tests.browser.test_browser import SHOWN, settle, shown
from tests.video_support import even_ticks, times_of, write_video

#: A value of the player, which lies in a shadow tree.
PLAYER = """(value) => {
  const roots = [document, ...[...document.querySelectorAll('*')].map((e) => e.shadowRoot).filter(Boolean)];
  const video = roots.map((root) => root.querySelector('.posecore-player video')).find(Boolean);
  return video ? eval(value) : null;
}"""
#: Everybody is shown, so that random weights find people too; small inputs are quick.
QUERY = "pose_threshold=0&keypoint_threshold=0&max_poses=2&track_min_hits=1&video_source=Upload"
PATIENCE = 240_000


def player(page: Any, value: str) -> Any:
    """Something about the player, where it is called ``video``."""
    return page.evaluate(PLAYER, value)


def wait_for_player(page: Any, value: str) -> None:
    """Until something is true of the player."""
    page.wait_for_function(f"() => ({PLAYER})({value!r})", timeout=PATIENCE)


def open_video(page: Any, server: Server, path: Path, size: int = 97) -> None:
    """The page with an upload and its preview."""
    page.goto(f"{server.url}video?{QUERY}&input_size={size}")
    page.get_by_text("Drop a video into the field").wait_for()
    settle(page)
    page.locator("input[type=file]").first.set_input_files(path)
    page.get_by_role("button", name="Find poses in this video").wait_for()
    page.wait_for_selector(SHOWN)
    settle(page)


def run(page: Any) -> None:
    """Press the button and wait for a player that can play."""
    page.get_by_role("button", name="Find poses in this video").click()
    wait_for_player(page, "video.readyState >= 2")
    settle(page)


def frame_shown(page: Any) -> int:
    """Number of the frame that the player shows, from 1."""
    return int(page.locator(".posecore-player .where").inner_text().split()[1])


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Two seconds of a walking square."""
    return write_video(tmp_path / "walk.mp4", even_ticks(60), size=(192, 128))


@pytest.fixture
def person(tmp_path: Path) -> Path:
    """Two seconds of a drawn person, whom random weights find as well as trained ones."""
    size = (320, 240)
    pictures = (scene.image for scene in render_clip(29, size, frames=60, fps=30, people=1, motion="squat"))
    return write_video(tmp_path / "squat.mp4", even_ticks(60), size=size, pictures=pictures)


def test_cold_deep_link(app_home: Path, page: Any) -> None:
    fresh = Server(app_home)
    try:
        page.goto(f"{fresh.url}video?video_source=Upload")
        page.get_by_text("Drop a video into the field").wait_for()
        page.get_by_test_id("stTopNavSection").filter(has_text="Motion").wait_for()
    finally:
        page.goto("about:blank")
        fresh.stop()


def test_from_upload_to_a_result_that_stays(server: Server, page: Any, clip: Path) -> None:
    open_video(page, server, clip)
    before = shown(page)
    page.get_by_role("slider", name="Frame shown, in seconds").focus()
    page.keyboard.press("End")
    page.wait_for_function(
        """(before) => [...document.querySelectorAll('*')].some((e) => {
          const f = e.shadowRoot && e.shadowRoot.querySelector('.frame');
          return f && f.dataset.shown && f.dataset.shown !== before; })""",
        arg=before,
    )
    run(page)
    assert player(page, "video.duration") == pytest.approx(2.0, abs=0.05)
    address = page.url
    assert "result=" in address
    open_from_menu(page, "Explore", "Explore")
    page.get_by_text("Heatmaps").first.wait_for()
    open_from_menu(page, "Motion", "Video")
    wait_for_player(page, "video.readyState >= 2")
    page.goto("about:blank")
    page.goto(address)
    wait_for_player(page, "video.readyState >= 2")
    page.get_by_text("60 frames").wait_for()


def test_the_player_seeks_and_steps(server: Server, page: Any, clip: Path) -> None:
    open_video(page, server, clip)
    run(page)
    player(page, "video.currentTime = 1.51")
    wait_for_player(page, "!video.seeking && video.readyState >= 2 && Math.abs(video.currentTime - 1.51) < 0.02")
    assert frame_shown(page) == 46
    page.get_by_role("button", name="One frame on").click()
    wait_for_player(page, "!video.seeking")
    assert frame_shown(page) == 47
    page.get_by_role("button", name="One frame back").click()
    page.get_by_role("button", name="One frame back").click()
    wait_for_player(page, "!video.seeking")
    assert frame_shown(page) == 45


def test_player_and_chart_go_together(server: Server, page: Any, person: Path) -> None:
    open_video(page, server, person, 257)
    run(page)
    page.get_by_role("tab", name="Tracks").click()
    settle(page)
    area = page.locator(".st-key-video_plots .nsewdrag").first
    area.wait_for()
    settle(page)
    box = area.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    # The axis goes from the first frame to the last one.
    middle = 59 / 30 / 2
    wait_for_player(page, f"!video.seeking && Math.abs(video.currentTime - {middle}) < 0.05")
    page.wait_for_function(
        f"() => Math.abs(document.querySelector('.posecore-moment').dataset.moment - {middle}) < 0.05"
    )
    line = page.locator(".posecore-moment").first.bounding_box()
    assert line["x"] + line["width"] / 2 == pytest.approx(box["x"] + box["width"] / 2, abs=box["width"] / 59)
    player(page, "(video.muted = true, video.play(), 0)")
    wait_for_player(page, "video.ended")
    page.wait_for_function("() => document.querySelector('.posecore-moment').dataset.moment > 1.9")


def test_a_stopped_run_leaves_a_clip_that_plays(server: Server, page: Any, tmp_path: Path) -> None:
    long = write_video(tmp_path / "long.mp4", even_ticks(900), size=(192, 128))
    open_video(page, server, long, 257)
    page.get_by_role("button", name="Find poses in this video").click()
    page.get_by_text("Finding people: frame").wait_for()
    page.wait_for_selector("[data-testid=stImage] img")
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("stopped early").wait_for(timeout=PATIENCE)
    wait_for_player(page, "video.readyState >= 2")
    assert 0 < player(page, "video.duration") < 29
    player(page, "(video.muted = true, video.play(), 0)")
    wait_for_player(page, "video.currentTime > 0")


def test_files_are_saved(server: Server, page: Any, clip: Path) -> None:
    open_video(page, server, clip)
    run(page)
    with page.expect_download() as waiting:
        page.locator(".posecore-player .save").click()
    assert waiting.value.suggested_filename == "walk_poses.mp4"
    assert len(times_of(Path(waiting.value.path()))) == 60
    page.get_by_role("tab", name="Files").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Keypoints (CSV)").click()
    assert Path(waiting.value.path()).read_text().startswith("frame,time,track_id")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="All as ZIP").click()
    with zipfile.ZipFile(io.BytesIO(Path(waiting.value.path()).read_bytes())) as archive:
        assert "walk.mp4" in archive.namelist()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Clip (MP4)").click()
    assert len(times_of(Path(waiting.value.path()))) == 60


def test_a_bad_file_is_refused_where_it_was_given(server: Server, page: Any, tmp_path: Path) -> None:
    page.goto(f"{server.url}video?{QUERY}")
    page.get_by_text("Drop a video into the field").wait_for()
    (tmp_path / "notes.mp4").write_text("just some words")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "notes.mp4")
    page.get_by_text("notes.mp4 is not a video that can be read").wait_for()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 800)])
def test_nothing_is_wider_than_the_screen(server: Server, page: Any, clip: Path, width: int, height: int) -> None:
    open_video(page, server, clip)
    run(page)
    page.set_viewport_size({"width": width, "height": height})
    settle(page)
    main = "document.querySelector('[data-testid=stMain]')"
    assert page.evaluate(f"{main}.scrollWidth - {main}.clientWidth") <= 1


def test_a_browser_finds_its_result_on_the_next_server_and_others_do_not(app_home: Path, browser: Any) -> None:
    address = "video?clip_stride=20&input_size=97&pose_threshold=0&track_min_hits=1"
    mine, other = browser.new_context(), browser.new_context()
    first = Server(app_home)
    try:
        page = mine.new_page()
        page.goto(f"{first.url}{address}")
        page.get_by_role("button", name="Find poses in this").click(timeout=PATIENCE)
        page.get_by_role("button", name="Run again").wait_for(timeout=PATIENCE)
        page.close()
    finally:
        first.stop()
    second = Server(app_home)
    try:
        page = mine.new_page()
        page.goto(f"{second.url}video")
        page.get_by_text("Result", exact=True).first.click(timeout=PATIENCE)
        page.get_by_role("button", name="Run again").wait_for(timeout=PATIENCE)
        stranger = other.new_page()
        stranger.goto(f"{second.url}video")
        stranger.get_by_role("button", name="Find poses in this").wait_for(timeout=PATIENCE)
        assert not stranger.get_by_text("Result", exact=True).count()
    finally:
        mine.close()
        other.close()
        second.stop()


def test_the_figure_goes_along_with_the_player_and_turns(server: Server, page: Any, person: Path) -> None:
    open_video(page, server, person, 257)
    run(page)
    page.get_by_role("tab", name="3D").click()
    figure = page.locator(".posecore-figure")
    figure.locator("canvas").wait_for()
    settle(page)
    player(page, "video.currentTime = 1.01")
    page.locator(".posecore-figure[data-frame='30']").wait_for()
    before = figure.locator("canvas").screenshot()
    figure.locator(".frame").focus()
    page.keyboard.press("2")
    page.wait_for_timeout(300)
    assert figure.locator("canvas").screenshot() != before
