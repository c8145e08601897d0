"""The video pipeline against a plain loop and against the network alone; its memory on a longer clip; smart crop.

Run with ``python -m benchmarks.video VIDEO [--model NAME] [--seconds S] [--batch N] [--memory | --crop] [--json F]``.
The plain loop reads, infers one picture, draws and writes one after another, with the same settings. The three take
turns on the same frames, so that a busy machine slows all of them alike; ratios are medians over the turns. Processor
time per frame says what the pipeline costs, also where other programs leave it little of the machine.

There is little to win where the network keeps all processors busy by itself: on two of them at most the time that
decoding, drawing and encoding leave one idle.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from posecore.drawing.overlay import draw_poses
from posecore.model import PoseModel
from posecore.video import (
    BatchSettings,
    ClipSettings,
    ClipWriter,
    CropSettings,
    OutputSettings,
    SmoothingSettings,
    Tracker,
    VideoOptions,
    VideoReader,
    process_video,
)
from posecore.video.smoothing import LiveSmoother
from posecore.zoo import load_model

MODEL = "posenet-mobilenet_v1-075.google_quant2"


def plain_loop(source: Path, model: PoseModel, clip: Path, part: ClipSettings) -> int:
    """One frame after another, nothing at the same time; returns the number of frames."""
    tracker, smoother, frames = Tracker(model.skeleton), LiveSmoother(), 0
    with VideoReader(source, part) as reader:
        writer = ClipWriter(clip, (reader.info.width, reader.info.height), reader.info, OutputSettings(audio="drop"))
        for frame in reader.frames():
            poses = tracker.update(model.decode(model.fields(frame.picture, picture="frame")), frame.time)
            writer.write(draw_poses(frame.picture, smoother.update(poses, frame.time)), frame.ticks, frame.duration)
            frames += 1
        writer.finish(whole=False)
    return frames


def pipeline(source: Path, model: PoseModel, clip: Path, part: ClipSettings, batch: int) -> int:
    """The same through the pipeline."""
    options = VideoOptions(clip=part, output=OutputSettings(audio="drop"), feeding=BatchSettings(batch=batch))
    return process_video(source, model, clip, options).frames


def network_alone(source: Path, model: PoseModel, part: ClipSettings, batch: int) -> int:
    """Only pictures to fields, on one decoded batch again and again, as many frames as the others take."""
    with VideoReader(source, part) as reader:
        pictures = [frame.picture for frame, _ in zip(reader.frames(), range(batch), strict=False)]
        frames = reader.expected() or 1
    for _ in range(max(frames // len(pictures), 1)):
        model.fields(pictures, picture=["frame"] * len(pictures))
    return max(frames // len(pictures), 1) * len(pictures)


@dataclass(frozen=True)
class Turn:
    """Frames per second on the clock, and milliseconds of processor time per frame."""

    rate: float
    processor: float

    @classmethod
    def of(cls, way: Callable[[], int]) -> Turn:
        """Time ``way``, which returns how many frames it took."""
        start, used = time.perf_counter(), time.process_time()
        frames = way()
        return cls(frames / (time.perf_counter() - start), 1000 * (time.process_time() - used) / frames)


def speeds(source: Path, model: PoseModel, seconds: float, batch: int, rounds: int) -> dict[str, float]:
    """Medians over some turns of each way, and of the ratios within a turn."""
    part = ClipSettings(end=seconds)
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        ways: dict[str, Callable[[], int]] = {
            "plain loop": lambda: plain_loop(source, model, clip, part),
            "pipeline": lambda: pipeline(source, model, clip, part, batch),
            "network alone": lambda: network_alone(source, model, part, batch),
        }
        network_alone(source, model, ClipSettings(end=0.2), batch)
        turns = [{name: Turn.of(way) for name, way in ways.items()} for _ in range(rounds)]
    figures: dict[str, float] = {}
    for name in ways:
        figures[f"{name}: frames/s"] = statistics.median(turn[name].rate for turn in turns)
        figures[f"{name}: processor ms/frame"] = statistics.median(turn[name].processor for turn in turns)
    for other in ("plain loop", "network alone"):
        rates = [turn["pipeline"].rate / turn[other].rate for turn in turns]
        figures[f"pipeline / {other}: speed"] = statistics.median(rates)
    costs = [turn["pipeline"].processor / turn["plain loop"].processor for turn in turns]
    figures["pipeline / plain loop: processor time"] = statistics.median(costs)
    return figures


def crops(source: Path, model: PoseModel) -> dict[str, float]:
    """Smart crop against none: mean keypoint score, and how far joints bend off a straight way from frame to frame."""
    figures: dict[str, float] = {}
    for smart in (False, True):
        options = VideoOptions(
            smoothing=SmoothingSettings(smooth="none"),
            cropping=CropSettings(smart_crop=smart),
            decode={"pose_threshold": 0.0, "keypoint_threshold": 0.0},
        )
        poses = process_video(source, model, None, options).poses
        track = max(poses.tracks().values(), key=len)
        bends = np.linalg.norm(np.diff(track.keypoints, 2, axis=0), axis=-1)
        name = "smart crop" if smart else "whole frame"
        figures[f"{name}: mean score"] = float(poses.keypoint_scores.mean())
        figures[f"{name}: jitter, px"] = float(np.nanmean(bends))
    return figures


def repeated(source: Path, target: Path, times: int) -> None:
    """The video several times on end, without encoding anything again."""
    with av.open(str(target), "w") as out:
        stream = None
        for turn in range(times):
            with av.open(str(source)) as container:
                track = container.streams.video[0]
                stream = stream or out.add_stream_from_template(track)
                tick = track.time_base or Fraction(1, 1000)
                shift = turn * round(Fraction(container.duration or 0, av.time_base) / tick)
                for packet in container.demux(track):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                    out.mux(packet)


def peak_memory(source: Path, model: str, smooth: str) -> tuple[int, float]:
    """Frames and peak resident megabytes of a whole run in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.video", str(source), "--model", model, "--only-run", smooth]
    frames, size = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(frames), float(size)


