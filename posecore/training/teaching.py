"""Learning from another network as well as from labels (knowledge distillation, Hinton et al. 2015).

A teacher sees the same augmented pictures. What it says of them counts beside the labels, also for joints and people
that nobody labelled: its outputs are compared by what the family calls a :meth:`~Family.lesson`. Its features may be
hints on the way there (Romero et al. 2015), layer by layer, or lessons for one block at a time (Wang et al. 2018,
"Progressive blockwise knowledge distillation"). The teacher's weights never become the network's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from posecore.errors import SettingsError
from posecore.families.backbones import Unit
from posecore.families.contract import LossTerm, State, Target
from posecore.training.config import TeacherConfig
from posecore.training.measuring import Task
from posecore.training.parts import check_starts
from posecore.zoo import load_model

#: Errors of vectors below this part of the teacher's typical length count quadratically.
_SMOOTH = 0.1
#: Added to the variance of features.
_LEAST_VARIANCE = 1e-8
#: By how much a channel's differences are enlarged at most, beside the channels of usual spread.
_MOST_ZOOM = 10.0

#: Features of a network by the names of the layers that made them.
Features = dict[str, torch.Tensor]


@dataclass
class _Answer:
    """What one block, the ``length``-th of those that learn together, made of the teacher's features."""

    name: str
    length: int
    made: torch.Tensor
    wanted: torch.Tensor
    #: Whether none that learns together with it comes after it: only these are compared with the teacher's.
    ends: bool = True


