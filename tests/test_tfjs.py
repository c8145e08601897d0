"""Reading TensorFlow.js files, made here or published."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from posecore.errors import WeightsError
from posecore.families import family_of
from posecore.families.backbones import Atrous
from posecore.zoo.formats import FORMATS
from posecore.zoo.tfjs import read_graph, read_variables

Tensors = dict[str, NDArray[np.float32]]


def published(architecture: str, seed: int = 0, old: bool = False) -> tuple[Tensors, dict[str, torch.Tensor]]:
    """Random weights of a MobileNet PoseNet under the publisher's names and layout, and as our state."""
    with torch.device("meta"):
        shapes = {name: t.shape for name, t in family_of(architecture).build(architecture).state_dict().items()}
    generator = torch.Generator().manual_seed(seed)
    state = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    heads = {"heatmaps": "heatmap", "offsets": "offset"}
    heads |= {f"displacement_{way}ward": f"displacement_{short}" for way, short in (("for", "fwd"), ("back", "bwd"))}
    tensors: Tensors = {}
    for name, tensor in state.items():
        *place, kind = name.split(".")
        bias = "biases" if old else "Conv2D_bias"
        if place[0] == "heads":
            base = f"{heads[place[1]]}_2"
        elif place[1] == "stem":
            base = "Conv2d_0"
        else:
            base = f"Conv2d_{int(place[2]) + 1}_{place[3]}"
        depthwise = base.endswith("_depthwise")
        if kind == "bias":
            tensors[f"MobilenetV1/{base}/{bias}"] = tensor.numpy()
        else:
            ours_to_theirs = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
            kernel = np.ascontiguousarray(tensor.permute(ours_to_theirs).numpy())
            tensors[f"MobilenetV1/{base}/{'depthwise_' * depthwise}weights"] = kernel
    return tensors, state


def graph_files(
    tensors: Tensors, quantised: str | None = None, shards: int = 1, topology: dict[str, Any] | None = None
) -> dict[str, bytes]:
    """A graph model's files: ``model.json`` and its shards; ``quantised`` is None or a type of stored numbers."""
    entries, data = [], b""
    for name, array in tensors.items():
        entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "dtype": "float32"}
        stored = array.astype("<f4")
        if quantised == "float16":
            entry["quantization"] = {"dtype": "float16"}
            stored = array.astype("<f2")
        elif quantised:
            top = float(np.iinfo(quantised).max)
            low, scale = float(array.min()), float(np.ptp(array)) / top or 1.0
            entry["quantization"] = {"dtype": quantised, "min": low, "scale": scale}
            stored = np.rint((array.astype(np.float64) - low) / scale).astype(quantised)
        entries.append(entry)
        data += stored.tobytes()
    names = [f"group1-shard{i + 1}of{shards}.bin" for i in range(shards)]
    cuts = np.linspace(0, len(data), shards + 1).astype(int)
    model = {
        "format": "graph-model",
        "modelTopology": topology or {"node": []},
        "weightsManifest": [{"paths": names, "weights": entries}],
    }
    files = {name: data[a:b] for name, a, b in zip(names, cuts[:-1], cuts[1:], strict=True)}
    return {"model.json": json.dumps(model).encode(), **files}


def variable_files(tensors: Tensors) -> dict[str, bytes]:
    """The older layout: ``manifest.json`` and one file per variable."""
    names = {name: name.replace("/", "_") for name in tensors}
    manifest = {name: {"filename": names[name], "shape": list(array.shape)} for name, array in tensors.items()}
    files = {names[name]: array.astype("<f4").tobytes() for name, array in tensors.items()}
    return {"manifest.json": json.dumps(manifest).encode(), **files}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files into a folder; returns the first one's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder / next(iter(files))


