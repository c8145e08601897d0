"""The Lightning module: one step, the learning rate, the averaged weights, and what is kept after an epoch.

The engine knows families only through :class:`posecore.families.Family`: it asks for a forward pass and for the parts
of a loss, divides sums by denominators of all processes together, and steps.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import torch
import torch.distributed
from torch import nn

from posecore.data.augment import Draw, compose, disturb
from posecore.data.truth import Truth
from posecore.errors import SettingsError
from posecore.families.contract import LossTerm
from posecore.runs import Request
from posecore.training.averaging import AveragedNetwork
from posecore.training.checkpoints import save_state
from posecore.training.config import AnyConfig, OptimizerConfig, RunConfig
from posecore.training.data import EpochBatches, EpochPlan, TrainingSet, loader, to_device
from posecore.training.data_workers import RayWorkers
from posecore.training.divergence import all_finite, diverged, first_not_finite
from posecore.training.measuring import Measurement, Task, measure
from posecore.training.parts import check_prefixes
from posecore.training.recording import BEFORE, Recorder
from posecore.training.schedule import factor, phase
from posecore.training.teaching import Features, Teacher
from posecore.training.watching import RunStopped, Watch

#: Seconds between entries of the loss within an epoch.
_ENTRY_INTERVAL = 1.0
#: What is asked of a run, as a number that processes can share.
_REQUESTS: tuple[Request, ...] = ("", "pause", "cancel")


class NetworkTraining(lightning.LightningModule):
    """Trains one network of any kind.

    Args:
        config: The run's configuration.
        network: The network, in training form.
        recorder: Told about every epoch; None on all processes but the first.
        watch: Tells when the run should stop; None on all processes but the first.
        resume_point: Where the state goes when the run is paused within an epoch.
    """

    def __init__(
        self,
        config: AnyConfig,
        network: nn.Module,
        recorder: Recorder | None = None,
        watch: Watch | None = None,
        resume_point: Path | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.average = AveragedNetwork(network, config.training.ema) if config.training.ema else None
        self._norms: dict[nn.BatchNorm2d, float] = {}
        self.recorder, self.watch, self.resume_point = recorder, watch, resume_point
        self.elapsed = 0.0
        self.steps = self.epochs = 0
        self.total_steps = 1
        self._running: dict[str, float] = {}
        self._unread: list[dict[str, torch.Tensor]] = []
        self._clock = 0.0
        self._ended = False
        self._request: Request = ""
        self._entered = -math.inf

    # --- progress ---

    @property
    def progress(self) -> float:
        """Part of the run that is done: by the clock when minutes are given, else by steps."""
        by_steps = self.steps / self.total_steps
        minutes = self.config.schedule.minutes
        return by_steps if minutes is None else max(by_steps, self.elapsed / (60 * minutes))

    @property
    def best_network(self) -> nn.Module:
        """The averaged network, or the network itself when nothing is averaged."""
        return self.network if self.average is None else self.average.network

    # --- what is trained ---

    def terms(self, batch: Any) -> dict[str, LossTerm]:
        """Parts of the loss of one batch."""
        raise NotImplementedError

    def extra_figures(self) -> dict[str, float]:
        """More to write down about an epoch."""
        return {}

    def measure(self) -> Measurement | None:
        """Results of the network as it is on what is held out; None without any."""
        raise NotImplementedError

    # --- steps ---

    def on_train_start(self) -> None:
        """Also where a run paused within an epoch begins again."""
        if self.watch is not None:
            self.watch.listen()
        self._settle_modes()
        if not self.steps and self.config.model.start != "random":
            self._record_start()
        self._clock = time.perf_counter()

    def on_train_epoch_start(self) -> None:
        """Lightning has just put the whole module into training mode."""
        self._settle_modes()

    def _settle_modes(self) -> None:
        """Keep frozen BatchNorms and the average as they are."""
        if self.average is not None:
            self.average.eval()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        """Set the learning rate; end the run when its time is up."""
        if self.progress >= 1 or self._ended:
            self.trainer.should_stop = True
            return -1
        warm_norm(self._norms, self.steps)
        scale = factor(self.config.schedule, self.progress)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["base"] * scale
        return None

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        """Loss of one batch."""
        terms = self.terms(batch)
        with torch.autocast(self.device.type, enabled=False):
            values = shared_means(terms)
        loss = sum((terms[name].weight * value for name, value in values.items()), torch.zeros((), device=self.device))
        # Read now and then only: a look at a number makes the processor wait for the device.
        self._unread.append({name: value.detach() for name, value in (*values.items(), ("loss", loss))})
        self._running["steps"] = self._running.get("steps", 0.0) + 1
        return loss

    def _read_losses(self) -> None:
        """Add the losses of the steps since the last look; raises ``DivergedError`` when one is no finite number."""
        if not self._unread:
            return
        unread, self._unread = self._unread, []
        names = list(unread[0])
        rows = torch.stack([torch.stack([row[name].float() for name in names]) for row in unread]).cpu()
        bad = first_not_finite(rows[:, names.index("loss")])
        if bad is not None:
            raise diverged(self.config, self.steps - len(rows) + bad + 1)
        for row in rows.tolist():
            for name, value in zip(names, row, strict=True):
                self._running[name] = self._running.get(name, 0.0) + value

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Average the weights and count; stop here when asked to, unless the epoch is over anyway."""
        if self.average is not None:
            self.average.update(self.network)
        self.steps += 1
        self._synchronise()
        if self._request and not self.trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            if self._request == "pause" and self.resume_point is not None:
                save_state(self.trainer, self.resume_point)
            raise RunStopped(self._request, exact=True)

    def _synchronise(self) -> None:
        """Read the clock and what is asked. The first process's view counts for all: they must stop together."""
        now = time.perf_counter()
        self.elapsed += now - self._clock
        self._clock = now
        if self.watch is not None:
            self._request = self.watch.request
        steps = self._running.get("steps", 0.0)
        # At the end of an epoch there is no mean to enter.
        if self.recorder is not None and steps and (now - self._entered > _ENTRY_INTERVAL or self._request):
            self._entered = now
            self._read_losses()
            mean = self._running["loss"] / steps
            rate = max(group["lr"] for group in self.trainer.optimizers[0].param_groups)
            self.recorder.step(self.steps, min(self.progress, 1.0), mean, rate)
        if self.trainer.world_size > 1:
            state = [self.elapsed, float(self._ended), float(_REQUESTS.index(self._request))]
            shared = torch.tensor(state, dtype=torch.float64, device=self.device)
            torch.distributed.broadcast(shared, 0)
            self.elapsed, self._ended = float(shared[0]), bool(shared[1])
            self._request = _REQUESTS[int(shared[2])]

    def on_train_epoch_end(self) -> None:
        """Measure the averaged network and report."""
        self._read_losses()
        if not all_finite(self.network):
            raise diverged(self.config, self.steps + 1)
        steps = max(self._running.pop("steps", 0.0), 1.0)
        figures = {f"train/{name}": value / steps for name, value in self._running.items()}
        self._running = {}
        figures |= {"steps": float(self.steps), "minutes": self.elapsed / 60, "progress": min(self.progress, 1.0)}
        figures |= self.extra_figures()
        measurement = self.measure() if self.recorder is not None else None
        if measurement is not None:
            figures |= {f"validation/{name}": value for name, value in measurement.figures.items()}
        for logger in self.trainer.loggers:
            logger.log_metrics(figures, self.steps)
        self.epochs += 1
        if self.recorder is not None:
            self._ended |= self.recorder.epoch(self.epochs, figures, measurement, self.best_network)
        self._synchronise()
        # Time may have run out while measuring: an epoch without a step would follow.
        if self._ended or self.progress >= 1:
            self.trainer.should_stop = True

    def _record_start(self) -> None:
        """Measure and record the network as it is before training, so that the curves begin at what was there."""
        if self.recorder is None or (measurement := self.measure()) is None:
            return
        figures = {"steps": 0.0, "minutes": 0.0, "progress": 0.0, **self.extra_figures()}
        figures |= {f"validation/{name}": value for name, value in measurement.figures.items()}
        self.recorder.epoch(BEFORE, figures, measurement, self.best_network)

    def _leave_if_asked(self) -> None:
        """Break off measuring where nothing would be lost; a pause keeps the epoch that is being measured."""
        if self.watch is not None and (self.watch.request == "cancel" or not self.steps):
            self.watch.check()

    # --- state ---

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Progress goes along with the weights."""
        self._read_losses()
        checkpoint["posecore"] = {
            "elapsed": self.elapsed,
            "steps": self.steps,
            "epochs": self.epochs,
            "running": dict(self._running),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up progress where it was."""
        self.elapsed = checkpoint["posecore"]["elapsed"]
        self.steps = checkpoint["posecore"]["steps"]
        # Checkpoints of earlier versions were made at the end of epochs only.
        self.epochs = checkpoint["posecore"].get("epochs", checkpoint["epoch"] + 1)
        self._running = dict(checkpoint["posecore"].get("running", {}))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimizer over everything that learns; groups carry their own highest learning rate as ``base``."""
        return make_optimizer(self.network, self.config.optimizer)


class PoseTraining(NetworkTraining):
    """Trains a network that sees people.

    Args:
        config, network, recorder, watch, resume_point: As of :class:`NetworkTraining`.
        training: What to train on.
        held: What to measure on.
        workers: Who makes batches; this process unless given.
    """

    config: RunConfig

    def __init__(
        self,
        config: RunConfig,
        network: nn.Module,
        training: TrainingSet,
        held: TrainingSet,
        recorder: Recorder | None = None,
        watch: Watch | None = None,
        resume_point: Path | None = None,
        workers: RayWorkers | None = None,
    ) -> None:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        super().__init__(config, network, recorder, watch, resume_point)
        self.task = Task(config.family, config.skeleton, config.network_settings, config.loss_settings)
        self.step_settings = config.step_settings
        random_start = config.model.start == "random" and not config.model.freeze_norm
        self._norms = norm_momenta(self.network) if random_start else {}
        self.teacher = Teacher(config.teacher, self.task, config.model.architecture) if config.teacher else None
        self.training_set, self.held, self.workers = training, held, workers
        self._shown_side = self.side
        freeze(self.network, config.model.freeze)
        if config.model.freeze_norm:
            freeze_norm(self.network)

    @property
    def side(self) -> int:
        """Side of the network's input in this epoch, in pixels."""
        sides = self.config.training.input_sides
        return self.task.family.training_side(sides[phase(len(sides), self.progress)], self.task.network_settings)

    def train_dataloader(self) -> Any:
        """Batches of the current epoch."""
        training = self.config.training
        plan = EpochPlan(
            self._shown_side,
            training.batch_size,
            training.seed,
            self.current_epoch,
            self.global_rank,
            self.trainer.world_size,
        )
        batches = EpochBatches(self.training_set, self.config.augment, plan)
        self.total_steps = len(batches) * self.config.schedule.epochs
        # Sums over an epoch that was paused come with its checkpoint: those steps are done.
        done = int(self._running.get("steps", 0))
        if not done:
            # How far the run is is known only now that its steps are counted.
            self._shown_side = self.side
        batches.plan = replace(plan, side=self._shown_side)
        if self.workers is None:
            return loader(batches, done)
        return self.workers.batches(batches.plan, len(batches), done)

    def teardown(self, stage: str) -> None:
        """However training ended."""
        if self.workers is not None:
            self.workers.close()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["posecore"]["side"] = self._shown_side

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self._shown_side = checkpoint["posecore"].get("side", self._shown_side)

    def transfer_batch_to_device(self, batch: Draw, device: torch.device, dataloader_idx: int) -> Draw:
        """Lightning's own transfer cannot change frozen dataclasses."""
        return to_device(batch, device)

    def on_after_batch_transfer(self, batch: Draw, dataloader_idx: int) -> tuple[torch.Tensor, Truth]:
        """Compose and disturb the pictures where the network runs."""
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            pixels, truth = compose(batch, self.task.skeleton.flip_permutation)
            return disturb(pixels, self.config.augment, batch.seed), truth

    def _settle_modes(self) -> None:
        if self.config.model.freeze_norm:
            freeze_norm(self.network)
        super()._settle_modes()

    def extra_figures(self) -> dict[str, float]:
        # Not that of the next epoch, which progress tells of already.
        return {"side": float(self._shown_side)}

    def terms(self, batch: tuple[torch.Tensor, Truth]) -> dict[str, LossTerm]:
        pixels, truth = batch
        if self.teacher is not None and self.teacher.config.blockwise:
            return self.teacher.block_terms(self.network, pixels)
        settings = self.step_settings[self.steps % len(self.step_settings)]
        teacher = self.teacher
        watching: AbstractContextManager[Features] = (
            nullcontext({}) if teacher is None else teacher.watching(self.network)
        )
        with watching as features:
            outputs = self.task.family.run(self.network, pixels, settings)
        with torch.autocast(self.device.type, enabled=False):
            terms = self.task.family.loss(outputs, truth, self.task.skeleton, settings, self.task.loss_settings)
        if teacher is not None:
            terms |= teacher.terms(pixels, outputs, features)
        return terms

    def measure(self) -> Measurement | None:
        """Results of the network as it is on the held-out pictures; None without any."""
        if not self.held.packs:
            return None
        network = self.best_network
        learning = network.training
        network.eval()
        side = self.task.family.training_side(self.config.training.input_sides[-1], self.task.network_settings)
        with torch.autocast(self.device.type, enabled=False):
            result = measure(
                self.task,
                network,
                self.held,
                limit=self.config.data.validation_limit,
                side=side,
                size=self.config.augment.size,
                drawn=self.config.training.overlays,
                advance=self._leave_if_asked,
            )
        network.train(learning)
        return result


