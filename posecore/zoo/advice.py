"""Which model to take: the best by the guide's figures for what somebody wants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from posecore.two_stage import JOIN, split_name
from posecore.zoo.guide import Network, guide
from posecore.zoo.listing import ModelInfo, list_models
from posecore.zoo.naming import joined

People = Literal["one", "several"]
Need = Literal["exact", "live", "inside"]

#: How many people there are, in words.
PEOPLE: Mapping[People, str] = {"several": "Several people", "one": "One person"}
#: What matters most, in words.
NEEDS: Mapping[Need, str] = {"exact": "Most exact", "live": "Fast", "inside": "To look inside"}


@dataclass(frozen=True)
class Advice:
    """A model that suits.

    Attributes:
        info: The model; it need not be on this machine.
        ap: Its OKS AP: of people cut out where there is one person, else of whole pictures.
        why: What speaks for it, in a sentence or two.
    """

    info: ModelInfo
    ap: float
    why: str


def advise(people: People, need: Need) -> list[Advice]:
    """Models that suit, the best first; only those whose figures are known.

    Args:
        people: How many people the pictures show.
        need: ``exact``; ``live``, at the rate of a camera on a usual processor; ``inside``, fields that show why.
    """
    found = []
    for info in _measured_models():
        figures = guide().figures[info.name]
        ap = figures.crops if people == "one" else figures.full
        if ap is not None and _suits(info, people, need):
            found.append(Advice(info, ap, _why(info, people, ap)))
    return sorted(found, key=lambda one: -one.ap)


def better_than(found: Sequence[Advice], name: str) -> Advice | None:
    """The best model before ``name``, of those on this machine if there is one; None for the best and unknown ones."""
    names = [one.info.name for one in found]
    better = found[: names.index(name)] if name in names else ()
    return next((one for one in better if one.info.available), better[0] if better else None)


def _measured_models() -> Iterable[ModelInfo]:
    """Models whose figures the guide has, joined ones too."""
    known = {info.name: info for info in list_models()}
    for name in guide().figures:
        parts = split_name(name) if JOIN in name else (name,)
        if all(part in known for part in parts):
            infos = [known[part] for part in parts]
            yield infos[0] if len(infos) == 1 else joined(*infos)


def _suits(info: ModelInfo, people: People, need: Need) -> bool:
    networks = _networks(info)
    if people == "several" and networks[0].people == "one":
        return False
    if need == "live":
        return len(networks) == 1 and networks[0].quick
    return need == "exact" or networks[0].inside


def _networks(info: ModelInfo) -> list[Network]:
    return [guide().networks[one.architecture] for one in info.parts]


def _why(info: ModelInfo, people: People, ap: float) -> str:
    of = "people cut out" if people == "one" else "whole pictures"
    purpose = info.description if info.stages else _networks(info)[0].purpose
    return f"AP {ap:.3f} on {of}. {purpose}"
