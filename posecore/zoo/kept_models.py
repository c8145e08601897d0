"""Models of one's own that posecore keeps: from files, from exported folders, and quantised ones."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from posecore.errors import WeightsError
from posecore.home import home
from posecore.storage import last_use, writing
from posecore.words import unused_name
from posecore.zoo.own_files import read_own_file, stated_architecture
from posecore.zoo.weights import save_weights


def kept_folder() -> Path:
    """Where they lie, one safetensors file each."""
    return home() / "models"


def kept_files() -> list[Path]:
    """Their files, the newest first."""
    return sorted(kept_folder().glob("*.safetensors"), key=last_use, reverse=True)


def path_of(name: str) -> Path:
    """Where a model of this name lies."""
    return kept_folder() / f"{name}.safetensors"


def keep_model(path: Path | str, architecture: str | None, tag: str, taken: Collection[str]) -> str:
    """Keep the weights of a file or of an exported folder under a name of their own.

    Args:
        path: As for :func:`posecore.zoo.own_files.read_own_file`.
        architecture: What they are for, where the file does not say.
        tag: What follows the architecture in the name; the name of the file or folder if empty.
        taken: Names that are not free.

    Returns:
        The model's name.

    Raises:
        WeightsError: When they cannot be read, do not say what they are for, or cannot be written.
    """
    path = Path(path).expanduser()
    found = stated_architecture(path) or architecture
    if found is None:
        raise WeightsError(f"{path} does not say which network it is for; name its architecture.")
    weights = read_own_file(path, found)
    header = weights.header
    wanted = _plain_tag(tag or path.resolve().stem)
    if tag and f"{found}.{wanted}" in taken:
        raise WeightsError(f"There is a model {found}.{wanted} already; choose another name.")
    name = unused_name(f"{found}.{wanted}", taken)
    extra: dict[str, Any] = {key: value for key, value in header.extra.items() if key != "originals"}
    save_weights(
        path_of(name),
        weights.state,
        name=name,
        architecture=found,
        skeleton=header.skeleton,
        network_settings=header.network_settings,
        decode_settings=header.decode_settings,
        ranges=header.ranges,
        title=header.title,
        description=header.description or f"From {path.resolve().name}.",
        licence=header.licence,
        **extra,
    )
    return name


def remove_kept(path: Path) -> int:
    """Delete a kept model's file; returns the bytes freed."""
    with writing(path):
        size = path.stat().st_size
        path.unlink()
    return size


def _plain_tag(text: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in text).strip("._")
    return plain[:60] or "mine"
