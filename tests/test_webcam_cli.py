"""The webcam command, its preview page, and cameras; with a small random network and video files as cameras."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import typer
from typer.testing import CliRunner

from posecore.cli import webcam as command
from posecore.cli.lifting import Lifting
from posecore.cli.preview import Preview
from posecore.errors import PosecoreError, VideoError
from posecore.families.posenet import POSENET
from posecore.model import PoseModel
from posecore.video import LiveSession, LiveStatus, PoseSequence, VideoReader
from posecore.video.camera import Camera
from posecore.video.saved import read_saved_poses
from tests.video_support import even_ticks, write_video

RUNNER = CliRunner()
APP = typer.Typer()
APP.command()(command.webcam)
SMALL = ("--input-size", "97", "--pose-threshold", "0", "--min-hits", "1", "--port", "0", "--no-browser")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> PoseModel:
    torch.manual_seed(0)
    network = POSENET.build("posenet-mobilenet_v1-050")
    made = PoseModel(
        "posenet-mobilenet_v1-050.random", POSENET, "posenet-mobilenet_v1-050", network, "0" * 64, device="cpu"
    )
    monkeypatch.setattr(command, "open_model", lambda name, device, weights=None: made)
    return made


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_video(tmp_path / "in.mp4", even_ticks(12), size=(96, 64))


def run(*arguments: object) -> Any:
    return RUNNER.invoke(APP, [str(argument) for argument in arguments], catch_exceptions=True)


def test_a_file_as_camera_is_recorded_with_its_table(model: PoseModel, film: Path, tmp_path: Path) -> None:
    clip = tmp_path / "made" / "out.mp4"
    result = run("--source", film, "--record", clip, *SMALL)
    assert result.exit_code == 0, result.output
    assert "http://127.0.0.1:" in result.output
    with VideoReader(clip) as reader:
        frames = len(list(reader.frames()))
    assert 1 <= frames <= 12
    assert f"{frames} frames recorded" in result.output
    table = pd.read_csv(clip.with_suffix(".csv"))
    assert set(table.columns) == {"frame", "time", "track_id", "pose_score", "keypoint", "x", "y", "score"}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("posecore-")]


def test_people_are_recorded_in_space_as_they_are_and_not_as_a_mirror_shows_them(
    model: PoseModel, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lifted: list[PoseSequence] = []

    def noted(self: Lifting, sequence: PoseSequence, stem: Path) -> list[Path]:
        lifted.append(sequence)
        return done(self, sequence, stem)

    done = Lifting.do
    monkeypatch.setattr(Lifting, "do", noted)
    asked = ("--lift", "--height", "1.8", "--save-3d", "csv,glb", "--mirror")
    result = run("--source", film, "--record", tmp_path / "out.mp4", *asked, *SMALL)
    assert result.exit_code == 0, result.output
    assert "out.3d.csv" in "".join(result.output.split())
    assert "In 3D: " in result.output
    in_picture = pd.read_csv(tmp_path / "out.csv")["x"].to_numpy()
    np.testing.assert_allclose(95 - lifted[0].keypoints[..., 0].ravel(), in_picture, atol=0.02)
    saved = read_saved_poses(tmp_path / "out.csv")
    np.testing.assert_allclose(saved.keypoints, lifted[0].keypoints, atol=0.02)
    for ending in ("mp4", "csv", "run.json"):
        (tmp_path / f"out.{ending}").unlink()
    again = run("--source", film, "--record", tmp_path / "out.mp4", *asked, *SMALL)
    assert "out.3d.csv exists" in str(again.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--height", "1.8"), "--height belongs to --lift"),
        (("--save-3d", "csv", "--record", "new.mp4"), "--save-3d belongs to --lift"),
        (("--lift", "--save-3d", "csv"), "--save-3d is about what is recorded"),
        (("--lift", "--hold-feet"), "--hold-feet is about what is recorded"),
        (("--lift", "--no-track"), "switch track on"),
        (("--lift", "--height", "8"), "height = 8"),
    ],
)
def test_what_cannot_be_lifted_is_a_sentence(
    model: PoseModel,
    film: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("--source", film, *arguments, "--port", "0", "--no-browser")
    assert result.exit_code != 0
    assert message in " ".join(f"{result.output} {result.exception}".replace("│", " ").split())
    assert not (tmp_path / "new.mp4").exists()


def test_ctrl_c_ends_cleanly(model: PoseModel, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = Camera.pictures
    sessions: list[LiveSession] = []

    class Noted(LiveSession):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            sessions.append(self)

    def interrupted(self: Camera) -> Iterator[np.ndarray]:
        yield from played(self)
        assert sessions[0].newer(0, 20) is not None
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "LiveSession", Noted)
    monkeypatch.setattr(Camera, "pictures", interrupted)
    result = run("--source", film, "--record", tmp_path / "out.mp4", *SMALL)
    assert result.exit_code == 0, result.output
    assert "Stopped." in result.output
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert list(reader.frames())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("posecore-")]


@pytest.mark.parametrize(
    ("source", "message"),
    [("97", "No camera 97 can be opened"), ("missing.mp4", "There is no file"), ("rtsp://127.0.0.1:9/x", "be opened")],
)
def test_no_camera_is_a_sentence(model: PoseModel, source: str, message: str) -> None:
    result = run("--source", source, *SMALL)
    assert isinstance(result.exception, VideoError)
    assert message in str(result.exception)


def test_a_taken_port_is_a_sentence(model: PoseModel, film: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run("--source", film, *SMALL[:-3], "--port", taken.getsockname()[1], "--no-browser")
    assert isinstance(result.exception, PosecoreError)
    assert "choose another one with --port" in str(result.exception)


def test_the_source_is_not_overwritten(model: PoseModel, film: Path) -> None:
    before = film.read_bytes()
    result = run("--source", film, "--record", film, *SMALL)
    assert "is the source itself" in str(result.exception)
    assert film.read_bytes() == before


def test_wrong_settings_are_sentences(model: PoseModel, film: Path) -> None:
    untracked = ("--source", film, "--no-track", *SMALL[:4], *SMALL[-3:])
    assert "switch track on" in str(run(*untracked, "--smooth", "live").exception)
    assert run(*untracked).exit_code == 0


def test_files_play_at_their_own_pace_and_mirror_only_cameras(film: Path) -> None:
    with Camera(str(film)) as camera:
        start = time.perf_counter()
        pictures = list(camera.pictures())
        assert time.perf_counter() - start >= 10 / 30
    assert len(pictures) == 12
    assert not camera.is_here
    assert camera.name == "in.mp4"


class FakeCapture:
    """An OpenCV camera that gives two pictures and is then pulled out."""

    def __init__(self, source: Any) -> None:
        self.left = 2
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def set(self, *_: Any) -> bool:
        return True

    def read(self) -> tuple[bool, Any]:
        self.left -= 1
        return (True, np.full((4, 6, 3), (255, 0, 0), np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


def test_a_camera_gives_rgb_and_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    with Camera("0") as camera:
        pictures = list(camera.pictures())
        capture = camera._capture
        assert camera.is_here
    assert [picture[0, 0].tolist() for picture in pictures] == [[0, 0, 255]] * 2
    assert capture.released


# ── the preview ────────────────────────────────────────────────────────────────


@pytest.fixture
def preview() -> Iterator[Preview]:
    with Preview(0, lambda: "all is well") as running:
        yield running


class Figure:
    """People in space, told once."""

    basis = "Approximate & assumed."

    def __init__(self) -> None:
        self.answers: list[dict[str, Any] | None] = [{"people": [], "middle": [0.0, 0.0], "words": "Nobody is seen."}]

    def newest(self) -> dict[str, Any] | None:
        return self.answers.pop() if self.answers else None


def ask(
    preview: Preview, path: str, token: str | None = None, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    """What is answered; asked with the preview's own token unless another one is given."""
    path = f"{path}?token={preview.token if token is None else token}"
    with closing(http.client.HTTPConnection("127.0.0.1", preview.port, timeout=20)) as connection:
        connection.putrequest("GET", path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers


def test_the_page_and_its_status(preview: Preview) -> None:
    status, body, headers = ask(preview, "/")
    assert (status, f'<img src="/stream?token={preview.token}"'.encode() in body) == (200, True)
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    status, body, _ = ask(preview, "/status")
    assert json.loads(body) == {"line": "all is well"}
    assert ask(preview, "/etc/passwd")[0] == 404


def test_people_in_space_are_shown_beside_the_picture() -> None:
    with Preview(0, str, cast("Any", Figure())) as preview:
        page = ask(preview, "/")[1].decode()
        assert "Approximate &amp; assumed." in page
        (module,) = re.findall(r'import show from "([^"]+)"', page)
        (address,) = re.findall(r'"live": "([^"?]+)\?token=[^"]+"', page)
        # A browser asks for modules as their addresses are.
        assert b"export default" in ask(preview, module, "")[1]
        assert ask(preview, f"{module}/../figure.css", "")[0] == 403
        assert json.loads(ask(preview, address)[1])["words"] == "Nobody is seen."
        assert ask(preview, address)[0] == 204
        assert ask(preview, address, "")[0] == 403


def test_without_people_in_space_there_is_no_figure(preview: Preview) -> None:
    assert b"figure" not in ask(preview, "/")[1]
    assert [ask(preview, path)[0] for path in ("/figure", "/modules/figure/figure.js")] == [404, 404]


def test_pictures_are_streamed(preview: Preview) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", preview.port, timeout=20)) as connection:
        connection.request("GET", f"/stream?token={preview.token}")
        answer = connection.getresponse()
        assert answer.headers["Content-Type"].startswith("multipart/x-mixed-replace")
        for color in ((250, 10, 10), (10, 10, 250)):
            preview.show(np.full((48, 64, 3), color, np.uint8))
            assert answer.fp.readline() == b"--picture\r\n"
            lengths = [line for line in iter(answer.fp.readline, b"\r\n") if line.startswith(b"Content-Length")]
            jpeg = answer.fp.read(int(lengths[0].split()[1]))
            shown = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))[..., ::-1]
            assert shown[24, 32].tolist() == pytest.approx(color, abs=6)
            assert answer.fp.readline() == b"\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example.org"},
        {"Host": "evil.example.org:80"},
        {"Host": "127.0.0.1"},
        {"Host": ""},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/stream", "/status"])
