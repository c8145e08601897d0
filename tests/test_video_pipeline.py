"""Videos in and out: exact frames and times, odd files, damaged and lying ones, ending early."""

from __future__ import annotations

import json
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest

from posecore.errors import SettingsError, VideoError
from posecore.poses import Poses
from posecore.skeleton import COCO_17
from posecore.video import (
    BatchSettings,
    ClipSettings,
    OutputSettings,
    Progress,
    SmoothingSettings,
    TrackingSettings,
    VideoOptions,
    VideoReader,
    VideoResult,
    frame_at,
    process_video,
    save_tables,
)
from tests.video_support import (
    TICK,
    StubModel,
    broken,
    claiming_eight_hours,
    even_ticks,
    picture_of,
    times_of,
    write_song,
    write_video,
)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return write_video(tmp_path / "plain.mp4", even_ticks(24), options={"movflags": "+faststart"})


UNEVEN = [0, 512, 1100, 1600, 3000, 3512, 9000, 9100]


@pytest.mark.parametrize("smooth", ["none", "live", "offline"])
@pytest.mark.parametrize(
    ("ticks", "tick"),
    [
        (UNEVEN, TICK),
        (even_ticks(13), TICK),
        ([0, 33, 67, 100, 133], Fraction(1, 1000)),
        ([0, 1, 2, 3], Fraction(1001, 30000)),
    ],
)
def test_every_frame_comes_out_at_its_own_time(tmp_path: Path, ticks: list[int], tick: Fraction, smooth: Any) -> None:
    source = write_video(tmp_path / "in.mp4", ticks, tick=tick)
    options = VideoOptions(smoothing=SmoothingSettings(smooth=smooth))
    result = process_video(source, StubModel(), tmp_path / "out.mp4", options)
    expected = [float(stamp * tick) for stamp in ticks]
    assert result.frames == len(ticks)
    assert result.timestamps == pytest.approx(expected, abs=1e-9)
    assert times_of(tmp_path / "out.mp4") == pytest.approx(expected, abs=1e-9)
    assert result.warnings == ()
    assert not result.cancelled
    assert list(result.poses.tracks()) == [1]
    assert len(result.poses.frames) == len(ticks)
    assert not list(tmp_path.glob(".*.part"))


def test_clips_are_what_browsers_play_and_seek(plain: Path, tmp_path: Path) -> None:
    process_video(plain, StubModel(), tmp_path / "out.mp4")
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "out.mp4")) as clip:
        stream = clip.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 30


def test_a_quicker_encoder_makes_a_larger_clip(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "a.mp4", even_ticks(20), (320, 240))
    sizes = {}
    for preset in ("ultrafast", "medium"):
        drawn = tmp_path / f"{preset}.mp4"
        process_video(clip, StubModel(), drawn, VideoOptions(output=OutputSettings(preset=preset)))
        sizes[preset] = drawn.stat().st_size
    assert sizes["ultrafast"] > 1.2 * sizes["medium"]


def test_colours_survive_the_way_through(plain: Path, tmp_path: Path) -> None:
    options = VideoOptions(output=OutputSettings(crf=5), decode={})
    process_video(plain, StubModel(), tmp_path / "out.mp4", options)
    for path in (plain, tmp_path / "out.mp4"):
        corner = frame_at(path, 0).picture[3:15, 3:25].reshape(-1, 3).mean(0)
        assert corner == pytest.approx((200, 40, 40), abs=5)


