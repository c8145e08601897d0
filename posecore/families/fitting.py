"""Holding converted weights against the network that they are meant for."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from posecore.errors import WeightsError


def fitted(state: Mapping[str, torch.Tensor], network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The tensors of ``state`` that ``network`` has, in its order; others are left out.

    Raises:
        WeightsError: Naming the first tensor that is missing or has another shape.
    """
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    missing = sorted(set(expected) - set(state))
    if missing:
        raise WeightsError(
            f"The file lacks {len(missing)} of the network's {len(expected)} tensors, first {missing[0]!r}; "
            "is it the file of another architecture?"
        )
    for name, shape in expected.items():
        if state[name].shape != shape:
            raise WeightsError(
                f"Tensor {name!r} has shape {tuple(state[name].shape)} in the file, but the network needs "
                f"{tuple(shape)}; is it the file of another architecture?"
            )
    return {name: state[name] for name in expected}
