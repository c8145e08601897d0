"""Frames of a video as pictures of a set."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from posecore.cli.data import app
from posecore.data.library import Library
from posecore.errors import DataError, VideoError
from posecore.imaging import read_image
from posecore.skeleton import COCO_17, LSP_14
from posecore.video import ClipSettings, VideoReader, stills, take_stills
from tests.video_support import TICK, picture_of, write_video

_RATE = 30
_FRAMES = 30


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """One second of a walking square."""
    return write_video(tmp_path / "walk.mp4", [round(n * Fraction(1, _RATE) / TICK) for n in range(_FRAMES)])


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "datasets")


def seconds(stored_names: list[str]) -> list[float]:
    return [float(name.rsplit("_", 1)[1].removesuffix("s.jpg")) for name in stored_names]


def names(library: Library, name: str) -> list[str]:
    return [image.path.name for image in library.get(name).dataset()]


def test_every_nth_frame_becomes_a_picture_that_waits_for_labels(clip: Path, library: Library) -> None:
    shares: list[float] = []
    taken = take_stills(library, "walk", clip, ClipSettings(stride=10), skeleton=LSP_14, tell=shares.append)
    assert (taken.frames, taken.added, taken.warnings) == (3, 3, ())
    assert names(library, "walk") == ["walk_00000.000s.jpg", "walk_00000.333s.jpg", "walk_00000.667s.jpg"]
    stored = library.get("walk")
    assert stored.skeleton == LSP_14
    assert all(image.waits for image in stored.dataset())
    for image, when in zip(stored.dataset(), (0, 1 / 3, 2 / 3), strict=True):
        difference = np.abs(read_image(image.path).astype(int) - picture_of(when, (96, 64)))
        assert difference.mean() < 3
    assert shares == sorted(shares)
    assert shares[0] < shares[-1] <= 1


@pytest.mark.parametrize("count", [1, 4, 8, 29, 30])
def test_so_many_frames_are_spread_evenly(clip: Path, library: Library, count: int) -> None:
    assert take_stills(library, "walk", clip, ClipSettings(), count, skeleton=COCO_17).added == count
    gaps = np.diff([0.0, *seconds(names(library, "walk")), 1.0])
    assert gaps[1:-1].min(initial=1) > 0.9 / count - 1 / _RATE
    assert gaps.max() < 1 / count + 1.1 / _RATE


def test_more_frames_than_there_are_give_all_that_follow(clip: Path, library: Library) -> None:
    taken = take_stills(library, "walk", clip, ClipSettings(start=0.5), 100, skeleton=COCO_17)
    assert taken.added == 15


def test_far_apart_is_jumped_to_and_gives_the_same_frames(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [0.1, 0.45, 0.9]
    with VideoReader(clip) as reader:
        in_order = [(frame.ticks, frame.picture) for frame in reader.frames_at(times)]
        monkeypatch.setattr("posecore.video.reading._LEAP", 0.0)
        jumped = [(frame.ticks, frame.picture) for frame in reader.frames_at(times)]
    assert [float(ticks * TICK) for ticks, _ in in_order] == pytest.approx([0.1, 14 / 30, 0.9], abs=1e-3)
    for (ticks, picture), (other_ticks, other) in zip(in_order, jumped, strict=True):
        assert ticks == other_ticks
        assert (picture == other).all()


def test_frames_go_into_a_set_that_is_there_and_none_goes_twice(clip: Path, library: Library) -> None:
    take_stills(library, "walk", clip, ClipSettings(), 4, skeleton=COCO_17)
    stored = library.get("walk")
    stored.set_people(1, [])
    stored.set_split(0.5, 0)
    taken = take_stills(library, "walk", clip, ClipSettings(stride=10), skeleton=LSP_14)
    assert taken.added == 3
    again = take_stills(library, "walk", clip, ClipSettings(stride=5), skeleton=LSP_14)
    assert (again.frames, again.added) == (6, 3)
    assert again.sentence == "3 pictures of the video in the set walk; 3 more were there already."
    dataset = library.get("walk").dataset()
    assert [image.image_id for image in dataset] == list(range(1, 11))
    assert library.get("walk").skeleton == COCO_17
    assert [image.waits for image in dataset] == [False] + [True] * 9
    assert [image.split for image in dataset.images[4:]] == ["train"] * 6


def test_what_cannot_be_done_changes_nothing(
    clip: Path, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(VideoError, match="earlier start"):
        take_stills(library, "walk", clip, ClipSettings(start=7), skeleton=COCO_17)
    with pytest.raises(DataError, match="cannot be called"):
        take_stills(library, "no/name", clip, ClipSettings(), skeleton=COCO_17)
    monkeypatch.setattr(stills, "MOST_STILLS", 20)
    with pytest.raises(VideoError, match="more than 20 pictures"):
        take_stills(library, "walk", clip, ClipSettings(), skeleton=COCO_17)
    assert library.all() == []
    take_stills(library, "walk", clip, ClipSettings(), 2, skeleton=COCO_17)
    stored = library.get("walk")
    no_picture = tmp_path / "none.jpg"
    no_picture.write_bytes(b"nothing")
    good = tmp_path / "good.jpg"
    good.write_bytes(stored.image(1).path.read_bytes())
    with pytest.raises(DataError, match=r"none\.jpg.*Nothing was changed"):
        stored.add_pictures([good, no_picture])
    assert len(list(stored.pictures.iterdir())) == len(library.get("walk").dataset()) == 2


def test_the_command_says_which_frames_it_needs_to_know(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSECORE_HOME", str(tmp_path))
    run = CliRunner().invoke
    assert "--stride 10" in " ".join(run(app, ["library", "frames", "walk", str(clip)]).output.split())
    done = run(app, ["library", "frames", "walk", str(clip), "--count", "5", "--start", "0.2"])
    assert done.exit_code == 0, done.output
    assert "5 pictures of the video in the set walk." in done.output
    assert min(seconds(names(Library(tmp_path / "datasets"), "walk"))) >= 0.2
    more = ["library", "frames", "walk", str(clip), "--count", "2"]
    refused = run(app, [*more, "--skeleton", LSP_14.name])
    assert refused.exit_code == 2
    assert f"with the keypoints of {COCO_17.name}" in " ".join(refused.output.replace("│", " ").split())
    for asked in ([], ["--skeleton", COCO_17.name]):
        assert run(app, [*more, *asked]).exit_code == 0