@pytest.mark.parametrize("turn", [0, 90, 180, -90])
@pytest.mark.parametrize("mirror", [False, True])
def test_turned_and_mirrored_videos_come_upright(tmp_path: Path, turn: int, mirror: bool) -> None:
    source = write_video(tmp_path / "in.mp4", even_ticks(2), turn=turn, mirror=mirror)
    expected = np.rot90(picture_of(0, (96, 64)), turn // 90)
    if mirror:
        expected = expected[:, ::-1]
    with VideoReader(source) as reader:
        shown = next(reader.frames()).picture
        assert (reader.info.width, reader.info.height) == (expected.shape[1], expected.shape[0])
    assert shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 6
    result = process_video(source, StubModel(), tmp_path / "out.mp4")
    assert result.size == (expected.shape[1], expected.shape[0])


def test_pixels_become_square(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", even_ticks(2), size=(96, 64), pixel=Fraction(4, 3))
    with VideoReader(source) as reader:
        assert (reader.info.width, reader.info.height) == (128, 64)
        assert next(reader.frames()).picture.shape == (64, 128, 3)


def test_frames_that_are_rgb_already_are_not_the_decoders_own(tmp_path: Path) -> None:
    """Drawing on a frame must not show in the next one, which repeats what did not change."""
    ticks = even_ticks(4)
    still = picture_of(0.0, (96, 64))
    video = write_video(
        tmp_path / "still.mov", ticks, codec="qtrle", pixel_format="rgb24", pictures=[still] * len(ticks)
    )
    with VideoReader(video) as reader:
        for frame in reader.frames():
            assert (frame.picture == still).all()
            frame.picture[:] = 0


def test_odd_sizes_are_padded_not_scaled(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", even_ticks(3), size=(97, 63), pixel_format="yuv444p")
    model = StubModel()
    result = process_video(source, model, tmp_path / "out.mp4")
    assert model.sizes == {(63, 97, 3)}
    assert result.poses.image_size == (97, 63)
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert (reader.info.width, reader.info.height) == (98, 64)


def test_the_clip_may_be_smaller_than_the_video(plain: Path, tmp_path: Path) -> None:
    result = process_video(plain, StubModel(), tmp_path / "out.mp4", VideoOptions(output=OutputSettings(max_side=48)))
    assert result.size == (48, 32)
    assert result.poses.image_size == (96, 64)


def test_a_part_of_a_video(plain: Path, tmp_path: Path) -> None:
    clip = ClipSettings(start=0.2, end=0.6, stride=3)
    result = process_video(plain, StubModel(), tmp_path / "out.mp4", VideoOptions(clip=clip))
    expected = [index / 30 for index in range(6, 18, 3)]
    assert result.timestamps == pytest.approx(expected)
    assert result.start == pytest.approx(0.2)
    assert times_of(tmp_path / "out.mp4") == pytest.approx([time - 0.2 for time in expected])
    with VideoReader(plain, clip) as reader:
        assert reader.expected() == 4


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (ClipSettings(start=9), "after 9 s; the video lasts about 0.8 s"),
        (ClipSettings(start=2, end=1), "must lie after the start"),
    ],
)
def test_a_part_that_is_not_there(plain: Path, clip: ClipSettings, message: str) -> None:
    with pytest.raises(VideoError, match=message):
        process_video(plain, StubModel(), options=VideoOptions(clip=clip))


@pytest.mark.parametrize("codec", ["aac", "mp2", "pcm_s16le"])
@pytest.mark.parametrize("audio", ["keep", "drop"])
def test_sound_is_kept_or_dropped(tmp_path: Path, codec: str, audio: Any) -> None:
    source = write_video(tmp_path / "in.mkv", even_ticks(30), sound=codec)
    result = process_video(source, StubModel(), tmp_path / "out.mp4", VideoOptions(output=OutputSettings(audio=audio)))
    assert result.warnings == ()
    with av.open(str(tmp_path / "out.mp4")) as clip:
        if audio == "drop":
            assert not clip.streams.audio
            return
        assert clip.streams.audio[0].codec_context.name == "aac"
        samples = sum(frame.samples for frame in clip.decode(audio=0))
    assert samples / 48000 == pytest.approx(1.0, abs=0.08)


def test_sound_of_a_part_is_that_part(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", even_ticks(60), sound="aac")
    options = VideoOptions(clip=ClipSettings(start=0.5, end=1.0))
    process_video(source, StubModel(), tmp_path / "out.mp4", options)
    with av.open(str(tmp_path / "out.mp4")) as clip:
        times = [frame.time for frame in clip.decode(audio=0)]
    assert times[0] == pytest.approx(0, abs=0.05)
    assert times[-1] == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("smooth", ["live", "offline"])
def test_cancelling_leaves_a_clip_and_tables_up_to_there(tmp_path: Path, smooth: Any) -> None:
    source = write_video(tmp_path / "in.mp4", even_ticks(120), sound="aac")
    cancel = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.frames == 20:
            cancel.set()

    options = VideoOptions(smoothing=SmoothingSettings(smooth=smooth), feeding=BatchSettings(batch=2))
    result = process_video(source, StubModel(), tmp_path / "out.mp4", options, watch, cancel)
    assert result.cancelled
    assert 20 <= result.frames < 60
    assert times_of(tmp_path / "out.mp4") == pytest.approx(result.timestamps)
    save_tables(result, tmp_path / "out", {"json"})
    table = json.loads((tmp_path / "out.json").read_text())
    assert len(table["frames"]) == result.frames
    assert table["complete"] is False
    with av.open(str(tmp_path / "out.mp4")) as clip:
        heard = max(frame.time or 0.0 for frame in clip.decode(audio=0))
    assert heard <= result.timestamps[-1] + 0.1
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("smooth", ["live", "offline"])
def test_cancelled_before_anything_was_found(smooth: Any, plain: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    options = VideoOptions(smoothing=SmoothingSettings(smooth=smooth))
    result = process_video(plain, StubModel(), tmp_path / "out.mp4", options, cancel=cancel)
    assert (result.frames, result.clip, result.cancelled) == (0, None, True)
    assert not (tmp_path / "out.mp4").exists()


def test_cancelling_while_drawing_offline(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", even_ticks(80))
    cancel = threading.Event()

    def watch(progress: Progress) -> None:
        if progress.step == "drawing" and progress.frames == 10:
            cancel.set()

    options = VideoOptions(smoothing=SmoothingSettings(smooth="offline"))
    result = process_video(source, StubModel(), tmp_path / "out.mp4", options, watch, cancel)
    assert result.cancelled
    assert 10 <= result.frames < 80
    assert len(times_of(tmp_path / "out.mp4")) == result.frames


def test_progress_runs_from_nothing_to_everything(plain: Path, tmp_path: Path) -> None:
    for smooth in ("live", "offline"):
        seen: list[Progress] = []
        options = VideoOptions(smoothing=SmoothingSettings(smooth=smooth))
        process_video(plain, StubModel(), tmp_path / "out.mp4", options, seen.append)
        shares = [one.share for one in seen]
        assert shares == sorted(shares)
        assert shares[-1] > 0.9
        assert seen[-1].frames == seen[-1].expected == 24
        assert seen[-1].picture.shape == (64, 96, 3)


def test_errors_of_the_model_reach_the_caller_and_leave_nothing(plain: Path, tmp_path: Path) -> None:
    class Broken(StubModel):
        def decode(self, fields: Any, **settings: Any) -> Poses:
            if sum(self.batches) > 6:
                raise SettingsError("no such setting")
            return super().decode(fields)

    before = threading.active_count()
    with pytest.raises(SettingsError, match="no such setting"):
        process_video(plain, Broken(), tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
    assert not list(tmp_path.glob(".*.part"))
    assert threading.active_count() == before


def test_without_people_and_without_tracking(tmp_path: Path, plain: Path) -> None:
    class Blind(StubModel):
        def decode(self, fields: Any, **settings: Any) -> Poses:
            return Poses.empty(COCO_17, (96, 64))

    for smooth in ("live", "offline"):
        nobody = process_video(
            plain,
            Blind(),
            tmp_path / "nobody.mp4",
            VideoOptions(smoothing=SmoothingSettings(smooth=smooth)),
        )
        assert (nobody.frames, len(nobody.poses.frames)) == (24, 0)
    loose = VideoOptions(tracking=TrackingSettings(track=False), smoothing=SmoothingSettings(smooth="none"))
    result = process_video(plain, StubModel(), tmp_path / "loose.mp4", loose)
    assert result.poses[3].track_ids is None
    assert len(result.poses.frames) == 24
    with pytest.raises(SettingsError, match="switch track on"):
        VideoOptions(tracking=TrackingSettings(track=False))


def test_files_that_are_no_video_get_a_sentence(tmp_path: Path, plain: Path) -> None:
    late_index = write_video(tmp_path / "late.mp4", even_ticks(24)).read_bytes()
    song = write_song(tmp_path / "song.wav")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{plain}\n#EXT-X-ENDLIST\n"
    cases = {
        broken(tmp_path, "empty.mp4", b""): r"empty.mp4 is empty \(0 bytes\)",
        broken(tmp_path, "noise.mp4", np.random.default_rng(0).bytes(5000)): "noise.mp4 is not a video",
        broken(tmp_path, "notes.mp4", b"just some words, " * 100): "notes.mp4 is not a video",
        broken(tmp_path, "list.mp4", playlist.encode()): "list.mp4 is not a video",
        broken(tmp_path, "half.mp4", late_index[: len(late_index) // 2]): "table of contents is missing",
        song: "holds sound but no pictures",
        tmp_path: "is a folder",
        tmp_path / "gone.mp4": "There is no file",
    }
    for path, message in cases.items():
        with pytest.raises(VideoError, match=message):
            process_video(path, StubModel(), tmp_path / "out.mp4")
        assert not (tmp_path / "out.mp4").exists()


def test_the_name_does_not_matter(tmp_path: Path, plain: Path) -> None:
    renamed = broken(tmp_path, "holiday: 50% [1].jpg", plain.read_bytes())
    assert process_video(renamed, StubModel(), tmp_path / "out.mp4").frames == 24


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", [0])
    for smooth in ("live", "offline"):
        options = VideoOptions(
            smoothing=SmoothingSettings(smooth=smooth),
            tracking=TrackingSettings(min_hits=1),
        )
        result = process_video(source, StubModel(), tmp_path / "out.mp4", options)
        assert (result.frames, len(result.poses.frames)) == (1, 1)
        assert times_of(tmp_path / "out.mp4") == [0.0]
    assert frame_at(source, 5).time == 0


def test_a_stream_that_is_cut_off_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "in.mp4", even_ticks(90), options={"movflags": "+faststart"}).read_bytes()
    cut = broken(tmp_path, "cut.mp4", whole[: len(whole) * 9 // 10])
    result = process_video(cut, StubModel(), tmp_path / "out.mp4")
    assert 10 < result.frames < 90
    assert any("claims to last 3.0 s" in warning for warning in result.warnings)
    assert len(times_of(tmp_path / "out.mp4")) == result.frames


def test_a_damaged_stream_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    data = bytearray(write_video(tmp_path / "in.ts", even_ticks(90), tick=TICK, size=(160, 120)).read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 6] = np.random.default_rng(1).bytes(len(data) // 6)
    result = process_video(broken(tmp_path, "bad.ts", bytes(data)), StubModel(), tmp_path / "out.mp4")
    assert 20 < result.frames <= 90
    assert result.warnings
    assert np.all(np.diff(result.timestamps) > 0)
    assert len(times_of(tmp_path / "out.mp4")) == result.frames


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv"])
def test_a_header_that_claims_eight_hours_is_not_believed(tmp_path: Path, name: str) -> None:
    seen: list[Progress] = []
    liar = broken(tmp_path, "liar.mp4", claiming_eight_hours(tmp_path / name))
    result = process_video(liar, StubModel(), tmp_path / "out.mp4", progress=seen.append)
    assert result.frames == len(times_of(tmp_path / "out.mp4")) == 24
    assert seen[-1].share > 0.5
    if name == "in.mkv":
        assert (result.info.seconds or 0) == pytest.approx(28800)
        assert any("8 h 0 min" in warning for warning in result.warnings)
        assert (seen[-1].expected or 0) < 100


def test_the_video_itself_is_never_overwritten(plain: Path) -> None:
    before = plain.read_bytes()
    with pytest.raises(VideoError, match="is the video itself"):
        process_video(plain, StubModel(), plain)
    assert plain.read_bytes() == before


def test_a_clip_that_cannot_be_written_gets_a_sentence(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="cannot be written"):
        process_video(plain, StubModel(), plain / "inside" / "out.mp4")


def test_the_frame_shown_at_a_moment(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", UNEVEN)
    assert frame_at(source, 0.19).time == pytest.approx(1600 / 15360)
    assert frame_at(source, 0.0).ticks == 0
    assert frame_at(source, 99).ticks == UNEVEN[-1]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("in.webm", "libvpx", {}), ("in.avi", "mpeg4", {}), ("in.mkv", "libx264", {}), ("in.ts", "mpeg2video", {})],
)
def test_other_containers(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    tick = Fraction(1, 30) if codec in ("mpeg4", "mpeg2video") else Fraction(1, 1000)
    ticks = list(range(12)) if tick == Fraction(1, 30) else [round(1000 * index / 30) for index in range(12)]
    source = write_video(tmp_path / name, ticks, tick=tick, codec=codec, options=options)
    result = process_video(source, StubModel(), tmp_path / "out.mp4")
    assert result.frames == 12
    assert result.timestamps == pytest.approx(times_of(source), abs=1e-9)
    assert times_of(tmp_path / "out.mp4") == pytest.approx(result.timestamps, abs=1e-6)


def test_tables_hold_the_same_people(plain: Path, tmp_path: Path) -> None:
    result: VideoResult = process_video(plain, StubModel(), None)
    written = save_tables(result, tmp_path / "t" / "out", {"csv", "json", "coco"}, ["length:nose-left_ear"], ["x:nose"])
    endings = {"csv", "measures.csv", "repetitions.csv", "json", "coco_results.json", "coco_images.json", "run.json"}
    assert {path.name for path in written} == {f"out.{ending}" for ending in endings}
    table = pd.read_csv(tmp_path / "t" / "out.csv")
    assert len(table) == 24 * 17
    nose = table[(table.keypoint == "nose") & (table.frame == 5)]
    assert nose.x.item() == pytest.approx(result.poses[5].keypoints[0, 0, 0], abs=1e-3)
    coco = json.loads((tmp_path / "t" / "out.coco_results.json").read_text())
    assert [entry["track_id"] for entry in coco] == [1] * 24
    images = json.loads((tmp_path / "t" / "out.coco_images.json").read_text())
    assert {entry["image_id"] for entry in coco} == {image["id"] for image in images}
    everything = json.loads((tmp_path / "t" / "out.json").read_text())
    assert len(everything["measures"]) == 24
    assert everything["frames"][5]["people"][0]["track_id"] == 1


def test_large_portrait_with_rotation(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", even_ticks(2), size=(3840, 2160), turn=-90)
    options = VideoOptions(output=OutputSettings(max_side=640))
    model = StubModel()
    result = process_video(source, model, tmp_path / "out.mp4", options)
    assert (result.frames, result.size, model.sizes) == (2, (360, 640), {(3840, 2160, 3)})
