"""PoseNet against what TensorFlow.js computed from the published weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import posecore
from posecore.families.posenet.codec import COCO_TREE, PoseNetDecodeSettings, PoseNetMaps, decode_multi, decode_single
from posecore.model import PoseModel

#: Recorded runs: (file stem, our model name, output stride).
RUNS = (
    ("couple_quant2_075_s16_257", "posenet-mobilenet_v1-075.google_quant2", 16),
    ("couple_quant2_075_s8_257", "posenet-mobilenet_v1-075.google_quant2", 8),
    ("couple_quant2_050_s16_257", "posenet-mobilenet_v1-050.google_quant2", 16),
    ("couple_float_050_s16_257", "posenet-mobilenet_v1-050.google_float", 16),
    ("couple_float_050_s8_257", "posenet-mobilenet_v1-050.google_float", 8),
)
HEADS = ("offsets", "heatmaps", "displacement_forward", "displacement_backward")
#: pose-detection's own way to the network's input.
AS_TFJS: dict[str, Any] = {
    "preprocessing": "letterbox",
    "input_size": 257,
    "antialias": False,
    "dilation": "tfjs",
}


@pytest.fixture(scope="module")
def recorded(reference: Path) -> Path:
    return reference / "posenet_tfjs_outputs"


@pytest.fixture(scope="module")
def models(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PoseModel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSECORE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("POSECORE_WEIGHTS_MIRROR", str(reference))
        names = {name for _, name, _ in RUNS} | {"posenet-mobilenet_v1-075.google_v1"}
        return {name: posecore.load_model(name, device="cpu") for name in names}


def recorded_maps(folder: Path, stem: str) -> dict[str, np.ndarray]:
    """Recorded outputs in our layout: scalars (K, H, W), vectors (C, 2, H, W) as (x, y)."""
    side = json.loads((folder / f"{stem}.json").read_text())["rawShapes"][0][1]
    maps = {}
    for number, head in enumerate(HEADS):
        raw = np.fromfile(folder / f"{stem}.out{number}.f32", np.float32).reshape(side, side, -1).transpose(2, 0, 1)
        maps[head] = raw if head == "heatmaps" else raw.reshape(2, -1, side, side)[::-1].transpose(1, 0, 2, 3)
    return maps


@pytest.mark.parametrize(("stem", "name", "stride"), RUNS)
def test_raw_maps(recorded: Path, models: dict[str, PoseModel], stem: str, name: str, stride: int) -> None:
    pixels = posecore.read_image(recorded / "couple_257.png").astype(np.float32)
    batch = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    with torch.inference_mode():
        ours = models[name].network(batch, stride, False)
    for head, expected in recorded_maps(recorded, stem).items():
        assert np.abs(ours[head][0].numpy() - expected).max() < 1e-3, head


def keypoints_of(pose: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    points = pose["keypoints"]
    places = [point.get("position", point) for point in points]
    return np.array([[p["x"], p["y"]] for p in places]), np.array([point["score"] for point in points])


@pytest.mark.parametrize("stem", [stem for stem, _, _ in RUNS])
def test_decoding_of_recorded_maps(recorded: Path, stem: str) -> None:
    arrays = recorded_maps(recorded, stem)
    expected = json.loads((recorded / f"{stem}.poses_from_maps.json").read_text())
    both = np.concatenate([arrays["displacement_forward"], arrays["displacement_backward"]])
    scores = (1 / (1 + np.exp(-arrays["heatmaps"].astype(np.float64)))).astype(np.float32)
    maps = PoseNetMaps(scores, arrays["offsets"], both, expected["stride"], COCO_TREE)

    single = decode_single(maps, PoseNetDecodeSettings(pose_threshold=0))
    xy, keypoint_scores = keypoints_of(expected["single"])
    assert single.xy[0] == pytest.approx(xy, abs=0.01)
    assert single.keypoint_scores[0] == pytest.approx(keypoint_scores, abs=1e-4)
    assert single.scores[0] == pytest.approx(expected["single"]["score"], abs=1e-4)

    assert len(expected["multi"]) == 3
    for run in expected["multi"]:
        settings = PoseNetDecodeSettings(
            max_poses=run["max_poses"],
            root_threshold=run["score_threshold"],
            nms_radius=run["nms_radius"],
            pose_threshold=0,
        )
        found = decode_multi(maps, settings)
        assert len(found.scores) == len(run["poses"])
        for ours_xy, ours_scores, score, pose in zip(
            found.xy, found.keypoint_scores, found.scores, run["poses"], strict=True
        ):
            xy, keypoint_scores = keypoints_of(pose)
            assert ours_xy == pytest.approx(xy, abs=0.01)
            assert ours_scores == pytest.approx(keypoint_scores, abs=1e-4)
            assert score == pytest.approx(pose["score"], abs=1e-4)


@pytest.mark.parametrize(("stem", "name", "stride"), RUNS)
@pytest.mark.parametrize("mode", ["single", "multi"])
def test_from_picture_to_poses(
    recorded: Path, models: dict[str, PoseModel], stem: str, name: str, stride: int, mode: str
) -> None:
    expected = json.loads((recorded / f"{stem}.json").read_text())[mode]
    poses = models[name](
        recorded / "couple.png",
        output_stride=stride,
        mode=mode,
        root_threshold=0.5,
        pose_threshold=0,
        keypoint_threshold=0,
        **AS_TFJS,
    )
    assert len(poses) == len(expected)
    for xy, scores, pose in zip(poses.keypoints, poses.keypoint_scores, expected, strict=True):
        expected_xy, expected_scores = keypoints_of(pose)
        assert xy == pytest.approx(expected_xy, abs=0.05)
        assert scores == pytest.approx(expected_scores, abs=1e-4)


def test_old_format_agrees_with_quantised(recorded: Path, models: dict[str, PoseModel]) -> None:
    old, quantised = (
        models[f"posenet-mobilenet_v1-075.{tag}"](recorded / "couple.png", keypoint_threshold=0, **AS_TFJS)
        for tag in ("google_v1", "google_quant2")
    )
    assert len(old) == len(quantised) == 2
    assert np.abs(old.keypoints - quantised.keypoints).max() < 0.5
    assert np.abs(old.keypoint_scores - quantised.keypoint_scores).max() < 0.02
