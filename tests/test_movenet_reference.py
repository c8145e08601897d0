"""MoveNet against the published files as TensorFlow Lite and TensorFlow.js run them, and against Coral's keypoints."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

import posecore
from posecore.errors import WeightsError
from posecore.families.movenet import MOVENET
from posecore.imaging import Region
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.video.finding import CropSettings, Finder
from posecore.zoo import tflite
from posecore.zoo.own_files import read_own_file

NAME = "movenet-lightning.google_int8"
INT8 = Path("google/lite-model/movenet/singlepose/lightning/tflite/int8/4")
EVERYTHING: dict[str, Any] = {"pose_threshold": 0, "keypoint_threshold": 0}

#: One step of the 8-bit file's output.
STEP = 0.004096806
#: What the interpreter (ai-edge-litert 2.3.0) makes of the file: picture, region, preprocessing, and per keypoint
#: normalised y, x and score in steps. Its input was ``MOVENET.prepare`` without antialiasing, rounded.
RECORDED: tuple[tuple[str, Region | None, str, list[list[int]]], ...] = (
    ("squat.png", None, "letterbox", [
        [82, 139, 105], [77, 141, 214], [77, 135, 226], [77, 136, 184], [77, 122, 155], [100, 137, 171], [99, 103, 196],
        [125, 162, 171], [125, 130, 214], [102, 157, 122], [102, 149, 171], [148, 98, 206], [147, 74, 196],
        [157, 140, 206], [166, 106, 206], [206, 123, 155], [219, 89, 122],
    ]),
    ("squat.png", None, "stretch", [
        [83, 144, 105], [77, 146, 214], [76, 139, 139], [78, 140, 60], [77, 121, 139], [106, 136, 122], [99, 109, 155],
        [125, 170, 89], [124, 130, 122], [105, 165, 122], [105, 157, 73], [149, 98, 171], [148, 72, 139],
        [162, 144, 105], [166, 99, 196], [203, 127, 184], [222, 81, 105],
    ]),
    ("couple.jpg", None, "letterbox", [
        [90, 134, 171], [89, 135, 155], [89, 132, 155], [88, 136, 122], [91, 130, 155], [101, 146, 73], [102, 133, 105],
        [113, 157, 122], [116, 126, 89], [130, 157, 89], [126, 122, 60], [132, 146, 139], [131, 134, 105],
        [152, 143, 122], [150, 135, 60], [170, 147, 139], [173, 98, 122],
    ]),
    ("squat.png", (60.0, 60.0, 460.0, 460.0), "letterbox", [
        [87, 141, 139], [82, 146, 171], [80, 135, 139], [85, 140, 73], [82, 115, 139], [119, 134, 155], [114, 95, 184],
        [149, 181, 89], [155, 128, 171], [122, 172, 122], [117, 160, 60], [189, 88, 105], [191, 44, 196],
        [207, 139, 122], [218, 91, 184], [216, 216, 6], [252, 78, 5],
    ]),
)  # fmt: skip


@pytest.fixture(scope="module")
def model(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> PoseModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSECORE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("POSECORE_WEIGHTS_MIRROR", str(reference))
        return posecore.load_model(NAME, device="cpu")


@pytest.mark.parametrize(("name", "region", "way", "recorded"), RECORDED)
def test_conversion_against_the_interpreter(
    reference: Path, model: PoseModel, name: str, region: Region | None, way: str, recorded: list[list[int]]
) -> None:
    """The file rounds all activations to 8 bits, its conversion none: keypoints differ by a few pixels of 192."""
    expected = np.array(recorded) * STEP
    fields = model.fields(reference / "media" / name, region, preprocessing=way, antialias=False)
    poses = model.decode(fields, **EVERYTHING)
    ours = fields.transform.to_input(poses.keypoints[0])
    away = np.linalg.norm(ours - (expected[:, 1::-1] * 192 - 0.5), axis=1)
    assert np.median(away) < 2.5
    if name == "squat.png":
        assert away[expected[:, 2] > 0.25].max() < 4


@pytest.mark.parametrize(
    ("name", "folder", "side", "cell"),
    [
        # Lightning's graph multiplies by 1/48 rounded to float16.
        ("lightning", "singlepose/lightning/4", 192, float(np.float16(1 / 48)) / 4),
        ("thunder", "singlepose/thunder/4", 256, 1 / 256),
        ("multipose", "multipose/lightning/1", 256, 1 / 256),
    ],
)
def test_against_tensorflow_js(reference: Path, name: str, folder: str, side: int, cell: float) -> None:
    """The 16-bit graphs of TensorFlow.js, picture to decoded poses, beside what it answers itself."""
    answers = reference / "movenet_tfjs_outputs"
    path = reference / "google" / "tfjs-model" / "movenet" / folder / "model.json"
    model = posecore.load_model(f"movenet-{name}", weights=path, device="cpu")
    picture = np.fromfile(answers / f"{name}.raw", np.uint8).reshape(side, side, 3)
    every = EVERYTHING | ({"root_threshold": 0} if name == "multipose" else {})
    poses = model(picture, input_size=side, **every)
    expected = np.array(json.loads((answers / f"{name}.json").read_text())[0]["data"]).reshape(len(poses), -1)
    joints = expected[:, :51].reshape(-1, 17, 3)
    # The graph lists people by the height of their centres.
    order = np.argsort(-expected[:, 55], kind="stable") if name == "multipose" else np.zeros(1, int)
    assert (poses.keypoints + 0.5) * cell == pytest.approx(joints[order][..., 1::-1], abs=1e-5)
    assert poses.keypoint_scores == pytest.approx(joints[order][..., 2], abs=1e-4)
    if name == "multipose":
        assert poses.scores == pytest.approx(expected[order, 55], abs=1e-4)


@pytest.mark.parametrize(("way", "limit"), [("letterbox", 0.05), ("stretch", 0.04)])
def test_against_corals_keypoints(reference: Path, model: PoseModel, way: str, limit: float) -> None:
    """Coral's own run had a stretched input, so that one is nearer."""
    with (reference / "movenet" / "movenet_single_pose_lightning_ptq_reference.csv").open() as file:
        rows = list(csv.DictReader(file))
    expected = np.array([[float(row["keypoint_x"]), float(row["keypoint_y"])] for row in rows])
    poses = model(reference / "media" / "squat.png", preprocessing=way, **EVERYTHING)
    normalised = (poses.keypoints[0] + 0.5) / poses.image_size
    assert np.abs(normalised - expected).max() < limit


