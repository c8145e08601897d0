"""Starting, resuming and finishing a run."""

from __future__ import annotations

import json
import logging
import os
import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import nn

from posecore.data.augment import AugmentSettings, compose
from posecore.data.disk_cache import cache_folder
from posecore.errors import PosecoreError, SettingsError, StorageError
from posecore.run_files import LastWords, RunLock
from posecore.runs import BEST, Registry, Status, best_epoch, run_folder
from posecore.training.checkpoints import ResumePoint, WholeFiles
from posecore.training.config import AnyConfig, LifterConfig, RunConfig, placed
from posecore.training.data import EpochBatches, EpochPlan, Sample, TrainingSet, load_data, sample_sources
from posecore.training.data_workers import RayWorkers
from posecore.training.failures import sentence
from posecore.training.launching import as_launched, began, is_first_process, meet_again, sign, was_restarted
from posecore.training.lifter import LifterTraining, read_motions, starting_lifter
from posecore.training.module import NetworkTraining, PoseTraining
from posecore.training.parts import check_run
from posecore.training.recording import BEFORE, LIFTER, LOG, RESUME, LifterRecorder, Recorder, write_config
from posecore.training.start import settle_norm, starting_network
from posecore.training.watching import RunStopped, Watch

log = logging.getLogger(__name__)

#: Pictures that inserted BatchNorms take their first statistics from, at most.
_SETTLING_PICTURES = 256


def train(config: AnyConfig, config_folder: Path, name: str | None = None, resume: bool = False) -> Path:
    """Train to the end, or until somebody pauses or cancels the run.

    Args:
        config: What to do.
        config_folder: Folder that the data paths of the configuration are relative to.
        name: Name of the run; the configuration's unless given.
        resume: Go on where the run of this name was interrupted.

    Returns:
        The run's folder.

    Raises:
        SettingsError: When a run of this name exists (or, to resume, does not), or somebody works on it.
        DataError: When the pictures cannot be used.
    """
    name = name or config.name
    config = as_launched(placed(config, config_folder))
    check_run(config)
    # Started anew by torchrun, all go on; a process that died before the first checkpoint left nothing to go on from.
    asked, resume = resume, resume or (was_restarted() and (run_folder(name) / RESUME).is_file())
    if not is_first_process():
        join(config, name, resume)
        return run_folder(name)
    registry = Registry()
    lock = RunLock(run_folder(name) / "lock")
    if not (asked or began(run_folder(name))):
        registry.check_new(name)
    if resume and not (run_folder(name) / RESUME).is_file():
        raise SettingsError(f"There is no run {name!r} to resume; leave --resume out to start it.")
    if resume and registry.get(name) is None:
        weights = run_folder(name) / (LIFTER if isinstance(config, LifterConfig) else BEST)
        raise SettingsError(
            f"The run {name!r} is no longer in the list of runs, so that it cannot go on; start another one from its "
            f"weights, model.start: {weights}"
        )
    if not lock.acquire(patience=1.0):
        raise SettingsError(f"The run {name!r} is still running; pause it first.")
    try:
        values = config.model_dump(mode="json")
        sign(run_folder(name))
        if registry.get(name) is not None:
            # It goes on with what is given now, and so does whoever resumes it from the list later.
            registry.change(name, stop=0, config=json.dumps(values))
        else:
            registry.add(name, values)
        work(registry, config, name, resume)
    finally:
        lock.release()
    return run_folder(name)


def work(registry: Registry, config: AnyConfig, name: str, resume: bool, threads: int | None = None) -> None:
    """Do the work of a run in the list whose lock this process holds, and write down how it ended.

    Args:
        registry: The list of runs.
        config: The run's configuration, with absolute paths.
        name: The run.
        resume: Go on from its checkpoint.
        threads: Of the CPU, unless the configuration says.
    """
    folder = run_folder(name)
    # What was asked since the run was started counts: `stop` stays as it is.
    registry.change(name, status="running", process=os.getpid(), message="")
    watch = Watch(registry, name)
    with log_in(folder), watch.running():
        try:
            LastWords(folder).reserve()
            write_config(config, folder)
            _fit(config, folder, _recorder(config, name, folder, registry), resume, watch, threads)
        except RunStopped as stop:
            message = _stopped(stop, folder)
            log.info("%s", message)
            _end(registry, name, "paused" if stop.request == "pause" else "cancelled", message)
        except KeyboardInterrupt:
            _end(registry, name, "paused", "Broken off; going on continues after the last finished epoch.")
            raise
        except BaseException as error:
            message = sentence(error, config, name)
            # Where in the code a mistake of ours was found helps; of something that a person can mend it does not.
            log.error("%s", message, exc_info=not isinstance(error, PosecoreError))
            _end(registry, name, "failed", message)
            raise
        else:
            _end(registry, name, "finished", _finished(registry.epochs(name)), progress=1.0)


