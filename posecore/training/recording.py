"""What is written down after every epoch: figures, weights, overlays."""

from __future__ import annotations

import csv
import logging
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from posecore.runs import Registry
from posecore.training.config import RunConfig
from posecore.training.measuring import Measurement
from posecore.zoo import save_weights

log = logging.getLogger(__name__)

#: Files in a run's folder.
CONFIG, LAST, BEST, RESUME, CURVES = "config.yaml", "last.safetensors", "best.safetensors", "resume.ckpt", "curves.csv"

#: Seconds between lines of the log within an epoch.
_TALK_INTERVAL = 60.0


class Recorder:
    """Keeps the record of one run. Only the first process has one.

    Args:
        config: The run's configuration.
        name: Its name.
        folder: Its folder.
        registry: Where its epochs are entered.
    """

    def __init__(self, config: RunConfig, name: str, folder: Path, registry: Registry) -> None:
        self.config, self.name, self.folder, self.registry = config, name, folder, registry
        self._spoken = time.monotonic()

    def tick(self, progress: float, loss: float) -> bool:
        """Called every few seconds; True once somebody asked the run to stop.

        Args:
            progress: Part of the run that is done.
            loss: Mean of the epoch so far.
        """
        self.registry.change(self.name, progress=progress)
        now = time.monotonic()
        if now - self._spoken > _TALK_INTERVAL:
            self._spoken = now
            log.info("%.1f %% done, loss %.4g", 100 * progress, loss)
        run = self.registry.get(self.name)
        return run is not None and run.stop

    def epoch(
        self, number: int, figures: Mapping[str, float], measurement: Measurement | None, network: nn.Module
    ) -> bool:
        """Write down an epoch; True when patience is at an end.

        Args:
            number: Of the epoch, from 0.
            figures: Its figures.
            measurement: Results on held-out pictures, if there are any.
            network: What would be used if the run ended now, in training form.
        """
        log.info("epoch %d: %s", number, ", ".join(f"{key} {value:.4g}" for key, value in figures.items()))
        self.registry.record(self.name, number, figures)
        epochs = [epoch for epoch in self.registry.epochs(self.name) if epoch[0] <= number]
        self._write_curves(epochs)
        self.save(LAST, number, figures, network)
        if measurement is None:
            self.save(BEST, number, figures, network)
            return False
        if measurement.sheet is not None:
            (self.folder / "overlays").mkdir(exist_ok=True)
            Image.fromarray(measurement.sheet).save(self.folder / "overlays" / f"epoch-{number:04d}.jpg", quality=88)
        scores = [values.get("validation/oks", 0.0) for _, values in epochs]
        best = max(range(len(scores)), key=lambda index: scores[index])
        if best == len(scores) - 1:
            self.save(BEST, number, figures, network)
        patience = self.config.training.patience
        return patience is not None and len(scores) - 1 - best >= patience

    def _write_curves(self, epochs: list[tuple[int, dict[str, float]]]) -> None:
        """All epochs as CSV, from the registry: a resumed run's file is as complete as an unbroken one's."""
        names = sorted({name for _, figures in epochs for name in figures})
        with (self.folder / CURVES).open("w", newline="") as file:
            writer = csv.DictWriter(file, ["epoch", *names])
            writer.writeheader()
            writer.writerows({"epoch": number, **figures} for number, figures in epochs)

    def save(self, file: str, number: int, figures: Mapping[str, float], network: nn.Module) -> None:
        """Write weights, fused, in half precision, with everything needed to use and to repeat them."""
        save_weights(
            self.folder / file,
            network,
            name=f"run:{self.name}",
            architecture=self.config.model.architecture,
            skeleton=self.config.skeleton,
            dtype=torch.float16,
            network_settings=self.config.model.network,
            title=self.config.title or self.name,
            epoch=str(number),
            figures=dict(figures),
            config=self.config.model_dump(mode="json"),
        )
