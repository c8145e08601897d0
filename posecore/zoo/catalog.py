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
from posecore.transfer import Expected


class KnownFile(BaseModel):
    """What is known of a published file: its size in bytes, its SHA-256, the id that Git gives its content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int | None = Field(None, ge=0)
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    git: str | None = Field(None, pattern="^[0-9a-f]{40}$")

    def expected(self, limit: int) -> Expected:
        """What a fetched file has to be; ``limit`` is the most bytes where its size is not known."""
        kinds = {"sha256": self.sha256, "git": self.git}
        return Expected(self.size, limit, {kind: digits for kind, digits in kinds.items() if digits is not None})


class Package(BaseModel):
    """A package of a registry that holds published files.

    Attributes:
        npm: Its name and version, as npm writes them.
        size: Bytes of its archive.
        sha256: Checksum of its archive.
        folder: Where in the archive the files lie.
        urls: Servers of single files of it: addresses that a file's name is put behind.
        files: File name → what is known of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    npm: str
    size: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    folder: str
    urls: tuple[str, ...]
    files: dict[str, KnownFile]


@dataclass(frozen=True)
class Source:
    """One place that an entry's files can be had from.

    Attributes:
        url: The first file; it names all others, which lie beside it.
        format: How the files are laid out; a key of ``posecore.zoo.formats.FORMATS``.
        files: File name → what is known of it.
    """

    url: str
    format: str
    files: Mapping[str, KnownFile] = field(default_factory=dict)


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
        sources: Where the files can be had from, the publisher first; all hold the same network.
        download_size: Bytes of the whole download, approximately.
        skeleton: Meaning of the keypoints.
        terms: What has to be agreed to before the files are fetched; empty for nothing.
        package: The package that holds the files as well, and the first file's name in it; None without one.
    """

    name: str
    architecture: str
    tag: str
    title: str
    description: str
    licence: str
    source: str
    sources: tuple[Source, ...]
    download_size: int
    skeleton: Skeleton
    terms: str = ""
    package: tuple[Package, str] | None = None


class _Model(BaseModel):
    """What differs between the architectures of a series."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    bytes: int = Field(gt=0)
    files: dict[str, KnownFile] = {}
    package: str | None = None
    package_file: str = ""


class _Series(BaseModel):
    """One publisher's format and precision."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tag: str
    title: str
    description: str
    licence: str
    source: str
    format: str
    urls: tuple[str, ...]
    terms: str = ""
    skeleton: str = "coco-17"
    models: dict[str, _Model]


class _Catalog(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    packages: dict[str, Package]
    series: tuple[_Series, ...]


@cache
def catalog() -> tuple[CatalogEntry, ...]:
    """Every entry of the catalogue, preferred ones of an architecture first."""
    text = resources.files("posecore.zoo").joinpath("catalog.toml").read_text("utf-8")
    read = _Catalog.model_validate(tomllib.loads(text))
    return tuple(
        _entry(series, architecture, model, None if model.package is None else read.packages[model.package])
        for series in read.series
        for architecture, model in series.models.items()
    )


def _entry(series: _Series, architecture: str, model: _Model, package: Package | None) -> CatalogEntry:
    sources = [Source(url.format(path=model.path), series.format, model.files) for url in series.urls]
    if package is not None:
        sources += [Source(f"{url}{model.package_file}", series.format, package.files) for url in package.urls]
    return CatalogEntry(
        name=f"{architecture}.{series.tag}",
        architecture=architecture,
        tag=series.tag,
        title=f"{family_of(architecture).architectures[architecture].title} ({series.title})",
        description=series.description,
        licence=series.licence,
        source=series.source,
        sources=tuple(sources),
        download_size=model.bytes,
        skeleton=SKELETONS[series.skeleton],
        terms=series.terms,
        package=None if package is None else (package, model.package_file),
    )
