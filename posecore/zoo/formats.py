"""The foreign formats that posecore reads, each as a pair: which files belong together, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from posecore.families import ForeignWeights
from posecore.zoo import tfjs


@dataclass(frozen=True)
class Format:
    """A format of published weights, entered by one file.

    Attributes:
        companions: From the first file: names of the others, which lie beside it → size in bytes where it is known.
        read: From the first file: all tensors, and the graph where there is one.
    """

    companions: Callable[[Path], Mapping[str, int | None]]
    read: Callable[[Path], ForeignWeights]


FORMATS: Mapping[str, Format] = {
    "tfjs_graph": Format(tfjs.graph_companions, tfjs.read_graph),
    "tfjs_variables": Format(tfjs.variable_companions, tfjs.read_variables),
}
