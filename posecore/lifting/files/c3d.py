"""C3D: where markers are over time, in the binary format of motion laboratories. Millimetres, y up."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from posecore.extras import require
from posecore.lifting.room_poses import RoomPoses


def write_c3d(person: RoomPoses, path: Path) -> None:
    """Write one person as a C3D file; an unknown position is invalid in the file's own way.

    Raises:
        MissingExtraError: When ``ezc3d`` is not installed.
    """
    require("c3d")
    import ezc3d

    points = np.ones((4, len(person.skeleton), len(person)))
    points[:3] = person.keypoints.transpose(2, 1, 0) * 1000
    file = ezc3d.c3d()
    about = file["parameters"]["POINT"]
    about["RATE"]["value"] = [person.rate]
    about["LABELS"]["value"] = list(person.skeleton.keypoints)
    about["UNITS"]["value"] = ["mm"]
    file.add_parameter("POINT", "X_SCREEN", ["+X"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    file["data"]["points"] = points
    # Below 0: there is no position.
    file["data"]["meta_points"]["residuals"] = np.where(person.present, 0.0, -1.0).T[None]
    with TemporaryDirectory(prefix="posecore-") as folder:
        # A name without this ending would get it.
        place = Path(folder) / "person.c3d"
        file.write(str(place))
        path.write_bytes(place.read_bytes())
