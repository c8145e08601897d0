"""The app's own widgets, whose browser side lies in ``frontend/``: pictures, maps, and the strip of thumbnails."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from posecore.imaging import Region
from posecore.poses import Poses
from posecore.ui.shared.widgets.frontend import component
from posecore.ui.shared.widgets.sent_pictures import picture_address

_picture = component("picture", styles=("viewer",))
_filmstrip = component("filmstrip")
_fields = component("fields", styles=("viewer",))
_compare = component("compare", styles=("viewer",))
_player = component("player")
_camera = component("camera")


def picture_view(
    jpeg: bytes,
    drawing: Mapping[str, Any],
    poses: Poses,
    *,
    alt: str,
    room: str,
    region: Region | None = None,
    on_region: Callable[[Region | None], None] | None = None,
    on_joint: Callable[[float, float], None] | None = None,
    on_box: Callable[[Region], None] | None = None,
    key: str,
) -> None:
    """Show a picture with people above it: the browser fetches the picture once, and draws the people of the moment.

    Args:
        jpeg: The picture as the browser shall show it, of any size.
        drawing: What is drawn above it, as :func:`posecore.drawing.pose_strokes` says it.
        poses: The people in it, named when the pointer is near one of their joints.
        alt: What the picture shows, for those who do not see it.
        room: CSS length: how high the picture may be.
        region: The part that is looked at, if any.
        on_region: Called with the part that was dragged, in source pixels, or None for the whole picture; without it
            no part can be chosen.
        on_joint: Called with the place (x, y), in source pixels, of a joint that was clicked; without it none can be.
        on_box: Called with what was dragged, in source pixels, as a box around somebody; ``on_region`` is not, then.
        key: Name of the widget.
    """

    def dragged() -> None:
        said = st.session_state[key].region
        chosen = None if said == "whole" else tuple(float(side) for side in said)
        if on_box is not None and chosen is not None:
            on_box(chosen)  # type: ignore[arg-type]
        elif on_region is not None:
            on_region(chosen)  # type: ignore[arg-type]

    def clicked() -> None:
        if on_joint is not None:
            x, y = (float(value) for value in st.session_state[key].joint)
            on_joint(x - 0.5, y - 0.5)

    width, height = poses.image_size
    data = {
        **_picture_data(jpeg, alt, (width, height), room),
        "people": _joints(poses),
        "drawing": drawing,
        "drawn": hashlib.blake2b(json.dumps(drawing).encode(), digest_size=8).hexdigest(),
        "region": region is not None,
        "parts": on_region is not None or on_box is not None,
        "boxes": on_box is not None,
        "joints": on_joint is not None,
    }
    _picture(key=key, data=data, on_region_change=dragged, on_joint_change=clicked)


@dataclass(frozen=True, eq=False)
class MapValues:
    """Values that the browser reads under the pointer, on the map's own grid.

    Attributes:
        cells: ``(H, W)``, or ``(2, H, W)`` for vectors.
        start: Source-picture position (x, y) of the centre of cell (0, 0).
        step: Source pixels (x, y) from cell to cell.
        inside: The part of the picture that the network saw, in pixels from the picture's edge.
        label: What the values are of.
        units: Written after a value.
    """

    cells: NDArray[np.float32]
    start: tuple[float, float]
    step: tuple[float, float]
    inside: Region
    label: str
    units: str = ""


@dataclass(frozen=True)
class Legend:
    """Colours of a map: CSS gradient, and what its ends mean."""

    colors: str
    low: str
    high: str


@dataclass(frozen=True)
class Mark:
    """Something drawn above the picture, as sharp at every zoom.

    Attributes:
        kind: ``path`` with a dot per point, ``line`` or ``ring``.
        points: Source-picture pixels (x, y).
        look: ``path``, ``chosen``, ``rejected`` or ``picked``.
        labels: A word per point of a path.
    """

    kind: Literal["path", "line", "ring"]
    points: tuple[tuple[float, float], ...]
    look: Literal["path", "chosen", "rejected", "picked"]
    labels: tuple[str, ...] = ()


def field_view(
    jpeg: bytes,
    poses: Poses,
    *,
    picture: str,
    alt: str,
    room: str,
    values: MapValues | None,
    legend: Legend | None,
    marks: Sequence[Mark],
    size: tuple[int, int] | None = None,
    on_spot: Callable[[float, float, float], None],
    key: str,
) -> None:
    """Show a drawn map that can be zoomed and panned and whose values can be read with the pointer.

    Args:
        jpeg: The picture as the browser shall show it, of any size.
        poses: The people in it, named when the pointer is near one of their joints.
        picture: Identity of what is shown; zoom and place are kept while it stays the same.
        alt: What is shown, for those who do not see it.
        room: CSS length: how high it may be.
        values: What the pointer reads.
        legend: Meaning of the colours.
        marks: What is drawn above, in order.
        size: (width, height) to which positions refer, unless those of the poses' picture.
        on_spot: Called with a place that was clicked and the distance in which a joint counts as meant, in pixels.
        key: Name of the widget.
    """

    def clicked() -> None:
        x, y, reach = (float(value) for value in st.session_state[key].spot)
        on_spot(x - 0.5, y - 0.5, reach)

    width, height = size or poses.image_size
    data = {
        **_picture_data(jpeg, alt, (width, height), room),
        "picture": picture,
        "joints": _joints(poses),
        "values": None if values is None else _values(values),
        "legend": None if legend is None else vars(legend),
        "marks": [{**vars(mark), "points": [[x + 0.5, y + 0.5] for x, y in mark.points]} for mark in marks],
    }
    _fields(key=key, data=data, on_spot_change=clicked)


def _picture_data(jpeg: bytes, alt: str, size: tuple[int, int], room: str) -> dict[str, Any]:
    """What every viewer is told of its picture."""
    address = picture_address(jpeg)
    return {"image": address, "token": address, "alt": alt, "width": size[0], "height": size[1], "room": room}


def _values(values: MapValues) -> dict[str, Any]:
    *parts, rows, columns = values.cells.shape
    return {
        "cells": base64.b64encode(np.ascontiguousarray(values.cells, "<f4").tobytes()).decode("ascii"),
        "columns": columns,
        "rows": rows,
        "parts": parts[0] if parts else 1,
        "start": [position + 0.5 for position in values.start],
        "step": values.step,
        "inside": values.inside,
        "label": values.label,
        "units": values.units,
    }


def _joints(poses: Poses, numbers: Sequence[int] | None = None) -> list[list[Any]]:
    """[x, y, words] for every joint that was found, in pixels from the picture's edge as browsers count them."""
    numbers = range(len(poses)) if numbers is None else numbers
    names = [name.replace("_", " ") for name in poses.skeleton.keypoints]
    people, joints = np.nonzero(poses.present)
    return [
        [
            round(float(poses.keypoints[person, joint, 0]) + 0.5, 1),
            round(float(poses.keypoints[person, joint, 1]) + 0.5, 1),
            f"Person {numbers[person] + 1} · {names[joint]} · {poses.keypoint_scores[person, joint]:.2f}",
        ]
        for person, joint in zip(people.tolist(), joints.tolist(), strict=True)
    ]


