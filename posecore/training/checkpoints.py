"""The checkpoint that a run goes on from: optimizer, averages and progress, one file that is replaced as a whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint

from posecore.storage import replacing, writing


class WholeFiles(TorchCheckpointIO):
    """Writes beside the old file and replaces it when the new one is complete, so that a full disk costs nothing."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """See Lightning's ``CheckpointIO``; raises ``StorageError`` when the file cannot be written."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with writing(Path(path)), replacing(Path(path)) as temporary:
            temporary.write_bytes(buffer.getbuffer())


class ResumePoint(Checkpoint):
    """Keeps the state after every epoch; Lightning calls it once the module has recorded the epoch.

    Args:
        path: Where.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save; all processes take part."""
        save_state(trainer, self.path)


def save_state(trainer: lightning.Trainer, path: Path) -> None:
    """Write everything that a run needs to go on; all processes take part."""
    # Said on purpose: Lightning notes in the log whenever it is not.
    trainer.save_checkpoint(path, weights_only=False)
