"""The app's own widgets, whose browser side lies in ``frontend/``: the picture, and the strip of thumbnails."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from posecore.imaging import Region
from posecore.poses import Poses

_FRONTEND = Path(__file__).parent / "frontend"


def _component(name: str) -> Any:
    """Register the component whose files are ``frontend/NAME.*``."""
    html, css, js = ((_FRONTEND / f"{name}.{ending}").read_text("utf-8") for ending in ("html", "css", "js"))
    return st.components.v2.component(f"posecore_{name}", html=html, css=css, js=js)


_picture = _component("picture")
_filmstrip = _component("filmstrip")


def picture_view(
    jpeg: bytes,
    poses: Poses,
    *,
    alt: str,
    room: str,
    region: Region | None,
    on_region: Callable[[Region | None], None],
    key: str,
) -> None:
    """Show a drawn picture.

    Args:
        jpeg: The picture as the browser shall show it, of any size.
        poses: The people in it, named when the pointer is near one of their joints.
        alt: What the picture shows, for those who do not see it.
        room: CSS length: how high the picture may be.
        region: The part that is looked at, if any.
        on_region: Called with the part that was dragged, in source pixels, or None for the whole picture.
        key: Name of the widget.
    """

    def dragged() -> None:
        chosen = st.session_state[key].region
        on_region(None if chosen == "whole" else tuple(float(side) for side in chosen))  # type: ignore[arg-type]

    width, height = poses.image_size
    data = {
        "image": _data_url(jpeg),
        "token": hashlib.blake2b(jpeg, digest_size=8).hexdigest(),
        "alt": alt,
        "width": width,
        "height": height,
        "room": room,
        "people": _joints(poses),
        "region": region is not None,
    }
    _picture(key=key, data=data, on_region_change=dragged)


def _joints(poses: Poses) -> list[list[Any]]:
    """[x, y, words] for every joint that was found, in pixels from the picture's edge as browsers count them."""
    names = [name.replace("_", " ") for name in poses.skeleton.keypoints]
    people, joints = np.nonzero(poses.present)
    return [
        [
            round(float(poses.keypoints[person, joint, 0]) + 0.5, 1),
            round(float(poses.keypoints[person, joint, 1]) + 0.5, 1),
            f"Person {person + 1} · {names[joint]} · {poses.keypoint_scores[person, joint]:.2f}",
        ]
        for person, joint in zip(people.tolist(), joints.tolist(), strict=True)
    ]


def filmstrip(
    items: Sequence[tuple[str, str, bytes | None]],
    chosen: str,
    *,
    title: str,
    on_pick: Callable[[str], None],
    key: str,
) -> None:
    """Thumbnails to choose from.

    Args:
        items: Key, label and JPEG of each; None for a picture that cannot be shown.
        chosen: Key of the one that is chosen.
        title: What they are, for those who do not see them.
        on_pick: Called with the key of the one that was clicked.
        key: Name of the widget.
    """
    entries = [
        {"key": name, "label": label, "image": None if jpeg is None else _data_url(jpeg)} for name, label, jpeg in items
    ]
    _filmstrip(
        key=key,
        data={"items": entries, "chosen": chosen, "title": title},
        on_pick_change=lambda: on_pick(st.session_state[key].pick),
    )


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
