"""The command that tells ROS who is where."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.markup import escape

from posecore.cli.console import Warnings, errors, output
from posecore.cli.lifting import check_lifting
from posecore.cli.loading import Device, ModelName, WeightsFile, open_model
from posecore.cli.settings import options_of, settings_options
from posecore.lifting import lift as lift_people
from posecore.lifting.live_room import LivePeople
from posecore.lifting.room import make_room
from posecore.lifting.settings import LiftSettings
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.ros.bag import Bag
from posecore.ros.bridge import Bridge
from posecore.ros.messages import Message, people_messages
from posecore.ros.space import Body, space_messages
from posecore.settings import build_settings
from posecore.video import (
    LIVE_SMOOTHING,
    LiveOptions,
    LiveSession,
    PoseSequence,
    TrackingSettings,
    VideoOptions,
    ViewSettings,
    follow_and_smooth,
    process_video,
)
from posecore.video.camera import Camera
from posecore.words import counted


class Moment(NamedTuple):
    """A picture's time in seconds since 1970, and its people in the picture and in space."""

    seconds: float
    poses: Poses
    bodies: Sequence[Body] = ()


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
    lift: Annotated[
        bool, typer.Option("--lift", help="Also say where people are in space: frames of /tf, and markers in metres.")
    ] = False,
    height: Annotated[
        float | None, typer.Option(help="How tall the people are in metres, for --lift; 1.70 is assumed.")
    ] = None,
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
    if height is not None and not lift:
        raise typer.BadParameter("--height belongs to --lift; give that as well.")
    space = build_settings(LiftSettings, {} if height is None else {"height": height}) if lift else None
    followed, smooth = follow_and_smooth(tracking, smoothing, LIVE_SMOOTHING)
    with ExitStack() as stack:
        receivers: list[Bridge | Bag] = []
        if bridge is not None:
            receivers.append(stack.enter_context(Bridge(bridge)))
        if bag is not None:
            receivers.append(stack.enter_context(Bag(bag)))
        loaded = open_model(model, device, weights)
        if space is not None:
            check_lifting(followed, loaded.skeleton)
        network, decode = loaded.split_settings(settings)
        chosen: dict[str, Any] = {
            "tracking": followed,
            "smoothing": smooth,
            "network": loaded.network_settings(**network).model_dump(),
            "decode": loaded.decode_settings(**decode).model_dump(),
        }
        if Path(source).is_file():
            moments = recorded(Path(source), loaded, VideoOptions(**chosen), space, wait=bridge is not None)
        else:
            moments = live(source, loaded, LiveOptions(view=ViewSettings(mirror=False), **chosen), space)
        frames = 0
        try:
            for moment in moments:
                frames += 1
                for message in _messages(moment, camera_frame, markers, space is not None):
                    for receiver in receivers:
                        receiver.publish(message)
        except KeyboardInterrupt:
            errors.print("Stopped.")
    output.print(f"{counted(frames, 'picture')} told.")


def _messages(moment: Moment, camera_frame: str, markers: bool, in_space: bool) -> Iterator[Message]:
    yield from people_messages(moment.poses, moment.seconds, camera_frame, markers=markers)
    if in_space:
        yield from space_messages(moment.bodies, moment.seconds, camera_frame, markers=markers)


def recorded(
    path: Path, model: PoseModel, options: VideoOptions, space: LiftSettings | None = None, *, wait: bool
) -> Iterator[Moment]:
    """The people of a video, as if it began now; at its own pace when ``wait``."""
    result = process_video(path, model, None, options)
    nowhere: list[list[Body]] = [[] for _ in result.poses.times]
    bodies = nowhere if space is None else bodies_of(result.poses, space)
    began = time.time()
    for offset, poses, there in zip(result.poses.times - result.start, result.poses, bodies, strict=True):
        moment = began + float(offset)
        if wait:
            time.sleep(max(0.0, moment - time.time()))
        yield Moment(moment, poses, there)


def bodies_of(sequence: PoseSequence, settings: LiftSettings) -> list[list[Body]]:
    """The people of every frame of a clip, as the camera sees them in space."""
    room = make_room(lift_people(sequence), settings)
    output.print(f"In 3D: {escape(room.basis)}", highlight=False, soft_wrap=True)
    bodies: list[list[Body]] = [[] for _ in sequence.times]
    for person in room.people:
        for frame, keypoints in zip(person.frames, room.ground.from_camera(person.keypoints), strict=True):
            bodies[frame].append(Body(person.track_id or 0, keypoints, person.skeleton))
    return bodies


def live(source: str, model: PoseModel, options: LiveOptions, space: LiftSettings | None = None) -> Iterator[Moment]:
    """The people in pictures of a camera; those that come faster than the network can look are left out."""
    people = None if space is None else LivePeople(space.given_height)
    with Camera(source) as camera, LiveSession(model, options, source=camera.name, idle_seconds=None) as session:
        seen, warnings = 0, Warnings()
        for picture in camera.pictures():
            session.give(picture)
            warnings.say(session.status().error)
            frame = session.newer(seen, 0.0)
            if frame is not None:
                seen = frame.number
                lifted = [] if people is None else people.update(frame.poses, frame.time)
                bodies = [Body(one.track_id or 0, one.in_camera()[0].astype(float), one.skeleton) for one in lifted]
                yield Moment(time.time() - (time.perf_counter() - frame.time), frame.poses, bodies)
