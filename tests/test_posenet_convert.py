"""Published PoseNet files to our networks, whatever tool wrote the graph and whatever it calls its tensors."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import posecore
from posecore.errors import WeightsError
from posecore.families.backbones import ConvUnit, MobileNetV1
from posecore.families.contract import ForeignWeights
from posecore.families.posenet import POSENET
from posecore.families.posenet.network import PoseNet
from posecore.zoo import tflite
from tests.lite_support import LiteFile

SMALL = "posenet-mobilenet_v1-050"
HEADS = ("offsets", "displacement_backward", "heatmaps", "displacement_forward")
Style = Literal["fused", "apart", "frozen"]


def random_network(architecture: str) -> PoseNet:
    """Random weights whose forward hops lead downwards on average, as all trained ones' do."""
    torch.manual_seed(0)
    network = POSENET.build(architecture)
    for name, down in (("displacement_forward", 1.0), ("displacement_backward", -1.0)):
        bias: Any = network.heads[name].bias
        assert isinstance(bias, torch.Tensor)
        bias.data[: len(bias) // 2] = down + 0.1 * torch.randn(len(bias) // 2)
    return network


class GraphFile:
    """Collects a TensorFlow graph of our network, as one of three tools would write it."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.numbers = itertools.count()
        self.rng = np.random.default_rng(0)
        self.tensors: dict[str, np.ndarray] = {}
        self.nodes: list[Mapping[str, Any]] = [self.node("Placeholder", [], "picture")]

    def node(self, op: str, inputs: list[str], name: str = "", **attrs: Any) -> dict[str, Any]:
        return {"name": name or f"t{next(self.numbers)}", "op": op, "inputs": inputs, "attrs": attrs}

    def add(self, op: str, inputs: list[str], name: str = "", **attrs: Any) -> str:
        self.nodes.append(self.node(op, inputs, name, **attrs))
        return str(self.nodes[-1]["name"])

    def constant(self, values: Any) -> str:
        name = f"Const_{next(self.numbers)}"
        self.tensors[name] = np.array(values, np.float32)
        if self.style != "frozen":
            return name
        self.nodes.append(self.node("Const", [], name))
        return self.add("Identity", [name])

    def conv(self, unit: Any, x: str, stride: int = 1, name: str = "") -> str:
        inner = unit.conv if isinstance(unit, ConvUnit) else unit
        activations: dict[Any, str] = {F.relu: "Relu", F.relu6: "Relu6"}
        activation = activations.get(getattr(unit, "activation", None))
        weight, bias = (tensor.detach().numpy() for tensor in (inner.weight, inner.bias))
        depthwise = inner.groups > 1
        axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
        attrs: dict[str, Any] = {"strides": [1, stride, stride, 1], "dilations": [1, 1, 1, 1]}
        plain = "DepthwiseConv2dNative" if depthwise else "Conv2D"
        if self.style == "fused":
            op = "FusedDepthwiseConv2dNative" if depthwise else "_FusedConv2D"
            attrs["fused_ops"] = ["BiasAdd", *([activation] if activation else [])]
            return self.add(op, [x, self.constant(weight.transpose(axes)), self.constant(bias)], name, **attrs)
        if self.style == "apart":
            y = self.add(plain, [x, self.constant(weight.transpose(axes))], **attrs)
            y = self.add("BiasAdd", [y, self.constant(bias)], name if activation is None else "")
            return self.add(activation, [y], name) if activation else y
        gamma, mean = (self.rng.uniform(0.5, 2, len(bias)).astype(np.float32) for _ in range(2))
        variance = self.rng.uniform(0.5, 2, len(bias)).astype(np.float32)
        times = gamma / np.sqrt(variance + np.float32(1e-3))
        if depthwise:
            x = self.add("SpaceToBatchND", [x, self.constant([2, 2]), self.constant(np.zeros((2, 2)))])
        y = self.add(plain, [x, self.constant((weight / times[:, None, None, None]).transpose(axes))], **attrs)
        if depthwise:
            y = self.add("BatchToSpaceND", [y, self.constant([2, 2]), self.constant(np.zeros((2, 2)))])
        norm = [y, *(self.constant(values) for values in (gamma, bias + mean * times, mean, variance))]
        y = self.add("FusedBatchNormV3", norm, name if activation is None else "", epsilon=1e-3)
        return self.add(activation, [y], name) if activation else y

    def foreign(self) -> ForeignWeights:
        return ForeignWeights(self.tensors, tuple(self.nodes))


def graph_of(network: PoseNet, style: Style, names: Mapping[str, str] | None = None) -> ForeignWeights:
    file = GraphFile(style)
    backbone = network.backbone
    x = file.conv(backbone.stem, "picture", 2)
    if isinstance(backbone, MobileNetV1):
        for block, stride in zip(backbone.blocks, backbone.strides[1:], strict=True):
            x = file.conv(block.pointwise, file.conv(block.depthwise, x, stride))
    else:
        x = file.add("MaxPool", [file.add("Pad", [x, file.constant(np.zeros((4, 2)))])])
        for unit, stride in zip(backbone.units, backbone.strides, strict=True):
            y = file.conv(unit.conv3, file.conv(unit.conv2, file.conv(unit.conv1, x), stride))
            if unit.shortcut is not None:
                x = file.conv(unit.shortcut, x, stride)
            elif stride > 1:
                x = file.add("MaxPool", [x])
            x = file.add("Relu", [file.add("Add", [y, x])])
    for head in HEADS:
        file.conv(network.heads[head], x, name=(names or {}).get(head, ""))
    return file.foreign()


@pytest.mark.parametrize(
    ("architecture", "style"),
    [(SMALL, "fused"), (SMALL, "apart"), (SMALL, "frozen"), ("posenet-mobilenet_v1-101", "fused"),
     ("posenet-resnet50", "apart")],
)  # fmt: skip
def test_a_graph_with_made_up_names_comes_back(architecture: str, style: Style) -> None:
    network = random_network(architecture)
    state = POSENET.convert(architecture, graph_of(network, style))
    wanted = network.state_dict()
    assert state.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(state[name], tensor, rtol=1e-5, atol=1e-5 if style == "frozen" else 0, msg=name)


def test_a_lite_file_comes_back(tmp_path: Path) -> None:
    network = random_network(SMALL)
    file = LiteFile()
    x = file.conv(network.backbone.stem, file.tensor("picture"), 2)
    for block in network.backbone.blocks:
        # Every layer under one name, as converters leave them when layers share a constant.
        x = file.conv(block.pointwise, file.conv(block.depthwise, x))
    for head in HEADS:
        file.conv(network.heads[head], x)
    (tmp_path / "model.tflite").write_bytes(file.data())
    state = POSENET.convert(SMALL, tflite.read(tmp_path / "model.tflite"))
    for name, tensor in network.state_dict().items():
        assert torch.equal(state[name], tensor.half().float()), name


def hops(forward: Callable[[np.ndarray], np.ndarray], names: Mapping[str, str]) -> list[torch.Tensor]:
    """The forward and the backward head that are found when the biases of both are changed."""
    network = random_network(SMALL)
    for name in ("displacement_forward", "displacement_backward"):
        bias: Any = network.heads[name].bias
        bias.data = torch.from_numpy(forward(bias.detach().numpy()))
    state = POSENET.convert(SMALL, graph_of(network, "fused", names))
    return [
        state[f"heads.{name}.weight"] - network.get_parameter(f"heads.{name}.weight").detach() for name in HEADS[1::2]
    ]


def test_what_heads_are_called_counts_more_than_where_they_lead() -> None:
    names = {"displacement_forward": "x/displacement_fwd_2/BiasAdd", "displacement_backward": "y"}
    assert all(float(left.abs().max()) == 0 for left in hops(lambda bias: -bias, names))
    assert all(float(left.abs().max()) > 0 for left in hops(lambda bias: -bias, {}))


def test_heads_that_nothing_tells_apart_are_refused() -> None:
    with pytest.raises(WeightsError, match="which of its two heads of displacements leads forward"):
        hops(np.zeros_like, {})


def test_a_mismatch_says_which_layer() -> None:
    network = random_network(SMALL)
    graph = graph_of(network, "fused")
    with pytest.raises(WeightsError, match=r"'backbone.stem' needs 3×3 3 → 24 channels.*is 3×3 3 → 16"):
        POSENET.convert("posenet-mobilenet_v1-075", graph)
    with pytest.raises(WeightsError, match=r"'backbone.stem' needs 7×7"):
        POSENET.convert("posenet-resnet50", graph)
    headless = ForeignWeights(graph.tensors, graph.nodes[:-2])
    with pytest.raises(WeightsError, match=r"no head for layer 'heads.heatmaps' \(17 channels\).* are 34, 32"):
        POSENET.convert(SMALL, headless)


def picture(side: int) -> np.ndarray:
    y, x = np.mgrid[:side, :side].astype(np.int64)
    return np.stack([(x * x + 3 * y) // 7, (x * y) // 11, (5 * x + y * y) // 13], -1) % 256


#: Every eighth of TensorFlow.js's flattened maps of ``picture(385)``, in our layout, and their largest values.
RECORDED = {
    "heatmaps": ([-9.915463, -9.337029, -7.490434, -7.448416, -8.619279, -8.83893, -8.604719, -7.114671], 13.226248),
    "offsets": ([-2.133584, 2.92077, -4.469016, -17.143156, 1.455134, 7.475877, 1.984651, 3.63979], 71.228432),
    "displacement_forward": (
        [2.002601, -2.642881, 3.635395, 3.271923, 6.254249, -7.946929, 5.515707, 3.933871], 141.492691,
    ),
    "displacement_backward": (
        [-2.824877, 2.95723, -11.96568, 2.342434, -1.763385, 9.889016, -1.323016, 0.107337], 191.482834,
    ),
}  # fmt: skip


def test_another_tools_file_against_tensorflow_js(reference: Path) -> None:
    path = reference / "human-models" / "posenet.json"
    model = posecore.load_model("posenet-mobilenet_v1-075", weights=path, device="cpu")
    pixels = torch.from_numpy(picture(385).astype(np.float32)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        outputs = model.network(pixels, 16, False)
    for name, (values, largest) in RECORDED.items():
        flat = outputs[name][0].reshape(-1).numpy()
        assert flat[:: len(flat) // 8][:8] == pytest.approx(values, abs=1e-3), name
        assert np.abs(flat).max() == pytest.approx(largest, abs=1e-3), name