@dataclass(frozen=True, eq=False)
class ComparedPicture:
    """One column of a comparison.

    Attributes:
        letter: Its name.
        title: What it is.
        note: What it found.
        jpeg: The picture as the browser shall show it.
        alt: What the picture shows, for those who do not see it.
        poses: The people, named when the pointer is near one of their joints; None when it failed.
        numbers: What each of them is counted as, from 0.
        error: Why it failed, as a sentence; empty else.
    """

    letter: str
    title: str
    note: str
    jpeg: bytes
    alt: str
    poses: Poses | None
    numbers: Sequence[int]
    error: str


def compare_view(
    columns: Sequence[ComparedPicture], *, picture: str, size: tuple[int, int], reserved: int, key: str
) -> None:
    """Show results for one picture side by side, blinking or with an edge between them, zoomed and panned in step.

    Args:
        columns: What to show.
        picture: Identity of what is shown; zoom and place are kept while it stays the same.
        size: (width, height) of the picture to which positions refer.
        reserved: CSS pixels of the window's height that other things take.
        key: Name of the widget.
    """
    shown = [
        {
            "letter": one.letter,
            "title": one.title,
            "note": one.note,
            **_picture_data(one.jpeg, one.alt, size, ""),
            "people": [] if one.poses is None else _joints(one.poses, one.numbers),
            "error": one.error,
        }
        for one in columns
    ]
    _compare(key=key, data={"picture": picture, "columns": shown, "reserved": reserved})


def filmstrip(
    items: Sequence[tuple[str, str, bytes | None]],
    chosen: str,
    *,
    title: str,
    on_pick: Callable[[str], None],
    key: str,
    marks: Mapping[str, str] | None = None,
    captions: Mapping[str, str] | None = None,
) -> None:
    """Thumbnails to choose from: a strip, or a sheet of larger ones where they have captions.

    Args:
        items: Key, label and JPEG of each; None for a picture that cannot be shown.
        chosen: Key of the one that is chosen.
        title: What they are, for those who do not see them.
        on_pick: Called with the key of the one that was clicked.
        key: Name of the widget.
        marks: Key → ``done``, ``unconfirmed`` or ``unlabelled``, shown as a sign in the corner.
        captions: Key → words below it.
    """
    entries = [
        {"key": name, "label": label, "image": None if jpeg is None else _data_url(jpeg)} for name, label, jpeg in items
    ]
    _filmstrip(
        key=key,
        data={"items": entries, "chosen": chosen, "title": title, "marks": dict(marks or {}), "captions": captions},
        on_pick_change=lambda: on_pick(st.session_state[key].pick),
    )


def camera(*, on_photo: Callable[[bytes], None], key: str) -> None:
    """Take pictures with the visitor's camera, in its own resolution.

    Args:
        on_photo: Called with each picture, the bytes of a JPEG file.
        key: Name of the widget.
    """

    def taken() -> None:
        prefix, comma, data = str(st.session_state[key].photo).partition(",")
        if comma and prefix.startswith("data:image/jpeg"):
            on_photo(base64.b64decode(data))

    _camera(key=key, data={}, on_photo_change=taken)


def player(
    address: str,
    *,
    file_name: str,
    label: str,
    size: tuple[int, int],
    times: NDArray[np.floating],
    start: float,
    room: str,
    plots: str,
    key: str,
) -> None:
    """Play a clip, with a line at the present moment in the Plotly charts of a container, which move it when clicked.

    Args:
        address: Where the clip is, relative to the page.
        file_name: Name under which it is saved.
        label: What the clip shows, for those who do not see it.
        size: (width, height) of its pictures.
        times: ``(F,)`` seconds of each frame from the clip's beginning.
        start: The charts' time at the clip's beginning; their x axis must have an explicit range.
        room: CSS length: how high the picture may be.
        plots: Key of the container with the charts.
        key: Name of the widget.
    """
    data = {
        "url": address,
        "save": f"{address}?save={quote(file_name)}",
        "label": label,
        "ratio": size[0] / size[1],
        "room": room,
        "times": base64.b64encode(np.ascontiguousarray(times, "<f4").tobytes()).decode("ascii"),
        "start": start,
        "plots": f"st-key-{plots}",
    }
    _player(key=key, data=data)


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
