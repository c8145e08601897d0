"""Learning from a teacher: a perfect copy costs nothing, who cannot teach is refused, a run is pulled towards it."""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from posecore.errors import SettingsError
from posecore.families import FAMILIES, family_of
from posecore.runs import run_folder
from posecore.settings import build_settings
from posecore.skeleton import COCO_17, OPENPOSE_18, Skeleton
from posecore.training.config import TeacherConfig, make_config
from posecore.training.measuring import Task
from posecore.training.run import train
from posecore.training.teaching import Teacher, _difference
from posecore.zoo import load_model, save_weights
from tests.run_support import written_run

pytestmark = pytest.mark.usefixtures("home")

STUDENTS: dict[str, tuple[Skeleton, int, dict[str, Any]]] = {
    "posenet-mobilenet_v1-050": (COCO_17, 65, {"output_stride": 16}),
    "movenet-multipose": (COCO_17, 64, {}),
    "openpose-mobilenet_v2_small": (OPENPOSE_18, 64, {"all_stages": True}),
}


def task_of(architecture: str, skeleton: Skeleton, **settings: Any) -> Task:
    family = family_of(architecture)
    made = build_settings(family.network_settings(architecture), settings)
    return Task(family, skeleton, made, build_settings(family.loss_settings, {}))


def teacher_file(architecture: str, skeleton: Skeleton, folder: Path) -> str:
    """A run with random weights, as a model that can be named."""
    torch.manual_seed(0)
    network = family_of(architecture).build(architecture, skeleton)
    written_run("teacher")
    save_weights(
        run_folder("teacher") / "best.safetensors", network, name="t", architecture=architecture, skeleton=skeleton
    )
    return "run:teacher"


@pytest.mark.parametrize("architecture", STUDENTS)
def test_a_perfect_copy_costs_nothing_and_others_do(architecture: str, tmp_path: Path) -> None:
    skeleton, side, settings = STUDENTS[architecture]
    task = task_of(architecture, skeleton, **settings)
    network = {key: value for key, value in settings.items() if key == "output_stride"}
    name = teacher_file(architecture, skeleton, tmp_path)
    teacher = Teacher(TeacherConfig(model=name, network=network), task, architecture)
    pixels = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1)) * 255
    # A student of several stages copies the last one's maps with each of them.
    last = build_settings(type(task.network_settings), network)
    same = task.family.run(load_model(name, device="cpu").network, pixels, last)
    terms = teacher.terms(pixels, same, {})
    assert set(terms) == {f"taught_{key}" for key in same}
    for term in terms.values():
        assert abs(float(term.total / term.count)) < 1e-5
    other = {key: (values + 0.5).requires_grad_() for key, values in same.items()}
    for key, term in teacher.terms(pixels, other, {}).items():
        assert float((term.total / term.count).detach()) > 1e-3, key
        term.total.backward(retain_graph=True)
    for key, values in other.items():
        assert values.grad is not None, key
        assert values.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("architecture", "part", "layers"),
    [
        ("posenet-mobilenet_v1-050", "backbone.blocks", 13),
        ("movenet-lightning", "pyramid", 1),
        ("movenet-lightning", "pyramid.", 1),
        ("movenet-lightning", "backbone.blocks", 17),
    ],
)
def test_features_are_hints_whatever_their_scale(architecture: str, part: str, layers: int, tmp_path: Path) -> None:
    task = task_of(architecture, COCO_17)
    name = teacher_file(architecture, COCO_17, tmp_path)
    teacher = Teacher(TeacherConfig(model=name, features={part: 5}), task, architecture)
    pixels = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(1)) * 255
    network = load_model(name, device="cpu").network
    with torch.no_grad(), teacher.watching(network) as features:
        outputs = task.family.run(network, pixels, task.network_settings)
    assert len(features) == layers
    assert not any(module._forward_hooks for module in network.modules())
    term = teacher.terms(pixels, outputs, features)[f"taught_{part}"]
    assert term.weight == 5
    assert float(term.total / term.count) < 1e-9
    # Another scale is the same feature; half as much noise as there is signal is not.
    scaled = {layer: 3 * values + 2 for layer, values in features.items()}
    term = teacher.terms(pixels, outputs, scaled)[f"taught_{part}"]
    assert float(term.total / term.count) < 0.02
    noise = torch.Generator().manual_seed(0)
    for values in features.values():
        spread = values.std((0, 2, 3), correction=0)[:, None, None]
        values += 0.5 * spread * torch.randn(values.shape, generator=noise)
    term = teacher.terms(pixels, outputs, features)[f"taught_{part}"]
    assert float(term.total / term.count) == pytest.approx(1 - 1 / 1.25**0.5, abs=0.06)


