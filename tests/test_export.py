"""Exported models: decoders inside the graph, what can be asked for, the folder, its program, and parity."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from posecore.data.synthetic import render_scene
from posecore.errors import ExportError, MissingExtraError, SettingsError
from posecore.export import FORMATS, Exported, Plan, export_model
from posecore.export.formats import usable_format
from posecore.export.graph import ExportGraph, channels_first
from posecore.export.parity import compare, shots
from posecore.export.plan import check
from posecore.families import FAMILIES
from posecore.model import PoseModel
from posecore.skeleton import COCO_17, Skeleton
from posecore.zoo import load_model

EIGHTEEN = Skeleton(
    "eighteen", tuple(f"joint {index}" for index in range(18)), tuple((index, index + 1) for index in range(17))
)


def random_model(architecture: str, skeleton: Skeleton = COCO_17, **settings: object) -> PoseModel:
    """A network with random weights whose maps differ from place to place."""
    family = next(one for one in FAMILIES.values() if architecture in one.architectures)
    torch.manual_seed(5)
    network = family.build(architecture, skeleton)
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
                if name.endswith("output.conv") or name.count(".") == 1:
                    # Probabilities that rounding makes 1 would be equally high in many cells.
                    module.weight *= 0.05
                if module.bias is not None:
                    torch.nn.init.normal_(module.bias, std=0.1)
    return PoseModel(
        f"{architecture}.random", family, architecture, network, "0" * 16, skeleton=skeleton, device="cpu",
        network_settings=settings,
    )  # fmt: skip


def noise(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A picture of noise, (width, height)."""
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)


def parity_of(model: PoseModel, plan: Plan, pictures: dict[str, np.ndarray]) -> Any:
    """A graph beside posecore, without any file."""
    checked = check(model, plan)
    graph = ExportGraph(model, checked).eval()

    def run(pixels: np.ndarray) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            return {name: value.numpy() for name, value in graph(torch.from_numpy(pixels)).items()}

    return compare(model, checked, run, shots(model, checked, pictures))


SURE = {"pose_threshold": 0.0, "keypoint_threshold": 0.0}


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize(
    ("architecture", "output", "size", "skeleton"),
    [
        ("movenet-shufflenet_v2-050", "auto", (96, 64), COCO_17),
        ("movenet-shufflenet_v2-050", "auto", (96, 96), EIGHTEEN),
        ("movenet-shufflenet_v2-050", "multi", (128, 96), COCO_17),
        ("movenet-multipose", "auto", (96, 128), COCO_17),
        ("posenet-mobilenet_v1-050", "single", (97, 65), EIGHTEEN),
    ],
)
def test_a_graph_decodes_as_the_codec_does(
    architecture: str, output: Any, size: Any, skeleton: Any, layout: Any
) -> None:
    model = random_model(architecture, skeleton)
    settings = SURE | (
        {"root_threshold": 0.0, "nms_radius": 16.0} if output == "multi" or "multi" in architecture else {}
    )
    pictures = {f"noise {seed}": noise((120, 90), seed) for seed in range(3)}
    parity = parity_of(model, Plan(output=output, size=size, layout=layout, settings=settings), pictures)
    summary = parity.summary()
    assert summary["people"] >= 3
    assert (summary["missed"], summary["extra"]) == (0, 0)
    assert summary["largest_pixels"] < 1e-2
    assert summary["largest_score"] < 1e-4


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("architecture", ["openpose-mobilenet_thin", "posenet-mobilenet_v1-050"])
def test_maps_keep_their_meaning_in_either_layout(architecture: str, layout: Any) -> None:
    model = random_model(architecture, input_size=97)
    plan = Plan(output="maps", layout=layout, settings={"root_threshold": 0.0} if "posenet" in architecture else {})
    largest = max(float(abs(one.values).max()) for one in model.fields(noise((80, 60))).maps)
    assert parity_of(model, plan, {"noise": noise((80, 60))}).largest_difference < 1e-5 * max(largest, 1)
    checked = check(model, plan)
    graph = ExportGraph(model, checked)
    width, height = checked.size
    shape = (1, height, width, 3) if layout == "nhwc" else (1, 3, height, width)
    maps = channels_first({name: value.numpy() for name, value in graph(torch.zeros(shape)).items()}, checked)
    straight = model.family.run(model.network, torch.zeros(1, 3, height, width), checked.network)
    assert {name: value.shape for name, value in maps.items()} == {n: tuple(v.shape) for n, v in straight.items()}


