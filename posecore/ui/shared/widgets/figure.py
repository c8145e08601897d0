"""People in the room, drawn in the browser as figures that turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from posecore.lifting.figure_data import packed, packed_live
from posecore.lifting.room_poses import RoomPoses
from posecore.ui.shared.widgets.frontend import component

_figure = component("figure")


def figure_view(
    people: Sequence[RoomPoses],
    times: NDArray[np.floating],
    *,
    colors: Sequence[str],
    label: str,
    room: str,
    channel: str,
    key: str,
) -> None:
    """Show people in the room.

    Args:
        people: The people, all of one skeleton; at least one.
        times: ``(F,)`` seconds of all frames.
        colors: A CSS colour for each.
        label: What is shown, for those who do not see it.
        room: CSS length: how high it is.
        channel: Of the player that it goes along with: the ``plots`` that was told to it.
        key: Name of the widget.
    """
    _figure(key=key, data={"label": label, "room": room, "channel": channel, **packed(people, times, colors)})


def live_figure_view(address: str, *, label: str, room: str, key: str) -> None:
    """Show the people before a camera.

    Args:
        address: Where the browser asks for them, relative to the app's pages; see ``frontend/figure/figure.js``.
        label, room, key: As of :func:`figure_view`.
    """
    _figure(key=key, data={"label": label, "room": room, **packed_live(address)})
