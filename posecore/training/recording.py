"""What is written down while a run goes on: figures, weights, overlays."""

from __future__ import annotations

import csv
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from posecore.errors import StorageError
from posecore.lifting.weights import save_lifter
from posecore.runs import BEST, Registry, best_epoch
from posecore.storage import replacing, write_text
from posecore.training.config import AnyConfig, LifterConfig, RunConfig
from posecore.training.measuring import Measurement
from posecore.zoo import save_weights

log = logging.getLogger(__name__)

#: Files in a run's folder.
CONFIG, LAST, RESUME, CURVES = "config.yaml", "last.safetensors", "resume.ckpt", "curves.csv"
LOG, OVERLAYS, LIFTER = "log.txt", "overlays", "lifter.safetensors"

#: Number of the entry for the network that a run starts from; trained epochs count from 1.
BEFORE = 0

#: Figures of an epoch that the log tells; the curves hold all.
_SAID = {
    "train/loss": "loss",
    "validation/loss": "validation loss",
    "validation/oks": "similarity",
    "validation/pck": "PCK@0.2",
    "validation/mm": "mm off",
    "validation/knee": "degrees off at knees",
    "minutes": "minutes so far",
}

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

    def __init__(self, config: AnyConfig, name: str, folder: Path, registry: Registry) -> None:
        self.config, self.name, self.folder, self.registry = config, name, folder, registry
        self._spoken = time.monotonic()

    def rewind(self, resume: bool) -> None:
        """Forget what the run goes through again: all that came after its checkpoint, or everything."""
        if not resume:
            self.registry.rewind(self.name, -1, -1)
            return
        state = torch.load(self.folder / RESUME, map_location="cpu", weights_only=True, mmap=True)
        done = state["posecore"]
        self.registry.rewind(self.name, int(done.get("epochs", state["epoch"] + 1)), int(done["steps"]))

    def step(self, number: int, progress: float, loss: float, learning_rate: float) -> None:
        """Called every few seconds.

        Args:
            number: Steps done.
            progress: Part of the run that is done.
            loss: Mean of the epoch so far.
            learning_rate: Highest of the parameter groups.
        """
        try:
            self.registry.record_step(self.name, number, loss, learning_rate, progress)
        except StorageError as error:
            log.warning("Step %d was not recorded: %s", number, error)
        now = time.monotonic()
        if now - self._spoken > _TALK_INTERVAL:
            self._spoken = now
            log.info("%.1f %% done, loss %.4g", 100 * progress, loss)

    def epoch(
        self, number: int, figures: Mapping[str, float], measurement: Measurement | None, network: nn.Module
    ) -> bool:
        """Write down an epoch; True when patience is at an end.

        Args:
            number: Of the epoch, from 1; ``BEFORE`` for the network before any training.
            figures: Its figures.
            measurement: Results on held-out pictures, if there are any.
            network: What would be used if the run ended now, in training form.
        """
        which = "before training" if number == BEFORE else f"epoch {number}"
        said = (f"{title} {figures[key]:.4g}" for key, title in _SAID.items() if key in figures)
        log.info("%s: %s", which, ", ".join(said))
        self.registry.record(self.name, number, figures)
        epochs = [epoch for epoch in self.registry.epochs(self.name) if epoch[0] <= number]
        with _spared("The curves"):
            self._write_curves(epochs)
        if number != BEFORE:
            self.save(LAST, number, figures, network)
        if measurement is None:
            self.save(BEST, number, figures, network)
            return False
        if measurement.sheet is not None:
            with _spared("The overlays"):
                self._write_overlay(number, measurement.sheet)
        found = best_epoch(epochs)
        best = number if found is None else found[0]
        if best == number:
            self.save(BEST, number, figures, network)
        patience = self.config.training.patience if isinstance(self.config, RunConfig) else None
        return patience is not None and number - best >= patience

    def _write_overlay(self, number: int, sheet: NDArray[np.uint8]) -> None:
        with replacing(self.folder / OVERLAYS / f"epoch-{number:04d}.jpg") as temporary:
            Image.fromarray(sheet).save(temporary, "JPEG", quality=88)

    def _write_curves(self, epochs: list[tuple[int, dict[str, float]]]) -> None:
        """All epochs as CSV, from the registry: a resumed run's file is as complete as an unbroken one's."""
        names = sorted({name for _, figures in epochs for name in figures})
        with replacing(self.folder / CURVES) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["epoch", *names])
            writer.writeheader()
            writer.writerows({"epoch": number, **figures} for number, figures in epochs)

    def save(self, file: str, number: int, figures: Mapping[str, float], network: nn.Module) -> None:
        """Write weights, fused, in half precision, with everything needed to use and to repeat them."""
        assert isinstance(self.config, RunConfig)
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


class LifterRecorder(Recorder):
    """Keeps the record of a run whose network lifts poses; the last weights are its best."""

    def save(self, file: str, number: int, figures: Mapping[str, float], network: nn.Module) -> None:
        """Write weights in half precision. Under a name of their own: they are no model that looks at pictures."""
        assert isinstance(self.config, LifterConfig)
        if file == LAST:
            save_lifter(
                self.folder / LIFTER,
                network,
                name=f"run:{self.name}",
                epoch=str(number),
                figures=dict(figures),
                config=self.config.model_dump(mode="json"),
            )


def write_config(config: AnyConfig, folder: Path) -> None:
    """Keep the configuration beside the run's other files."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_text(folder / CONFIG, text)


@contextmanager
def _spared(what: str) -> Iterator[None]:
    """Something that is only there to be looked at: training goes on when it cannot be written."""
    try:
        yield
    except OSError as error:
        log.warning("%s could not be written: %s", what, error.strerror or error)
