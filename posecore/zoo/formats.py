"""The foreign formats that posecore reads, each as a pair: which files belong together, and what is in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from posecore.errors import WeightsError
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


def format_of(path: Path) -> str | None:
    """Key of ``FORMATS`` for a file that enters one of them, judged by its name and contents; None for no known one.

    Raises:
        WeightsError: When a file named as JSON is not.
    """
    if path.suffix.lower() != ".json":
        return None
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}.") from error
    return "tfjs_graph" if isinstance(content, dict) and "weightsManifest" in content else "tfjs_variables"