def test_weights_stored_in_16_bits_change_little_and_leave_the_model_alone() -> None:
    model = random_model("movenet-shufflenet_v2-050")
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    checked = check(model, Plan(size=(64, 64), output="maps", precision="float16"))
    graph = ExportGraph(model, checked)
    stored = [value.dtype for name, value in graph.state_dict().items() if name.endswith("weight.original")]
    assert stored
    assert set(stored) == {torch.float16}
    found = parity_of(model, checked.plan, {"noise": noise((64, 64))}).largest_difference
    assert found > 0
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())


@pytest.mark.parametrize(
    ("architecture", "plan", "words"),
    [
        (
            "movenet-lightning",
            Plan(size=(200, 192)),
            "multiples of 32 up to 2049 pixels, and 200 is none; take 192 or 224",
        ),
        ("posenet-mobilenet_v1-050", Plan(size=(257, 256)), "multiples of 16 plus 1 .* 256 is none; take 241 or 257"),
        ("openpose-mobilenet_thin", Plan(size=(8, 8)), "multiples of 16"),
        ("movenet-lightning", Plan(size=(4096, 4096)), "take 2048"),
        ("openpose-mobilenet_thin", Plan(output="single"), "outside the graph; export it with maps"),
        ("posenet-mobilenet_v1-050", Plan(dynamic=True), "pads by the size of its input; name one size"),
        ("posenet-mobilenet_v1-050", Plan(output="multi"), "several people cannot be part of a graph"),
    ],
)
def test_what_cannot_be_exported_is_said_in_a_sentence(architecture: str, plan: Any, words: str) -> None:
    with pytest.raises(ExportError, match=words):
        check(random_model(architecture), plan)


