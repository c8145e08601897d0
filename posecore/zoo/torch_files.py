"""Reading PyTorch's ``.pt`` and ``.pth`` files: state dictionaries, without running anything that a file contains."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from posecore.errors import WeightsError
from posecore.families import ForeignWeights

State = dict[str, torch.Tensor]


def companions(path: Path) -> dict[str, int | None]:
    """A PyTorch file stands alone."""
    return {}


def read(path: Path) -> ForeignWeights:
    """Tensors of a state dictionary, for formats whose names are published; raises ``WeightsError``."""
    return ForeignWeights({name: tensor.numpy() for name, tensor in read_state(path).items()})


def read_state(path: Path) -> State:
    """State dictionary, floating-point tensors as float32.

    Raises:
        WeightsError: When the file is damaged, or holds other things than named tensors.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} holds Python objects, which posecore does not run, or is damaged; save only the tensors, with "
            "torch.save(network.state_dict(), …) or as safetensors."
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is damaged or not a PyTorch file ({error!s:.200}).") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise WeightsError(f"{path} does not hold a state_dict: names and tensors.")
    return {str(name): tensor.float() if tensor.is_floating_point() else tensor for name, tensor in content.items()}
