"""People in space as ROS 2 messages: frames of ``/tf`` as REP-155 names them, and markers in metres.

Places are seen from the camera's optical frame as REP-103 has it: x right, y down, z away from the camera. A body's own
frame, ``body_<id>``, lies between the hips: x points forward out of the body, y to its left, z up to the shoulders.
``hri_msgs`` has no message for skeletons in space; REP-155 wants them as frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.drawing.overlay import number_color
from posecore.lifting.body import ROOT, places_of
from posecore.ros.messages import MARKERS, Message, clearing_marker, header_at, limb_and_joint_markers
from posecore.skeleton import Skeleton

Array = NDArray[np.float64]

FRAMES, MARKED_3D, TF_MESSAGE = "/tf", "/humans/bodies/markers3d", "tf2_msgs/msg/TFMessage"
#: Place of the body → what REP-155 calls it.
LINKS: Mapping[str, str] = {
    "head": "head",
    **{
        f"{side}_{place}": f"{side[0]}_{place}"
        for side in ("left", "right")
        for place in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    },
}
#: Metres: width of limbs, diameter of joints.
_LIMB, _JOINT = 0.04, 0.06


@dataclass(frozen=True, eq=False)
class Body:
    """Somebody in space at one moment.

    Attributes:
        number: Of their track, as in the other messages.
        keypoints: ``(K, 3)`` metres from the camera: x right, y down, z away; NaN where nothing is known.
        skeleton: Meaning of the K keypoints.
    """

    number: int
    keypoints: Array
    skeleton: Skeleton


def space_messages(
    bodies: Sequence[Body], seconds: float, camera_frame: str, *, markers: bool = True
) -> Iterator[Message]:
    """Where the people of one picture are in space.

    Args:
        bodies: The people; frames need both hips and both shoulders, others are told as markers alone.
        seconds: When the picture was taken, since 1970.
        camera_frame: Name of the camera's optical frame.
        markers: Also as markers for viewers.
    """
    header = header_at(seconds, camera_frame)
    frames = [frame for body in bodies for frame in _frames(body, header)]
    if frames:
        yield Message(FRAMES, TF_MESSAGE, {"transforms": frames})
    if markers:
        yield Message(MARKED_3D, MARKERS, {"markers": [clearing_marker(header), *_markers(bodies, header)]})


def _frames(body: Body, header: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The body's frame as the camera sees it, and its joints as the body does, turned as the body is."""
    places = {name: found[0] for name, found in places_of(body.keypoints[None], body.skeleton).items()}
    axes = _axes(places)
    if axes is None:
        return
    root, name = places[ROOT], f"body_p{body.number}"
    yield _transform(header, name, root, Rotation.from_matrix(axes.T))
    for place, link in LINKS.items():
        if np.isfinite(places[place]).all():
            yield _transform(
                {**header, "frame_id": name},
                f"{link}_p{body.number}",
                axes @ (places[place] - root),
                Rotation.identity(),
            )


def _axes(places: Mapping[str, Array]) -> Array | None:
    """``(3, 3)`` forward, left and up, a row each; None where they are not known."""
    left, trunk = places["left_hip"] - places["right_hip"], places["neck"] - places[ROOT]
    with np.errstate(invalid="ignore", divide="ignore"):
        left = left / np.linalg.norm(left)
        up = trunk - (trunk @ left) * left
        up = up / np.linalg.norm(up)
    axes = np.stack([np.cross(left, up), left, up])
    return axes if np.isfinite(axes).all() else None


def _transform(header: dict[str, Any], child: str, place: Array, turn: Rotation) -> dict[str, Any]:
    return {
        "header": header,
        "child_frame_id": child,
        "transform": {
            "translation": dict(zip("xyz", place.tolist(), strict=True)),
            "rotation": dict(zip("xyzw", turn.as_quat().tolist(), strict=True)),
        },
    }


def _markers(bodies: Sequence[Body], header: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for body in bodies:
        yield from limb_and_joint_markers(
            header,
            body.number,
            number_color(body.number),
            body.keypoints,
            body.skeleton,
            limb=_LIMB,
            joint=_JOINT,
        )