def only_run(source: Path, model: str, smooth: str) -> None:
    """One run; prints frames and peak megabytes."""
    options = VideoOptions(smoothing=SmoothingSettings(smooth=smooth))
    with tempfile.TemporaryDirectory() as folder:
        frames = process_video(source, load_model(model), Path(folder) / "clip.mp4", options).frames
    print(frames, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # noqa: T201


def main() -> None:
    """Print figures, and write them when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--seconds", type=float, default=3.0, help="how much of the video is timed")
    parser.add_argument("--batch", type=int, default=BatchSettings().batch, help="0 suits the device")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="threads of the network; PyTorch's choice if none")
    parser.add_argument("--memory", action="store_true", help="measure memory instead of speed")
    parser.add_argument("--crop", action="store_true", help="measure smart crop instead, with a MoveNet for one person")
    parser.add_argument("--times", type=int, default=10, help="how much longer the long clip is")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only-run", choices=("none", "live", "offline"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only_run:
        only_run(arguments.video, arguments.model, arguments.only_run)
        return
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    figures: dict[str, float] = {}
    if arguments.memory:
        with tempfile.TemporaryDirectory() as folder:
            long = Path(folder) / "long.mp4"
            repeated(arguments.video, long, arguments.times)
            for smooth in ("live", "offline"):
                for name, path in (("once", arguments.video), (f"{arguments.times} times", long)):
                    frames, size = peak_memory(path, arguments.model, smooth)
                    figures[f"{smooth}, {name}, {frames} frames: MB"] = round(size, 1)
    elif arguments.crop:
        figures = crops(arguments.video, load_model(arguments.model))
    else:
        model = load_model(arguments.model)
        batch = BatchSettings(batch=arguments.batch).size_on(model.device)
        figures = speeds(arguments.video, model, arguments.seconds, batch, arguments.rounds)
    for name, value in figures.items():
        print(f"{name:48} {value:8.3f}")  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
