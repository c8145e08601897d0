"""PoseNet's networks: sizes, strides, padding, folding, and their way through ``PoseModel``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from posecore.errors import ImageError, SettingsError
from posecore.families import FAMILIES, family_of
from posecore.families.backbones import Atrous, ConvUnit, same_padding
from posecore.families.posenet import POSENET
from posecore.families.posenet.network import ARCHITECTURES
from posecore.fields import FieldKind, Fields
from posecore.model import PoseModel
from posecore.skeleton import Skeleton

SMALL = "posenet-mobilenet_v1-050"


def random_model(architecture: str = SMALL, **options: Any) -> PoseModel:
    torch.manual_seed(0)
    return PoseModel(f"{architecture}.test", POSENET, architecture, POSENET.build(architecture), "random", **options)


def picture(width: int = 120, height: int = 90, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_every_output_stride_gives_its_grid(architecture: str) -> None:
    network = POSENET.build(architecture)
    network.eval()
    for stride in ARCHITECTURES[architecture].output_strides:
        with torch.inference_mode():
            outputs = network(torch.zeros(1, 3, 65, 97), stride)
        assert outputs["heatmaps"].shape == (1, 17, 64 // stride + 1, 96 // stride + 1)
        assert outputs["offsets"].shape == (1, 17, 2, 64 // stride + 1, 96 // stride + 1)
        assert outputs["displacement_backward"].shape == (1, 16, 2, 64 // stride + 1, 96 // stride + 1)


def test_strides_become_dilations_behind_the_layer_that_lost_its_stride() -> None:
    assert Atrous(8).plan((2, 1, 2, 1, 2, 1, 2, 1, 2)) == (
        (2, (1, 1)), (1, (1, 1)), (2, (1, 1)), (1, (1, 1)), (2, (1, 1)), (1, (1, 1)), (1, (1, 1)), (1, (2, 2)),
        (1, (2, 2)),
    )  # fmt: skip
    assert Atrous(8, square=False).plan((2, 2, 2, 2, 1))[-1] == (1, (2, 1))


def test_dilated_network_agrees_with_the_strided_one_where_they_meet() -> None:
    """With zero padding out of reach, cell (2i, 2j) at stride 8 sees exactly what cell (i, j) sees at stride 16."""
    network = POSENET.build(SMALL).eval()
    pixels = torch.from_numpy(picture(321, 321).astype(np.float32)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        coarse, fine = (network(pixels, stride)["heatmaps"] for stride in (16, 8))
    middle = slice(9, 12)
    assert fine[..., ::2, ::2][..., middle, middle].numpy() == pytest.approx(
        coarse[..., middle, middle].numpy(), rel=1e-3, abs=1e-4
    )


@pytest.mark.parametrize(("size", "expected"), [(257, (1, 1)), (256, (0, 1)), (5, (1, 1)), (4, (0, 1))])
def test_same_padding_depends_on_the_size(size: int, expected: tuple[int, int]) -> None:
    assert same_padding(size, 3, 2, 1) == expected


def test_convolution_pads_like_tensorflow() -> None:
    unit = ConvUnit(1, 1, 3, activation=None)
    nn.init.ones_(unit.conv.weight)
    assert unit.conv.bias is not None
    nn.init.zeros_(unit.conv.bias)
    even = torch.arange(16.0).reshape(1, 1, 4, 4)
    expected = F.conv2d(F.pad(even, (0, 1, 0, 1)), torch.ones(1, 1, 3, 3), stride=2)
    assert torch.equal(unit(even, stride=2), expected)


@pytest.mark.parametrize("architecture", [SMALL, "posenet-resnet50"])
def test_folding_batch_norm_changes_nothing(architecture: str) -> None:
    torch.manual_seed(1)
    network = POSENET.build(architecture, fused=False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    network.eval()
    pixels = torch.rand(1, 3, 65, 65) * 255
    with torch.inference_mode():
        before = network(pixels)
        after = network.fuse()(pixels)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert set(network.state_dict()) == set(POSENET.build(architecture).state_dict())
    for name, value in before.items():
        assert after[name].numpy() == pytest.approx(value.numpy(), rel=1e-3, abs=1e-3)


def test_a_batch_gives_what_single_pictures_give() -> None:
    model = random_model()
    shots = [picture(seed=seed) for seed in range(3)] + [picture(60, 100, 9)]
    together = model.fields(shots, input_size=129)
    alone = [model.fields(shot, input_size=129) for shot in shots]
    for batched, single in zip(together, alone, strict=True):
        assert batched.provenance == single.provenance
        for name in ("heatmaps", "offsets", "displacement_forward"):
            assert batched[name].values == pytest.approx(single[name].values, rel=1e-4, abs=1e-4)


def test_a_region_is_seen_like_a_cropped_picture() -> None:
    model = random_model()
    whole = picture(200, 160)
    region = (40.0, 20.0, 140.0, 120.0)
    cut = whole[20:120, 40:140]
    inside = model.fields(whole, region=region, input_size=65, preprocessing="letterbox")
    alone = model.fields(np.ascontiguousarray(cut), input_size=65, preprocessing="letterbox")
    middle = (slice(None), slice(1, 4), slice(1, 4))
    assert inside["heatmaps"].values[middle] == pytest.approx(alone["heatmaps"].values[middle], abs=0.02)
    assert inside.to_source("heatmaps", np.array([0, 0])) == pytest.approx((40, 20))


def test_a_region_may_reach_outside() -> None:
    fields = random_model().fields(picture(), region=(-50, -60, 200, 190), input_size=129, preprocessing="letterbox")
    assert fields.to_source("heatmaps", np.array([0, 0])) == pytest.approx((-50, -60))


@pytest.mark.parametrize("region", [(0, 0, 0, 10), (10, 10, 5, 20), (0, 0, float("nan"), 3)])
def test_an_empty_region_is_refused(region: Any) -> None:
    with pytest.raises(ImageError, match="empty"):
        random_model().fields(picture(), region=region)


@pytest.mark.parametrize("way", ["resize", "letterbox"])
@pytest.mark.parametrize("size", [(640, 480), (33, 500), (500, 33), (257, 257)])
def test_input_sides_fit_the_stride_and_positions_return(way: str, size: tuple[int, int]) -> None:
    settings = POSENET.network_settings(SMALL)(preprocessing=way, input_size=200, output_stride=8)
    transform = POSENET.place(size, None, settings)
    assert all(side % 8 == 1 for side in transform.input_size)
    points = np.array([[0.0, 0.0], [size[0] - 1, size[1] - 1], [3.25, 7.5]])
    assert transform.to_source(transform.to_input(points)) == pytest.approx(points)


def test_input_by_scale() -> None:
    settings = POSENET.network_settings(SMALL)(input_by="scale", input_scale=0.5)
    assert POSENET.place((641, 321), None, settings).input_size == (321, 161)
    with pytest.raises(SettingsError, match="lower the input scale"):
        POSENET.place((6000, 4000), None, settings.model_copy(update={"input_scale": 2.0}))


def test_bfloat16_is_close_and_announced_in_the_provenance() -> None:
    model = random_model()
    exact, half = (model.fields(picture(), input_size=129, precision=p) for p in ("float32", "bfloat16"))
    assert half["heatmaps"].values.dtype == np.float32
    assert half["heatmaps"].values == pytest.approx(exact["heatmaps"].values, abs=0.05)
    assert half.provenance.key != exact.provenance.key


def test_settings_a_model_does_not_have_are_refused_with_a_hint() -> None:
    model = random_model()
    with pytest.raises(SettingsError, match="output_stride"):
        model.fields(picture(), output_strid=8)
    with pytest.raises(SettingsError, match="32"):
        model.fields(picture(), output_stride=32)
    with pytest.raises(SettingsError, match="pose_threshold"):
        model(picture(), pose_treshold=0.1)
    with pytest.raises(SettingsError, match="input_size"):
        model(picture(), input_sise=129)
    with pytest.raises(SettingsError, match="not available"):
        random_model(device="cuda:77")


def test_settings_given_at_loading_are_defaults() -> None:
    model = random_model(network_settings={"output_stride": 8})
    assert model.fields(picture(), input_size=129)["heatmaps"].stride == 8
    assert model.fields(picture(), input_size=129, output_stride=16)["heatmaps"].stride == 16


def test_provenance_is_known_before_computing() -> None:
    model = random_model()
    known = model.provenance("shot-1", (0.0, 0.0, 50.0, 50.0), input_size=129)
    fields = model.fields(picture(), region=(0, 0, 50, 50), picture="shot-1", input_size=129)
    assert fields.provenance.key == known.key


def test_fields_describe_themselves(tmp_path: Path) -> None:
    fields = random_model().fields(picture(), input_size=129)
    assert [m.kind for m in fields.maps] == [
        FieldKind.HEATMAP, FieldKind.OFFSETS, FieldKind.DISPLACEMENT, FieldKind.DISPLACEMENT,
    ]  # fmt: skip
    assert (fields["displacement_backward"].edges or ())[0] == (1, 0)
    assert fields["displacement_backward"].channels[0] == "left_eye → nose"
    fields.save(tmp_path / "fields.npz")
    again = Fields.load(tmp_path / "fields.npz")
    assert again.provenance == fields.provenance
    assert again.transform == fields.transform
    assert again.skeleton == fields.skeleton
    for ours, theirs in zip(fields.maps, again.maps, strict=True):
        assert np.array_equal(ours.values, theirs.values)
        assert ours.edges == theirs.edges


def test_decoding_again_needs_no_network() -> None:
    model = random_model()
    fields = model.fields(picture(), input_size=129)
    model.network.register_forward_hook(lambda *_: pytest.fail("decoding ran the network"))
    model.decode(fields, pose_threshold=0.9)
    poses, trace = model.decode(fields, pose_threshold=0, root_threshold=0, trace=True)
    plain = model.decode(fields, pose_threshold=0, root_threshold=0)
    assert np.array_equal(poses.keypoints, plain.keypoints, equal_nan=True)
    assert len(trace.poses) == len(poses)
    assert sum(candidate.outcome == "taken" for candidate in trace.candidates) == len(poses)
    for person, joints in enumerate(trace.poses):
        for joint in joints:
            if np.isfinite(poses.keypoints[person, joint.keypoint]).all():
                assert joint.path[-1] == pytest.approx(poses.keypoints[person, joint.keypoint], abs=1e-3)


def test_a_custom_skeleton_has_its_own_channels() -> None:
    skeleton = Skeleton("stick", ("head", "tail"), ((0, 1),))
    model = PoseModel("stick", POSENET, SMALL, POSENET.build(SMALL, skeleton), "random", skeleton=skeleton)
    poses = model(picture(), input_size=129, root_threshold=0, pose_threshold=0)
    assert poses.keypoints.shape[1:] == (2, 2)


def test_every_architecture_belongs_to_one_family() -> None:
    for family in FAMILIES.values():
        for name in family.architectures:
            assert family_of(name) is family
