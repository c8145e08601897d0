"""Readers of frozen graphs and Caffe models, and the conversion of what they read."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import posecore
from posecore.errors import WeightsError
from posecore.families.backbones import ConvUnit
from posecore.families.contract import ForeignWeights
from posecore.families.openpose import OPENPOSE
from posecore.families.openpose.convert import convert_weights, knows_names
from posecore.families.openpose.network import OpenPose
from posecore.model import PoseModel
from posecore.protobuf import Message
from posecore.skeleton import OPENPOSE_18
from posecore.zoo.caffe import read_caffemodel
from posecore.zoo.formats import format_of
from posecore.zoo.frozen_graph import read_frozen_graph
from posecore.zoo.own_files import default_skeleton, read_own_file

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = "openpose-mobilenet_v2_small"
GRAPH = "ildoonet/tf-pose-estimation/master/models/graph/mobilenet_v2_small/graph_opt.pb"
RECORDED = Path(__file__).parent / "data" / "openpose_v2_small.npz"


# A writer of the wire format, to make files from


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def counted(field: int, data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def real(field: int, value: float) -> bytes:
    return varint(field << 3 | 5) + struct.pack("<f", value)


def shape_proto(shape: Any) -> bytes:
    return b"".join(counted(2, number(1, side)) for side in shape)


def tensor_proto(array: np.ndarray) -> bytes:
    return number(1, 1) + counted(2, shape_proto(array.shape)) + counted(4, array.astype("<f4").tobytes())


def float_proto(*shape: int) -> bytes:
    return number(1, 1) + counted(2, shape_proto(shape))


def node(name: str, op: str, inputs: Any = (), **attributes: bytes) -> bytes:
    body = counted(1, name) + counted(2, op) + b"".join(counted(3, one) for one in inputs)
    for key, value in attributes.items():
        body += counted(5, counted(1, key) + counted(2, value))
    return counted(1, body)


def constant(name: str, array: np.ndarray) -> bytes:
    return node(name, "Const", value=counted(8, tensor_proto(array)), dtype=number(6, 1))


# The wire format


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5), st.text(max_size=9), st.floats(width=32, allow_nan=False)
)
@settings(max_examples=100, deadline=None)
def test_messages_come_back(values: Any, text: str, single: float) -> None:
    packed = b"".join(varint(value) for value in values)
    data = b"".join(number(3, value) for value in values) + counted(4, packed) + counted(200, text) + real(5, single)
    message = Message(memoryview(data), "it")
    assert message.integers(3) == message.integers(4) == values
    assert message.integer(3, -7) == (values[-1] if values else -7)
    assert message.text(200) == text
    assert message.floating(5) == single
    assert message.numbers(5, "<f4").tolist() == [single]
    assert 6 not in message
    assert message.messages(6) == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\x08", "no number ends"),
        (b"\xff" * 11, "no number ends"),
        (b"\x0a\x05abc", "cut off"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "cut off"),
        (b"\x00\x01", "number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x0d\x01\x02", "cut off"),
    ],
)
def test_damaged_messages_are_refused(data: bytes, problem: str) -> None:
    with pytest.raises(WeightsError, match=problem):
        Message(memoryview(data), "it")


def test_fields_of_another_kind_are_refused() -> None:
    message = Message(memoryview(number(1, 5) + counted(2, b"\xff\xfe\xfd")), "it")
    for read in (
        lambda: message.spans(1),
        lambda: message.integer(2),
        lambda: message.text(2),
        lambda: message.numbers(2, "<f4"),
    ):
        with pytest.raises(WeightsError, match="damaged"):
            read()


# Frozen graphs


def test_constants_in_every_form(tmp_path: Path) -> None:
    def proto(kind: int, shape: Any, rest: bytes) -> bytes:
        return node(f"c{kind}", "Const", value=counted(8, number(1, kind) + counted(2, shape_proto(shape)) + rest))

    file = tmp_path / "graph.pb"
    file.write_bytes(
        constant("plain", np.arange(6).reshape(2, 3))
        + proto(1, (3,), real(5, 1.5) + real(5, 2.5))
        + proto(3, (2, 2), counted(7, varint(-4)))
        + proto(2, (), varint(6 << 3 | 1) + struct.pack("<d", 0.1))
        + proto(19, (2,), counted(13, varint(0x3C00) + varint(0xC000)))
        + proto(9, (2,), b"")
        + proto(7, (1,), counted(8, "text"))
    )
    read = read_frozen_graph(file)
    assert read.tensors["plain"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read.tensors["c1"].tolist() == [1.5, 2.5, 2.5]
    assert read.tensors["c3"].tolist() == [[-4, -4], [-4, -4]]
    assert read.tensors["c2"] == pytest.approx(0.1)
    assert read.tensors["c19"].tolist() == [1, -2]
    assert read.tensors["c9"].tolist() == [0, 0]
    assert "c7" not in read.tensors
    assert all(value.dtype == np.float32 for value in read.tensors.values())


def test_attributes_become_plain_values(tmp_path: Path) -> None:
    file = tmp_path / "graph.pb"
    packed = counted(3, b"".join(varint(value) for value in (1, 2, 2, 1)))
    file.write_bytes(
        node("n", "Op", ["a", "b:1"], s=counted(2, "SAME"), i=number(3, 7), f=real(4, 0.5), b=number(5, 1),
             l=counted(1, packed), h=counted(7, shape_proto((1, 3))), none=b"")
    )  # fmt: skip
    (found,) = read_frozen_graph(file).nodes
    assert found["inputs"] == ["a", "b:1"]
    assert found["attrs"] == {"s": "SAME", "i": 7, "f": 0.5, "b": True, "l": [1, 2, 2, 1], "h": [1, 3], "none": None}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no TensorFlow graph"),
        (b"not a graph at all", "damaged"),
        (node("", "Const"), "no name"),
        (node("c", "Const", value=counted(8, float_proto(2) + counted(4, b"1234"))), "4 bytes"),
        (node("c", "Const", value=counted(8, float_proto(2**20, 2**20))), "claims"),
        (node("c", "Const", value=counted(8, float_proto(-1))), "shape"),
        (node("c", "Const", value=counted(8, float_proto(1) + real(5, 1) + real(5, 2))), "lists 2"),
    ],
)  # fmt: skip
def test_damaged_graphs_are_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "graph.pb"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=problem):
        read_frozen_graph(file)
    with pytest.raises(WeightsError, match=problem):
        read_own_file(file, SMALL)


def test_a_missing_graph_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.pb cannot be read"):
        read_frozen_graph(tmp_path / "none.pb")


with torch.device("meta"):
    _EMPTY = OPENPOSE.build(SMALL, OPENPOSE_18)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_damage_is_found_or_harmless(data: st.DataObject) -> None:
    """Changed or missing bytes raise ``WeightsError``, never anything else."""
    whole = (
        constant("kernel", np.ones((1, 1, 3, 2)))
        + node("image", "Placeholder")
        + node("out", "Conv2D", ["image", "kernel"])
    )
    position = data.draw(st.integers(0, len(whole) - 1))
    broken = whole[:position] + data.draw(st.binary(max_size=4)) + whole[position + data.draw(st.integers(0, 3)) :]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "graph.pb"
        file.write_bytes(broken)
        with pytest.raises(WeightsError):
            convert_weights(read_frozen_graph(file), _EMPTY)


# Graphs of every architecture, made from random networks


class _Writer:
    """Writes a network as the frozen graph that tf-pose would have published."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.count = 0

    def add(self, op: str, inputs: list[str], **attributes: bytes) -> str:
        self.count += 1
        name = f"n{self.count}"
        self.parts.append(node(name, op, inputs, **attributes))
        return name

    def constant(self, values: np.ndarray) -> str:
        self.count += 1
        self.parts.append(constant(f"c{self.count}", values))
        return f"c{self.count}"

    def units(self, module: torch.nn.Module, source: str, norms: bool) -> str:
        for part in module.modules():
            if isinstance(part, ConvUnit):
                source = self.unit(part, source, norms)
        return source

    def unit(self, unit: ConvUnit, source: str, norms: bool) -> str:
        kernel = unit.conv.weight.detach().numpy()
        depthwise = unit.conv.groups > 1
        kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        op = "DepthwiseConv2dNative" if depthwise else "Conv2D"
        source = self.add(op, [source, self.constant(kernel)])
        if unit.conv.bias is not None:
            bias = unit.conv.bias.detach().numpy()
            if norms:
                ones, zeros = np.ones(len(bias)), np.zeros(len(bias))
                constants = [self.constant(values) for values in (ones * 2, bias, zeros, ones * 4 - 0.001)]
                source = self.add(
                    "FusedBatchNorm", [source, *constants], epsilon=real(4, 0.001), is_training=number(5, 0)
                )
            else:
                source = self.add("BiasAdd", [source, self.constant(bias)])
        return source if unit.activation is None else self.add("Relu", [source])