@pytest.fixture
def small() -> Tensors:
    generator = np.random.default_rng(3)
    shapes = {"a/weights": (3, 3, 2, 5), "a/bias": (5,), "scalar": (), "empty": (0, 4)}
    return {name: np.asarray(generator.normal(size=shape), np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("shards", [1, 4])
def test_float_graph_is_read_exactly(tmp_path: Path, small: Tensors, shards: int) -> None:
    read = read_graph(write(tmp_path, graph_files(small, shards=shards))).tensors
    assert list(read) == list(small)
    for name, array in small.items():
        assert read[name].dtype == np.float32
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize(("stored", "steps"), [("uint8", 255), ("uint16", 65535)])
def test_quantised_graph_is_within_half_a_step(tmp_path: Path, stored: str, steps: int) -> None:
    tensors = {"w": np.random.default_rng(0).normal(size=(40, 7)).astype(np.float32)}
    read = read_graph(write(tmp_path, graph_files(tensors, stored))).tensors["w"]
    step = np.ptp(tensors["w"]) / steps
    assert np.abs(read - tensors["w"]).max() <= 0.51 * step
    assert np.unique(read).size > 100


def test_dequantisation_is_done_in_float64(tmp_path: Path) -> None:
    """A large minimum and a small scale: float32 arithmetic would be off by several steps."""
    low, scale = -1234.56789, 1.1e-6
    numbers = np.array([0, 1, 30000, 65535], "<u2")
    entry: dict[str, object] = {"name": "w", "shape": [4], "dtype": "float32"}
    entry["quantization"] = {"dtype": "uint16", "min": low, "scale": scale}
    model = {"weightsManifest": [{"paths": ["w.bin"], "weights": [entry]}]}
    path = write(tmp_path, {"model.json": json.dumps(model).encode(), "w.bin": numbers.tobytes()})
    expected = (numbers.astype(np.float64) * scale + low).astype(np.float32)
    np.testing.assert_array_equal(read_graph(path).tensors["w"], expected)


def test_half_floats_and_whole_numbers(tmp_path: Path) -> None:
    half = {"w": np.array([0.5, -2.25, 1024], np.float32)}
    np.testing.assert_array_equal(read_graph(write(tmp_path, graph_files(half, "float16"))).tensors["w"], half["w"])
    entry: dict[str, object] = {"name": "paddings", "shape": [2], "dtype": "int32"}
    entry["quantization"] = {"dtype": "uint16", "min": -0.0, "scale": 4.5777065690089265e-05}
    model = {"weightsManifest": [{"paths": ["p.bin"], "weights": [entry]}]}
    path = write(tmp_path, {"model.json": json.dumps(model).encode(), "p.bin": np.array([0, 65535], "<u2").tobytes()})
    assert read_graph(path).tensors["paddings"].tolist() == [0, 3]


def test_nodes_are_decoded(tmp_path: Path, small: Tensors) -> None:
    def text(value: str) -> dict[str, str]:
        return {"s": base64.b64encode(value.encode()).decode()}

    attributes = {
        "padding": text("SAME"),
        "strides": {"list": {"i": ["1", "2", "2", "1"]}},
        "fused_ops": {"list": {"s": [text("BiasAdd")["s"], text("Relu6")["s"]]}},
        "explicit_paddings": {"list": {}},
        "T": {"type": "DT_FLOAT"},
        "use_cudnn_on_gpu": {"b": True},
        "num_args": {"i": "1"},
        "epsilon": {"f": 0.001},
        "shape": {"shape": {"dim": [{"size": "1"}, {"size": "-1"}]}},
        "raw": {"s": base64.b64encode(b"\xff\xfe").decode()},
    }
    node = {"name": "conv", "op": "_FusedConv2D", "input": ["image", "a/weights"], "attr": attributes}
    path = write(tmp_path, graph_files(small, topology={"node": [node, {"name": "image", "op": "Placeholder"}]}))
    first, second = read_graph(path).nodes
    assert first["name"] == "conv"
    assert first["op"] == "_FusedConv2D"
    assert first["inputs"] == ["image", "a/weights"]
    assert first["attrs"] == {
        "padding": "SAME",
        "strides": [1, 2, 2, 1],
        "fused_ops": ["BiasAdd", "Relu6"],
        "explicit_paddings": [],
        "T": "DT_FLOAT",
        "use_cudnn_on_gpu": True,
        "num_args": 1,
        "epsilon": 0.001,
        "shape": [1, -1],
        "raw": b"\xff\xfe",
    }
    assert second == {"name": "image", "op": "Placeholder", "inputs": [], "attrs": {}}


@pytest.mark.parametrize("change", [-1, 1])
def test_shards_of_another_size_are_refused(tmp_path: Path, small: Tensors, change: int) -> None:
    files = graph_files(small, shards=2)
    last = "group1-shard2of2.bin"
    files[last] = files[last][:-1] if change < 0 else files[last] + b"x"
    with pytest.raises(WeightsError, match=r"shard2of2.bin .* hold \d+ bytes, but the tensors named there need \d+"):
        read_graph(write(tmp_path, files))


def test_missing_shard_is_named(tmp_path: Path, small: Tensors) -> None:
    path = write(tmp_path, graph_files(small))
    (tmp_path / "group1-shard1of1.bin").unlink()
    with pytest.raises(WeightsError, match=r"group1-shard1of1.bin cannot be read"):
        read_graph(path)


def test_variables_are_read_exactly_and_checked(tmp_path: Path, small: Tensors) -> None:
    path = write(tmp_path, variable_files(small))
    read = read_variables(path).tensors
    for name, array in small.items():
        np.testing.assert_array_equal(read[name], array)
    (tmp_path / "a_bias").write_bytes(b"\0" * 16)
    with pytest.raises(WeightsError, match=r"a_bias holds 16 bytes, but 'a/bias' of shape \(5,\) needs 20"):
        read_variables(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Please log in</html>",
        b"[1, 2]",
        b'{"weightsManifest": 3}',
        b'{"weightsManifest": [{"paths": ["x"], "weights": [{"name": "w", "shape": [-1], "dtype": "float32"}]}]}',
        b'{"weightsManifest": [{"paths": ["x"], "weights": [{"name": "w", "shape": [1], "dtype": "string"}]}]}',
        b'{"weightsManifest": [], "modelTopology": {"node": [{"op": "Conv2D"}]}}',
    ],
)
def test_malformed_json_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, {"model.json": content})
    with pytest.raises(WeightsError, match=r"model\.json"):
        read_graph(path)


