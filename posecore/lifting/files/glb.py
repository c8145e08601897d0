"""GLB (binary glTF 2.0): everybody as spheres and sticks that move; browsers, Blender and Windows show it.

Metres, y up. Each joint is a node that turns, so that programs can also take the motion alone. People are there in the
frames in which they are known, and of size nought before and after. https://registry.khronos.org/glTF/specs/2.0
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.drawing.overlay import number_color
from posecore.errors import DataError
from posecore.lifting.body import ROOT
from posecore.lifting.files.bones import HIPS, Joint, Turning, least_turn, turning
from posecore.lifting.room_poses import RoomPoses

#: Metres from the middle of a joint to its edge; of a bone; of a head.
_JOINT, _BONE, _HEAD = 0.035, 0.022, 0.1
#: How much darker the right side is, so that one sees who turns which way.
_DARKER = 0.45
_FLOAT, _SHORT = 5126, 5123
#: What a graphics card does with the numbers of a shape.
_VERTICES, _CORNERS = 34962, 34963
_TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}


def write_glb(people: Sequence[RoomPoses]) -> bytes:
    """Those people of whom :func:`can_move` is true in one scene, as the bytes of a file.

    Raises:
        DataError: When it is true of nobody.
    """
    scene = _Scene()
    moving = [person for person in people if can_move(person)]
    if not moving:
        raise DataError("It needs the hips of a person in at least one frame; they are nowhere known.")
    start = min(float(person.times[0]) for person in moving)
    end = max(float(person.times[-1]) for person in moving)
    for person in moving:
        scene.add(person, turning(person), start, end)
    return scene.packed()


def can_move(person: RoomPoses) -> bool:
    """Whether a file can hold somebody: both hips are known in some frame."""
    return bool(np.isfinite(person.places()[ROOT]).all(1).any())


class _Scene:
    """Collects what a file holds."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._data: dict[str, list[Any]] = {
            name: [] for name in ("nodes", "meshes", "materials", "accessors", "bufferViews")
        }
        self._roots: list[int] = []
        self._channels: list[Any] = []
        self._samplers: list[Any] = []
        self._shapes = [self._shape(*_sphere()), self._shape(*_stick())]

    def add(self, person: RoomPoses, bones: Turning, start: float, end: float) -> None:
        """One person of a clip that lasts from ``start`` to ``end`` seconds."""
        meshes = [self._meshes(person, share) for share in (1.0, _DARKER)]
        nodes: dict[str, int] = {}
        root = self._joint(HIPS, np.zeros(3), bones, meshes, nodes)
        self._roots.append(self._put("nodes", {"name": person.label, "children": [root]}))
        times = self._numbers(person.times - start, bounds=True)
        self._move(root, "translation", times, bones.root)
        for name, turns in bones.turns.items():
            self._move(nodes[name], "rotation", times, _even(turns))
        self._appear(self._roots[-1], person, start, end)

    def packed(self) -> bytes:
        """The file."""
        animation = {"name": "motion", "channels": self._channels, "samplers": self._samplers}
        about = {
            "asset": {"version": "2.0", "generator": "posecore"},
            "scene": 0,
            "scenes": [{"nodes": self._roots}],
            **self._data,
            "animations": [animation],
            "buffers": [{"byteLength": len(self._bytes)}],
        }
        text = json.dumps(about, allow_nan=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text
        chunks += struct.pack("<I4s", len(self._bytes), b"BIN\0") + self._bytes
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks

    def _joint(
        self, joint: Joint, offset: NDArray[np.float64], bones: Turning, meshes: list[list[int]], nodes: dict[str, int]
    ) -> int:
        """The node of a joint with all that hangs on it, and its sphere and sticks."""
        size = _HEAD if joint.name == "Head" else _JOINT
        children = [self._put("nodes", {"mesh": meshes["Right" in joint.name][0], "scale": [size] * 3})]
        for child in joint.children:
            to = bones.offset(joint, child)
            if (length := float(np.linalg.norm(to))) > 0:
                turn = least_turn(np.array([[0.0, 1.0, 0.0]]), to[None]).as_quat()[0]
                shape = {"rotation": turn.tolist(), "scale": [_BONE, length, _BONE]}
                children.append(self._put("nodes", {"mesh": meshes["Right" in child.name][1], **shape}))
            children.append(self._joint(child, to, bones, meshes, nodes))
        nodes[joint.name] = self._put(
            "nodes", {"name": joint.name, "translation": offset.tolist(), "children": children}
        )
        return nodes[joint.name]

    def _meshes(self, person: RoomPoses, share: float) -> list[int]:
        """A sphere and a stick of a person's colour."""
        color = number_color(person.track_id or 0)
        # Colours are light here, not what a screen is told.
        base = [round(share * (part / 255) ** 2.2, 4) for part in color]
        pbr = {"baseColorFactor": [*base, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.7}
        material = self._put("materials", {"pbrMetallicRoughness": pbr})
        return [self._put("meshes", {"primitives": [{**shape, "material": material}]}) for shape in self._shapes]

    def _shape(self, points: NDArray[np.float64], normals: NDArray[np.float64], corners: NDArray[np.int64]) -> Any:
        attributes = {
            "POSITION": self._numbers(points, bounds=True, target=_VERTICES),
            "NORMAL": self._numbers(normals, target=_VERTICES),
        }
        return {"attributes": attributes, "indices": self._numbers(corners.ravel(), kind="<u2", target=_CORNERS)}

    def _move(self, node: int, path: str, times: int, values: NDArray[np.float64], how: str = "LINEAR") -> None:
        sampler = {"input": times, "output": self._numbers(values), "interpolation": how}
        target = {"node": node, "path": path}
        self._channels.append({"sampler": len(self._samplers), "target": target})
        self._samplers.append(sampler)

    def _appear(self, node: int, person: RoomPoses, start: float, end: float) -> None:
        """Hide a person before their first frame and after their last one."""
        first, gone = float(person.times[0]) - start, float(person.times[-1]) + 1 / person.rate - start
        keys = [(0.0, 0.0)] * (first > 0) + [(first, 1.0)] + [(gone, 0.0)] * (gone < end - start)
        if len(keys) > 1:
            times = self._numbers(np.array([time for time, _ in keys]), bounds=True)
            self._move(node, "scale", times, np.array([[size] * 3 for _, size in keys]), "STEP")

    def _numbers(self, values: NDArray[Any], kind: str = "<f4", bounds: bool = False, target: int | None = None) -> int:
        """An accessor of ``(N,)`` or ``(N, C)`` numbers."""
        packed = np.ascontiguousarray(values, kind)
        place = {"buffer": 0, "byteOffset": len(self._bytes), "byteLength": packed.nbytes}
        view = self._put("bufferViews", place if target is None else {**place, "target": target})
        self._bytes += packed.tobytes() + bytes(-packed.nbytes % 4)
        rows = packed.reshape(len(packed), -1)
        accessor = {
            "bufferView": view,
            "componentType": _FLOAT if kind == "<f4" else _SHORT,
            "count": len(rows),
            "type": _TYPES[rows.shape[1]],
        }
        if bounds:
            accessor |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        return self._put("accessors", accessor)

    def _put(self, name: str, value: Any) -> int:
        self._data[name].append(value)
        return len(self._data[name]) - 1


def _even(turns: Rotation) -> NDArray[np.float64]:
    """``(T, 4)`` quaternions (x, y, z, w), none of which is far from the one before it."""
    values = turns.as_quat()
    flips = np.where((values[1:] * values[:-1]).sum(1) < 0, -1.0, 1.0)
    return np.asarray(values * np.cumprod([1.0, *flips])[:, None])


def _sphere(around: int = 12, down: int = 8) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Points, normals and the corners of triangles of a sphere of radius 1."""
    tilt, turn = np.meshgrid(np.linspace(0, np.pi, down + 1), np.linspace(0, 2 * np.pi, around + 1), indexing="ij")
    points = np.stack([np.sin(tilt) * np.sin(turn), np.cos(tilt), np.sin(tilt) * np.cos(turn)], -1).reshape(-1, 3)
    return points, points, _grid(down, around)


def _stick(around: int = 12) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """The same of an open tube of radius 1 from y = 1 to y = 0."""
    turn = np.tile(np.linspace(0, 2 * np.pi, around + 1), 2)
    normals = np.stack([np.sin(turn), np.zeros_like(turn), np.cos(turn)], -1)
    return normals + np.repeat([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], around + 1, axis=0), normals, _grid(1, around)


def _grid(rows: int, columns: int) -> NDArray[np.int64]:
    """``(N, 3)`` triangles between points that lie in rows, seen from outside anticlockwise."""
    row, column = (part.ravel() for part in np.indices((rows, columns)))
    corner = row * (columns + 1) + column
    below = corner + columns + 1
    return np.concatenate([np.stack([corner, below, corner + 1], 1), np.stack([corner + 1, below, below + 1], 1)])