def test_other_sites_may_not_look(preview: Preview, headers: dict[str, str], path: str) -> None:
    status, body, _ = ask(preview, path, **headers)
    assert status == 403
    assert b"stream" not in body


@pytest.mark.parametrize("path", ["/", "/stream", "/status"])
def test_who_does_not_know_the_address_may_not_look(preview: Preview, path: str) -> None:
    for token in ("", "x", preview.token[:-1], preview.token.swapcase(), "%C3%A9"):
        status, body, _ = ask(preview, path, token)
        assert status == 403
        assert preview.token.encode() not in body
    assert preview.url == f"http://127.0.0.1:{preview.port}/?token={preview.token}"
    with Preview(0, str) as other:
        assert other.token != preview.token


def test_localhost_is_this_machine(preview: Preview) -> None:
    assert ask(preview, "/", Host=f"localhost:{preview.port}", Sec_Fetch_Site="same-origin")[0] == 200


def test_only_the_loopback_address_listens(preview: Preview) -> None:
    assert preview._server.server_address[0] == "127.0.0.1"


def test_closing_ends_streams_and_frees_the_port() -> None:
    preview = Preview(0, str)
    ended = threading.Event()

    def watch() -> None:
        ask(preview, "/stream")
        ended.set()

    threading.Thread(target=watch, daemon=True).start()
    preview.show(np.zeros((8, 8, 3), np.uint8))
    time.sleep(0.05)
    preview.close()
    with Preview(preview.port, str) as again:
        assert again.port == preview.port
    assert ended.wait(20)


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (LiveStatus(), "Waiting for the first picture …"),
        (LiveStatus(error="Too large."), "Too large."),
        (
            LiveStatus(frames=3, people=1, processed=9.94, latency={"wait": 20, "network": 30}, recorded=4.2),
            "1 person · 9.9 pictures/s · delay 50 ms · 0 skipped · recording 4 s",
        ),
    ],
)
def test_the_status_in_a_line(status: LiveStatus, line: str) -> None:
    assert command.describe(status) == line