@pytest.mark.parametrize("name", ["../secret.bin", "/etc/passwd", "..\\secret.bin", "c:secret", ""])
def test_files_outside_the_folder_are_not_read(tmp_path: Path, name: str) -> None:
    manifest = {"w": {"filename": name, "shape": [1]}}
    path = write(tmp_path, {"manifest.json": json.dumps(manifest).encode()})
    with pytest.raises(WeightsError, match="does not lie beside it"):
        read_variables(path)


@pytest.mark.parametrize("old", [False, True])
def test_conversion_of_made_up_weights_is_exact(tmp_path: Path, old: bool) -> None:
    architecture = "posenet-mobilenet_v1-050"
    tensors, state = published(architecture, old=old)
    path = write(tmp_path, variable_files(tensors) if old else graph_files(tensors, shards=3))
    read = FORMATS["tfjs_variables" if old else "tfjs_graph"].read(path)
    converted = family_of(architecture).convert(architecture, read)
    assert converted.keys() == state.keys()
    assert all(torch.equal(converted[name], state[name]) for name in state)


def test_published_quantised_and_first_release_agree(reference: Path) -> None:
    """The 16-bit file and the first release hold the same network: equal to half a step of each tensor's own scale."""
    models = reference / "tfjs-models"
    quantised = models / "savedmodel/posenet/mobilenet/quant2/075/model-stride16.json"
    family, architecture = family_of("posenet-mobilenet_v1-075"), "posenet-mobilenet_v1-075"
    states = [
        family.convert(architecture, read_graph(quantised)),
        family.convert(architecture, read_variables(models / "weights/posenet/mobilenet_v1_075/manifest.json")),
    ]
    manifest = json.loads(quantised.read_text())["weightsManifest"]
    coarsest = max(tensor["quantization"]["scale"] for group in manifest for tensor in group["weights"])
    worst = 0.0
    for name, exact in states[1].items():
        difference = (states[0][name] - exact).abs().max().item()
        step = (exact.max() - exact.min()).item() / 65535
        assert difference <= 0.6 * step + 2e-6, name
        worst = max(worst, difference)
    assert 0 < worst <= 0.6 * coarsest


