"""Why a run failed, in a sentence that says what to do."""

from __future__ import annotations

import torch

from posecore.errors import PosecoreError
from posecore.runs import run_folder
from posecore.storage import sentence as storage_sentence
from posecore.storage import trouble
from posecore.training.config import AnyConfig, RunConfig

#: What PyTorch says when the processor's memory is used up; it has no type of its own for that.
_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory")
#: What is said of another process of the same run that is no longer there.
_LOST = ("closed by peer", "reset by peer", "broken pipe", "nccl", "gloo")


def sentence(error: BaseException, config: AnyConfig, name: str) -> str:
    """The reason of a failure for people.

    Args:
        error: What ended the run.
        config: The run's configuration.
        name: The run's name, which may be another than its configuration's.
    """
    if _is_memory(error):
        return _memory(config)
    if isinstance(error, PosecoreError):
        return str(error)
    if config.training.devices * config.training.nodes > 1 and any(words in str(error).lower() for words in _LOST):
        return (
            "Another process of this run ended, so that all did. Start them again, with --resume where torchrun does "
            "not do so by itself: the run goes on from its last checkpoint."
        )
    if trouble(error) in ("full", "forbidden"):
        reason = storage_sentence(error, run_folder(name))
        return f"{reason} Resume the run then: it goes on from its last checkpoint, and nothing written before is lost."
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror or error}."
    return f"Unexpected error: {type(error).__name__}: {error}. The log says where."


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _NO_MEMORY)


def _memory(config: AnyConfig) -> str:
    size = config.training.batch_size
    if size > 1:
        return f"There is not enough memory for a batch size of {size}; try {max(size // 2, 1)}, then start again."
    if not isinstance(config, RunConfig):
        return "There is not enough memory for one scene at a time; choose a smaller model.width."
    side = max(config.training.input_sides)
    return f"There is not enough memory for pictures of {side} pixels even one at a time; choose a smaller input side."
