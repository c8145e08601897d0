"""Reading motion capture: BVH (Biovision Hierarchy) files, which say for every frame how each joint is turned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.errors import DataError
from posecore.parsing import shown

#: What is read at most: bytes of a file, joints, depth of the tree and frames.
MOST_BYTES, MOST_JOINTS, MOST_DEPTH, MOST_FRAMES = 64 * 2**20, 400, 100, 200_000

_CHANNELS = ("Xposition", "Yposition", "Zposition", "Xrotation", "Yrotation", "Zrotation")


@dataclass(frozen=True, eq=False)
class Motion:
    """A motion as a BVH file holds it. Ends without a channel of their own are joints called ``NAME_end``.

    Attributes:
        joints: Names, parents before children.
        parents: ``(J,)`` int64 index of each joint's parent, -1 for the root.
        offsets: ``(J, 3)`` float64 from the parent when nothing is turned, in the file's units.
        channels: The channels of each joint in the file's order, for example ``Zrotation``.
        values: ``(F, C)`` float64 values of all channels, joint after joint; degrees and the file's units.
        frame_time: Seconds from frame to frame.
    """

    joints: tuple[str, ...]
    parents: NDArray[np.int64]
    offsets: NDArray[np.float64]
    channels: tuple[tuple[str, ...], ...]
    values: NDArray[np.float64]
    frame_time: float

    def __len__(self) -> int:
        return len(self.values)

    def places(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``(F, J, 3)`` positions and ``(F, J, 3, 3)`` rotations of all joints in the file's axes and units.

        A rotation takes vectors of the joint's own axes to the file's.
        """
        frames, count = len(self), len(self.joints)
        positions = np.zeros((frames, count, 3))
        rotations = np.zeros((frames, count, 3, 3))
        first = 0
        for joint, (parent, names) in enumerate(zip(self.parents, self.channels, strict=True)):
            own = np.broadcast_to(np.eye(3), (frames, 3, 3))
            shift = np.tile(self.offsets[joint], (frames, 1))
            for number, name in enumerate(names, first):
                axis = "XYZ".index(name[0])
                if name.endswith("position"):
                    shift[:, axis] = self.values[:, number] + (self.offsets[joint, axis] if parent >= 0 else 0)
                else:
                    own = own @ _turn(axis, np.radians(self.values[:, number]))
            first += len(names)
            if parent < 0:
                positions[:, joint], rotations[:, joint] = shift, own
            else:
                above = rotations[:, parent]
                positions[:, joint] = positions[:, parent] + np.einsum("fij,fj->fi", above, shift)
                rotations[:, joint] = above @ own
        return positions, rotations


