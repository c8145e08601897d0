"""Which models there are: those that come with posecore, the catalogue's, and one's own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from posecore.errors import StorageError, WeightsError
from posecore.families import FAMILIES, family_of
from posecore.runs import BEST, Registry, run_folder, runs_folder
from posecore.storage import last_use, stamp
from posecore.zoo.catalog import catalog
from posecore.zoo.kept_models import kept_files
from posecore.zoo.official import cached_path
from posecore.zoo.places import shipped_folder
from posecore.zoo.weights import read_header

log = logging.getLogger(__name__)

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
