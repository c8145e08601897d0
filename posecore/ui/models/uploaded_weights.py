"""Models from files that a visitor gives."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePath

from posecore.errors import WeightsError
from posecore.families import family_of
from posecore.ui.shared.session import session
from posecore.ui.shared.visitor_files import visitor_folders
from posecore.ui.shared.visitors import require
from posecore.words import unused_name
from posecore.zoo import ModelInfo, add_model, load_model
from posecore.zoo.own_files import EXPORT_WEIGHTS, stated_architecture

#: File name endings that can be uploaded; ``.bin`` and files without ending belong to a TensorFlow.js model.
ENDINGS = (".safetensors", ".json", ".bin", ".pt", ".pth", ".zip")
#: Bytes that weights in a zip may have.
_MOST_UNPACKED = 2_000_000_000
_ENTRY = (".safetensors", ".pt", ".pth")


def add_own_model(architecture: str, files: Mapping[str, bytes], keep: bool = False) -> ModelInfo:
    """Keep the files for as long as the session lasts, check that they load, and list the model.

    Args:
        architecture: What the weights are for, unless the file itself says.
        files: Name → content; one file, a zipped folder that posecore exported, or a TensorFlow.js model with all files
            beside it.
        keep: Whether the model is to stay on this machine, for every visitor, in place of going with the session.

    Raises:
        WeightsError: When they cannot be read or do not fit the architecture.
    """
    require("all" if keep else "use", "Keeping models" if keep else "Giving files")
    visitor_folders.check_room()
    mine = session()
    contents = {PurePath(name.replace("\\", "/")).name: data for name, data in _unpacked(files).items()}
    entry = _entry(contents)
    # A folder for each: files of another model, or of one that was refused, must not lie beside these.
    folder = Path(tempfile.mkdtemp(dir=mine.folder.path))
    path = folder / entry
    try:
        for part, data in contents.items():
            (folder / part).write_bytes(data)
        architecture = stated_architecture(path) or architecture
        name = unused_name(f"{architecture}.{path.stem}", session().own_models, "_")
        load_model(name, weights=path)
        if keep:
            return add_model(path, architecture, path.stem)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    info = ModelInfo(
        name=name,
        family=family_of(architecture).name,
        architecture=architecture,
        tag=path.stem,
        title=f"{family_of(architecture).architectures[architecture].title} ({entry})",
        origin="yours",
        licence="your file",
        source="",
        description="From a file of yours. It is forgotten when you close the page.",
        size_bytes=sum(len(data) for data in contents.values()),
        available=True,
        path=path,
    )
    mine.own_models[name] = info
    return info


def remove_own_model(info: ModelInfo) -> None:
    """Forget a model of the visitor's own, and delete its files."""
    if session().own_models.pop(info.name, None) is not None and info.path is not None:
        shutil.rmtree(info.path.parent, ignore_errors=True)


def _unpacked(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Files as they are, and of a zipped folder that posecore exported its weights, under the archive's name."""
    return {name: data for given in files.items() for name, data in [_weights_in(*given)]}


def _weights_in(name: str, data: bytes) -> tuple[str, bytes]:
    if not name.lower().endswith(".zip"):
        return name, data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            inside = [one for one in archive.infolist() if PurePath(one.filename).name == EXPORT_WEIGHTS]
            if len(inside) != 1 or inside[0].file_size > _MOST_UNPACKED:
                raise WeightsError(f"{name} is no folder that posecore exported: it must hold one {EXPORT_WEIGHTS}.")
            return f"{PurePath(name).stem}.safetensors", archive.read(inside[0])
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise WeightsError(f"{name} cannot be unpacked; it is damaged or protected.") from error


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
