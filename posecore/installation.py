"""What of posecore is installed: libraries with their versions and licences, and the extras that are not there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from posecore.extras import EXTRAS, installed

#: Packages worth naming, with what they do here.
_PACKAGES = {
    "torch": "runs the networks",
    "openvino": "runs them faster on processors",
    "onnxruntime": "runs them faster on processors",
    "lightning": "trains them",
    "streamlit": "draws the app's pages",
    "numpy": "decodes",
    "opencv-python-headless": "resizes and draws",
    "pillow": "reads pictures",
    "matplotlib": "colours, and the photograph of Grace Hopper",
    "pandas": "tables",
    "pydantic": "settings",
    "safetensors": "weights",
    "requests": "downloads",
    "av": "video",
    "streamlit-webrtc": "webcam",
    "plotly": "charts",
}
#: Variables of the environment whose values are nobody's business.
_SECRET = ("CREDENTIAL", "USERNAME", "TOKEN", "PASSWORD", "KEY")


@dataclass(frozen=True)
class Library:
    """An installed package: its version, its licence in short, and what it does here."""

    name: str
    version: str
    licence: str
    purpose: str


def libraries() -> list[Library]:
    """The libraries worth naming, as they are installed."""
    found = []
    for name, purpose in _PACKAGES.items():
        try:
            stated = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue
        found.append(Library(name, stated["Version"], _licence(stated), purpose))
    return found


def missing_extras() -> dict[str, str]:
    """Extras that are not installed, with what is not there without them."""
    return {extra: what for extra, (_, what) in EXTRAS.items() if not installed(extra)}


def variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that are set for posecore; of secret ones only that they are set."""
    ours = {name: value for name, value in environment.items() if name.startswith("POSECORE_")}
    return {name: "set" if any(word in name for word in _SECRET) else value for name, value in sorted(ours.items())}


def _licence(found: metadata.PackageMetadata) -> str:
    """A short name, from whichever of three places a package states it in."""
    for place in ("License-Expression", "License"):
        stated = str(found[place]).partition(" AND ")[0] if place in found else ""
        if stated and len(stated) < 40:
            return stated
    names = [entry.rpartition(" :: ")[2] for entry in found.get_all("Classifier") or [] if "License ::" in entry]
    return names[0] if names else "see the package"