def _recorder(config: AnyConfig, name: str, folder: Path, registry: Registry) -> Recorder:
    kind = LifterRecorder if isinstance(config, LifterConfig) else Recorder
    return kind(config, name, folder, registry)


def _end(registry: Registry, name: str, status: Status, message: str, **values: float) -> None:
    """Write down how a run ended."""
    try:
        registry.change(name, status=status, process=None, stop=0, message=message, **values)
    except StorageError as error:
        # On a full disk, for example. The run is found at work without a process, and can be resumed like that too.
        log.warning("%s", error)
        if status == "failed":
            LastWords(run_folder(name)).say(message)


def join(config: AnyConfig, name: str, resume: bool) -> None:
    """Take part in a run that another process leads."""
    _fit(config, run_folder(name), None, resume, None)


def _stopped(stop: RunStopped, folder: Path) -> str:
    """What was kept of a run that was stopped."""
    if stop.request == "cancel":
        return "Cancelled on request; the best weights so far are kept." if (folder / BEST).is_file() else "Cancelled."
    if stop.exact:
        return "Paused on request; going on continues exactly here."
    if (folder / RESUME).is_file():
        return "Paused on request; going on continues after the last finished epoch."
    return "Paused on request before training began; nothing is lost."


_UNMEASURED = "Finished. Nothing was held out for measuring, so the last weights are kept."


def _finished(epochs: Sequence[tuple[int, Mapping[str, float]]]) -> str:
    """What the curve says about the result."""
    found = best_epoch(epochs)
    if found is None:
        held_out = any(name.startswith("validation/") for _, figures in epochs for name in figures)
        return "Finished; the last weights are kept." if held_out else _UNMEASURED
    best, score = found
    if best == BEFORE:
        return (
            "Training did not get better than the model it started from, whose weights are kept as this run's best. "
            "Try a lower learning rate, more pictures or a smaller part of the network."
        )
    before = dict(epochs).get(BEFORE, {}).get("validation/oks")
    change = f"similarity {score:.3f}" if before is None else f"similarity {before:.3f} before, {score:.3f} after"
    return f"Finished: {change} (epoch {best} of {epochs[-1][0]})."


@contextmanager
def log_in(folder: Path) -> Iterator[None]:
    """Write what posecore logs to the run's log file as well."""
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger = logging.getLogger("posecore")
    level = logger.level
    logger.addHandler(handler)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        handler.close()


def _fit(
    config: AnyConfig,
    folder: Path,
    recorder: Recorder | None,
    resume: bool,
    watch: Watch | None,
    threads: int | None = None,
) -> None:
    """Load everything and train."""
    seed_everything(config, threads)
    with nullcontext() if watch is None else watch.interruptible():
        module = _module(config, folder, recorder, resume, watch)
    if recorder is not None:
        recorder.rewind(resume)
    meet_again(config)
    trainer = make_trainer(config, folder)
    with warnings.catch_warnings():
        # Meant for people who write their own modules: the averaged network is in evaluation mode on purpose, a run's
        # folder is never empty, and a run paused within an epoch goes on at the right step by itself.
        warnings.filterwarnings("ignore", module=r"lightning\.pytorch\.")
        # torch's restricted unpickler is enough for our own checkpoint.
        trainer.fit(module, ckpt_path=str(folder / RESUME) if resume else None, weights_only=True if resume else None)


