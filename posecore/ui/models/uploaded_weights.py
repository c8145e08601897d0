"""Models from files that a visitor gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath

from posecore.errors import WeightsError
from posecore.families import family_of
from posecore.ui.shared.session import session
from posecore.zoo import ModelInfo, load_model

#: File name endings that can be uploaded; ``.bin`` and files without ending belong to a TensorFlow.js model.
ENDINGS = (".safetensors", ".json", ".bin", ".pt", ".pth")
_ENTRY = (".safetensors", ".pt", ".pth")


def add_own_model(architecture: str, files: Mapping[str, bytes]) -> ModelInfo:
    """Keep the files for as long as the session lasts, check that they load, and list the model.

    Args:
        architecture: What the weights are for.
        files: Name → content; one file, or a TensorFlow.js model with all files beside it.

    Raises:
        WeightsError: When they cannot be read or do not fit the architecture.
    """
    mine = session()
    contents = {PurePath(name.replace("\\", "/")).name: data for name, data in files.items()}
    entry = _entry(contents)
    folder = Path(mine.folder.name) / f"model_{len(mine.own_models) + 1}"
    folder.mkdir(exist_ok=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    path = folder / entry
    name = _unused_name(f"{architecture}.{path.stem}")
    load_model(name, weights=path)
    info = ModelInfo(
        name=name,
        family=family_of(architecture).name,
        architecture=architecture,
        tag=path.stem,
        title=f"{family_of(architecture).architectures[architecture].title} ({entry})",
        origin="yours",
        licence="yours",
        source="",
        description="From a file of yours. It is forgotten when you close the page.",
        size_bytes=sum(len(data) for data in contents.values()),
        available=True,
        path=path,
    )
    mine.own_models[name] = info
    return info


def _entry(files: Mapping[str, bytes]) -> str:
    """The file that names or holds all others."""
    whole = [name for name in files if name.lower().endswith(_ENTRY)]
    described = [name for name in files if name.lower().endswith(".json")]
    found = whole or described
    if len(found) != 1:
        what = "none of these files is one" if not found else f"{' and '.join(found)} are several"
        raise WeightsError(
            f"One model at a time: a .safetensors, .pt or .pth file, or a TensorFlow.js model.json with its other "
            f"files; {what}."
        )
    return found[0]


def _unused_name(name: str) -> str:
    taken = session().own_models
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    return candidate
