"""Training whose numbers ran away: why, in a sentence that says what to change."""

from __future__ import annotations

import torch
from torch import nn

from posecore.errors import SettingsError
from posecore.training.config import AnyConfig

#: What a norm of gradients is usually clipped to.
_CLIP = 5


class DivergedError(SettingsError):
    """A loss or a weight is no longer a finite number, so that nothing can be learnt any more."""


def diverged(config: AnyConfig, step: int) -> DivergedError:
    """What happened and what to do.

    Args:
        config: The run's configuration.
        step: The step, from 1, whose loss was no finite number.
    """
    if step <= 1:
        return DivergedError(
            "The loss is not a finite number at the very first step, before anything was learnt. Check the settings "
            f"under loss, and the weights that the run starts from ({config.model.start})."
        )
    rate = config.optimizer.learning_rate
    ways = [f"optimizer.learning_rate, for example {rate / 10:g} instead of {rate:g}"]
    if not config.optimizer.clip:
        ways.append(f"optimizer.clip: {_CLIP}, which limits every step")
    if config.training.precision == "bfloat16":
        ways.append("training.precision: float32")
    return DivergedError(
        f"Training broke down at step {step}: its steps are too large, and the loss is no longer a finite number. "
        f"Start again with a lower {'; or with '.join(ways)}. The best weights of earlier epochs are kept."
    )


def all_finite(network: nn.Module) -> bool:
    """Whether every weight is a finite number."""
    return all(bool(parameter.detach().isfinite().all()) for parameter in network.parameters())


def first_not_finite(losses: torch.Tensor) -> int | None:
    """Index of the first of ``(S,)`` losses that is no finite number."""
    bad = (~losses.isfinite()).nonzero()
    return int(bad[0]) if len(bad) else None
