"""A portrait, which is what people try first: are its eyes, nose and shoulders where they are?

``python -m benchmarks.portraits`` asks every model on this machine, at the settings that it begins with, about the
photograph of Grace Hopper that comes with Matplotlib. Distances are parts of the distance from the nose to the middle
between the shoulders; a joint is right within a tenth of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.cbook
import numpy as np
import torch

from benchmarks.tables import NOTHING, Row, printed, table_parser
from posecore.imaging import read_image
from posecore.poses import Poses
from posecore.settings import EXACT_NETWORK
from posecore.zoo import load_model

#: Where the joints are, in pixels (x, y), as set by hand on the brightened picture; her left is on the right.
GRACE_HOPPER: Mapping[str, tuple[float, float]] = {
    "left_eye": (307, 187),
    "right_eye": (222, 190),
    "nose": (268, 232),
    "left_shoulder": (457, 416),
    "right_shoulder": (76, 414),
}
#: Part of the distance from nose to shoulders within which a joint is right.
NEAR = 0.1


def distances(poses: Poses, truth: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """How far each joint of the pose with the highest score is, in parts of the distance from nose to shoulders.

    Infinite where the joint or the person was not found.
    """
    if not len(poses):
        return dict.fromkeys(truth, float("inf"))
    place = {name: np.array(xy, np.float64) for name, xy in truth.items()}
    length = np.linalg.norm(place["nose"] - (place["left_shoulder"] + place["right_shoulder"]) / 2)
    best = int(poses.scores.argmax())
    found = {}
    for name, xy in place.items():
        joint = poses.skeleton.keypoints.index(name)
        away = float(np.linalg.norm(poses.keypoints[best, joint] - xy) / length)
        found[name] = away if poses.present[best, joint] else float("inf")
    return found


def line(name: str, poses: Poses, truth: Mapping[str, tuple[float, float]]) -> Row:
    """A row of the table."""
    found = distances(poses, truth)
    cells = {joint.replace("_", " "): f"{away:.2f}" if np.isfinite(away) else NOTHING for joint, away in found.items()}
    right = sum(away <= NEAR for away in found.values())
    return {"model": name, "people": len(poses), **cells, "right": f"{right} of {len(found)}"}


def lines(names: Sequence[str]) -> Iterator[Row]:
    """A row for every model."""
    picture = read_image(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    for name in names:
        model = load_model(name, device="cpu")
        yield line(name, model(picture, **EXACT_NETWORK), GRACE_HOPPER)


def main() -> None:
    """Print the table."""
    chosen = table_parser(__doc__).parse_args()
    torch.set_num_threads(chosen.threads)
    printed(lines(chosen.models), chosen.into, "portraits")


if __name__ == "__main__":
    main()