def _module(
    config: AnyConfig, folder: Path, recorder: Recorder | None, resume: bool, watch: Watch | None
) -> NetworkTraining:
    """What Lightning trains, with its network and data."""
    if isinstance(config, LifterConfig):
        training_motions, held_motions = read_motions(config)
        log.info("%d frames of motion, %d held out", len(training_motions), len(held_motions or ()))
        lifter = starting_lifter(config)
        return LifterTraining(config, lifter, training_motions, held_motions, recorder, watch, folder / RESUME)
    network = starting_network(config)
    training, held = load_data(config)
    if config.model.norm == "identity" and not resume:
        _settle(config, network, training)
    log.info("%d pictures per epoch, %d held out", len(training), sum(map(len, held.packs)))
    workers = RayWorkers(config) if config.training.data_workers == "ray" else None
    return PoseTraining(config, network, training, held, recorder, watch, folder / RESUME, workers)


def _settle(config: RunConfig, network: nn.Module, training: TrainingSet) -> None:
    """Give inserted BatchNorms the statistics of some training pictures."""
    family, settings = config.family, config.network_settings
    side = family.training_side(config.training.input_sides[0], settings)
    size = config.training.batch_size
    batches = EpochBatches(training, AugmentSettings.none(), EpochPlan(side, size, config.training.seed, 0))
    permutation = config.skeleton.flip_permutation
    count = min(len(batches), max(_SETTLING_PICTURES // size, 1))
    pixels = (compose(batches[step], permutation)[0] for step in range(count))
    settle_norm(network, pixels, lambda net, batch: family.run(net, batch, settings))


def seed_everything(config: AnyConfig, threads: int | None = None) -> None:
    """Seed the generators that PyTorch and libraries use (batches have their own), and set the threads."""
    random.seed(config.training.seed)
    np.random.seed(config.training.seed)  # noqa: NPY002 - for libraries that still use it
    torch.manual_seed(config.training.seed)
    if wanted := config.training.threads or threads:
        torch.set_num_threads(wanted)


def sample_data(config: RunConfig, most: int) -> Sample:
    """About ``most`` cut-outs of a (placed) configuration's training pictures, for trials."""
    root, skeleton = Path(config.data.root or "."), config.skeleton
    training, pictures = sample_sources(config.data.train, skeleton, root, cache_folder(), most)
    if config.data.validation:
        held, held_pictures = sample_sources(config.data.validation, skeleton, root, cache_folder(), most)
        return Sample(training, pictures, held, held_pictures)
    held_pictures = round(pictures * config.data.holdout)
    return Sample(training, pictures - held_pictures, training if held_pictures else TrainingSet((), ()), held_pictures)


def make_trainer(config: AnyConfig, folder: Path, **options: Any) -> lightning.Trainer:
    """Lightning's trainer for a configuration; ``options`` of its own take precedence."""
    training = config.training
    defaults: dict[str, Any] = {
        "accelerator": training.device,
        "devices": training.devices,
        "num_nodes": training.nodes,
        "strategy": "ddp" if training.devices * training.nodes > 1 else "auto",
        "precision": "bf16-mixed" if training.precision == "bfloat16" else "32-true",
        "max_epochs": config.schedule.epochs,
        "gradient_clip_val": config.optimizer.clip or None,
        "callbacks": [ResumePoint(folder / RESUME)],
        "plugins": [WholeFiles()],
        "logger": make_loggers(config, folder),
        "reload_dataloaders_every_n_epochs": 1,
        "use_distributed_sampler": False,
        "num_sanity_val_steps": 0,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": "callbacks" not in options,
    }
    return lightning.Trainer(**{**defaults, **options})


def make_loggers(config: AnyConfig, folder: Path) -> list[Any]:
    """Lightning's loggers that the configuration asks for; the curves as CSV are always written.

    Raises:
        SettingsError: When a logger's package is not installed.
    """
    made: list[Any] = []
    for kind in dict.fromkeys(config.training.loggers):
        try:
            if kind == "tensorboard":
                from lightning.pytorch.loggers import TensorBoardLogger

                made.append(TensorBoardLogger(folder, name="", version="tensorboard"))
            else:
                from lightning.pytorch.loggers import WandbLogger

                made.append(WandbLogger(name=folder.name, save_dir=folder, project="posecore"))
        except ModuleNotFoundError as error:
            raise SettingsError(f"The logger {kind!r} is not installed: pip install {kind}.") from error
    return made