@pytest.mark.parametrize(
    "architecture", ["posenet-mobilenet_v1-050", "movenet-lightning", "openpose-mobilenet_v2_small"]
)
@pytest.mark.parametrize("blocks", [1, 3])
def test_blocks_learn_by_themselves(architecture: str, blocks: int, tmp_path: Path) -> None:
    skeleton = OPENPOSE_18 if architecture.startswith("openpose") else COCO_17
    task = task_of(architecture, skeleton)
    teacher = Teacher(
        TeacherConfig(model=teacher_file(architecture, skeleton, tmp_path), blockwise=blocks), task, architecture
    )
    pixels = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(1)) * 255
    copied = teacher.block_terms(copy.deepcopy(teacher.model.network), pixels)
    assert all(float(term.total / term.count) < 1e-6 for term in copied.values())
    torch.manual_seed(5)
    network = family_of(architecture).build(architecture, skeleton, fused=False)
    terms = teacher.block_terms(network, pixels)
    parts = {f"taught_{name}" for name, _ in network.named_children()}
    assert set(terms) == parts or (blocks > 1 and set(terms) < parts)
    assert all(float((term.total / term.count).detach()) > 0.1 for term in terms.values())
    torch.autograd.backward([term.total for term in terms.values()])
    unmoved = [name for name, weights in network.named_parameters() if weights.grad is None]
    assert unmoved == []


