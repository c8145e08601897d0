"""The command that tells ROS who is where."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from posecore.cli.console import Warnings, errors, output
from posecore.cli.loading import Device, ModelName, WeightsFile, open_model
from posecore.cli.settings import options_of, settings_options
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.ros.bag import Bag
from posecore.ros.bridge import Bridge
from posecore.ros.messages import people_messages
from posecore.video import (
    LIVE_SMOOTHING,
    LiveOptions,
    LiveSession,
    TrackingSettings,
    VideoOptions,
    ViewSettings,
    follow_and_smooth,
    process_video,
)
from posecore.video.camera import Camera
from posecore.words import counted

#: A picture's time in seconds since 1970, and its people.
Moment = tuple[float, Poses]


@settings_options
@options_of("smoothing", LIVE_SMOOTHING)
@options_of("tracking", TrackingSettings)
def ros(
    source: Annotated[
        str, typer.Argument(help="A video file, the number of a camera, a device or an address (rtsp://…).")
    ],
    bridge: Annotated[str | None, typer.Option(help="Publish through rosbridge, such as ws://robot:9090.")] = None,
    bag: Annotated[Path | None, typer.Option(help="Write a rosbag2 into this new folder.")] = None,
    camera_frame: Annotated[
        str, typer.Option(help="Name of the camera's optical frame.")
    ] = "camera_color_optical_frame",
    markers: Annotated[bool, typer.Option(help="Also publish markers, which every viewer of ROS shows.")] = True,
    model: ModelName = None,
    weights: WeightsFile = None,
    device: Device = "auto",
    *,
    settings: dict[str, Any],
    tracking: dict[str, Any],
    smoothing: dict[str, Any],
) -> None:
    """Tell ROS who is where: live or from a video, through rosbridge or into a bag. ROS need not be installed here.

    A video that goes through the bridge is worked on first and then published at its own pace;
    a bag holds every frame of it, with times that begin now.
    """
    if bridge is None and bag is None:
        raise typer.BadParameter("say where messages go: --bridge ws://robot:9090, --bag FOLDER, or both.")
    followed, smooth = follow_and_smooth(tracking, smoothing, LIVE_SMOOTHING)
    with ExitStack() as stack:
        receivers: list[Bridge | Bag] = []
        if bridge is not None:
            receivers.append(stack.enter_context(Bridge(bridge)))
        if bag is not None:
            receivers.append(stack.enter_context(Bag(bag)))
        loaded = open_model(model, device, weights)
        network, decode = loaded.split_settings(settings)
        chosen: dict[str, Any] = {
            "tracking": followed,
            "smoothing": smooth,
            "network": loaded.network_settings(**network).model_dump(),
            "decode": loaded.decode_settings(**decode).model_dump(),
        }
        if Path(source).is_file():
            moments = recorded(Path(source), loaded, VideoOptions(**chosen), wait=bridge is not None)
        else:
            moments = live(source, loaded, LiveOptions(view=ViewSettings(mirror=False), **chosen))
        frames = 0
        try:
            for seconds, poses in moments:
                frames += 1
                for message in people_messages(poses, seconds, camera_frame, markers=markers):
                    for receiver in receivers:
                        receiver.publish(message)
        except KeyboardInterrupt:
            errors.print("Stopped.")
    output.print(f"{counted(frames, 'picture')} told.")


def recorded(path: Path, model: PoseModel, options: VideoOptions, *, wait: bool) -> Iterator[Moment]:
    """The people of a video, as if it began now; at its own pace when ``wait``."""
    result = process_video(path, model, None, options)
    began = time.time()
    for offset, poses in zip(result.poses.times - result.start, result.poses, strict=True):
        moment = began + float(offset)
        if wait:
            time.sleep(max(0.0, moment - time.time()))
        yield moment, poses


def live(source: str, model: PoseModel, options: LiveOptions) -> Iterator[Moment]:
    """The people in pictures of a camera; those that come faster than the network can look are left out."""
    with Camera(source) as camera, LiveSession(model, options, source=camera.name, idle_seconds=None) as session:
        seen, warnings = 0, Warnings()
        for picture in camera.pictures():
            session.give(picture)
            warnings.say(session.status().error)
            frame = session.newer(seen, 0.0)
            if frame is not None:
                seen = frame.number
                yield time.time() - (time.perf_counter() - frame.time), frame.poses