def make_optimizer(network: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Optimizer with a parameter group per learning rate, weight decay on matrices and kernels only.

    Raises:
        SettingsError: When a key of ``config.groups`` begins no parameter's name, or nothing is left to learn.
    """
    check_prefixes(network, config.groups, "optimizer.groups")
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            scale = next((value for start, value in config.groups.items() if name.startswith(start)), 1.0)
            groups.setdefault((scale, parameter.dim() > 1), []).append(parameter)
    if not groups:
        raise SettingsError("Every part of the network is frozen, so nothing would learn; freeze less (model.freeze).")
    parameters = [
        {
            "params": members,
            "weight_decay": config.weight_decay if decays else 0.0,
            "lr": config.learning_rate * scale,
            "base": config.learning_rate * scale,
        }
        for (scale, decays), members in groups.items()
    ]
    # Lightning clips no gradients for fused optimizers in mixed precision.
    rate, fused = config.learning_rate, not config.clip
    if config.kind == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=config.momentum, nesterov=True, fused=fused)
    kind = torch.optim.AdamW if config.kind == "adamw" else torch.optim.Adam
    return kind(parameters, lr=rate, betas=(config.momentum, 0.999), fused=fused)


def shared_means(terms: Mapping[str, LossTerm]) -> dict[str, torch.Tensor]:
    """Each term's total over the denominators of all processes.

    DDP averages gradients over processes, so a process's share is scaled up by their number: the gradients are those of
    one process with all the pictures.
    """
    counts = torch.stack([term.count.detach().float() for term in terms.values()])
    world = 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        world = torch.distributed.get_world_size()
        torch.distributed.all_reduce(counts)
    counts = counts.clamp_min(1.0) / world
    return {name: term.total / count for (name, term), count in zip(terms.items(), counts, strict=True)}


def freeze(network: nn.Module, starts: Iterable[str]) -> None:
    """Switch off learning for parameters whose names begin with one of ``starts``.

    Raises:
        SettingsError: When one of them begins no parameter's name.
    """
    starts = tuple(starts)
    check_prefixes(network, starts, "model.freeze")
    for name, parameter in network.named_parameters():
        if name.startswith(starts):
            parameter.requires_grad_(False)


def norm_momenta(network: nn.Module) -> dict[nn.BatchNorm2d, float]:
    """Momentum of every BatchNorm."""
    return {module: module.momentum or 0.0 for module in network.modules() if isinstance(module, nn.BatchNorm2d)}


def warm_norm(momenta: Mapping[nn.BatchNorm2d, float], steps: int) -> None:
    """Let BatchNorms' statistics be plain means over the first steps.

    With their own small momentum the starting values 0 and 1 would weigh for hundreds of steps, and what is left of
    them multiplies from layer to layer.
    """
    for module, momentum in momenta.items():
        module.momentum = max(momentum, 1 / (1 + steps))


def freeze_norm(network: nn.Module) -> None:
    """Make every BatchNorm use its stored statistics and keep its factors."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval().requires_grad_(False)
