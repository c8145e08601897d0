"""Weights written back into the graphs that networks were published as."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from posecore.data.synthetic import render_scene
from posecore.errors import ExportError, WeightsError
from posecore.export import write_back
from posecore.families import FAMILIES
from posecore.families.backbones import SeparableBlock
from posecore.model import PoseModel
from posecore.skeleton import COCO_17, Skeleton
from posecore.zoo import load_model
from posecore.zoo.own_files import read_own_file
from posecore.zoo.tfjs import read_graph, write_graph
from tests.test_movenet_convert import lite_file
from tests.test_tfjs import graph_files, write

PICTURE = {"a": render_scene(3).image}


def moved(model: PoseModel, by: float = 0.02) -> PoseModel:
    """The model after some training: all weights a little different, biases of depthwise convolutions too."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter += by * torch.randn_like(parameter) * parameter.abs().mean().clamp(min=1e-3)
    return model


def lightning(skeleton: Skeleton = COCO_17) -> PoseModel:
    family = FAMILIES["movenet"]
    torch.manual_seed(0)
    network = family.build("movenet-lightning", skeleton)
    return PoseModel("movenet-lightning.a", family, "movenet-lightning", network, "0" * 16, skeleton=skeleton)


@pytest.fixture
def lite(tmp_path: Path) -> Path:
    """A file with float16 numbers of a network like Lightning."""
    path = tmp_path / "published.tflite"
    path.write_bytes(lite_file(lightning().network))
    return path


def test_weights_go_into_a_tensorflow_lite_file_and_come_back(lite: Path, tmp_path: Path) -> None:
    model = moved(lightning())
    made = write_back(model, tmp_path / "out", "tflite", lite, PICTURE, licence="MIT")
    assert made.file.stat().st_size == lite.stat().st_size
    assert made.file.read_bytes() != lite.read_bytes()
    again = read_own_file(made.file, "movenet-lightning").state
    for name, values in model.network.state_dict().items():
        if not name.startswith(("pyramid.smooth", "heads")):
            assert torch.allclose(again[name], values, rtol=1e-3, atol=1e-6), name
    summary = json.loads((made.folder / "parity.json").read_text("utf-8"))
    assert summary["missed"] == 0
    assert summary["largest_map_difference"] < 0.02
    about = json.loads((made.folder / "posecore.json").read_text("utf-8"))
    assert about["licence"] == "MIT"
    loaded = load_model("movenet-lightning", weights=made.folder, device="cpu")
    assert torch.equal(loaded.network.state_dict()["heads.centre.output.conv.bias"],
                       model.network.state_dict()["heads.centre.output.conv.bias"])  # fmt: skip


def test_a_bias_between_the_halves_of_a_block_is_carried_by_the_second() -> None:
    torch.manual_seed(0)
    block = SeparableBlock(4, 6, activation="relu", depthwise_norm=False, depthwise_activation=False)
    with torch.no_grad():
        block.depthwise.conv.bias.uniform_(-1, 1)
    pixels = torch.randn(1, 4, 7, 5)
    before = block(pixels)
    block.drop_depthwise_bias()
    assert not block.depthwise.conv.bias.any()
    assert torch.allclose(block(pixels), before, atol=1e-6)
    active = SeparableBlock(4, 6)
    with torch.no_grad():
        active.depthwise.conv.bias.fill_(1)
    active.drop_depthwise_bias()
    assert active.depthwise.conv.bias.all()


