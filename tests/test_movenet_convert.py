"""Published MoveNet files to our networks: graphs with made-up weights are run by a small executor of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from posecore.errors import WeightsError
from posecore.families.backbones import same_padding
from posecore.families.contract import ForeignWeights
from posecore.families.movenet import MOVENET
from posecore.families.movenet.network import MoveNet
from posecore.zoo import tflite
from posecore.zoo.own_files import read_own_file
from posecore.zoo.tfjs import read_graph
from tests.lite_support import LiteFile, Vector, flatbuffer

TOPOLOGIES = {
    "movenet-lightning": "singlepose-lightning-4",
    "movenet-thunder": "singlepose-thunder-4",
    "movenet-multipose": "multipose-lightning-1",
}
#: Our heads and the part of the published name of their last convolution.
HEADS = {
    "centre": "center_0", "regression": "kpt_regress_0", "heatmaps": "kpt_heatmap_0", "offsets": "kpt_offset_0",
    "box_size": "box_scale_0", "box_offset": "box_offset_0",
}  # fmt: skip
TINY = "movenet-lightning"


def made_up(topology: Path, folder: Path) -> Path:
    """A published graph with random weights: model.json and its shard in ``folder``."""
    model = json.loads(topology.read_text())
    rng = np.random.default_rng(0)
    (group,) = model["weightsManifest"]
    data = b""
    for tensor in group["weights"]:
        tensor.pop("quantization", None)
        if tensor["dtype"] == "float32":
            fan_in = max(int(np.prod(tensor["shape"][:-1])), 1) if len(tensor["shape"]) == 4 else 100
            # Depthwise kernels (3, 3, C, 1) have 9 inputs each.
            fan_in = 9 if len(tensor["shape"]) == 4 and tensor["shape"][3] == 1 and tensor["shape"][0] == 3 else fan_in
            data += rng.normal(0, np.sqrt(2 / fan_in), tensor["shape"]).astype("<f4").tobytes()
        else:
            data += bytes(int(np.prod(tensor["shape"])) * (4 if tensor["dtype"] == "int32" else 1))
    group["paths"] = ["group1-shard1of1.bin"]
    (folder / "group1-shard1of1.bin").write_bytes(data)
    path = folder / "model.json"
    path.write_text(json.dumps(model))
    return path


def executed(weights: ForeignWeights, picture: torch.Tensor) -> dict[str, torch.Tensor]:
    """Every tensor of a TensorFlow.js graph that can be computed from a normalised picture ``(1, 3, H, W)``."""
    values: dict[str, torch.Tensor] = {}

    def constant(name: str) -> torch.Tensor:
        return torch.from_numpy(np.array(weights.tensors[name]))

    for node in weights.nodes:
        op, inputs, attrs = node["op"], node["inputs"], node["attrs"]
        if op in ("_FusedConv2D", "FusedDepthwiseConv2dNative", "DepthwiseConv2dNative"):
            # The first convolution reads the picture, normalised by operations that are not carried out here.
            x = values.get(inputs[0], picture)
            kernel = constant(inputs[1])
            depthwise = "epthwise" in op
            kernel = kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)
            stride, size = attrs["strides"][1], kernel.shape[2]
            up, down = same_padding(x.shape[2], size, stride, 1)
            left, right = same_padding(x.shape[3], size, stride, 1)
            bias = constant(inputs[2]) if len(inputs) > 2 else None
            groups = kernel.shape[0] if depthwise else 1
            y = F.conv2d(F.pad(x, (left, right, up, down)), kernel, bias, stride, groups=groups)
            fused = attrs.get("fused_ops") or ()
            y = F.relu6(y) if "Relu6" in fused else F.relu(y) if "Relu" in fused else y
            values[node["name"]] = y
        elif op == "AddV2" and all(name in values for name in inputs):
            values[node["name"]] = values[inputs[0]] + values[inputs[1]]
        elif op == "ResizeBilinear":
            assert attrs["half_pixel_centers"]
            assert not attrs["align_corners"]
            values[node["name"]] = F.interpolate(values[inputs[0]], scale_factor=2, mode="bilinear")
    return values


@pytest.mark.parametrize("architecture", list(TOPOLOGIES))
def test_published_graphs_compute_what_our_networks_compute(reference: Path, tmp_path: Path, architecture: str) -> None:
    topology = reference / "movenet" / f"topology-{TOPOLOGIES[architecture]}.json"
    weights = read_graph(made_up(topology, tmp_path))
    network = MOVENET.build(architecture).eval()
    network.load_state_dict(MOVENET.convert(architecture, weights))
    pixels = torch.rand(1, 3, 96, 64) * 255
    with torch.inference_mode():
        ours = network(pixels)
        theirs = executed(weights, pixels * (2 / 255) - 1)
    for head, output in ours.items():
        found = [value for name, value in theirs.items() if HEADS[head] in name and name.endswith("BiasAdd")]
        assert len(found) == 1
        (expected,) = found
        if head not in ("centre", "heatmaps"):
            # Published: y and x of each keypoint in turn, from the corners of cells.
            expected = expected.view(1, -1, 2, *expected.shape[2:]).flip(2)
            expected = expected if head == "box_size" else expected - 0.5
        scale = float(expected.abs().max())
        assert scale > 0.01
        assert output.numpy() == pytest.approx(expected.numpy(), abs=1e-4 * max(scale, 1))


def test_names_and_order_do_not_matter(reference: Path, tmp_path: Path) -> None:
    weights = read_graph(made_up(reference / "movenet" / "topology-singlepose-lightning-4.json", tmp_path))
    names = dict.fromkeys([*weights.tensors, *(node["name"] for node in weights.nodes)])
    renamed = {name: f"t{index}" for index, name in enumerate(names)}

    def new(name: str) -> str:
        head, colon, rank = name.partition(":")
        return renamed.get(head, head) + colon + rank

    nodes = [
        {**node, "name": new(node["name"]), "inputs": [new(name) for name in node["inputs"]]} for node in weights.nodes
    ]
    tensors = {new(name): value for name, value in weights.tensors.items()}
    shuffled = MOVENET.convert(TINY, ForeignWeights(tensors, tuple(reversed(nodes))))
    for name, value in MOVENET.convert(TINY, weights).items():
        assert torch.equal(shuffled[name], value), name


def altered(weights: ForeignWeights, wanted: str, **changes: Any) -> ForeignWeights:
    """The same graph with one node changed."""
    nodes = [{**node, **changes} if node["name"].endswith(wanted) else node for node in weights.nodes]
    assert nodes != list(weights.nodes)
    return ForeignWeights(weights.tensors, tuple(nodes))


def test_a_mismatch_says_which_layer(reference: Path, tmp_path: Path) -> None:
    weights = read_graph(made_up(reference / "movenet" / "topology-singlepose-lightning-4.json", tmp_path))
    with pytest.raises(WeightsError, match=r"'backbone.stem' needs 3×3 3 → 56 channels.*is 3×3 3 → 32"):
        MOVENET.convert("movenet-thunder", weights)
    with pytest.raises(WeightsError, match=r"'backbone.blocks.4' adds two tensors"):
        MOVENET.convert(TINY, altered(weights, "block_4_add/add", op="Mul"))
    with pytest.raises(WeightsError, match="Level 2 of the pyramid"):
        MOVENET.convert(TINY, altered(weights, "up_sampling2d_1/resize/ResizeBilinear", op="ResizeNearestNeighbor"))
    with pytest.raises(WeightsError, match="heads"):
        MOVENET.convert(TINY, altered(weights, "center_0/conv2d_4/BiasAdd", op="Dead"))
    (node,) = [node for node in weights.nodes if node["name"].endswith("block_7_depthwise/depthwise")]
    striding = {**node["attrs"], "strides": [1, 2, 2, 1]}
    with pytest.raises(WeightsError, match=r"'backbone.blocks.7.depthwise' needs .* stride 1.* stride 2"):
        MOVENET.convert(TINY, altered(weights, "block_7_depthwise/depthwise", attrs=striding))
    with pytest.raises(WeightsError, match="no graph"):
        MOVENET.convert(TINY, ForeignWeights(weights.tensors))


def test_biases_and_activations_of_their_own_are_understood(reference: Path, tmp_path: Path) -> None:
    """Graphs that no optimiser has fused have Conv2D, BiasAdd and Relu6 as three operations."""
    weights = read_graph(made_up(reference / "movenet" / "topology-singlepose-lightning-4.json", tmp_path))
    nodes: list[Mapping[str, Any]] = []
    for node in weights.nodes:
        if node["op"] not in ("_FusedConv2D", "FusedDepthwiseConv2dNative"):
            nodes.append(node)
            continue
        plain = {key: value for key, value in node["attrs"].items() if key != "fused_ops"}
        op = "Conv2D" if node["op"] == "_FusedConv2D" else "DepthwiseConv2dNative"
        last, fused = node["name"], [op for op in node["attrs"]["fused_ops"] if op != "BiasAdd"]
        nodes.append({"name": f"{last}/conv", "op": op, "inputs": node["inputs"][:2], "attrs": plain})
        bias = f"{last}/bias" if fused else last
        nodes.append({"name": bias, "op": "BiasAdd", "inputs": [f"{last}/conv", node["inputs"][2]], "attrs": {}})
        nodes.extend({"name": last, "op": op, "inputs": [bias], "attrs": {}} for op in fused)
    apart = MOVENET.convert(TINY, ForeignWeights(weights.tensors, tuple(nodes)))
    for name, value in MOVENET.convert(TINY, weights).items():
        assert torch.equal(apart[name], value), name


# --- TensorFlow Lite -------------------------------------------------------------------------------------------------


def lite_file(network: MoveNet) -> bytes:
    """A float16 TensorFlow Lite file of our network, decoding left out except for what tells its heads apart."""
    file = LiteFile()
    names = {module: name for name, module in network.named_modules()}

    def conv(unit: Any, source: int, stride: int = 1) -> int:
        return file.conv(unit, source, stride, names[unit])

    x = file.tensor("picture")
    backbone, pyramid = network.backbone, network.pyramid
    x = conv(backbone.stem, x, 2)
    levels: list[int] = []
    for index, block in enumerate(backbone.blocks):
        y = x if block.expand is None else conv(block.expand, x)
        y = conv(block.project, conv(block.depthwise, y, backbone.strides[index + 1]))
        x = file.operation(0, [x, y], f"add{index}", [("b", 0)]) if block.residual else y
        if index in network.taps:
            levels.append(conv(pyramid.lateral[len(levels)], x))
    x = conv(pyramid.lateral[3], conv(backbone.last, x))
    size = file.tensor("size", np.array([2, 2], "<i4"))
    for index in (2, 1, 0):
        doubled = file.operation(23, [x, size], f"up{index}")
        smooth: Any = pyramid.smooth[index]
        summed = file.operation(0, [doubled, levels[index]], f"sum{index}", [("b", 0)])
        x = conv(smooth.pointwise, conv(smooth.depthwise, summed))
    outputs = {}
    # Not in our order: heads are told apart by what happens to them.
    for name in sorted(network.heads, reverse=True):
        head: Any = network.heads[name]
        outputs[name] = conv(head.output, conv(head.hidden.pointwise, conv(head.hidden.depthwise, x)))
    found = file.operation(56, [file.operation(42, [outputs["heatmaps"], outputs["regression"]], "weighted")], "found")
    file.operation(107, [outputs["offsets"], found], "looked up")
    if "box_size" in outputs:
        zero = file.constant("zero", np.zeros(1))
        size = file.operation(55, [outputs["box_size"], zero], "cut off")
        file.operation(0, [outputs["box_offset"], size], "corner", [("b", 0)])
    return file.data()


@pytest.fixture(scope="module")
def network() -> MoveNet:
    torch.manual_seed(0)
    return MOVENET.build(TINY)


@pytest.fixture(scope="module")
def lite(network: MoveNet) -> bytes:
    return lite_file(network)


@pytest.mark.parametrize("architecture", list(TOPOLOGIES))
def test_a_float16_file_of_our_own_comes_back(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = MOVENET.build(architecture)
    path = tmp_path / "own"
    path.write_bytes(lite_file(network))
    # A file without an ending is known by its mark.
    state = read_own_file(path, architecture).state
    for name, value in network.state_dict().items():
        assert torch.equal(state[name], value.half().float()), name


def test_a_file_of_another_architecture_is_refused(lite: bytes, tmp_path: Path) -> None:
    (tmp_path / "own.tflite").write_bytes(lite)
    with pytest.raises(WeightsError, match=r"'backbone.stem' needs"):
        read_own_file(tmp_path / "own.tflite", "movenet-multipose")


def small_lite() -> bytes:
    file = LiteFile()
    weights = file.constant("weights", np.ones((4, 3, 3, 3)))
    file.operation(3, [file.tensor("picture"), weights], "conv", [("b", 0), ("i", 2), ("i", 2), ("b", 1)])
    return file.data()


def test_damaged_files_are_refused_and_never_crash(tmp_path: Path) -> None:
    data = small_lite()
    path = tmp_path / "damaged.tflite"
    rng = np.random.default_rng(0)
    path.write_bytes(data)
    assert tflite.read(path).nodes[0]["attrs"] == {
        "padding": "SAME", "strides": (2, 2), "activation": "relu", "dilations": (1, 1),
    }  # fmt: skip
    refused = 0
    for _ in range(1500):
        broken = bytearray(data)
        for place in rng.integers(8, len(data), rng.integers(1, 6)):
            broken[place] = rng.integers(0, 256)
        path.write_bytes(broken if rng.random() < 0.8 else broken[: rng.integers(0, len(data))])
        try:
            tflite.read(path)
        except WeightsError:
            refused += 1
    assert refused > 300


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x00" * 64, b"PK\x03\x04TFL3" * 8])
def test_other_files_are_not_models(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.tflite"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"not a TensorFlow Lite model|damaged"):
        tflite.read(path)
    with pytest.raises(WeightsError):
        tflite.read(tmp_path / "missing.tflite")


@pytest.mark.parametrize("axis", [0, 3])
def test_quantised_values_are_restored_per_channel(tmp_path: Path, axis: int) -> None:
    shape = (4, 1, 1, 4)
    values = np.arange(16, dtype="i1").reshape(shape)
    scale, zero = np.array([0.5, 1, 2, 4], np.float32), np.array([1, 0, -1, 3])
    quantisation = [None, None, Vector("<f4", scale), Vector("<i8", zero), None, None, ("i", axis)]
    tensor = [Vector("<i4", shape), ("b", 9), ("I", 1), b"w", quantisation]
    buffers = ([None], [Vector("u1", values.view("u1").ravel())])
    graph = [(tensor,), Vector("<i4", []), Vector("<i4", []), None]
    path = tmp_path / "quantised.tflite"
    path.write_bytes(flatbuffer([("I", 3), None, (graph,), b"", buffers]))
    place = [-1 if index == axis else 1 for index in range(4)]
    expected = (values - zero.reshape(place)) * scale.reshape(place)
    assert tflite.read(path).tensors["w"] == pytest.approx(expected)
