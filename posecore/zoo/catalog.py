"""The catalogue of official weights: ``catalog.toml``, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field

from posecore.families import family_of
from posecore.skeleton import SKELETONS, Skeleton


class KnownFile(BaseModel):
    """Size in bytes and SHA-256 of a published file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


@dataclass(frozen=True)
class CatalogEntry:
    """Weights of one architecture as one publisher offers them.

    Attributes:
        name: ``architecture.tag``.
        architecture: Name of the architecture.
        tag: Publisher and precision.
        title: Words for people.
        description: A sentence about these weights.
        licence: Licence and its holder.
        source: The publisher's page.
        format: How the files are laid out; a key of ``posecore.zoo.formats.FORMATS``.
        url: The first file; it names all others, which lie beside it.
        download_size: Bytes of the whole download, approximately.
        skeleton: Meaning of the keypoints.
        files: File name → size and checksum, where they are known.
    """

    name: str
    architecture: str
    tag: str
    title: str
    description: str
    licence: str
    source: str
    format: str
    url: str
    download_size: int
    skeleton: Skeleton
    files: Mapping[str, KnownFile] = field(default_factory=dict)


class _Model(BaseModel):
    """What differs between the architectures of a series."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    bytes: int = Field(gt=0)
    files: dict[str, KnownFile] = {}


class _Series(BaseModel):
    """One publisher's format and precision."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tag: str
    title: str
    description: str
    licence: str
    source: str
    format: str
    url: str
    skeleton: str = "coco-17"
    models: dict[str, _Model]


class _Catalog(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    series: tuple[_Series, ...]


@cache
def catalog() -> tuple[CatalogEntry, ...]:
    """Every entry of the catalogue, preferred ones of an architecture first."""
    text = resources.files("posecore.zoo").joinpath("catalog.toml").read_text("utf-8")
    series = _Catalog.model_validate(tomllib.loads(text)).series
    return tuple(_entry(one, architecture, model) for one in series for architecture, model in one.models.items())


def _entry(series: _Series, architecture: str, model: _Model) -> CatalogEntry:
    return CatalogEntry(
        name=f"{architecture}.{series.tag}",
        architecture=architecture,
        tag=series.tag,
        title=f"{family_of(architecture).architectures[architecture].title} ({series.title})",
        description=series.description,
        licence=series.licence,
        source=series.source,
        format=series.format,
        url=series.url.format(path=model.path),
        download_size=model.bytes,
        skeleton=SKELETONS[series.skeleton],
        files=model.files,
    )