def test_what_does_not_fit_is_said(lite: Path, tmp_path: Path) -> None:
    eighteen = Skeleton("eighteen", tuple(f"joint {index}" for index in range(18)))
    with pytest.raises(ExportError, match="knows 17 keypoints of its own"):
        write_back(lightning(eighteen), tmp_path / "out", "tflite", lite, PICTURE)
    with pytest.raises(ExportError, match=r"is not the published graph; name a TensorFlow\.js graph model"):
        write_back(lightning(), tmp_path / "out", "tfjs-graph", lite, PICTURE)
    with pytest.raises(ExportError, match="write into another folder"):
        write_back(lightning(), tmp_path, "tflite", lite, PICTURE)
    other = PoseModel(
        "b", FAMILIES["movenet"], "movenet-thunder", FAMILIES["movenet"].build("movenet-thunder"), "0" * 16
    )
    with pytest.raises(WeightsError):
        write_back(other, tmp_path / "out", "tflite", lite, PICTURE)
    huge = lightning()
    with torch.no_grad():
        huge.network.state_dict()["heads.centre.output.conv.bias"].fill_(1e6)
    with pytest.raises(WeightsError, match="do not fit"):
        write_back(huge, tmp_path / "out", "tflite", lite, PICTURE)


@pytest.mark.parametrize("stored", [None, "float16", "uint8", "uint16"])
def test_a_graph_model_keeps_its_names_types_and_other_tensors(tmp_path: Path, stored: str | None) -> None:
    rng = np.random.default_rng(0)
    tensors = {name: rng.normal(size=(3, 5)).astype(np.float32) for name in ("a", "b", "c")}
    source = write(tmp_path / "source", graph_files(tensors, stored, shards=2))
    (tmp_path / "out").mkdir()
    changed = (3 * tensors["b"] + 1).astype(np.float32)
    write_graph(source, {"b": changed}, tmp_path / "out")
    sizes = {path.name: path.stat().st_size for path in source.parent.iterdir() if path.suffix != ".json"}
    assert sizes == {path.name: path.stat().st_size for path in (tmp_path / "out").iterdir() if path.suffix != ".json"}
    before, after = read_graph(source).tensors, read_graph(tmp_path / "out" / "model.json").tensors
    assert np.array_equal(before["a"], after["a"])
    assert np.array_equal(before["c"], after["c"])
    steps = {
        None: 0.0,
        "float16": np.abs(changed).max() / 2048,
        "uint8": np.ptp(changed) / 510,
        "uint16": np.ptp(changed) / 131070,
    }
    assert np.abs(after["b"] - changed).max() <= steps[stored] * 1.01 + 1e-7
    if stored in (None, "float16"):
        assert (tmp_path / "out" / "model.json").read_bytes() == source.read_bytes()
    with pytest.raises(WeightsError, match="has shape"):
        write_graph(source, {"b": changed.T}, tmp_path / "out")


@pytest.mark.parametrize(
    ("architecture", "file"),
    [
        ("movenet-lightning", "google/tfjs-model/movenet/singlepose/lightning/4/model.json"),
        ("movenet-multipose", "google/tfjs-model/movenet/multipose/lightning/1/model.json"),
        ("posenet-mobilenet_v1-050", "tfjs-models/savedmodel/posenet/mobilenet/float/050/model-stride16.json"),
    ],
)
def test_published_graphs_take_other_weights(reference: Path, tmp_path: Path, architecture: str, file: str) -> None:
    if not (reference / file).is_file():
        pytest.skip(f"no {file}")
    model = load_model(architecture, weights=reference / file, device="cpu")
    same = write_back(model, tmp_path / "same", "tfjs-graph", reference / file, PICTURE)
    assert same.parity.largest_difference == 0
    for path in (reference / file).parent.glob("*.bin"):
        if (tmp_path / "same" / path.name).exists():
            assert (tmp_path / "same" / path.name).read_bytes() == path.read_bytes()
    made = write_back(moved(model), tmp_path / "moved", "tfjs-graph", reference / file, PICTURE)
    assert made.file.read_bytes() == (reference / file).read_bytes()
    assert made.parity.summary()["missed"] == 0
    again = read_own_file(made.file, architecture).state
    for name, values in model.network.state_dict().items():
        if not name.startswith(("pyramid.smooth", "heads")):
            assert torch.allclose(again[name], values, rtol=1e-3, atol=1e-5), name