def test_blocks_that_learn_together_choose_what_lies_between_them(tmp_path: Path) -> None:
    architecture = "posenet-mobilenet_v1-050"
    task, file = task_of(architecture, COCO_17), teacher_file(architecture, COCO_17, tmp_path)
    pixels = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(1)) * 255
    for blocks, same in ((1, False), (3, True)):
        teacher = Teacher(TeacherConfig(model=file, blockwise=blocks), task, architecture)
        network = copy.deepcopy(teacher.model.network)
        # The same function, with the channels between two blocks in another order.
        first, second = network.backbone.blocks[:2]
        turned = torch.arange(first.pointwise.conv.out_channels).roll(1)
        with torch.no_grad():
            for convolution in (first.pointwise.conv, second.depthwise.conv):
                convolution.weight.copy_(convolution.weight[turned])
                convolution.bias.copy_(convolution.bias[turned])
            second.pointwise.conv.weight.copy_(second.pointwise.conv.weight[:, turned])
        term = teacher.block_terms(network, pixels)["taught_backbone"]
        assert (float(term.total / term.count) < 1e-6) == same


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_hint_is_what_is_missing_from_a_correlation(layout: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(4)
    made, noise = torch.randn(2, 3, 5, 7, 6, generator=generator)
    wanted = 4 * made + torch.tensor([0.5, 1, 2, 4, 8])[:, None, None] * noise + 3
    channels = [np.corrcoef(made[:, c].ravel(), wanted[:, c].ravel())[0, 1] for c in range(5)]
    made = made.contiguous(memory_format=layout).requires_grad_()
    difference = _difference(made, wanted.contiguous(memory_format=layout))
    assert float(difference.detach()) == pytest.approx(1 - np.mean(channels), abs=1e-5)
    (gradient,) = torch.autograd.grad(difference, made)
    # Neither its mean nor its scale counts.
    assert gradient.sum((0, 2, 3)).abs().max() < 1e-6
    assert (gradient * made).sum((0, 2, 3)).abs().max() < 1e-5
    assert gradient.abs().max() > 1e-4


def test_vectors_count_where_the_teacher_is_sure_of_their_start() -> None:
    posenet = FAMILIES["posenet"]
    outputs = {
        "heatmaps": torch.full((1, 17, 3, 3), -20.0),
        "offsets": torch.zeros(1, 17, 2, 3, 3),
        "displacement_forward": torch.zeros(1, 16, 2, 3, 3),
        "displacement_backward": torch.zeros(1, 16, 2, 3, 3),
    }
    nose, eye = COCO_17.index("nose"), COCO_17.index("left_eye")
    outputs["heatmaps"][0, eye, 1, 2] = 20
    lesson = posenet.lesson(outputs, COCO_17)
    assert float(lesson["offsets"].weight.sum()) == pytest.approx(1, abs=1e-5)
    assert float(lesson["offsets"].weight[0, eye, 1, 2]) == pytest.approx(1)
    # The first edge leads from the nose to the left eye: its way back starts at the eye.
    assert COCO_17.keypoints[nose] == "nose"
    assert float(lesson["displacement_backward"].weight[0, 0, 1, 2]) == pytest.approx(1)
    assert float(lesson["displacement_forward"].weight[0, 0].max()) < 1e-5


def test_who_cannot_teach_is_refused(tmp_path: Path) -> None:
    name = teacher_file("posenet-mobilenet_v1-050", COCO_17, tmp_path)
    with pytest.raises(SettingsError, match="choose a teacher of the same family"):
        Teacher(TeacherConfig(model=name), task_of("movenet-lightning", COCO_17), "movenet-lightning")
    own = Skeleton("own", ("a", "b"))
    with pytest.raises(SettingsError, match="knows the keypoints of coco-17, not those of own"):
        Teacher(TeacherConfig(model=name), task_of("posenet-mobilenet_v1-050", own), "posenet-mobilenet_v1-050")
    wider = "posenet-mobilenet_v1-075"
    with pytest.raises(SettingsError, match="are those of posenet-mobilenet_v1-050, not of posenet-mobilenet_v1-075"):
        Teacher(TeacherConfig(model=name, features={"backbone": 1}), task_of(wider, COCO_17), wider)
    narrow = "posenet-mobilenet_v1-050"
    with pytest.raises(SettingsError, match=r"the network has no part 'backbon.blocks'; did you mean"):
        Teacher(TeacherConfig(model=name, features={"backbon.blocks": 1}), task_of(narrow, COCO_17), narrow)
    # Features are those of whole blocks.
    with pytest.raises(SettingsError, match=r"did you mean 'backbone.blocks.3.'"):
        Teacher(
            TeacherConfig(model=name, features={"backbone.blocks.3.depthwise": 1}), task_of(narrow, COCO_17), narrow
        )


def test_another_grid_is_refused(tmp_path: Path) -> None:
    architecture = "posenet-mobilenet_v1-050"
    task = task_of(architecture, COCO_17, output_stride=16)
    teacher = Teacher(
        TeacherConfig(model=teacher_file(architecture, COCO_17, tmp_path), network={"output_stride": 8}),
        task,
        architecture,
    )
    pixels = torch.rand(1, 3, 65, 65) * 255
    outputs = task.family.run(task.family.build(architecture), pixels, task.network_settings)
    with pytest.raises(SettingsError, match="give both the same output stride"):
        teacher.terms(pixels, outputs, {})


def test_a_run_comes_nearer_to_its_teacher(tmp_path: Path) -> None:
    architecture = "posenet-mobilenet_v1-050"
    config = make_config(
        {
            "name": "taught",
            "model": {"architecture": architecture, "network": {"output_stride": 16}},
            "data": {"train": [{"synthetic": 8, "seed": 7, "pack": {"side": 64, "min_keypoints": 1}}], "holdout": 0.2},
            "teacher": {
                "model": teacher_file(architecture, COCO_17, tmp_path),
                "network": {"output_stride": 16},
                "weight": 3,
                "features": {"backbone.blocks": 50},
            },
            "optimizer": {"learning_rate": 0.002, "clip": 5.0},
            "schedule": {"epochs": 6},
            "training": {"batch_size": 4, "input_sides": [65], "threads": 1, "device": "cpu", "overlays": 0},
        }
    )
    folder = train(config, tmp_path)
    with (folder / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name, part in (("taught_heatmaps", 0.8), ("taught_backbone.blocks", 0.995)):
        curve = [float(row[f"train/{name}"]) for row in rows]
        assert curve[-1] < part * curve[0]
