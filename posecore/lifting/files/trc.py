"""TRC: where markers are over time, as OpenSim reads it. Metres, y up; an unknown position is left empty."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from posecore.lifting.room_poses import RoomPoses


def write_trc(person: RoomPoses, name: str) -> Iterator[str]:
    """One person as the pieces of a TRC file.

    Args:
        person: The person.
        name: Of the file; it stands in the first line.
    """
    rate, frames, markers = f"{person.rate:.6g}", len(person), person.skeleton.keypoints
    yield f"PathFileType\t4\t(X/Y/Z)\t{name}\n"
    yield "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
    yield f"{rate}\t{rate}\t{frames}\t{len(markers)}\tm\t{rate}\t1\t{frames}\n"
    yield "Frame#\tTime\t" + "\t\t\t".join(markers) + "\t\t\n"
    yield "\t\t" + "\t".join(f"{axis}{number}" for number in range(1, len(markers) + 1) for axis in "XYZ") + "\n\n"
    for number, (time, row) in enumerate(zip(person.times, person.keypoints, strict=True), 1):
        cells = ("" if np.isnan(value) else f"{value:.6f}" for value in row.ravel())
        yield f"{number}\t{time:.6f}\t" + "\t".join(cells) + "\n"