def test_unknown_formats_and_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExportError, match="There is no format 'coreml'; there are onnx"):
        usable_format("coreml")
    with pytest.raises(SettingsError, match="distance"):
        check(random_model("movenet-shufflenet_v2-050"), Plan(settings={"distance": 3}))
    monkeypatch.setattr("posecore.extras.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"posecore\[litert\]"):
        usable_format("litert")
    monkeypatch.setattr("posecore.extras.find_spec", lambda _: True)
    with pytest.raises(ExportError, match="one size only"):
        usable_format("litert", dynamic=True)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[PoseModel, Exported]:
    """A small network with its own skeleton as PyTorch's archive."""
    model = random_model("movenet-shufflenet_v2-050", EIGHTEEN, input_size=64)
    folder = tmp_path_factory.mktemp("exported") / "new" / "folder"
    made = export_model(
        model, folder, Plan("torch", size=(96, 64), settings=SURE), {"a": render_scene(1).image}, licence="MIT"
    )
    return model, made


def test_the_folder_says_what_the_model_takes_and_gives(exported: Any) -> None:
    model, made = exported
    about = json.loads((made.folder / "model.json").read_text("utf-8"))
    assert about["input"]["shape"] == [1, 64, 96, 3]
    assert about["outputs"][0]["shape"] == [1, 1, 18, 3]
    assert about["keypoints"] == list(EIGHTEEN.keypoints)
    assert about["licence"] == "MIT"
    assert about["weights"] == model.weights_id
    assert json.loads((made.folder / "parity.json").read_text("utf-8"))["missed"] == 0
    assert "| joint 3 |" in (made.folder / "parity.md").read_text("utf-8")
    assert Image.open(made.folder / "worst.jpg").width > 640


def test_the_folder_can_be_loaded_again(exported: Any) -> None:
    model, made = exported
    again = load_model("movenet-shufflenet_v2-050", weights=made.folder, device="cpu")
    picture = noise((64, 64))
    assert again.skeleton == EIGHTEEN
    assert again.network_defaults.model_dump() == model.network_defaults.model_dump()
    assert np.array_equal(again.fields(picture)["heatmaps"].values, model.fields(picture)["heatmaps"].values)


def test_the_program_runs_without_posecore_and_finds_the_same(exported: Any, tmp_path: Path) -> None:
    model, made = exported
    # As large as the input, so that no resizing comes between the two.
    picture = noise((96, 64), 3)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    script = (
        "import sys; sys.modules['posecore'] = None; import runpy; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(made.folder / "run.py"), str(tmp_path / "picture.png")],
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    checked = check(model, Plan("torch", size=(96, 64), settings=SURE))
    seen = shots(model, checked, {"a": picture})
    ours = parity_of(model, checked.plan, {"a": picture}).pictures[0].ours
    assert np.array_equal(seen[0].pixels, picture)
    lines = [line.partition(": ")[2] for line in ran.stdout.splitlines()]
    assert len(lines) == 18
    expected = [
        f"{x:.1f}, {y:.1f} px, score {score:.2f}"
        for (x, y), score in zip(ours.keypoints[0], ours.keypoint_scores[0], strict=True)
    ]
    close = sum(line == other for line, other in zip(lines, expected, strict=True))
    # A figure between two tenths may be rounded either way.
    assert close >= 16


def test_parity_notices_a_model_that_is_not_the_same() -> None:
    model = random_model("movenet-shufflenet_v2-050")
    checked = check(model, Plan(size=(96, 96), settings=SURE))
    graph = ExportGraph(model, checked)

    def shifted(pixels: np.ndarray) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            poses = graph(torch.from_numpy(pixels))["poses"].numpy().copy()
        poses[..., 3, 1] += 2 / 96
        return {"poses": poses}

    summary = compare(model, checked, shifted, shots(model, checked, {"a": noise((50, 80))})).summary()
    assert summary["largest_pixels"] == pytest.approx(2, abs=0.01)
    assert max(summary["keypoints"], key=lambda name: summary["keypoints"][name]["pixels"]) == COCO_17.keypoints[3]


def test_parity_counts_people_that_the_exported_model_makes_up() -> None:
    model = random_model("movenet-shufflenet_v2-050")
    checked = check(model, Plan(size=(96, 96), settings=SURE))
    graph = ExportGraph(model, checked)

    def crowded(pixels: np.ndarray) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            (joints,) = graph(torch.from_numpy(pixels))["poses"].numpy()
        rows = [np.append(joints, [0, 0, 0, 0, score]) for score in (0.9, 0.8, 0.0)]
        return {"poses": np.stack(rows)[None].astype(np.float32)}

    found = compare(model, checked, crowded, shots(model, checked, {"a": noise((50, 80))}))
    summary = found.summary()
    assert (summary["people"], summary["missed"], summary["extra"]) == (1, 0, 1)
    assert found.worst_picture.worst == float("inf")


def test_parity_refuses_what_is_no_number() -> None:
    model = random_model("movenet-shufflenet_v2-050")
    checked = check(model, Plan(size=(96, 96), settings=SURE))
    with pytest.raises(ExportError, match="not numbers"):
        compare(
            model,
            checked,
            lambda _: {"poses": np.full((1, 1, 17, 3), np.nan)},
            shots(model, checked, {"a": noise((50, 80))}),
        )


def stored_in_halves(folder: Path) -> int:
    """How many numbers of convolutions a folder's model keeps in 16 bits."""
    if (folder / "model.bin").exists():
        # The numbers alone, the graph lies beside them.
        return (folder / "model.bin").stat().st_size // 2
    import onnx

    tensors = onnx.load(folder / "model.onnx").graph.initializer
    return sum(int(np.prod(one.dims)) for one in tensors if one.data_type == onnx.TensorProto.FLOAT16)


@pytest.mark.parametrize("format", [pytest.param("onnx", marks=pytest.mark.slow), "openvino"])
def test_other_runtimes_agree(format: str, tmp_path: Path) -> None:
    pytest.importorskip({"onnx": "onnxscript", "openvino": "openvino"}[format])
    model = random_model("movenet-shufflenet_v2-050")
    dynamic = FORMATS[format].dynamic
    plan = Plan(format, size=(64, 64), precision="float16", dynamic=dynamic, settings=SURE)
    made = export_model(model, tmp_path, plan, {"a": noise((80, 60))})
    assert made.parity.summary()["missed"] == 0
    kernels = sum(value.numel() for value in model.network.state_dict().values() if value.ndim == 4)
    assert kernels * 0.9 < stored_in_halves(tmp_path) < kernels * 1.1
    if not dynamic:
        return
    other = replace(plan, size=(96, 128))
    run = FORMATS[format].open(made.file, ("poses",))
    checked = check(model, other)
    half = parity_of(model, other, {"a": noise((80, 60))})
    full = compare(model, checked, run, shots(model, checked, {"a": noise((80, 60))}))
    assert np.allclose(half.pictures[0].theirs.keypoints, full.pictures[0].theirs.keypoints, atol=0.05)
