"""The models a person can choose from: list, find, fetch, load, verify, remove."""

from __future__ import annotations

import difflib
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from posecore.errors import StorageError, UnknownModelError, WeightsError
from posecore.families import FAMILIES, family_of
from posecore.families.backbones.int8 import set_ranges
from posecore.model import PoseModel
from posecore.runs import BEST, Registry, run_folder, runs_folder
from posecore.settings import build_settings
from posecore.storage import last_use, stamp
from posecore.two_stage import JOIN, TwoStageModel, check_stages, split_name
from posecore.zoo.catalog import CatalogEntry, catalog
from posecore.zoo.fetch import Progress, file_name
from posecore.zoo.kept_models import keep_model, kept_files, kept_folder, remove_kept
from posecore.zoo.official import cached_path, fetch_official, load_official, remove_official
from posecore.zoo.own_files import licence_of_file, read_own_file, stated_architecture
from posecore.zoo.places import shipped_folder
from posecore.zoo.weights import Weights, load_weights, read_header

log = logging.getLogger(__name__)

#: What shows quickest and best what these networks can do.
RECOMMENDED = "movenet-multipose.google_tfjs"

Origin = Literal["shipped", "official", "yours"]


@dataclass(frozen=True)
class ModelInfo:
    """A model that can be loaded.

    Attributes:
        name: ``architecture.tag``, ``run:NAME``, or two such names joined by ``+``.
        family: Name of its family.
        architecture: Name of its architecture.
        tag: What follows the architecture in the name.
        title: Words for people.
        origin: ``shipped`` with posecore, ``official`` from its publisher, or ``yours``.
        licence: Licence and its holder.
        source: Page or URL it comes from.
        description: A sentence.
        size_bytes: Size of the file, or of the download while it is not on this machine.
        available: On this machine, usable without a network.
        path: Its file, when available.
        stages: The two models that it joins, or none.
        terms: What has to be agreed to before it is fetched; empty for nothing.
    """

    name: str
    family: str
    architecture: str
    tag: str
    title: str
    origin: Origin
    licence: str
    source: str
    description: str
    size_bytes: int
    available: bool
    path: Path | None
    stages: tuple[ModelInfo, ...] = ()
    terms: str = ""

    @property
    def parts(self) -> tuple[ModelInfo, ...]:
        """The two models that it joins, or itself alone."""
        return self.stages or (self,)


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


def _shipped() -> Iterable[ModelInfo]:
    """Models in ``weights/`` of the project, families in their usual order."""
    described = (_described(path, "shipped") for path in sorted(shipped_folder().glob("*.safetensors")))
    yield from sorted(filter(None, described), key=lambda info: list(FAMILIES).index(info.family))


def _official() -> Iterable[ModelInfo]:
    """Models of the catalogue."""
    for entry in catalog():
        path = cached_path(entry)
        cached = path.is_file()
        yield ModelInfo(
            name=entry.name,
            family=family_of(entry.architecture).name,
            architecture=entry.architecture,
            tag=entry.tag,
            title=entry.title,
            origin="official",
            licence=entry.licence,
            source=entry.source,
            description=entry.description,
            size_bytes=path.stat().st_size if cached else entry.download_size,
            available=cached,
            path=path if cached else None,
            terms=entry.terms,
        )


def _yours() -> Iterable[ModelInfo]:
    """The best weights of every training run that has any, newest run first."""
    try:
        listed = _listed_runs()
    except StorageError:
        # The list is not needed to use what lies there.
        found = sorted(runs_folder().glob(f"*/{BEST}"), key=last_use, reverse=True)
        listed = [path.parent.name for path in found]
    for name in listed:
        weights = run_folder(name) / BEST
        info = _described(weights, "yours") if weights.is_file() else None
        if info is not None:
            # The run may have been renamed since its weights were written.
            yield replace(info, name=f"run:{name}", tag=f"run:{name}")


def _kept() -> Iterable[ModelInfo]:
    """Models from files that were added to this machine, and quantised ones, the newest first."""
    yield from filter(None, (_described(path, "yours") for path in kept_files()))


def list_trouble() -> str:
    """Why some of your models may be missing from :func:`list_models`, as a sentence; empty when all is well."""
    try:
        _listed_runs()
    except StorageError as error:
        return str(error)
    return ""


def _listed_runs() -> list[str]:
    """Names of all runs, newest first; remembered until the list changes."""
    registry = Registry()
    return _remembered(registry.file, registry.stamp(), registry.names)


_Read = TypeVar("_Read")
#: Most files that are remembered.
_MOST = 5000
#: What was read of files, with what they were then.
_memory: dict[Path, tuple[object, Any]] = {}


def _remembered(path: Path, now: object, read: Callable[[], _Read]) -> _Read:
    """What was read of ``path`` when it was as it is ``now``, or ``read`` anew."""
    known = _memory.get(path)
    if known is not None and known[0] == now:
        return cast("_Read", known[1])
    value = read()
    if len(_memory) >= _MOST:
        _memory.clear()
    _memory[path] = (now, value)
    return value


#: Where models come from, in order of preference for work without a network. A further source is one more function.
SOURCES: tuple[Callable[[], Iterable[ModelInfo]], ...] = (_shipped, _official, _kept, _yours)


