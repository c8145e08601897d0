"""Backbones: sizes and costs as published, strides and dilations, folding, gradients, and MoveNets with them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from posecore.data.augment import AugmentSettings
from posecore.errors import WeightsError
from posecore.families import ForeignWeights
from posecore.families.backbones import (
    MOBILENET_V3_LARGE,
    MOBILENET_V3_SMALL,
    Atrous,
    ConvUnit,
    MaxPool,
    MobileNetV2,
    MobileNetV3,
    ShuffleNetV2,
    ShuffleUnit,
    SqueezeExcite,
    Tapped,
    fuse,
)
from posecore.families.movenet import MOVENET
from posecore.families.movenet.network import ARCHITECTURES
from posecore.runs import Registry
from posecore.training.config import make_config
from posecore.zoo import load_model, load_weights

ARMS = {"name": "arms", "keypoints": ["nose", "left_wrist", "right_wrist"], "flip_pairs": [[1, 2]]}

MAKERS: dict[str, Callable[..., Tapped]] = {
    "mobilenet_v2": lambda norm=False: MobileNetV2(1.0, norm=norm),
    "mobilenet_v3_large": lambda norm=False: MobileNetV3(MOBILENET_V3_LARGE, norm=norm),
    "mobilenet_v3_small": lambda norm=False: MobileNetV3(MOBILENET_V3_SMALL, norm=norm),
    "shufflenet_v2_050": lambda norm=False: ShuffleNetV2(0.5, norm=norm),
    "shufflenet_v2_100": lambda norm=False: ShuffleNetV2(1.0, norm=norm),
    "shufflenet_v2_150": lambda norm=False: ShuffleNetV2(1.5, norm=norm),
    "shufflenet_v2_200": lambda norm=False: ShuffleNetV2(2.0, norm=norm),
}


def settled(network: nn.Module) -> nn.Module:
    """BatchNorms with statistics and factors as they might be after training."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


def multiply_adds(network: Tapped, side: int) -> int:
    """Multiplications of all convolutions at a square input."""
    total = 0

    def after(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        convolution: Any = module if isinstance(module, nn.Conv2d) else module.conv
        total += output.shape[2] * output.shape[3] * convolution.weight.numel()

    # ConvUnit calls its convolution's function, not the module, so that it can choose stride and padding.
    counted = [m for m in network.modules() if hasattr(m, "conv")]
    counted += [c for m in network.modules() if isinstance(m, SqueezeExcite) for c in (m.reduce, m.expand)]
    hooks = [module.register_forward_hook(after) for module in counted]
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 3, side, side), Atrous(32))
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize(
    ("name", "hidden", "parameters", "multiplications"),
    [
        # Millions of parameters and of multiply-adds at 224 × 224, with the classifier for 1000 classes:
        # MobileNetV2: Sandler et al. 2018, table 4. V3: Howard et al. 2019, tables 3 and 4 (its classifier has a layer
        # of 1280 or 1024 before the last). ShuffleNetV2: Ma et al. 2018, table 8, and the authors' list of models.
        ("mobilenet_v2", (), 3.4, 300),
        ("mobilenet_v3_large", (1280,), 5.4, 219),
        ("mobilenet_v3_small", (1024,), 2.5, 56),
        ("shufflenet_v2_050", (), 1.4, 41),
        ("shufflenet_v2_100", (), 2.3, 146),
        ("shufflenet_v2_150", (), 3.5, 299),
        ("shufflenet_v2_200", (), 7.4, 591),
    ],
)
def test_as_large_and_as_costly_as_published(
    name: str, hidden: tuple[int, ...], parameters: float, multiplications: float
) -> None:
    network = MAKERS[name](norm=True)
    widths = (network.outputs, *hidden, 1000)
    classifier = [a * b for a, b in itertools.pairwise(widths)]
    found = sum(p.numel() for p in network.parameters()) + sum(classifier) + sum(widths[1:])
    assert found / 1e6 == pytest.approx(parameters, rel=0.035)
    assert (multiply_adds(network, 224) + sum(classifier)) / 1e6 == pytest.approx(multiplications, rel=0.035)


