"""Training of networks that lift poses: the engine of all networks, with scenes in the place of pictures."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from posecore.errors import DataError, SettingsError
from posecore.families.contract import LossTerm
from posecore.lifting.bodies import Bodies, read_bodies
from posecore.lifting.loss import ANGLES, angles_of, lifter_loss, mean_error
from posecore.lifting.network import Lifter
from posecore.lifting.poses3d import USUAL_HEIGHT
from posecore.lifting.scenes import draw_scenes
from posecore.lifting.weights import load_lifter
from posecore.runs import run_folder
from posecore.training.config import LifterConfig
from posecore.training.data import FromStep
from posecore.training.measuring import Measurement
from posecore.training.module import NetworkTraining
from posecore.training.recording import LIFTER, Recorder
from posecore.training.watching import Watch

Tensors = tuple[torch.Tensor, torch.Tensor]

#: Numbers that keep the random streams of training and of measuring apart.
_TRAINING, _MEASURING = range(2)

#: Scenes that are measured after an epoch, and their frames.
_HELD_SCENES, _HELD_FRAMES = 256, 32


def read_motions(config: LifterConfig) -> tuple[Bodies, Bodies | None]:
    """The motions of a (placed) configuration to train on, and those to measure on.

    Raises:
        DataError: When there are none.
    """
    folder = Path(config.data.root or ".")
    names = sorted(path.name for path in folder.glob("*.bvh")) if folder.is_dir() else []
    wanted = [name for name in names if _fits(name, config.data.files) and not _fits(name, config.data.exclude)]
    held = [name for name in wanted if _fits(name, config.data.held_out)]
    trained = [name for name in wanted if name not in held]
    if not trained:
        raise DataError(f"There are no motions in {folder}; put BVH files there, or name their folder as data.root.")
    skip = config.data.skip_first
    bodies = read_bodies((folder / name for name in trained), skip)
    return bodies, read_bodies((folder / name for name in held), skip) if held else None


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def starting_lifter(config: LifterConfig) -> Lifter:
    """The network that a run begins with; raises ``SettingsError`` when the start is of another width."""
    if config.model.start == "random":
        return Lifter(config.model.width)
    start = config.model.start
    file = run_folder(start.removeprefix("run:")) / LIFTER if start.startswith("run:") else Path(start)
    state = load_lifter(file).network.state_dict()
    network = Lifter(config.model.width)
    if state["stem.weight"].shape != network.stem.weight.shape:
        raise SettingsError(f"{config.model.start} has {len(state['stem.weight'])} channels; set model.width to that.")
    network.load_state_dict({name: value.clone() for name, value in state.items()})
    return network


class SceneBatches(Dataset[Tensors]):
    """The batches of one epoch: features and joints. A batch depends on seed, epoch, step and process alone."""

    def __init__(self, bodies: Bodies, config: LifterConfig, epoch: int, rank: int = 0) -> None:
        self.bodies, self.config = bodies, config
        self.key = (config.training.seed, _TRAINING, epoch, rank)

    def __len__(self) -> int:
        return self.config.steps

    def __getitem__(self, step: int) -> Tensors:
        if step >= len(self):
            raise IndexError(step)
        config = self.config
        length = config.lengths[step % len(config.lengths)]
        count = max(config.training.batch_size * config.lengths[0] // length, 1)
        scenes = draw_scenes(self.bodies, count, length, config.scenes, np.random.default_rng((*self.key, step)))
        return torch.from_numpy(scenes.features), torch.from_numpy(scenes.joints)


class LifterTraining(NetworkTraining):
    """Trains a network that lifts poses.

    Args:
        config, network, recorder, watch, resume_point: As of :class:`NetworkTraining`.
        bodies: What to train on.
        held: What to measure on, if anything.
    """

    config: LifterConfig

    def __init__(
        self,
        config: LifterConfig,
        network: Lifter,
        bodies: Bodies,
        held: Bodies | None,
        recorder: Recorder | None = None,
        watch: Watch | None = None,
        resume_point: Path | None = None,
    ) -> None:
        super().__init__(config, network, recorder, watch, resume_point)
        self.bodies, self.held = bodies, held

    def train_dataloader(self) -> Any:
        """Batches of the current epoch."""
        batches = SceneBatches(self.bodies, self.config, self.current_epoch, self.global_rank)
        self.total_steps = len(batches) * self.config.schedule.epochs
        done = FromStep(len(batches), int(self._running.get("steps", 0)))
        return DataLoader(batches, batch_size=None, sampler=done, num_workers=0)

    def terms(self, batch: Tensors) -> dict[str, LossTerm]:
        """Parts of the loss of one batch."""
        features, joints = batch
        lifted = self.network(features)
        with torch.autocast(self.device.type, enabled=False):
            return lifter_loss(type(lifted)(*(part.float() for part in lifted)), joints, self.config.loss)

    def measure(self) -> Measurement | None:
        """How far the network is off on the motions that are held out: always the same scenes, as a model sees them."""
        if self.held is None:
            return None
        network = self.best_network
        learning = network.training
        network.eval()
        rng = np.random.default_rng((self.config.training.seed, _MEASURING))
        scenes = draw_scenes(self.held, _HELD_SCENES, _HELD_FRAMES, self.config.scenes, rng)
        joints = torch.from_numpy(scenes.joints).to(self.device)
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            lifted = network(torch.from_numpy(scenes.features).to(self.device))
            terms = lifter_loss(lifted, joints, self.config.loss)
        network.train(learning)
        figures = {name: float(term.total / term.count) for name, term in terms.items()}
        figures["loss"] = sum(figures[name] * term.weight for name, term in terms.items())
        figures["mm"] = 1000 * USUAL_HEIGHT * mean_error(lifted.joints, joints)
        off = (angles_of(lifted.joints) - angles_of(joints)).abs().rad2deg()
        for place, name in enumerate(ANGLES):
            figures[name] = float(off[..., 2 * place : 2 * place + 2].median())
        return Measurement(figures, None)