class Teacher:
    """Compares a network with another one that sees the same pictures.

    Args:
        config: Who teaches, and what.
        task: What the network is trained for.
        architecture: The network's.

    Raises:
        SettingsError: When teacher and network do not go together.
    """

    def __init__(self, config: TeacherConfig, task: Task, architecture: str) -> None:
        self.config, self.task = config, task
        self.model = load_model(config.model, device="cpu")
        self.settings = self.model.network_settings(**config.network)
        if self.model.family is not task.family:
            raise SettingsError(
                f"The teacher {config.model} is a {self.model.family.title}, whose maps a {task.family.title} cannot "
                "copy; choose a teacher of the same family."
            )
        if self.model.skeleton.keypoints != task.skeleton.keypoints:
            raise SettingsError(
                f"The teacher {config.model} knows the keypoints of {self.model.skeleton.name}, not those of "
                f"{task.skeleton.name}; choose a teacher with the same keypoints."
            )
        if (config.features or config.blockwise) and self.model.architecture != architecture:
            raise SettingsError(
                f"The layers of the teacher {config.model} are those of {self.model.architecture}, not of "
                f"{architecture}; choose a teacher of the same architecture, or leave teacher.features and "
                "teacher.blockwise out."
            )
        check_starts([name for name, _ in _outermost(self.model.network)], config.features, "teacher.features")

    @contextmanager
    def watching(self, network: nn.Module) -> Iterator[Features]:
        """Features of ``network`` as it runs within, for :meth:`terms`; none where only outputs are copied."""
        seen: Features = {}

        def keep(name: str) -> Callable[[nn.Module, object, torch.Tensor], None]:
            def hook(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
                seen[name] = output

            return hook

        with _hooked(network, keep, tuple(self.config.features)):
            yield seen

    def terms(self, pixels: torch.Tensor, outputs: State, features: Features) -> dict[str, LossTerm]:
        """Parts of the loss of the batch that the network has just seen.

        Args:
            pixels: ``(B, 3, H, W)`` RGB 0 … 255.
            outputs: What the network made of them.
            features: What its layers made of them, see :meth:`watching`.

        Returns:
            ``taught_…`` for every output, and for every part of the network whose features are copied.
        """
        network = self._network(pixels.device)
        with torch.no_grad(), self.watching(network) as wanted:
            said = self.model.family.run(network, pixels, self.settings)
        with torch.autocast(pixels.device.type, enabled=False):
            lesson = self.task.family.lesson({name: map.float() for name, map in said.items()}, self.task.skeleton)
            terms = {
                f"taught_{name}": self._term(
                    name, [map.float() for key, map in outputs.items() if key.startswith(name)], target
                )
                for name, target in lesson.items()
            }
        return terms | self._hints(features, wanted)

    def block_terms(self, network: nn.Module, pixels: torch.Tensor) -> dict[str, LossTerm]:
        """What the blocks of ``network`` make of the teacher's input there, compared with the teacher's answer.

        Args:
            network: What is trained. It does not run as a whole.
            pixels: ``(B, 3, H, W)`` RGB 0 … 255.

        Returns:
            ``taught_…`` for every part of the network.
        """
        blocks = dict(_outermost(network))
        # By the identity of the teacher's output, which its Answer keeps alive.
        answers: dict[int, _Answer] = {}

        def learn(name: str) -> Callable[[nn.Module, tuple[Any, ...], torch.Tensor], None]:
            def hook(_module: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
                before = answers.get(id(inputs[0]))
                length = 1
                if before is not None and before.length < self.config.blockwise:
                    before.ends = False
                    inputs, length = (before.made, *inputs[1:]), before.length + 1
                with torch.enable_grad():
                    answers[id(output)] = _Answer(name, length, blocks[name](*inputs), output)

            return hook

        teacher = self._network(pixels.device)
        with _hooked(teacher, learn), torch.no_grad():
            self.model.family.run(teacher, pixels, self.settings)
        errors: dict[str, list[torch.Tensor]] = {}
        for answer in answers.values():
            if answer.ends:
                errors.setdefault(answer.name.partition(".")[0], []).append(_distance(answer.made, answer.wanted))
        pictures = torch.tensor(float(len(pixels)), device=pixels.device)
        return {
            f"taught_{part}": LossTerm(torch.stack(some).sum() * pictures, pictures * len(some), self.config.weight)
            for part, some in errors.items()
        }

    def _network(self, device: torch.device) -> nn.Module:
        network: nn.Module = self.model.network.to(device, memory_format=torch.channels_last)
        return network

    def _hints(self, made: Features, wanted: Features) -> dict[str, LossTerm]:
        """Features compared with the teacher's, for every part of the network that is named."""
        terms = {}
        for start, weight in self.config.features.items():
            errors = [_difference(made[name], target) for name, target in wanted.items() if name.startswith(start)]
            pictures = len(next(iter(wanted.values())))
            total = torch.stack(errors).sum() * pictures
            terms[f"taught_{start}"] = LossTerm(total, total.new_tensor(pictures * len(errors)), weight)
        return terms

    def _term(self, name: str, made: list[torch.Tensor], target: Target) -> LossTerm:
        """``made`` is one output, or the same one of several stages."""
        if made[0].shape != target.values.shape:
            raise SettingsError(
                f"The teacher's {name} are {tuple(target.values.shape[-2:])} cells, the network's "
                f"{tuple(made[0].shape[-2:])}; give both the same output stride."
            )
        compare, count = self._comparison(name, target)
        total = torch.stack([(compare(values) * target.weight).sum() for values in made]).sum()
        return LossTerm(total, count * len(made), self.config.weight)

    def _comparison(self, name: str, target: Target) -> tuple[Callable[[torch.Tensor], torch.Tensor], torch.Tensor]:
        """How far from a target each cell is, and what the sum over cells is to be divided by."""
        wanted = target.values
        if name in self.task.family.logits:
            # Less the entropy of the target, so that a perfect copy has no loss.
            entropy = F.binary_cross_entropy(wanted, wanted, reduction="none")
            return (
                lambda made: F.binary_cross_entropy_with_logits(made, wanted, reduction="none") - entropy,
                wanted.sum(),
            )
        if wanted.dim() == 4:
            return lambda made: (made - wanted).square(), wanted.square().sum()
        count = target.weight.sum()
        length = ((wanted.square().sum(2) * target.weight).sum() / count.clamp_min(1e-6)).sqrt().clamp_min(1e-6)

        def vectors(made: torch.Tensor) -> torch.Tensor:
            return F.smooth_l1_loss(made / length, wanted / length, reduction="none", beta=_SMOOTH).mean(2)

        return vectors, count


@contextmanager
def _hooked(
    network: nn.Module, hook: Callable[[str], Callable[..., None]], starts: tuple[str, ...] = ("",)
) -> Iterator[None]:
    """Let ``hook(name)`` see every block of ``network`` whose name begins with one of ``starts``, as it runs within."""
    handles = [
        module.register_forward_hook(hook(name)) for name, module in _outermost(network) if name.startswith(starts)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _outermost(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Blocks that lie in no other block, each with what the names of its parameters begin with."""
    for name, child in module.named_children():
        start = f"{prefix}{name}."
        if isinstance(child, Unit | nn.Conv2d):
            yield start, child
        else:
            yield from _outermost(child, start)


def _difference(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """1 less the correlation of ``(B, C, H, W)`` features, a mean over channels: 0 … 2.

    Whatever a channel's scale and offset: those of the teacher may be far from where learning begins.
    """
    # As rows of cells, and with weights: batch_norm's way back for pictures, or without weights, is five times slower.
    ones, zeros = made.new_ones(made.shape[1], dtype=torch.float32), made.new_zeros(made.shape[1], dtype=torch.float32)
    made, wanted = (
        F.batch_norm(cells, None, None, ones, zeros, training=True, eps=_LEAST_VARIANCE)
        for cells in (features.permute(0, 2, 3, 1).flatten(0, 2) for features in (made, wanted))
    )
    return F.mse_loss(made, wanted).float() / 2


def _distance(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean squared error of ``(B, C, H, W)`` features in units of their channels' variance."""
    normal, mean, scale = torch.native_batch_norm(wanted, None, None, None, None, True, 0.0, _LEAST_VARIANCE)
    # A channel that hardly varies counts as if it had a tenth of the layer's usual spread.
    weight = (scale.median() * _MOST_ZOOM / scale).clamp_max(1).to(made.dtype)
    made = (made - mean.to(made.dtype)[:, None, None]) * scale.to(made.dtype)[:, None, None]
    return F.mse_loss(made * weight[:, None, None], normal * weight[:, None, None]).float()