@pytest.fixture(scope="module")
def resnet(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published ResNet-50 graphs (strides 16 and 32) with random numbers in place of their shards."""
    folder = tmp_path_factory.mktemp("resnet")
    source = reference / "tfjs-models/savedmodel/posenet/resnet50/quant2"
    for stride in (16, 32):
        (folder / f"model-stride{stride}.json").write_bytes((source / f"model-stride{stride}.json").read_bytes())
    (group,) = json.loads((folder / "model-stride16.json").read_text())["weightsManifest"]
    size = 2 * sum(int(np.prod(tensor["shape"])) for tensor in group["weights"])
    data = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    cuts = np.linspace(0, size, len(group["paths"]) + 1).astype(int)
    for name, a, b in zip(group["paths"], cuts[:-1], cuts[1:], strict=True):
        (folder / name).write_bytes(data[a:b].tobytes())
    return folder


def test_resnet_graph_converts(resnet: Path) -> None:
    """Twelve shards, all names known, kernels in our layout."""
    read = read_graph(resnet / "model-stride16.json")
    state = family_of("posenet-resnet50").convert("posenet-resnet50", read)
    assert sum(tensor.numel() for tensor in state.values()) == 23_717_107
    theirs = read.tensors["resnet_v1_50/block3/unit_2/bottleneck_v1/conv2/weights"]
    ours = state["backbone.units.8.conv2.conv.weight"].numpy()
    np.testing.assert_array_equal(ours, theirs.transpose(3, 2, 0, 1))


@pytest.mark.parametrize("stride", [16, 32])
def test_resnet_layers_are_the_published_ones(resnet: Path, stride: int) -> None:
    """Strides, dilations and kernels of every 3×3 convolution and shortcut, read off the published graph."""
    graph = read_graph(resnet / f"model-stride{stride}.json")
    backbone: Any = family_of("posenet-resnet50").build("posenet-resnet50").get_submodule("backbone")
    plan = Atrous(stride, square=False).plan(backbone.strides, start=4)
    middle = [node for node in graph.nodes if node["op"] == "Conv2D" and "/conv2/" in node["name"]]
    subsampling = {
        node["name"].rsplit("/shortcut", 1)[0]: node for node in graph.nodes if "/shortcut/Max" in node["name"]
    }
    assert len(middle) == len(plan) == len(backbone.units) == 16
    for unit, node, (step, (vertical, horizontal)) in zip(backbone.units, middle, plan, strict=True):
        attributes, kernel = node["attrs"], graph.tensors[node["inputs"][1]]
        assert attributes["strides"] == [1, step, step, 1]
        assert attributes["dilations"] == [vertical, vertical, 1, 1]
        assert horizontal == 1
        assert kernel.transpose(3, 2, 0, 1).shape == unit.conv2.conv.weight.shape
        shortcut = subsampling.get(node["name"].rsplit("/conv2", 1)[0])
        if shortcut is not None:
            assert unit.shortcut is None
            assert shortcut["attrs"]["strides"] == [1, step, step, 1]
            assert shortcut["attrs"]["ksize"] == [1, 1, 1, 1]
        else:
            assert step == 1
    stem = next(
        node for node in graph.nodes if node["name"].startswith("resnet_v1_50/conv1/") and node["op"] == "Conv2D"
    )
    assert (stem["attrs"]["strides"], stem["attrs"]["padding"]) == ([1, 2, 2, 1], "VALID")
    assert graph.tensors[stem["inputs"][1]].shape == (7, 7, 3, 64)