@pytest.mark.parametrize("name", list(MAKERS))
def test_blocks_have_the_strides_and_widths_that_they_say(name: str) -> None:
    network = MAKERS[name]().eval()
    every = range(len(network.blocks))
    with torch.inference_mode():
        *tapped, last = network(torch.rand(1, 3, 96, 64), Atrous(32), every)
    stride = 2
    for index, features in enumerate(tapped):
        stride *= network.strides[index + 1]
        assert features.shape[1:] == (network.widths[index], 96 // stride, 64 // stride)
    assert stride == 32
    assert last.shape == (1, network.outputs, 3, 2)


@pytest.mark.parametrize("name", list(MAKERS))
def test_striding_can_stop_early_and_the_size_is_free(name: str) -> None:
    """Dilated instead of strided, the network computes the same at the cells that both have."""
    torch.manual_seed(0)
    network = settled(MAKERS[name](norm=True))
    pixels = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 97, 33), Atrous(32))[-1].shape[2:] == (4, 2)
        coarse, fine = (network(pixels, Atrous(stride))[-1] for stride in (32, 16))
    assert fine.shape[2:] == (4, 4)
    if not any(isinstance(module, SqueezeExcite) for module in network.modules()):
        # Under SAME padding an even side is sampled at its odd places.
        torch.testing.assert_close(fine[..., 1::2, 1::2], coarse, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", list(MAKERS))
def test_folding_changes_nothing_and_every_parameter_learns(name: str) -> None:
    torch.manual_seed(1)
    network = MAKERS[name](norm=True)
    pixels = torch.rand(2, 3, 64, 64) * 2 - 1
    sum(level.square().mean() for level in network(pixels, Atrous(32), (1, 4))).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().sum() > 0, key
    settled(network)
    with torch.inference_mode():
        before = network(pixels, Atrous(32), (1, 4))
        fuse(network)
        after = network(pixels, Atrous(32), (1, 4))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    shapes = {key: value.shape for key, value in MAKERS[name]().state_dict().items()}
    assert {key: value.shape for key, value in network.state_dict().items()} == shapes
    for expected, found in zip(before, after, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_squeeze_excite_weighs_channels_by_their_means() -> None:
    torch.manual_seed(0)
    layer = SqueezeExcite(24)
    assert layer.reduce.bias is not None
    assert layer.expand.bias is not None
    x = torch.randn(2, 24, 5, 7)
    inner = torch.relu(x.mean((2, 3)) @ layer.reduce.weight[:, :, 0, 0].T + layer.reduce.bias)
    gates = inner @ layer.expand.weight[:, :, 0, 0].T + layer.expand.bias
    # Hard sigmoid: a ramp from 0 at -3 to 1 at 3.
    gates = ((gates + 3) / 6).clamp(0, 1)
    torch.testing.assert_close(layer(x), x * gates[:, :, None, None])
    assert layer.reduce.out_channels == 8


def test_half_of_the_channels_pass_a_shuffle_unit_unchanged() -> None:
    torch.manual_seed(0)
    unit = ShuffleUnit(12, 12, 1, norm=False).eval()
    x = torch.randn(1, 12, 6, 6)
    with torch.inference_mode():
        y = unit(x)
        changed = unit.separable(unit.reduce(x[:, 6:]))
    # Shuffled in two groups: old and new channels alternate.
    torch.testing.assert_close(y[:, 0::2], x[:, :6])
    torch.testing.assert_close(y[:, 1::2], changed)
    torch.testing.assert_close(y, nn.ChannelShuffle(2)(torch.cat([x[:, :6], changed], 1)))


@pytest.mark.parametrize(("size", "stride", "dilation"), [((7, 8), 2, 1), ((8, 7), 1, 1), ((9, 6), 1, 2)])
def test_pooling_is_the_largest_around(size: tuple[int, int], stride: int, dilation: int) -> None:
    x = torch.rand(1, 2, *size)
    pooled = MaxPool()(x, stride, (dilation, dilation))
    assert pooled.shape[2:] == tuple(-(-side // stride) for side in size)
    # TensorFlow's SAME at stride 2 pads an even side behind only.
    before = [dilation if stride == 1 or side % 2 else 0 for side in size]
    padded = F.pad(x, (before[1], 3 * dilation, before[0], 3 * dilation))
    for row in range(pooled.shape[2]):
        for column in range(pooled.shape[3]):
            top, left = row * stride, column * stride
            window = padded[..., top : top + 2 * dilation + 1 : dilation, left : left + 2 * dilation + 1 : dilation]
            assert torch.equal(pooled[..., row, column], window.amax((2, 3)))


# --- in MoveNet ---

STANDING_IN = [
    "movenet-shufflenet_v2-050",
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name, architecture in ARCHITECTURES.items()
        if not architecture.published and name != "movenet-shufflenet_v2-050"
    ),
]


@pytest.mark.parametrize("name", STANDING_IN)
def test_a_run_learns_and_its_weights_load(name: str, home: Path) -> None:
    from posecore.training.run import train

    values = {
        "name": "trial",
        "model": {"architecture": name, "skeleton": ARMS, "network": {"input_size": 64}},
        "data": {
            "train": [{"synthetic": 8, "seed": 7, "pack": {"side": 64, "min_keypoints": 1}, "repeat": 4}],
            "holdout": 0.2,
        },
        "augment": AugmentSettings.none().model_dump(),
        "optimizer": {"learning_rate": 0.003, "clip": 5.0},
        "schedule": {"epochs": 6, "kind": "cosine"},
        "training": {"batch_size": 8, "input_sides": [64], "threads": 1, "device": "cpu", "overlays": 0, "ema": 0.5},
    }
    folder = train(make_config(values), home)
    losses = [figures["train/loss"] for _, figures in Registry().epochs("trial")]
    assert losses[-1] < 0.7 * losses[0]
    model = load_model("run:trial", device="cpu")
    assert model.architecture == name
    assert model.network_defaults.model_dump()["input_size"] == 64
    fresh = MOVENET.build(name, model.skeleton).state_dict()
    saved = load_weights(folder / "best.safetensors").state
    assert {key: value.shape for key, value in saved.items()} == {key: value.shape for key, value in fresh.items()}
    shot = np.random.default_rng(0).integers(0, 256, (120, 100, 3), np.uint8)
    poses = model(shot, pose_threshold=0, keypoint_threshold=0)
    assert poses.keypoints.shape == (1, 3, 2)
    assert np.isfinite(poses.keypoints).all()


def test_published_files_are_not_for_other_backbones() -> None:
    for name, architecture in ARCHITECTURES.items():
        if not architecture.published:
            with pytest.raises(WeightsError, match="Nobody has published weights for"):
                MOVENET.convert(name, ForeignWeights({}))
            with pytest.raises(WeightsError, match=f"no weights for {name} yet; name a file .* or train some"):
                load_model(name)


@pytest.mark.parametrize(("size", "kernel"), [(8, 3), (9, 3), (12, 5)])
def test_a_strided_depthwise_convolution_has_the_same_values_and_gradients_in_training(size: int, kernel: int) -> None:
    torch.manual_seed(0)
    unit = ConvUnit(6, 6, kernel, depthwise=True).double()
    pixels = torch.rand(2, 6, size, size, dtype=torch.float64)
    learning = pixels.clone().requires_grad_()
    made, wanted = unit(learning, 2), unit(pixels, 2)
    torch.testing.assert_close(made, wanted)
    weights = torch.rand_like(made)
    mine = torch.autograd.grad((made * weights).sum(), unit.conv.weight)
    theirs = torch.autograd.grad((wanted * weights).sum(), unit.conv.weight)
    torch.testing.assert_close(mine, theirs)
    assert torch.autograd.gradcheck(lambda x: unit(x, 2), (pixels[:1, :, :5, :5].clone().requires_grad_(),))
