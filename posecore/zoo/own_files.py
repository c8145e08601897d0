"""Weights from a file that a person names: posecore's own, a publisher's, or a state dictionary."""

from __future__ import annotations

import struct
from pathlib import Path

from posecore.errors import WeightsError
from posecore.families import ForeignWeights, family_of
from posecore.families.backbones import fuse
from posecore.skeleton import Skeleton
from posecore.zoo.catalog import catalog
from posecore.zoo.formats import FORMATS, format_of
from posecore.zoo.torch_files import read_state
from posecore.zoo.weights import (
    State,
    Weights,
    WeightsHeader,
    check_state,
    check_values,
    is_posecore_file,
    load_plain_state,
    load_weights,
    read_header,
    weights_id,
)

#: What reading and converting damaged files raises, as found by trying a few hundred of them.
_DAMAGE = (
    RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError, struct.error,
)  # fmt: skip

#: The file in an exported model's folder that holds the weights it was made from.
EXPORT_WEIGHTS = "weights.safetensors"

READABLE = (
    "a .safetensors file, a folder that posecore exported, a TensorFlow.js model.json or manifest.json with its other "
    "files beside it, a TensorFlow Lite .tflite file, a frozen TensorFlow graph .pb, a .caffemodel, or a .pt or .pth "
    "file with a state_dict"
)


def read_own_file(path: Path | str, architecture: str) -> Weights:
    """Weights for ``architecture`` from a file.

    Args:
        path: One of ``READABLE``. The state may be that of the fused network or of the one with BatchNorm.
        architecture: What the weights are for.

    Raises:
        WeightsError: When the file cannot be read or does not fit the architecture.
    """
    path = _file_named(path)
    if not path.is_file():
        what = "is a folder; name the file in it" if path.is_dir() else "does not exist"
        raise WeightsError(f"{path} {what}. posecore reads {READABLE}.")
    suffix = path.suffix.lower()
    if suffix == ".safetensors" and is_posecore_file(path):
        weights = load_weights(path)
        if weights.header.architecture != architecture:
            raise WeightsError(
                f"{path} holds weights of {weights.header.architecture:.60}, not of {architecture}; load it as that."
            )
        return weights
    skeleton = default_skeleton(architecture)
    if suffix == ".safetensors":
        state = _fused(load_plain_state(path), architecture, skeleton)
    elif suffix in (".pt", ".pth"):
        state = _ours(read_state(path), architecture, skeleton, path)
    elif foreign := format_of(path):
        state = _converted(FORMATS[foreign].read(path), architecture, path)
    else:
        raise WeightsError(f"{path} has an unknown ending {suffix!r}; posecore reads {READABLE}.")
    check_state(state, architecture, skeleton, str(path))
    check_values(state, str(path))
    name = f"{architecture}.{path.stem}"
    return Weights(WeightsHeader(name, architecture, skeleton, weights_id(state)), state)


def licence_of_file(path: Path | str) -> str:
    """Licence that one of posecore's own files states; empty for others."""
    file = _file_named(path)
    if file.suffix.lower() != ".safetensors" or not file.is_file() or not is_posecore_file(file):
        return ""
    return read_header(file).licence


def stated_architecture(path: Path | str) -> str | None:
    """The architecture that a file of posecore's own, or the folder around it, names; None for what does not say."""
    file = _file_named(path)
    if file.suffix.lower() != ".safetensors" or not file.is_file() or not is_posecore_file(file):
        return None
    return read_header(file).architecture


def _file_named(path: Path | str) -> Path:
    """The file of weights that a person means, who may name a folder that posecore exported."""
    path = Path(path).expanduser()
    return path / EXPORT_WEIGHTS if (path / EXPORT_WEIGHTS).is_file() else path


def default_skeleton(architecture: str) -> Skeleton:
    """Meaning of the keypoints of an architecture's published weights, for files that do not say."""
    published = (entry.skeleton for entry in catalog() if entry.architecture == architecture)
    return next(published, family_of(architecture).skeleton)


def _converted(weights: ForeignWeights, architecture: str, path: Path) -> State:
    """Our state from a published file's tensors and graph, which nobody has vouched for."""
    try:
        return family_of(architecture).convert(architecture, weights)
    except WeightsError:
        raise
    except _DAMAGE as error:
        raise WeightsError(f"{path} has a graph that cannot be understood; it is damaged or another kind.") from error


def _ours(state: State, architecture: str, skeleton: Skeleton, path: Path) -> State:
    """Our state from a state dictionary under our names, or under published ones that the family knows."""
    if family_of(architecture).knows_names(state.keys()):
        return _converted(ForeignWeights({name: value.numpy() for name, value in state.items()}), architecture, path)
    return _fused(state, architecture, skeleton)


def _fused(state: State, architecture: str, skeleton: Skeleton) -> State:
    """State of the fused network from that of the network with BatchNorm; anything else passes unchanged."""
    network = family_of(architecture).build(architecture, skeleton, fused=False)
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if {name: tensor.shape for name, tensor in state.items()} != expected:
        return state
    network.load_state_dict(state)
    return fuse(network).state_dict()
