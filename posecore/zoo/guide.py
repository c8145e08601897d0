"""What networks are for and how good their weights are: ``guide.toml``, read and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Figures(BaseModel):
    """What ``posecore evaluate`` measured, 0 … 1; None where nobody did.

    Attributes:
        crops: OKS AP on ``coco_val``, every labelled person on their own.
        full: OKS AP on ``coco_val``, whole pictures.
        lsp: PCK@0.2 on ``lsp_val``, every labelled person on their own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    crops: float | None = Field(None, ge=0, le=1)
    full: float | None = Field(None, ge=0, le=1)
    lsp: float | None = Field(None, ge=0, le=1)


class Network(BaseModel):
    """What one architecture is for.

    Attributes:
        people: Whether it finds one person or several.
        purpose: A sentence.
        start: Whether it is one to begin with.
        quick: Whether a usual processor runs it at the rate of a camera.
        inside: Whether its fields are rich and good to look at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    people: Literal["one", "several"]
    purpose: str
    start: bool = False
    quick: bool = False
    inside: bool = False


class Preset(BaseModel):
    """Thresholds for a purpose, and what ``python -m benchmarks.tuned`` measured of them on whole pictures.

    Attributes:
        word: What they are for.
        settings: Their values, by name.
        precision, recall: Before, at the thresholds that the model begins with, and with these; 0 … 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    word: Literal["Find more", "Fewer mistakes"]
    settings: Mapping[str, float]
    precision: tuple[float, float]
    recall: tuple[float, float]

    @property
    def sentences(self) -> str:
        """What it sets, and what that is worth."""
        values = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in self.settings.items())
        measured = (
            f"{name} {before:.3f} → {after:.3f}"
            for name, (before, after) in (("recall", self.recall), ("precision", self.precision))
        )
        return f"{values.capitalize()}. On COCO's pictures: {', '.join(measured)}."


class Guide(BaseModel):
    """All that is known.

    Attributes:
        command: How the figures were measured.
        sets: What they were measured on.
        networks: Architecture → what it is for.
        figures: Model name, or two joined by a plus → how good it is.
        limits: Model name → what it cannot do, as a sentence.
        presets: Model name → thresholds that were measured to be better for a purpose than the usual ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    sets: str
    networks: Mapping[str, Network]
    figures: Mapping[str, Figures]
    limits: Mapping[str, str]
    presets: Mapping[str, tuple[Preset, ...]]


@cache
def guide() -> Guide:
    """The guide that comes with posecore."""
    return Guide.model_validate(
        tomllib.loads(resources.files("posecore.zoo").joinpath("guide.toml").read_text("utf-8"))
    )