def test_a_file_of_ones_own_is_the_same(reference: Path, model: PoseModel) -> None:
    loaded = read_own_file(reference / INT8, "movenet-lightning")
    assert loaded.header.sha256.startswith(model.weights_id)


def test_the_published_centre_weights_are_ours(reference: Path) -> None:
    """The file holds 1 / (distance to the middle + 1.8) as a constant, rounded to 8 bits."""
    constants = tflite.read(reference / INT8).tensors.values()
    rows, columns = np.mgrid[:48, :48]
    weights = 1 / (np.hypot(rows - 24, columns - 24) + 1.8)
    found = [values[..., 0] for values in constants if values.shape == (48, 48, 1) and values.max() < 1]
    assert len(found) == 1
    # A step of the rounding is 1/255 of the largest value.
    assert found[0] == pytest.approx(weights, abs=0.6 * weights.max() / 255)


def test_damage_to_the_published_file_is_noticed(reference: Path, tmp_path: Path) -> None:
    data = (reference / INT8).read_bytes()
    for length in (100, len(data) // 2, len(data) - 1000):
        (tmp_path / "cut").write_bytes(data[:length])
        with pytest.raises(WeightsError, match="damaged"):
            tflite.read(tmp_path / "cut")


def test_smart_crop_steadies_a_sequence(reference: Path, model: PoseModel) -> None:
    with av.open(str(reference / "media" / "squats.mp4")) as container:
        shots = [
            np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for _, frame in zip(range(24), container.decode(video=0), strict=False)
        ]
    finder = Finder(model)
    found: dict[str, list[Poses]] = {"whole": [model(shot, **EVERYTHING) for shot in shots], "smart": []}
    for number, shot in enumerate(shots):
        crop = finder.crops(CropSettings(), EVERYTHING, {})
        (fields,) = finder.fields([shot], [str(number)], {}, crop)
        region = fields.provenance.region
        found["smart"].append(finder.decode(fields, EVERYTHING, crop))
    trunk = [model.skeleton.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("shoulder", "hip")]
    score, jitter = {}, {}
    for way, poses in found.items():
        xy = np.array([pose.keypoints[0, trunk] for pose in poses])
        score[way] = float(np.mean([pose.keypoint_scores[0] for pose in poses]))
        jitter[way] = float(np.linalg.norm(np.diff(xy, 2, axis=0), axis=-1).mean())
    assert score["smart"] > score["whole"] + 0.05
    assert jitter["smart"] < 0.9 * jitter["whole"]
    assert region is not None
    # The square is smaller than the padded picture: that is what it is for.
    assert region[2] - region[0] < 0.8 * max(shots[0].shape)


def test_weights_survive_training_form(model: PoseModel) -> None:
    """Fine-tuning starts from fused weights: a training step on them moves every parameter."""
    network = MOVENET.build("movenet-lightning")
    network.load_state_dict(model.network.state_dict())
    network.train()
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    optimizer = torch.optim.SGD(network.parameters(), 1e-3)
    outputs = network(torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 255)
    sum(output.square().mean() for output in outputs.values()).backward()
    optimizer.step()
    assert [name for name, value in network.named_parameters() if torch.equal(value, before[name])] == []
