"""Smart crop in videos, and memory that grows only by the numbers of the people found."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from posecore.families.movenet import MOVENET
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.skeleton import COCO_17
from posecore.video import (
    BatchSettings,
    CropSettings,
    OutputSettings,
    SmoothingSettings,
    VideoOptions,
    VideoReader,
    process_video,
    smooth_sequence,
)
from posecore.video.sequence import SequenceBuilder
from tests.pose_support import poses_from
from tests.video_support import even_ticks, write_video

SIZE = (192, 128)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_video(tmp_path / "in.mp4", even_ticks(10), size=SIZE)


class Noting:
    """A MoveNet that notes where it looked, and that finds somebody small and upright where the white square is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str = "movenet-lightning") -> None:
        torch.manual_seed(0)
        self.model = PoseModel(f"{name}.random", MOVENET, name, MOVENET.build(name), "0" * 64, device="cpu")
        self.regions: list[Any] = []
        self.batches: list[int] = []
        self.thresholds: list[Any] = []
        self._fields = self.model.fields
        monkeypatch.setattr(self.model, "fields", self.fields)
        monkeypatch.setattr(self.model, "decode", self.decode)

    def fields(self, image: Any, region: Any = None, **settings: Any) -> Any:
        several = isinstance(image, list)
        self.batches.append(len(image) if several else 1)
        self.regions.append(region)
        self.found = [self._person(one) for one in (image if several else [image])]
        return self._fields(image, region, **settings)

    def _person(self, image: np.ndarray) -> np.ndarray:
        ys, xs = np.nonzero(image.min(-1) > 200)
        middle = np.array([xs.mean(), ys.mean()])
        return middle + np.stack([np.linspace(-6, 6, 17), np.linspace(-15, 15, 17)], axis=1)

    def decode(self, fields: Any, **settings: Any) -> Poses:
        self.thresholds.append(settings.get("keypoint_threshold"))
        scores = np.linspace(0.3, 1, 17)[None]
        return poses_from(self.found.pop(0)[None], scores, np.ones(1), COCO_17, SIZE).filter(
            keypoint_threshold=settings.get("keypoint_threshold", 0.1)
        )


def run(noting: Noting, source: Path, **options: Any) -> Any:
    small = VideoOptions(network={"input_size": 64}, smoothing=SmoothingSettings(smooth="none"), **options)
    return process_video(source, noting.model, None, small)


def test_each_crop_follows_the_frame_before(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    noting = Noting(monkeypatch)
    result = run(noting, source, feeding=BatchSettings(batch=4))
    assert result.frames == 10
    assert noting.batches == [1] * 10
    assert noting.regions[0] is None
    middles = [(region[0] + region[2]) / 2 for region in noting.regions[1:]]
    # The square walks 40 px a second to the right, and the crop goes along a frame later.
    assert np.diff(middles) == pytest.approx(np.full(8, 40 / 30), abs=0.7)
    assert middles[-1] - middles[0] == pytest.approx(8 * 40 / 30, abs=1.5)


def test_unsure_joints_lead_the_crop_but_are_not_shown(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    noting = Noting(monkeypatch)
    result = run(noting, source, decode={"keypoint_threshold": 0.6})
    assert set(noting.thresholds) == {0.0}
    shown = result.poses.keypoint_scores[result.poses.keypoint_scores > 0]
    assert shown.min() >= 0.6


def test_scores_lead_the_crop_where_chances_are_shown(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    noting = Noting(monkeypatch)

    def decode(fields: Any, **settings: Any) -> Poses:
        scores = np.full((1, 17), 0.05 if settings["calibrated"] else 0.9)
        return poses_from(noting.found[0][None], scores, np.ones(1), COCO_17, SIZE)

    monkeypatch.setattr(noting.model, "decode", decode)
    result = run(noting, source, decode={"calibrated": True, "pose_threshold": 0.3, "keypoint_threshold": 0.01})
    assert [region is None for region in noting.regions] == [True] + [False] * 9
    assert result.poses.keypoint_scores == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("movenet-lightning", {"cropping": CropSettings(smart_crop=False)}),
        ("movenet-lightning", {"decode": {"mode": "multi"}}),
        ("movenet-multipose", {}),
    ],
)
def test_without_smart_crop_frames_go_in_batches(
    monkeypatch: pytest.MonkeyPatch, source: Path, name: str, options: dict[str, Any]
) -> None:
    noting = Noting(monkeypatch, name)
    run(noting, source, feeding=BatchSettings(batch=4), **options)
    assert noting.batches == [4, 4, 2]
    assert noting.regions == [None] * 3


def test_offline_smoothing_crops_too(monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path) -> None:
    noting = Noting(monkeypatch)
    options = VideoOptions(
        network={"input_size": 64}, smoothing=SmoothingSettings(smooth="offline"), output=OutputSettings(audio="drop")
    )
    result = process_video(source, noting.model, tmp_path / "out.mp4", options)
    assert [region is None for region in noting.regions] == [True] + [False] * 9
    assert result.changes.keys() == result.poses.tracks().keys()
    assert result.changes.keys() == smooth_sequence(result.raw, options.smoothing)[1].keys()
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert len(list(reader.frames())) == 10


def test_a_person_in_a_frame_takes_little_memory() -> None:
    keypoints, scores = np.zeros((2, 17, 2), np.float32), np.ones((2, 17), np.float32)

    def held(frames: int) -> int:
        builder = SequenceBuilder(COCO_17)
        tracemalloc.start()
        for frame in range(frames):
            people = poses_from(keypoints.copy(), scores.copy(), np.ones(2), COCO_17, SIZE, np.array([1, 2]))
            builder.add(frame / 30, people)
        now, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(builder) == frames
        return now

    held(200)
    per_frame = (held(5000) - held(1000)) / 4000
    assert per_frame < 8 + 2 * (20 + 12 * 17) + 60
