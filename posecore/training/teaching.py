"""Learning from another network as well as from labels (knowledge distillation, Hinton et al. 2015).

A teacher sees the same augmented pictures. What it says of them counts beside the labels, also for joints and people
that nobody labelled: its outputs are compared by what the family calls a :meth:`~Family.lesson`. The teacher's weights
never become the network's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch.nn import functional as F

from posecore.errors import SettingsError
from posecore.families.contract import LossTerm, Target
from posecore.training.config import TeacherConfig
from posecore.training.measuring import Task
from posecore.zoo import load_model

#: Errors of vectors below this part of the teacher's typical length count quadratically.
_SMOOTH = 0.1


class Teacher:
    """Compares a network with another one that sees the same pictures.

    Args:
        config: Who teaches, and what.
        task: What the network is trained for.

    Raises:
        SettingsError: When teacher and network do not go together.
    """

    def __init__(self, config: TeacherConfig, task: Task) -> None:
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

    def terms(self, pixels: torch.Tensor, outputs: Mapping[str, torch.Tensor]) -> dict[str, LossTerm]:
        """Parts of the loss of the batch that the network has just seen.

        Args:
            pixels: ``(B, 3, H, W)`` RGB 0 … 255.
            outputs: What the network made of them.

        Returns:
            ``taught_…`` for every output.
        """
        network = self.model.network.to(pixels.device)
        with torch.no_grad():
            said = self.model.family.run(network, pixels, self.settings)
        with torch.autocast(pixels.device.type, enabled=False):
            lesson = self.task.family.lesson({name: map.float() for name, map in said.items()}, self.task.skeleton)
            return {
                f"taught_{name}": self._term(
                    name, [map.float() for key, map in outputs.items() if key.startswith(name)], target
                )
                for name, target in lesson.items()
            }

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