def written(network: OpenPose, norms: bool) -> bytes:
    """A graph with the structure of ``network``: a chain of features, then stages."""
    writer = _Writer()
    image = writer.add("Placeholder", [])
    scaled = writer.add(
        "Sub", [writer.add("RealDiv", [image, writer.constant(np.array(128.0))]), writer.constant(np.array(1.0))]
    )
    chain = writer.units(network.features, scaled, norms)
    features = writer.add("ConcatV2", [scaled, chain, writer.constant(np.array(3))])
    source = features
    stage: Any
    for number_of_stage, stage in enumerate(network.stages, 1):
        fields, heatmaps = (writer.units(branch, source, norms) for branch in (stage.fields, stage.heatmaps))
        if number_of_stage < len(network.stages):
            source = writer.add("ConcatV2", [fields, heatmaps, features, writer.constant(np.array(3))])
    writer.add("ConcatV2", [heatmaps, fields, writer.constant(np.array(3))])
    return b"".join(writer.parts)


@pytest.mark.parametrize("norms", [True, False])
@pytest.mark.parametrize("architecture", ["openpose-mobilenet_thin", "openpose-mobilenet_v2_large", "openpose-dsconv"])
def test_graphs_of_random_networks_come_back(tmp_path: Path, architecture: str, norms: bool) -> None:
    """Whether BatchNorm is folded or kept, the converted network is the one that was written."""
    torch.manual_seed(0)
    network = OPENPOSE.build(architecture, OPENPOSE_18)
    file = tmp_path / "graph.pb"
    file.write_bytes(written(network, norms))
    state = OPENPOSE.convert(architecture, read_frozen_graph(file))
    assert float(state["scale"]) == pytest.approx(1 / 128)
    assert state["mean"].flatten().tolist() == [1, 1, 1]
    for name, value in network.state_dict().items():
        if name not in ("scale", "mean"):
            # Not pytest.approx: it looks at millions of numbers one by one.
            np.testing.assert_allclose(state[name].numpy(), value.numpy(), rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_graph_of_another_architecture_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "graph.pb"
    file.write_bytes(written(OPENPOSE.build("openpose-mobilenet_thin", OPENPOSE_18), True))
    for other in (SMALL, "openpose-mobilenet_fast", "openpose-dsconv"):
        with pytest.raises(WeightsError, match=r"another|stages"):
            OPENPOSE.convert(other, read_frozen_graph(file))


def test_a_graph_in_a_circle_is_refused() -> None:
    nodes = tuple(
        {"name": name, "op": op, "inputs": inputs, "attrs": {}}
        for name, op, inputs in (("a", "Relu", ["b"]), ("b", "Relu", ["a"]), ("c", "ConcatV2", ["a", "b"]))
    )
    with pytest.raises(WeightsError, match="circle"):
        OPENPOSE.convert(SMALL, ForeignWeights({}, nodes))


# The published graph


@pytest.fixture(scope="module")
def published(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> PoseModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSECORE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("POSECORE_WEIGHTS_MIRROR", str(reference))
        return posecore.load_model(f"{SMALL}.tfpose", device="cpu")


def test_published_graph_gives_the_maps_that_tensorflow_gives(published: PoseModel) -> None:
    """Recorded from TensorFlow 2.21 running the graph itself: every third cell of the output for a synthetic person.

    The picture is stored at half its size and was fed with every pixel doubled, as raw BGR.
    """
    with np.load(RECORDED) as recorded:
        pixels, expected = recorded["pixels"].repeat(2, 0).repeat(2, 1), recorded["maps"]
    batch = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        ((fields, heatmaps),) = published.network(batch)
    ours = torch.cat((heatmaps, fields.flatten(1, 2)), 1)[0].permute(1, 2, 0).numpy()[::3, ::3]
    assert ours.shape == expected.shape
    assert expected[..., :18].max() > 0.7
    assert np.abs(ours - expected).max() < 1e-3


@pytest.mark.parametrize(("name", "people", "joints"), [("couple.jpg", 2, 16), ("squat.png", 1, 16)])
def test_people_in_real_pictures(published: PoseModel, reference: Path, name: str, people: int, joints: int) -> None:
    poses = published(reference / "media" / name)
    assert len(poses) == people
    assert (poses.present.sum(1) >= joints).all()
    assert (poses.scores > 0.5).all()
    ankles = [OPENPOSE_18.index(f"{side}_ankle") for side in ("left", "right")]
    assert (poses.keypoints[:, ankles, 1] > poses.keypoints[:, [OPENPOSE_18.index("neck")], 1]).all()


def test_the_published_statistics_are_those_of_the_picture(published: PoseModel) -> None:
    state = published.network.state_dict()
    assert sum(float(value) for name, value in state.items() if name.endswith("norm.active")) == 39
    assert float(state["scale"]) == 1
    assert state["mean"].abs().sum() == 0


def test_the_graph_is_readable_as_a_file_of_ones_own(reference: Path) -> None:
    weights = read_own_file(reference / GRAPH, SMALL)
    assert weights.header.skeleton == OPENPOSE_18
    with pytest.raises(WeightsError, match="another"):
        read_own_file(reference / GRAPH, "openpose-mobilenet_v2_large")


# Body models


def body_model() -> dict[str, np.ndarray]:
    """Layers of the Caffe body model, tiny numbers in the right shapes, each layer its own."""
    shapes: dict[str, tuple[int, int, int]] = {}
    inputs = 3
    widths = {
        "conv1_1": 64, "conv1_2": 64, "conv2_1": 128, "conv2_2": 128, "conv3_1": 256, "conv3_2": 256, "conv3_3": 256,
        "conv3_4": 256, "conv4_1": 512, "conv4_2": 512, "conv4_3_CPM": 256, "conv4_4_CPM": 128,
    }  # fmt: skip
    for name, width in widths.items():
        shapes[name], inputs = (width, inputs, 3), width
    for branch, outputs in ((1, 38), (2, 19)):
        wide: tuple[int, ...] = (128, 128, 128, 128, 512, outputs)
        for layer in range(1, 6):
            shapes[f"conv5_{layer}_CPM_L{branch}"] = (wide[layer], wide[layer - 1], 3 if layer < 4 else 1)
        for stage in range(2, 7):
            wide = (185, 128, 128, 128, 128, 128, 128, outputs)
            for layer in range(1, 8):
                shapes[f"Mconv{layer}_stage{stage}_L{branch}"] = (wide[layer], wide[layer - 1], 7 if layer < 6 else 1)
    tensors: dict[str, np.ndarray] = {}
    for index, (name, (outputs, inputs, kernel)) in enumerate(shapes.items()):
        tensors[f"{name}.weight"] = np.full((outputs, inputs, kernel, kernel), index / 256, np.float16)
        tensors[f"{name}.bias"] = np.full(outputs, -index / 256, np.float16)
    return tensors


@pytest.fixture(scope="module")
def body() -> dict[str, np.ndarray]:
    return {name: value.astype(np.float32) for name, value in body_model().items()}


def check_body_state(state: dict[str, torch.Tensor], body: dict[str, np.ndarray]) -> None:
    """Every layer is where it belongs: values tell layers apart."""

    def value(name: str) -> float:
        return float(body[name].flat[0])

    for ours, theirs in (
        ("features.vgg.convs.0.conv.weight", "conv1_1.weight"),
        ("features.vgg.convs.9.conv.bias", "conv4_2.bias"),
        ("features.extra.1.conv.weight", "conv4_4_CPM.weight"),
        ("stages.0.fields.4.conv.weight", "conv5_5_CPM_L1.weight"),
        ("stages.0.heatmaps.0.conv.bias", "conv5_1_CPM_L2.bias"),
        ("stages.5.heatmaps.6.conv.weight", "Mconv7_stage6_L2.weight"),
        ("stages.3.fields.2.conv.bias", "Mconv3_stage4_L1.bias"),
    ):
        assert float(state[ours].flatten()[0]) == value(theirs), ours
    assert state["stages.5.fields.6.conv.bias"].shape == (38,)
    assert float(state["scale"]) == 1 / 256
    assert state["mean"].flatten().tolist() == [0.5] * 3


@pytest.mark.parametrize("prefix", ["", "model."])
def test_body_model_as_pth(tmp_path: Path, body: dict[str, np.ndarray], prefix: str) -> None:
    file = tmp_path / "body.pth"
    torch.save({prefix + name: torch.from_numpy(value) for name, value in body_model().items()}, file)
    assert default_skeleton("openpose-cmu") == OPENPOSE_18
    check_body_state(read_own_file(file, "openpose-cmu").state, body)
    with pytest.raises(WeightsError, match="another architecture"):
        read_own_file(file, SMALL)


@pytest.mark.parametrize("old", [False, True])
def test_body_model_as_caffemodel(tmp_path: Path, body: dict[str, np.ndarray], old: bool) -> None:
    """Current layers, and those of before 2015 with four-sided blobs."""
    parts = [counted(1, "body")]
    for name in dict.fromkeys(key.rpartition(".")[0] for key in body):
        blobs = b""
        for kind in ("weight", "bias"):
            values = body[f"{name}.{kind}"]
            if old:
                sides = (*[1] * (4 - values.ndim), *values.shape)
                blob = b"".join(number(index, side) for index, side in enumerate(sides, 1))
            else:
                blob = counted(7, counted(1, b"".join(varint(side) for side in values.shape)))
            blobs += counted(6 if old else 7, blob + counted(5, values.astype("<f4").tobytes()))
        parts.append(counted(2 if old else 100, counted(4 if old else 1, name) + blobs))
    file = tmp_path / "body.caffemodel"
    file.write_bytes(b"".join(parts))
    assert format_of(file) == "caffe"
    check_body_state(OPENPOSE.convert("openpose-cmu", read_caffemodel(file)), body)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no layers"),
        (counted(100, counted(1, "conv1_1") + counted(7, counted(7, number(1, 2)) + counted(5, b"1234"))), "1 numbers"),
        (counted(100, counted(1, "conv1_1") + counted(7, counted(7, number(1, 2**40)))), "shape"),
        (counted(100, b"\x0a\x7fcut"), "cut off"),
    ],
)
def test_damaged_caffemodels_are_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "body.caffemodel"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=problem):
        read_own_file(file, "openpose-cmu")


def test_a_body_model_that_lacks_a_layer_is_refused(body: dict[str, np.ndarray]) -> None:
    without = {name: value for name, value in body.items() if not name.startswith("Mconv4_stage3_L1")}
    with pytest.raises(WeightsError, match=r"lacks 2 of.*stages\.2\.fields\.3"):
        OPENPOSE.convert("openpose-cmu", ForeignWeights(without))


def test_names_of_body_models_are_known() -> None:
    assert knows_names({"conv1_1.weight", "conv1_1.bias"})
    assert knows_names({"model0.conv1_1.weight"})
    assert not knows_names({"features.vgg.convs.0.conv.weight", "conv1.weight"})