def _turn(axis: int, angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(F, 3, 3)`` rotations about one axis by ``angles`` in radians."""
    turned = np.zeros((len(angles), 3, 3))
    one, two = (axis + 1) % 3, (axis + 2) % 3
    turned[:, axis, axis] = 1
    turned[:, one, one] = turned[:, two, two] = np.cos(angles)
    turned[:, two, one] = np.sin(angles)
    turned[:, one, two] = -np.sin(angles)
    return turned


def read_bvh(path: Path) -> Motion:
    """Read a BVH file.

    Raises:
        DataError: When it cannot be read, is no BVH file or is far too large, saying where.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise DataError(f"{path} has {size / 2**20:.0f} MB; motions of up to {MOST_BYTES >> 20} MB are read.")
        text = path.read_text("utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"The motion {path} cannot be read: {error.strerror or error}.") from error
    try:
        return parse_bvh(text)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def parse_bvh(text: str) -> Motion:
    """A motion from a BVH file's text; raises ``DataError`` for anything else."""
    head, word, tail = text.partition("MOTION")
    if not word or not head.lstrip().upper().startswith("HIERARCHY"):
        raise DataError("this is no BVH file; it must begin with HIERARCHY and have a part called MOTION.")
    tree = _Tree(iter(head.split()[1:]))
    tree.read()
    names = tuple(tree.names)
    channels = tuple(tree.channels)
    values, frame_time = _frames(tail, sum(map(len, channels)))
    return Motion(names, np.array(tree.parents), np.array(tree.offsets), channels, values, frame_time)


class _Tree:
    """The joints of a HIERARCHY, read word by word."""

    def __init__(self, words: Iterator[str]) -> None:
        self.words = words
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[list[float]] = []
        self.channels: list[tuple[str, ...]] = []

    def read(self) -> None:
        """Read one root and everything below it."""
        if self._next().upper() != "ROOT":
            raise DataError("the hierarchy must begin with ROOT.")
        open_joints = [self._begin(self._next(), -1)]
        while open_joints:
            word, joint = self._next(), open_joints[-1]
            kind = word.upper()
            if kind == "}":
                open_joints.pop()
            elif kind == "OFFSET":
                self.offsets[joint] = [self._number() for _ in range(3)]
            elif kind == "CHANNELS":
                self.channels[joint] = self._channels()
            elif kind in ("JOINT", "END"):
                name = self._next() if kind == "JOINT" else f"{self.names[joint]}_end"
                if kind == "END":
                    self._next()
                open_joints.append(self._begin(name, joint))
            else:
                raise DataError(f"the hierarchy holds the word {shown(word)}, which means nothing there.")
            if len(open_joints) > MOST_DEPTH:
                raise DataError(f"joints hang on each other more than {MOST_DEPTH} deep.")

    def _begin(self, name: str, parent: int) -> int:
        if self._next() != "{":
            raise DataError(f"after the joint {shown(name)} there must be a {{.")
        if len(self.names) >= MOST_JOINTS:
            raise DataError(f"it has more than {MOST_JOINTS} joints.")
        self.names.append(name)
        self.parents.append(parent)
        self.offsets.append([0.0, 0.0, 0.0])
        self.channels.append(())
        return len(self.names) - 1

    def _channels(self) -> tuple[str, ...]:
        count = self._next()
        if not count.isascii() or not count.isdigit() or len(count) > 1 or int(count) > 6:
            raise DataError(f"a joint has {shown(count)} channels; there may be up to 6.")
        known = {name.lower(): name for name in _CHANNELS}
        names = [self._next() for _ in range(int(count))]
        for name in names:
            if name.lower() not in known:
                raise DataError(f"there is no channel {shown(name)}; there are {', '.join(_CHANNELS)}.")
        return tuple(known[name.lower()] for name in names)

    def _number(self) -> float:
        word = self._next()
        try:
            value = float(word)
        except ValueError:
            raise DataError(f"an offset holds {shown(word)} where a number must stand.") from None
        if not abs(value) < 1e6:
            raise DataError(f"an offset of {shown(word)} cannot be.")
        return value

    def _next(self) -> str:
        word = next(self.words, None)
        if word is None:
            raise DataError("the hierarchy ends too early; a } is missing.")
        return word


def _frames(text: str, channels: int) -> tuple[NDArray[np.float64], float]:
    """``(F, channels)`` values and the seconds from frame to frame of a MOTION part."""
    words = text.split()
    try:
        if words[0].lower() != "frames:" or [word.lower() for word in words[2:4]] != ["frame", "time:"]:
            raise DataError("after MOTION there must be “Frames: N” and “Frame Time: seconds”.")
        count, frame_time = int(words[1]), float(words[4])
    except (IndexError, ValueError):
        raise DataError("the number of frames or the frame time is missing or no number.") from None
    if not 1 <= count <= MOST_FRAMES or not 1e-4 <= frame_time <= 10:
        raise DataError(f"{count} frames of {frame_time:g} s cannot be; up to {MOST_FRAMES} frames are read.")
    if not channels or len(words) - 5 != count * channels:
        raise DataError(f"{count} frames of {channels} channels need {count * channels} numbers, not {len(words) - 5}.")
    try:
        values = np.array(words[5:], np.float64)
    except ValueError:
        raise DataError("the frames hold something that is no number.") from None
    if not (np.abs(values) < 1e6).all():
        raise DataError("a frame holds a number that is not finite or far too large.")
    return values.reshape(count, channels), frame_time
