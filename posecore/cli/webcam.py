"""The command that shows poses in a camera's picture, live."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from posecore.cli.console import Warnings, output
from posecore.cli.lifting import Lifting, SaveRoom, room_formats, wanted_lifting
from posecore.cli.loading import Device, ModelName, WeightsFile, open_model
from posecore.cli.preview import Preview
from posecore.cli.result_names import free_stem, with_ending
from posecore.cli.settings import check_belongs, options_of, settings_options
from posecore.drawing.overlay import DrawingOptions
from posecore.errors import PosecoreError
from posecore.lifting.files import room_endings
from posecore.lifting.live_figure import LiveFigure
from posecore.lifting.settings import LiftSettings
from posecore.settings import build_settings
from posecore.video import (
    LIVE_SMOOTHING,
    CropSettings,
    LiveOptions,
    LiveSession,
    LiveStatus,
    TrackingSettings,
    VideoResult,
    ViewSettings,
    check_crop_settings,
    follow_and_smooth,
    save_tables,
    table_endings,
)
from posecore.video.camera import Camera
from posecore.words import counted

#: Seconds that the first picture is waited for when no more come.
_LAST = 60.0
#: Tables that are written beside a recording.
_TABLES = ("csv",)


@settings_options
@options_of("drawing", DrawingOptions)
@options_of("smoothing", LIVE_SMOOTHING)
@options_of("tracking", TrackingSettings)
@options_of("cropping", CropSettings)
@options_of("view", ViewSettings)
@options_of("lifting", LiftSettings)
def webcam(
    model: ModelName = None,
    weights: WeightsFile = None,
    source: Annotated[
        str, typer.Option(help="Number of a camera, a device, an address (rtsp://…) or a video file.")
    ] = "0",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page on 127.0.0.1; 0 takes a free one.")
    ] = 8700,
    record: Annotated[
        Path | None, typer.Option(help="Record what is shown into this clip (MP4), with its keypoints (CSV) beside it.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of these names.")] = False,
    lift: Annotated[
        bool,
        typer.Option("--lift", help="Show the people in three dimensions beside the picture, and record them as well."),
    ] = False,
    save_3d: SaveRoom = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    device: Device = "auto",
    *,
    settings: dict[str, Any],
    drawing: dict[str, Any],
    smoothing: dict[str, Any],
    tracking: dict[str, Any],
    cropping: dict[str, Any],
    view: dict[str, Any],
    lifting: dict[str, Any],
) -> None:
    """Show poses in a camera's picture, live, on a page in the browser. Ctrl-C ends it.

    The page is served to this machine only, and to those who know its whole address. Pictures that
    come faster than the network can look are left out.
    """
    if record is None:
        check_belongs(["overwrite"] * overwrite, "--record")
    followed, smooth = follow_and_smooth(tracking, smoothing, LIVE_SMOOTHING)
    endings = [".mp4", *table_endings(_TABLES, False, False)]
    endings += room_endings(room_formats(save_3d), False) if lift else []
    stem = None if record is None else _free_stem(record, source, endings, overwrite)
    of_recordings = {"--save-3d": save_3d is not None, "--hold-feet": "hold_feet" in lifting}
    if stem is None and any(of_recordings.values()):
        alone = next(name for name, given in of_recordings.items() if given)
        raise typer.BadParameter(f"{alone} is about what is recorded; give --record as well.")
    # The camera comes before the model: it is wrong more often, and quicker to find out.
    with Camera(source) as camera:
        loaded = open_model(model, device, weights)
        network, decode = loaded.split_settings(settings)
        room = wanted_lifting(lift, lifting, save_3d, [], followed, loaded.skeleton)
        options = LiveOptions(
            # A camera looks at the person who looks at the screen; a file or an address does not.
            view=build_settings(ViewSettings, {"mirror": camera.is_here, **view}),
            tracking=followed,
            smoothing=smooth,
            drawing=build_settings(DrawingOptions, drawing),
            cropping=build_settings(CropSettings, cropping),
            network=loaded.network_settings(**network).model_dump(),
            decode=loaded.decode_settings(**decode).model_dump(),
        )
        check_crop_settings(loaded, cropping, options.decode)
        live = LiveSession(loaded, options, source=camera.name, idle_seconds=None)
        figure = None if room is None else LiveFigure(lambda: live, room.settings.given_height)
        with _closed_at_last(live), Preview(port, lambda: describe(live.status()), figure) as preview:
            if stem is not None:
                live.record(with_ending(stem, ".mp4"))
            output.print(f"{escape(camera.name)} with {loaded.name}: {preview.url} – Ctrl-C ends.", soft_wrap=True)
            if browser:
                threading.Thread(target=webbrowser.open, args=(preview.url,), daemon=True).start()
            _play(camera, live, preview)
    if stem is not None:
        _tell(live.recordings, stem, room)


def _free_stem(record: Path, source: str, endings: list[str], overwrite: bool) -> Path:
    if record.exists() and Path(source).exists() and record.samefile(source):
        raise PosecoreError(f"{record} is the source itself; give the recording another name.")
    return free_stem(record, "webcam", endings, overwrite)


def _play(camera: Camera, live: LiveSession, preview: Preview) -> None:
    """Pass pictures on until they end or Ctrl-C is pressed."""
    warnings = Warnings()
    try:
        for picture in camera.pictures():
            preview.show(live.exchange(picture))
            warnings.say(live.status().error)
        # A short file may be over before the first of its pictures is through the network.
        first = live.newer(0, _LAST)
        if first is not None:
            preview.show(first.picture)
        output.print("No more pictures come.")
    except KeyboardInterrupt:
        output.print("Stopped.")


@contextmanager
def _closed_at_last(live: LiveSession) -> Iterator[None]:
    try:
        yield
    finally:
        live.close()


def describe(status: LiveStatus) -> str:
    """How the session is doing, in a line."""
    if status.error is not None:
        return status.error
    if not status.frames:
        return "Waiting for the first picture …"
    count = counted(status.people, "person", "people")
    recording = "" if status.recorded is None else f" · recording {status.recorded:.0f} s"
    delay = sum(status.latency.values())
    return f"{count} · {status.processed:.1f} pictures/s · delay {delay:.0f} ms · {status.dropped} skipped{recording}"


def _tell(recordings: list[VideoResult], stem: Path, room: Lifting | None) -> None:
    """Write the tables and say where everything is."""
    clip = with_ending(stem, ".mp4")
    if not recordings:
        raise PosecoreError(f"{clip} was not written: no picture came, or it could not be written.")
    for result in recordings:
        written = save_tables(result, stem, _TABLES)
        if room is not None:
            written += room.do(result.filmed, stem)
        output.print(
            f"{result.frames} frames recorded: {escape(', '.join(map(str, [clip, *written])))}",
            highlight=False,
            soft_wrap=True,
        )
