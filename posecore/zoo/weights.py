"""posecore's own weights files: safetensors with a header that says what the tensors are.

The tensors are the state of the *fused* network. The header (safetensors metadata, text to text) holds ``format``,
``version``, ``name``, ``architecture``, ``skeleton`` (a known name, or JSON of the dataclass), ``title``,
``description``, ``licence``, ``network_settings`` and ``decode_settings`` (JSON), ``sha256`` of the tensors, and
whatever else the writer adds.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn

from posecore.errors import SkeletonError, WeightsError
from posecore.families import family_of
from posecore.families.backbones import fuse
from posecore.families.backbones.int8 import Ranges, ranges_of
from posecore.parsing import parse_json, shown
from posecore.skeleton import COCO_17, SKELETONS, Skeleton, data_of_skeleton, skeleton_of_data
from posecore.storage import replacing, writing

FORMAT = "posecore.weights"
VERSION = 1

State = dict[str, torch.Tensor]


@dataclasses.dataclass(frozen=True)
class WeightsHeader:
    """What a weights file says about itself.

    Attributes:
        name: Name of the model.
        architecture: Name of its architecture.
        skeleton: Meaning of its keypoints.
        sha256: Hash of the tensors as :func:`weights_id` computes it.
        title, description, licence: Words for people.
        network_settings, decode_settings: Defaults other than the architecture's and the family's.
        extra: Everything else, as text.
        ranges: Of convolutions that are to be computed in 8-bit integers; see :mod:`posecore.families.backbones.int8`.
    """

    name: str
    architecture: str
    skeleton: Skeleton
    sha256: str
    title: str = ""
    description: str = ""
    licence: str = ""
    network_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    decode_settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)
    ranges: Ranges = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Weights:
    """A weights file's header and tensors (float32)."""

    header: WeightsHeader
    state: State


def weights_id(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 over names, shapes, types and bytes of a state, whatever its order."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_weights(
    path: Path | str,
    weights: nn.Module | Mapping[str, torch.Tensor],
    *,
    name: str,
    architecture: str,
    skeleton: Skeleton = COCO_17,
    dtype: torch.dtype = torch.float32,
    network_settings: Mapping[str, Any] | None = None,
    decode_settings: Mapping[str, Any] | None = None,
    ranges: Ranges | None = None,
    **metadata: Any,
) -> str:
    """Write a weights file; an existing one is replaced only once the new one is complete.

    Args:
        path: Ends in ``.safetensors``; its folder is made if need be.
        weights: A network (a copy of it is fused; itself it stays as it is), or the state of a fused one.
        name: Name of the model, ``architecture.tag``.
        architecture: Name of its architecture.
        skeleton: Meaning of its keypoints.
        dtype: Type to store floating-point tensors in; float16 halves the file.
        network_settings, decode_settings: Defaults other than the architecture's and the family's.
        ranges: Of convolutions that are to be computed in 8-bit integers; those of the network, if that is given.
        **metadata: More for the header: ``title``, ``description``, ``licence``, or any other key. What is not text
            is written as JSON.

    Returns:
        The SHA-256 of the weights as they will be read back.

    Raises:
        WeightsError: When the state does not fit the architecture, or the file cannot be written.
    """
    path = Path(path)
    state = fuse(copy.deepcopy(weights)).state_dict() if isinstance(weights, nn.Module) else weights
    if ranges is None and isinstance(weights, nn.Module):
        ranges = ranges_of(weights)
    if ranges:
        metadata["int8"] = {key: list(limits) for key, limits in ranges.items()}
    stored = {key: _as(tensor.detach().cpu(), dtype).contiguous() for key, tensor in state.items()}
    read_back = {key: _as(tensor, torch.float32) for key, tensor in stored.items()}
    check_state(read_back, architecture, skeleton, f"The state for {path}")
    check_values(read_back, f"The state for {path}")
    sha256 = weights_id(read_back)
    header = {
        "format": FORMAT,
        "version": str(VERSION),
        "name": name,
        "architecture": architecture,
        "skeleton": data if isinstance(data := data_of_skeleton(skeleton), str) else _json(data),
        "network_settings": _json(dict(network_settings or {})),
        "decode_settings": _json(dict(decode_settings or {})),
        "sha256": sha256,
        **{key: value if isinstance(value, str) else _json(value) for key, value in metadata.items()},
    }
    with writing(path, WeightsError), replacing(path) as temporary:
        # Serialised in memory first: Python's write tells a full disk from a forbidden folder, safetensors' does not.
        temporary.write_bytes(safetensors.torch.save(stored, header))
    return sha256


def read_header(path: Path | str) -> WeightsHeader:
    """The header alone, without reading the tensors; raises ``WeightsError`` when the file is not one of ours."""
    with _opened(path) as file:
        return _header(file.metadata() or {}, path)


