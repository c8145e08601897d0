"""Which model a name means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from posecore.errors import UnknownModelError, WeightsError
from posecore.families import FAMILIES, family_of
from posecore.two_stage import JOIN, check_stages, split_name
from posecore.zoo.listing import ModelInfo, list_models
from posecore.zoo.own_files import licence_of_file

#: What shows quickest and best what these networks can do.
RECOMMENDED = "movenet-multipose.google_tfjs"


def model_info(name: str) -> ModelInfo:
    """The model of exactly this name; raises ``UnknownModelError`` naming the nearest ones."""
    models = {info.name: info for info in list_models()}
    if one_model(name) in models:
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


def one_model(name: str) -> str:
    """The name, refused when it joins two models."""
    if JOIN in name:
        raise UnknownModelError(f"{name!r} joins two models; here they have to be named one by one.")
    return name


def architecture_named(name: str) -> str:
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
