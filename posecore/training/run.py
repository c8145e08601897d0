"""Starting, resuming and finishing a run."""

from __future__ import annotations

import logging
import os
import random
import warnings
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from posecore.data.augment import AugmentSettings, check_mirror, compose
from posecore.errors import PosecoreError, SettingsError
from posecore.home import home
from posecore.runs import Registry, run_folder
from posecore.training.config import RunConfig, data_root
from posecore.training.data import EpochBatches, TrainingSet, hold_out, pack_sources
from posecore.training.module import PoseTraining
from posecore.training.recording import CONFIG, RESUME, Recorder
from posecore.training.start import settle_norm, starting_network

log = logging.getLogger(__name__)

#: Pictures that inserted BatchNorms take their first statistics from, at most.
_SETTLING_PICTURES = 256


def cache_folder() -> Path:
    """Where packed pictures and drawn scenes are kept."""
    return home() / "training"


def is_first_process() -> bool:
    """False in the further processes that DDP starts with the same command."""
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"


def train(config: RunConfig, config_folder: Path, name: str | None = None, resume: bool = False) -> Path:
    """Train to the end.

    Args:
        config: What to do.
        config_folder: Folder that the data paths of the configuration are relative to.
        name: Name of the run; the configuration's unless given.
        resume: Go on where the run of this name was interrupted, at the last finished epoch.

    Returns:
        The run's folder.

    Raises:
        SettingsError: When a run of this name exists (or, to resume, does not).
        DataError: When the pictures cannot be used.
    """
    name = name or config.name
    folder = run_folder(name)
    if config.augment.flip:
        check_mirror(config.skeleton)
    if not is_first_process():
        _fit(config, config_folder, folder, None, resume)
        return folder
    registry = Registry()
    _enter(registry, config, name, folder, resume)
    try:
        trainer = _fit(config, config_folder, folder, Recorder(config, name, folder, registry), resume)
    except BaseException as error:
        message = str(error) if isinstance(error, PosecoreError) else f"{type(error).__name__}: {error}"
        status = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
        registry.change(name, status=status, process=None, message=message)
        raise
    run = registry.get(name)
    stopped = trainer.interrupted or (run is not None and run.stop)
    registry.change(name, status="stopped" if stopped else "finished", process=None)
    return folder


def _enter(registry: Registry, config: RunConfig, name: str, folder: Path, resume: bool) -> None:
    """Register the run, or find it again."""
    known = registry.get(name)
    if resume:
        if known is None or not (folder / RESUME).is_file():
            raise SettingsError(f"There is no run {name!r} to resume; leave --resume out to start it.")
        if known.alive and known.process != os.getpid():
            raise SettingsError(f"The run {name!r} is still running, as process {known.process}.")
    elif known is not None and known.status == "waiting":
        log.info("starting the waiting run %s", name)
    else:
        registry.add(name, config.model_dump(mode="json"))
    registry.change(name, status="running", process=os.getpid(), stop=0, message="")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def _fit(
    config: RunConfig, config_folder: Path, folder: Path, recorder: Recorder | None, resume: bool
) -> lightning.Trainer:
    """Load everything and train."""
    seed_everything(config)
    network = starting_network(config, config_folder)
    training, held = load_data(config, data_root(config, config_folder))
    if config.model.norm == "identity" and not resume:
        _settle(config, network, training)
    module = PoseTraining(config, network, training, held, recorder)
    trainer = make_trainer(config, folder)
    log.info("%d pictures per epoch, %d held out", len(training), sum(map(len, held.packs)))
    with warnings.catch_warnings():
        # Meant for people who write their own modules: the averaged network is in evaluation mode on purpose, and a
        # run's folder is never empty.
        warnings.filterwarnings("ignore", module=r"lightning\.pytorch\.")
        # torch's restricted unpickler is enough for our own checkpoint.
        trainer.fit(module, ckpt_path=str(folder / RESUME) if resume else None, weights_only=True if resume else None)
    return trainer


def _settle(config: RunConfig, network: nn.Module, training: TrainingSet) -> None:
    """Give inserted BatchNorms the statistics of some training pictures."""
    family, settings = config.family, config.network_settings
    side = family.training_side(config.training.input_sides[0], settings)
    size = config.training.batch_size
    batches = EpochBatches(training, AugmentSettings.none(), side, size, config.training.seed, 0)
    permutation = config.skeleton.flip_permutation
    count = min(len(batches), max(_SETTLING_PICTURES // size, 1))
    pixels = (compose(batches[step], permutation)[0] for step in range(count))
    settle_norm(network, pixels, lambda net, batch: family.run(net, batch, settings))


def seed_everything(config: RunConfig) -> None:
    """Seed the generators that PyTorch and libraries use; batches have their own."""
    random.seed(config.training.seed)
    np.random.seed(config.training.seed)  # noqa: NPY002 - for libraries that still use it
    torch.manual_seed(config.training.seed)
    if config.training.threads:
        torch.set_num_threads(config.training.threads)


def load_data(config: RunConfig, root: Path) -> tuple[TrainingSet, TrainingSet]:
    """Training and held-out cut-outs."""
    cache = cache_folder()
    training = pack_sources(config.data.train, config.skeleton, root, cache)
    if config.data.validation:
        return training, pack_sources(config.data.validation, config.skeleton, root, cache)
    return hold_out(training, config.data.holdout)


def make_trainer(config: RunConfig, folder: Path) -> lightning.Trainer:
    """Lightning's trainer for a configuration."""
    training = config.training
    checkpoints = ModelCheckpoint(
        dirpath=folder,
        filename=Path(RESUME).stem,
        save_top_k=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return lightning.Trainer(
        accelerator=training.device,
        devices=training.devices,
        num_nodes=training.nodes,
        strategy="ddp" if training.devices * training.nodes > 1 else "auto",
        precision="bf16-mixed" if training.precision == "bfloat16" else "32-true",
        max_epochs=config.schedule.epochs,
        gradient_clip_val=config.optimizer.clip or None,
        callbacks=[checkpoints],
        logger=make_loggers(config, folder),
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def make_loggers(config: RunConfig, folder: Path) -> list[Any]:
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