def load_weights(path: Path | str) -> Weights:
    """Read and check a weights file.

    Raises:
        WeightsError: When it cannot be read, is damaged, or does not fit the architecture that it names.
    """
    with _opened(path) as file:
        header = _header(file.metadata() or {}, path)
        state = _tensors(file)
    # This also says that the values are finite: they were when the checksum was written.
    if weights_id(state) != header.sha256:
        raise WeightsError(f"{path} is damaged: its tensors do not have the checksum that was recorded with them.")
    check_state(state, header.architecture, header.skeleton, str(path))
    if unknown := {f"{name}.conv.weight" for name in header.ranges} - state.keys():
        raise WeightsError(f"{path} has an 8-bit range for {min(unknown)!r}, which {header.architecture} lacks.")
    return Weights(header, state)


def load_plain_state(path: Path | str) -> State:
    """Tensors of a safetensors file whoever wrote it, floating-point ones as float32."""
    with _opened(path) as file:
        return _tensors(file)


def is_posecore_file(path: Path | str) -> bool:
    """True when a safetensors file carries posecore's header; raises ``WeightsError`` when it is not safetensors."""
    with _opened(path) as file:
        return (file.metadata() or {}).get("format") == FORMAT


def check_state(state: Mapping[str, torch.Tensor], architecture: str, skeleton: Skeleton, what: str) -> None:
    """Raise ``WeightsError`` unless the names and shapes of ``state`` are those of the fused network.

    Args:
        state: Name → tensor.
        architecture: Name of the architecture.
        skeleton: Meaning of its keypoints.
        what: Whose weights these are, for the message.
    """
    try:
        family = family_of(architecture)
    except KeyError:
        raise WeightsError(
            f"{what} is for an architecture {shown(architecture)} that this posecore does not know."
        ) from None
    with torch.device("meta"):
        expected = family.build(architecture, skeleton).state_dict()
    for name in (*expected, *state):
        if name not in state or name not in expected:
            verb = "lacks" if name not in state else "has an unknown"
            raise WeightsError(f"{what} {verb} tensor {name!r}; it does not fit {architecture}.")
        if state[name].shape != expected[name].shape:
            raise WeightsError(
                f"{what} has {name!r} of shape {tuple(state[name].shape)}, but {architecture} with "
                f"{len(skeleton)} keypoints needs {tuple(expected[name].shape)}."
            )


def check_values(state: Mapping[str, torch.Tensor], what: str) -> None:
    """Raise ``WeightsError`` unless ``state`` holds finite numbers only."""
    for name, tensor in state.items():
        if not np.isfinite(tensor.numpy()).all():
            raise WeightsError(f"{what} has values in {name!r} that are not finite numbers; it cannot be used.")


@contextmanager
def _opened(path: Path | str) -> Iterator[Any]:
    try:
        with safetensors.safe_open(path, "pt") as file:
            yield file
    except FileNotFoundError as error:
        raise WeightsError(f"There is no file {path}.") from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.") from error
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{path} is damaged or not a safetensors file ({error!s:.200}).") from error


def _tensors(file: Any) -> State:
    return {name: _as(file.get_tensor(name), torch.float32) for name in file.keys()}  # noqa: SIM118


def _header(metadata: Mapping[str, str], path: Path | str) -> WeightsHeader:
    fields = dict(metadata)
    if fields.pop("format", None) != FORMAT:
        raise WeightsError(f"{path} was not written by posecore: its header lacks format {FORMAT!r}.")
    version = fields.pop("version", "")
    if version != str(VERSION):
        raise WeightsError(
            f"{path} has version {shown(version)} of the format, but this posecore reads {VERSION}; update it."
        )
    try:
        return WeightsHeader(
            name=fields.pop("name"),
            architecture=fields.pop("architecture"),
            skeleton=_skeleton(fields.pop("skeleton")),
            sha256=fields.pop("sha256"),
            title=fields.pop("title", ""),
            description=fields.pop("description", ""),
            licence=fields.pop("licence", ""),
            network_settings=_settings(fields, "network_settings"),
            decode_settings=_settings(fields, "decode_settings"),
            ranges=_ranges(fields),
            extra=fields,
        )
    except KeyError as error:
        raise WeightsError(f"{path} has a header without {error.args[0]!r}; it is damaged.") from error
    except (ValueError, TypeError, SkeletonError) as error:
        raise WeightsError(f"{path} has a header that cannot be understood: {str(error).rstrip('.')}.") from error


def _skeleton(text: str) -> Skeleton:
    """A skeleton by name, or from JSON of its fields."""
    return skeleton_of_data(text if text in SKELETONS else parse_json(text))


def _ranges(fields: dict[str, str]) -> dict[str, tuple[float, float]]:
    values = parse_json(fields.pop("int8", "{}"))
    if not isinstance(values, dict):
        raise ValueError(f"int8 must be an object with named ranges, not {shown(values)}")
    ranges = {str(name): (float(low), float(high)) for name, (low, high) in values.items()}
    if not all(math.isfinite(low) and math.isfinite(high) and low <= high for low, high in ranges.values()):
        raise ValueError("int8 has ranges that are none")
    return ranges


def _settings(fields: dict[str, str], name: str) -> dict[str, Any]:
    values = parse_json(fields.pop(name, "{}"))
    if not isinstance(values, dict):
        raise ValueError(f"{name} must be an object with named fields, not {shown(values)}")
    return values


def _as(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Floating-point tensors in another type; others unchanged."""
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