def list_models() -> tuple[ModelInfo, ...]:
    """Every model: shipped ones first, then those of the catalogue, then yours."""
    return tuple(info for source in SOURCES for info in source())


def model_info(name: str) -> ModelInfo:
    """The model of exactly this name; raises ``UnknownModelError`` naming the nearest ones."""
    models = {info.name: info for info in list_models()}
    if _one(name) in models:
        return models[name]
    raise UnknownModelError(_no_such_model(name, [*models, *(a for f in FAMILIES.values() for a in f.architectures)]))


def resolve_name(name: str) -> ModelInfo:
    """The model of this name; an architecture alone stands for its best weights.

    Those are official ones on this machine, else the shipped ones if there are any, else the catalogue's first.

    Raises:
        UnknownModelError: Naming the nearest names.
        WeightsError: When the architecture exists but nobody offers weights for it.
    """
    name = name.strip()
    if JOIN in name:
        return joined(*(resolve_name(part) for part in split_name(name)))
    if not any(name in family.architectures for family in FAMILIES.values()):
        return model_info(name)
    candidates = [info for info in list_models() if info.architecture == name and info.origin != "yours"]
    if not candidates:
        raise WeightsError(f"There are no weights for {name} yet; name a file of your own as weights, or train some.")
    return min(candidates, key=lambda info: (not info.available, info.origin != "official"))


def licence_of(name: str, weights: Path | str | None = None) -> str:
    """Licence of a model's weights, or of those in a file of your own; empty where nobody has said.

    Raises:
        UnknownModelError: When there is no such model.
    """
    return resolve_name(name).licence if weights is None else licence_of_file(weights)


def joined(finder: ModelInfo, closer: ModelInfo) -> ModelInfo:
    """Two models as one: the first finds people, the second looks closely at each.

    Raises:
        UnknownModelError: When they cannot be joined in this order.
    """
    stages = (finder, closer)
    check_stages(*((info.name, family_of(info.architecture), info.architecture) for info in stages))
    missing = [info for info in stages if not info.available]
    return replace(
        closer,
        name=JOIN.join(info.name for info in stages),
        family=finder.family,
        architecture=JOIN.join(info.architecture for info in stages),
        tag=JOIN.join(info.tag for info in stages),
        title=f"{finder.title}, then {closer.title}",
        origin="yours" if "yours" in {info.origin for info in stages} else closer.origin,
        licence="; ".join(dict.fromkeys(info.licence for info in stages)),
        terms=" ".join(dict.fromkeys(info.terms for info in missing if info.terms)),
        source="",
        description="The first model finds people, the second looks closely at each of them.",
        size_bytes=sum(info.size_bytes for info in missing or stages),
        available=not missing,
        path=None,
        stages=stages,
    )


def recommended_model() -> ModelInfo:
    """The official model to begin with; it need not be on this machine."""
    return model_info(RECOMMENDED)


def default_model() -> ModelInfo | None:
    """The best model that works without a network: the recommended one, else shipped, official, yours; or None."""
    here = [info for info in list_models() if info.available]
    return min(here, key=lambda info: info.name != RECOMMENDED, default=None)


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
        architecture = _architecture_named(architecture)
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
    info = resolve_name(_one(name))
    return fetch_official(_entry(info), progress, agreed=agreed) if info.origin == "official" else _file_of(info)


def _one(name: str) -> str:
    """The name, refused when it joins two models."""
    if JOIN in name:
        raise UnknownModelError(f"{name!r} joins two models; here they have to be named one by one.")
    return name


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
        architecture = _architecture_named(name or stated_architecture(weights) or "")
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
    info = resolve_name(_one(name))
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


def _described(path: Path, origin: Origin) -> ModelInfo | None:
    """A model from a weights file's header; None, and a warning in the log, for a file that cannot be understood."""
    # Asked dozens of times at every move of the mouse.
    return _remembered(path, stamp(path), lambda: _read_description(path, origin))


def _read_description(path: Path, origin: Origin) -> ModelInfo | None:
    try:
        header = read_header(path)
        family = family_of(header.architecture)
        size = path.stat().st_size
    except (WeightsError, KeyError, OSError) as error:
        log.warning("Left out %s: %s", path, error)
        return None
    return ModelInfo(
        name=header.name,
        family=family.name,
        architecture=header.architecture,
        tag=header.name.removeprefix(header.architecture).lstrip("."),
        title=header.title or family.architectures[header.architecture].title,
        origin=origin,
        licence=header.licence,
        source=header.extra.get("source", ""),
        description=header.description,
        size_bytes=size,
        available=True,
        path=path,
    )


def _architecture_named(name: str) -> str:
    """The architecture in ``architecture`` or ``architecture.tag``."""
    architecture = name.strip().partition(".")[0]
    known = [a for family in FAMILIES.values() for a in family.architectures]
    if architecture not in known:
        raise UnknownModelError(_no_such_model(architecture, known))
    return architecture


def _no_such_model(name: str, known: Iterable[str]) -> str:
    spelling = {candidate.lower(): candidate for candidate in known}
    nearest = [repr(spelling[found]) for found in difflib.get_close_matches(name.lower(), spelling, 3, 0.5)]
    hint = f"did you mean {' or '.join(nearest)}? " if nearest else ""
    return f"There is no model {name!r}; {hint}`posecore models` lists all."
