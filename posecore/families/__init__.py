"""The families of networks. ``FAMILIES`` is the only list of them; everything else asks a family what it can do."""

from __future__ import annotations

from posecore.families.contract import AnyFamily, Architecture, Family, ForeignWeights
from posecore.families.movenet import MOVENET
from posecore.families.openpose import OPENPOSE
from posecore.families.posenet import POSENET
from posecore.families.ssdlite import SSDLITE

FAMILIES: dict[str, AnyFamily] = {family.name: family for family in (POSENET, MOVENET, OPENPOSE, SSDLITE)}


def family_of(architecture: str) -> AnyFamily:
    """The family that an architecture such as ``posenet-mobilenet_v1-075`` belongs to; KeyError when none does."""
    for family in FAMILIES.values():
        if architecture in family.architectures:
            return family
    raise KeyError(f"No family has an architecture {architecture!r}.")


__all__ = ["FAMILIES", "AnyFamily", "Architecture", "Family", "ForeignWeights", "family_of"]
