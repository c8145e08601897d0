"""Models on this machine: fetched, loaded, verified, added and removed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posecore.errors import WeightsError
from posecore.families import family_of
from posecore.families.backbones.int8 import set_ranges
from posecore.model import PoseModel
from posecore.settings import build_settings
from posecore.two_stage import JOIN, TwoStageModel, split_name
from posecore.zoo.catalog import CatalogEntry, catalog
from posecore.zoo.fetch import Progress, file_name
from posecore.zoo.kept_models import keep_model, kept_folder, remove_kept
from posecore.zoo.listing import ModelInfo, list_models
from posecore.zoo.naming import architecture_named, joined, model_info, one_model, resolve_name
from posecore.zoo.official import fetch_official, load_official, remove_official
from posecore.zoo.own_files import read_own_file, stated_architecture
from posecore.zoo.weights import Weights, load_weights


@dataclass(frozen=True)
class Verified:
    """What was found in a model's file.

    Attributes:
        name: Name of the model.
        path: Its file.
        sha256: Checksum of its tensors, computed afresh.
        tensors: How many there are.
        parameters: How many numbers they hold.
        originals: URL → SHA-256 of the published files it was converted from, for official models.
    """

    name: str
    path: Path
    sha256: str
    tensors: int
    parameters: int
    originals: Mapping[str, str] = field(default_factory=dict)


def add_model(path: Path | str, architecture: str | None = None, tag: str = "") -> ModelInfo:
    """Add weights of one's own, from a file or an exported folder, to the models of this machine.

    Args:
        path: See ``own_files.READABLE``.
        architecture: What they are for, where the file does not say.
        tag: What follows the architecture in the model's name; the name of the file or folder if empty.

    Raises:
        WeightsError: When they cannot be read, do not fit, or the name is taken.
    """
    if architecture is not None:
        architecture = architecture_named(architecture)
    return model_info(keep_model(path, architecture, tag, [info.name for info in list_models()]))


def is_kept(info: ModelInfo) -> bool:
    """Whether a model is one's own and lies among the models of this machine, but is no run's."""
    return info.path is not None and info.path.parent == kept_folder()


def fetch_model(name: str, progress: Progress | None = None, agreed: bool = False) -> Path:
    """Make sure that a model is on this machine; returns its file.

    Args:
        name: As for :func:`load_model`.
        progress: Told how a download is going.
        agreed: Whether the person agrees to the terms that its weights are under, where there are such.

    Raises:
        TermsError: When there are terms, stated by the message, that have not been agreed to.
        UnknownModelError: When there is no such model.
        WeightsError: When it cannot be fetched, with what to do about it.
    """
    info = resolve_name(one_model(name))
    return fetch_official(_entry(info), progress, agreed=agreed) if info.origin == "official" else _file_of(info)


def load_model(
    name: str,
    *,
    weights: Path | str | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    **network_settings: Any,
) -> PoseModel:
    """Load a model, fetching its weights on first use.

    Args:
        name: ``architecture.tag``, ``run:NAME``, or an architecture alone for its best weights; empty for the one that
            ``weights`` state. Two such names joined by ``+`` are a model of two stages: the first finds people, the
            second, made for one person, looks closely at each (``posenet-mobilenet_v1-075+movenet-thunder``).
        weights: A file of your own to use in place of the named weights; see ``own_files.READABLE``.
        device: ``auto``, ``cpu``, ``cuda``, …
        progress: Told how a download is going.
        **network_settings: Defaults of this model's network settings, for example ``output_stride=16``.

    Raises:
        UnknownModelError: When there is no such model; the message names the nearest ones.
        WeightsError: When the weights cannot be fetched, are damaged or do not fit.
        SettingsError: When a setting does not exist or is out of range, or the device is not there.
    """
    if JOIN in name:
        return _load_joined(name, weights, device, progress, network_settings)
    if weights is None:
        info = resolve_name(name)
        name, architecture = info.name, info.architecture
    else:
        architecture = architecture_named(name or stated_architecture(weights) or "")
        name = name or architecture
    family = family_of(architecture)
    # Before anything is fetched: a mistyped setting should not cost a download.
    build_settings(family.network_settings(architecture), network_settings)
    if weights is not None:
        loaded = read_own_file(weights, architecture)
        name = loaded.header.name if name == architecture else name
    else:
        loaded = _load(info, progress)
    header = loaded.header
    network = family.build(architecture, header.skeleton)
    network.load_state_dict(loaded.state)
    ranges = header.ranges
    set_ranges(network, ranges)
    return PoseModel(
        name,
        family,
        architecture,
        network,
        # The same weights, rounded otherwise, answer otherwise.
        header.sha256[:16] if not ranges else hashlib.sha256(f"{header.sha256}{ranges}".encode()).hexdigest()[:16],
        skeleton=header.skeleton,
        device=device,
        network_settings={**header.network_settings, **network_settings},
        decode_settings=header.decode_settings,
    )


def _load_joined(
    name: str, weights: Path | str | None, device: str, progress: Progress | None, network_settings: Mapping[str, Any]
) -> PoseModel:
    if weights is not None:
        raise WeightsError(f"{name!r} joins two models, but {Path(weights).name} holds one; load that on its own.")
    # Refused before anything is fetched.
    joined(*(resolve_name(part) for part in split_name(name)))
    stages = (load_model(part, device=device, progress=progress) for part in split_name(name))
    return TwoStageModel(*stages, network_settings=network_settings)


def verify_model(name: str) -> Verified:
    """Read a model's file afresh and check its checksum, tensor names, shapes and values.

    Raises:
        UnknownModelError: When there is no such model.
        WeightsError: When it is not on this machine, is damaged, or was converted from other files than the ones known.
    """
    info = resolve_name(one_model(name))
    path = _file_of(info)
    try:
        loaded = load_weights(path)
        originals: dict[str, str] = json.loads(loaded.header.extra.get("originals", "{}"))
        if info.origin == "official":
            _check_originals(_entry(info), originals)
    except WeightsError as error:
        advice = f" `posecore weights remove {info.name}` removes it." if info.origin == "official" else ""
        raise WeightsError(f"{error}{advice}") from error
    numbers = sum(tensor.numel() for tensor in loaded.state.values())
    return Verified(info.name, path, loaded.header.sha256, len(loaded.state), numbers, originals)


def remove_model(name: str) -> int:
    """Remove an official model, or one that was added, from this machine; returns the bytes freed.

    Raises:
        UnknownModelError: When there is no such model.
        WeightsError: For a shipped model or a run's.
    """
    info = model_info(name)
    if is_kept(info) and info.path is not None:
        return remove_kept(info.path)
    if info.origin != "official":
        whose = "is part of posecore" if info.origin == "shipped" else "is one of your runs; remove the run"
        raise WeightsError(f"{name} {whose}; only models that were fetched or added are removed here.")
    return remove_official(_entry(info))


def _check_originals(entry: CatalogEntry, originals: Mapping[str, str]) -> None:
    """Raise ``WeightsError`` when a model was converted from other files than the catalogue knows."""
    files = {name: known for source in entry.sources for name, known in source.files.items()}
    for url, sha256 in originals.items():
        known = files.get(file_name(url))
        if known is not None and known.sha256 not in (None, sha256):
            raise WeightsError(f"{entry.name} was converted from another {url} than the catalogue knows.")


def _load(info: ModelInfo, progress: Progress | None) -> Weights:
    return load_official(_entry(info), progress) if info.origin == "official" else load_weights(_file_of(info))


def _file_of(info: ModelInfo) -> Path:
    if info.path is None:
        raise WeightsError(f"{info.name} is not on this machine; `posecore weights fetch {info.name}` fetches it.")
    return info.path


def _entry(info: ModelInfo) -> CatalogEntry:
    return next(entry for entry in catalog() if entry.name == info.name)
