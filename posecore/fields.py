"""Fields: what a network says about a picture, before anything is decided.

A field is a stack of maps on a regular grid over the network's input. Families differ in which fields they have;
the kinds below are all there are, so that a viewer or a cache needs to know nothing about the family.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import DataError
from posecore.imaging import InputTransform, check_region
from posecore.parsing import open_arrays, parse_json, shown
from posecore.skeleton import Edge, Skeleton, data_of_skeleton, skeleton_of_data
from posecore.storage import replacing

_FORMAT, _VERSION = "posecore.fields", 2
#: Versions that can be read. 1 did not say what computed the fields.
_READ = (1, _VERSION)
#: Most that a file of fields may hold, unpacked.
MAX_BYTES = 2_000_000_000


class FieldKind(StrEnum):
    """What the values of a field mean."""

    HEATMAP = "heatmap"  #: how likely a keypoint is here; scalar
    OFFSETS = "offsets"  #: from the cell to the exact keypoint; vector
    DISPLACEMENT = "displacement"  #: from a keypoint to the keypoint at an edge's other end; vector
    PART_AFFINITY = "part affinity"  #: unit direction along a limb; vector
    CENTRE = "centre"  #: how likely a person's centre is here; scalar
    REGRESSION = "regression"  #: from a person's centre to each keypoint; vector
    BOX = "box"  #: size or correction of a person's box; vector


@dataclass(frozen=True, eq=False)
class FieldMap:
    """One named stack of maps.

    Attributes:
        name: Unique within its :class:`Fields`, for example ``heatmaps`` or ``displacement_forward``.
        kind: Meaning of the values.
        values: float32 ``(C, H, W)`` for scalar kinds, ``(C, 2, H, W)`` with (x, y) components for vector kinds.
        units: ``probability``, ``input px``, ``cells`` or ``unit vector``.
        stride: Input pixels between two cells.
        origin: Input position of the centre of cell 0, the same on both axes.
        channels: A label per channel.
        keypoints: Keypoint index per channel, or None when channels are not keypoints.
        edges: Directed edge (from, to) per channel, or None when channels are not edges.
        stage: Refinement stage that made the map (0 when there is only one); the last stage decides.
    """

    name: str
    kind: FieldKind
    values: NDArray[np.float32]
    units: str
    stride: float
    origin: float
    channels: tuple[str, ...]
    keypoints: tuple[int, ...] | None = None
    edges: tuple[Edge, ...] | None = None
    stage: int = 0

    def __post_init__(self) -> None:
        if self.values.ndim not in (3, 4) or len(self.values) != len(self.channels):
            raise ValueError(f"Field {self.name!r}: {len(self.channels)} channel labels for shape {self.values.shape}.")

    @property
    def is_vector(self) -> bool:
        """True when a channel has an x and a y component."""
        return self.values.ndim == 4

    @property
    def grid_size(self) -> tuple[int, int]:
        """(width, height) in cells."""
        return self.values.shape[-1], self.values.shape[-2]

    def cell_to_input(self, cells: NDArray[Any]) -> NDArray[np.float64]:
        """Cell coordinates ``(…, 2)`` (x, y), fractional allowed, to input pixels."""
        return np.asarray(cells, np.float64) * self.stride + self.origin


@dataclass(frozen=True)
class Provenance:
    """Where fields come from; equal provenance means equal fields, but for rounding where ``auto`` chose the runtime.

    Attributes:
        picture: Identity of the picture (a hash of its pixels unless the caller had a better one).
        model: Full model name.
        weights: Hash of the weights.
        settings: The network settings that were in force.
        region: The region that was looked at, or None for the whole picture.
        computed: Runtime and precision that computed them, such as ``openvino bfloat16``; not part of the identity.
    """

    picture: str
    model: str
    weights: str
    settings: dict[str, Any] = field(default_factory=dict)
    region: tuple[float, float, float, float] | None = None
    computed: str = field(default="", compare=False)

    @property
    def key(self) -> str:
        """Short hash of all of the above: the cache key of the fields."""
        identity = {name: value for name, value in asdict(self).items() if name != "computed"}
        text = json.dumps(identity, sort_keys=True, default=str)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, eq=False)
class CloseUp:
    """What a second network says about a part of the picture that these fields led to.

    Attributes:
        fields: Of that part; ``fields.provenance.region`` says which.
        score: How sure the first model was of the person there, 0 … 1.
    """

    fields: Fields
    score: float


@dataclass(frozen=True, eq=False)
class Fields:
    """All maps of one picture, with the way back to its pixels.

    Attributes:
        family: Family that can decode them.
        maps: The maps, in display order; ``fields["heatmaps"]`` finds one by name.
        transform: From the network's input to source pixels.
        skeleton: Meaning of keypoint and edge indices.
        provenance: Where the maps come from.
        timings: Milliseconds of ``preprocess`` and ``network``, close-ups included; a batch's time is shared out
            evenly.
        close_ups: A closer look at each person that was found, for models of two stages.
    """

    family: str
    maps: tuple[FieldMap, ...]
    transform: InputTransform
    skeleton: Skeleton
    provenance: Provenance
    timings: dict[str, float] = field(default_factory=dict)
    close_ups: tuple[CloseUp, ...] = ()

    def __getitem__(self, name: str) -> FieldMap:
        for candidate in self.maps:
            if candidate.name == name:
                return candidate
        raise KeyError(f"No field {name!r}; there are {', '.join(m.name for m in self.maps)}.")

    def __contains__(self, name: str) -> bool:
        return any(candidate.name == name for candidate in self.maps)

    @property
    def nbytes(self) -> int:
        """Bytes that the maps hold in memory, those of close-ups included."""
        own = sum(candidate.values.nbytes for candidate in self.maps)
        return own + sum(view.fields.nbytes for view in self.close_ups)

    def to_source(self, name: str, cells: NDArray[Any]) -> NDArray[np.float64]:
        """Cell coordinates ``(…, 2)`` (x, y) of map ``name`` to source-picture pixels."""
        return self.transform.to_source(self[name].cell_to_input(cells))

    def save(self, file: str | Path | IO[bytes], compressed: bool = True) -> None:
        """Write an ``.npz``: one array per map under its name, and ``__meta__`` with the rest as JSON.

        Maps of close-ups are under ``N/name``, N counting from 1.
        """
        if isinstance(file, (str, Path)):
            # An open file, for NumPy gives a path another ending.
            with replacing(Path(file)) as part, part.open("wb") as opened:
                self.save(opened, compressed)
            return
        meta = {"format": _FORMAT, "version": _VERSION, **_meta_of(self)}
        arrays = {m.name: m.values for m in self.maps}
        for number, view in enumerate(self.close_ups, 1):
            arrays |= {f"{number}/{m.name}": m.values for m in view.fields.maps}
        write = np.savez_compressed if compressed else np.savez
        write(file, __meta__=np.array(json.dumps(meta)), **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | Path) -> Fields:
        """Read what :meth:`save` wrote; raises ``DataError`` for anything else (nothing in the file is executed)."""
        try:
            with open_arrays(path) as archive:
                return _fields_from(archive)
        except FileNotFoundError:
            raise
        except Exception as error:
            # zipfile, zlib and NumPy raise a dozen kinds for damaged files, and none is promised.
            raise DataError(
                f"{path} does not hold posecore fields, or is damaged ({error!s:.120}); save them with --save fields."
            ) from error


def _meta_of(fields: Fields) -> dict[str, Any]:
    meta = {
        "family": fields.family,
        "transform": asdict(fields.transform),
        "skeleton": data_of_skeleton(fields.skeleton),
        "provenance": asdict(fields.provenance),
        "timings": fields.timings,
        "maps": [{k: v for k, v in vars(m).items() if k != "values"} for m in fields.maps],
    }
    views = [{"score": view.score, **_meta_of(view.fields)} for view in fields.close_ups]
    return {**meta, "close_ups": views} if views else meta


def _fields_from(archive: Any) -> Fields:
    if sum(member.file_size for member in archive.zip.infolist()) > MAX_BYTES:
        raise ValueError(f"it holds more than {MAX_BYTES / 1e6:g} MB")
    meta = parse_json(str(archive["__meta__"]), finite=True)
    if meta["format"] != _FORMAT or meta["version"] not in _READ:
        raise ValueError(f"its format is {shown(meta['format'])}, version {shown(meta['version'])}")
    views = [
        CloseUp(_fields_of(view, archive, f"{number}/"), float(view["score"]))
        for number, view in enumerate(meta.get("close_ups", ()), 1)
    ]
    return replace(_fields_of(meta, archive, ""), close_ups=tuple(views))


def _fields_of(meta: dict[str, Any], archive: Any, prefix: str) -> Fields:
    skeleton = skeleton_of_data(meta["skeleton"])
    maps = tuple(_map_from(item, archive[f"{prefix}{item['name']}"], skeleton) for item in meta["maps"])
    transform = InputTransform(**{name: _pair(value) for name, value in meta["transform"].items()})
    region = meta["provenance"].pop("region")
    provenance = Provenance(**meta["provenance"], region=None if region is None else check_region(region))
    timings = {str(name): float(value) for name, value in meta["timings"].items()}
    return Fields(str(meta["family"]), maps, transform, skeleton, provenance, timings)


def _pair(values: Any) -> Any:
    """Two finite numbers."""
    first, second = values
    if not (math.isfinite(first) and math.isfinite(second)):
        raise ValueError("the transform is not finite")
    return first, second


def _map_from(meta: dict[str, Any], values: NDArray[Any], skeleton: Skeleton) -> FieldMap:
    if values.dtype != np.float32:
        raise ValueError(f"map {shown(meta['name'])} holds {values.dtype}, not float32")
    keypoints, edges = meta["keypoints"], meta["edges"]
    made = FieldMap(
        **{
            **meta,
            "kind": FieldKind(meta["kind"]),
            "values": values,
            "channels": tuple(str(name) for name in meta["channels"]),
            "keypoints": None if keypoints is None else tuple(int(index) for index in keypoints),
            "edges": None if edges is None else tuple((int(a), int(b)) for a, b in edges),
        }
    )
    for named in (made.keypoints, made.edges):
        indices = np.array(named if named is not None else [0] * len(made.channels))
        if len(indices) != len(made.channels) or not ((indices >= 0) & (indices < len(skeleton))).all():
            raise ValueError(f"map {shown(made.name)} is not one of this skeleton's")
    return made
