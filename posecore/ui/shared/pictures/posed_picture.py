"""The analysed picture and the row of facts above it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import streamlit as st

from posecore.drawing import DrawingOptions, pose_strokes
from posecore.fields import Fields
from posecore.imaging import Region
from posecore.poses import Poses
from posecore.skeleton import COCO_17
from posecore.ui.shared.models.caches import drawings_cache
from posecore.ui.shared.models.engine import Analysis
from posecore.ui.shared.pictures.downloads import Download
from posecore.ui.shared.pictures.open_picture import OpenPicture, to_jpeg
from posecore.ui.shared.pictures.region import set_region
from posecore.ui.shared.plain import plain
from posecore.ui.shared.widgets.components import picture_view
from posecore.words import counted

#: Height that the picture may take: the window's, less what stands above and below it.
PICTURE_ROOM = "max(260px, 100vh - 265px)"
_NOBODY = (
    "Nobody was found. Lower the pose threshold, choose a larger input size, drag a box around the person, or see in "
    "the heatmaps whether the network noticed anything."
)


def show_picture(
    opened: OpenPicture,
    poses: Poses,
    options: DrawingOptions,
    region: Region | None = None,
    *,
    room: str = PICTURE_ROOM,
    parts: bool = True,
    on_joint: Callable[[float, float], None] | None = None,
    boxes: Sequence[Region] = (),
    on_box: Callable[[Region], None] | None = None,
) -> float:
    """Show the preview with the poses above it; returns the milliseconds that drawing took, but for the browser's part.

    ``parts`` says whether a part of the picture can be chosen in it; ``on_joint`` is called with the place of a joint
    that was clicked. ``boxes`` are marked in it, and with ``on_box`` another one can be dragged in place of a part.
    """
    start = time.perf_counter()
    height, width = opened.preview.shape[:2]
    part = None if region is None else _scaled(region, opened)
    drawing = pose_strokes((width, height), poses, options, part, [_scaled(box, opened) for box in boxes])
    spent = 1000 * (time.perf_counter() - start)
    picture_view(
        shown_jpeg(opened),
        drawing,
        poses,
        alt=describe(opened, poses),
        room=room,
        region=region,
        on_region=(lambda box: set_region(opened, box)) if parts else None,
        on_joint=on_joint,
        on_box=on_box,
        key="picture",
    )
    return spent


def shown_jpeg(opened: OpenPicture) -> bytes:
    """The preview as browsers get it, encoded once for all who look at it."""
    return drawings_cache().get(("shown", opened.contents.identity), lambda: to_jpeg(opened.preview))


def _scaled(region: Region, opened: OpenPicture) -> Region:
    """A part of the picture, in pixels of its preview."""
    factors = (opened.preview.shape[1] / opened.size[0], opened.preview.shape[0] / opened.size[1]) * 2
    x0, y0, x1, y1 = (side * factor for side, factor in zip(region, factors, strict=True))
    return x0, y0, x1, y1


def describe(opened: OpenPicture, poses: Poses) -> str:
    """The picture in words."""
    found = f"{people(len(poses))} found" if len(poses) else "nobody found"
    return f"{opened.source.label}, {found}"


def people(count: int) -> str:
    """A number of people in words."""
    return "1 person" if count == 1 else f"{count} people"


def facts(analysis: Analysis) -> str:
    """The row of badges above the picture, as Markdown."""
    count = len(analysis.poses)
    network = sum(analysis.fields.timings.values())
    found = f":green-badge[**{people(count)}**]" if count else ":orange-badge[**nobody found**]"
    remembered = " (cached)" if analysis.from_cache else ""
    made = analysis.poses.made_by
    chances = (":violet-badge[chances]",) if made is not None and made.calibration else ()
    return " ".join(
        (
            found,
            f":gray-badge[{_looked_at(analysis.fields)}]",
            f":gray-badge[network {_milliseconds(network)}{remembered}]",
            f":gray-badge[decoded in {_milliseconds(analysis.decode_ms)}]",
            *chances,
        )
    )


def _looked_at(fields: Fields) -> str:
    """What the network saw of the picture."""
    if not fields.maps:
        return counted(len(fields.close_ups), "box", "boxes")
    width, height = fields.transform.input_size
    return f"input {width} × {height}"


def _milliseconds(value: float) -> str:
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def under_picture(opened: OpenPicture, poses: Poses | None, hint: str = _NOBODY) -> None:
    """A line below the picture: what it is; and ``hint``, what to do, when nobody was found in it."""
    width, height = opened.size
    note = f" · {plain(opened.source.note)}" if opened.source.note else ""
    st.caption(f"{plain(opened.source.label)} · {width} × {height}" + note)
    if poses is not None and not len(poses):
        st.caption(f":material/lightbulb: {hint}")


def download_buttons(downloads: tuple[Download, ...]) -> None:
    """One button for each file; it is made when the button is pressed."""
    for download in downloads:
        st.download_button(
            download.label,
            download.make,
            download.file_name,
            download.mime,
            icon=f":material/{download.icon}:",
            help=download.help,
            on_click="ignore",
            width="stretch",
            key=f"download_{download.file_name.rpartition('_')[2]}",
        )


def nobody_in(opened: OpenPicture) -> Poses:
    """Nobody, for showing a picture that was not analysed."""
    return Poses.empty(COCO_17, opened.size)
