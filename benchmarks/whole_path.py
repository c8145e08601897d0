"""What surrounds the network, as shares of the whole: pictures, videos and a camera, one step after the other.

``python -m benchmarks.whole_path [VIDEO] [--models A B] [--runtime openvino] [--rounds N]`` prints milliseconds of the
processor (not of the clock, so that other programs do not count) for every step of a picture of 640 × 480 from memory
and of a frame of the video, the network's share, the frames per second that one core would make of the whole and of
the network alone, and which part of a core a camera of 30 pictures per second takes.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from posecore.data.synthetic import render_scene
from posecore.drawing.overlay import draw_poses
from posecore.imaging import Picture
from posecore.model import PoseModel
from posecore.video import ClipSettings, ClipWriter, OutputSettings, VideoReader
from posecore.zoo import load_model

MODELS = ("movenet-lightning.google_tfjs", "movenet-multipose.google_tfjs", "posenet-mobilenet_v1-075.google_quant2")
#: Seed of the scene, and pictures per second of the camera.
_SCENE, _CAMERA = 155, 30


class Steps:
    """Milliseconds of the processor by step."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}

    def time(self, step: str, work: Callable[[], Any]) -> Any:
        """Do ``work`` and note what it took."""
        start = time.process_time()
        done = work()
        self.spent.setdefault(step, []).append(1000 * (time.process_time() - start))
        return done

    def medians(self) -> dict[str, float]:
        """The middle of what each step took."""
        return {step: statistics.median(values) for step, values in self.spent.items()}


def follow(steps: Steps, model: PoseModel, picture: Picture, settings: dict[str, Any]) -> Picture:
    """One picture through everything up to the drawing, step by step as :meth:`PoseModel.fields` goes."""
    resolved = model.network_settings(**settings)
    size = (picture.shape[1], picture.shape[0])
    transform = model.family.place(size, None, resolved)
    pixels = steps.time("prepare", lambda: model.family.prepare(picture, transform, resolved)[None])
    steps.time("network", lambda: model.runner.run(pixels, resolved))
    fields = model.fields(picture, picture="frame", **settings)
    poses = steps.time("decode", lambda: model.decode(fields))
    drawn: Picture = steps.time("draw", lambda: draw_poses(picture, poses))
    return drawn


def of_memory(model: PoseModel, settings: dict[str, Any], rounds: int) -> dict[str, float]:
    """A picture of 640 × 480 that is there already."""
    picture = render_scene(_SCENE).image
    steps = Steps()
    follow(Steps(), model, picture, settings)
    for _ in range(rounds):
        follow(steps, model, picture, settings)
    return steps.medians()


def of_video(video: Path, model: PoseModel, settings: dict[str, Any], rounds: int) -> dict[str, float]:
    """Frames of a video, decoded, drawn and encoded again."""
    steps = Steps()
    with tempfile.TemporaryDirectory() as folder, VideoReader(video, ClipSettings()) as reader:
        size = (reader.info.width, reader.info.height)
        writer = ClipWriter(Path(folder) / "clip.mp4", size, reader.info, OutputSettings(audio="drop"))
        for frame in itertools.islice(_decoded(steps, reader), rounds):
            drawn = follow(steps, model, frame.picture, settings)
            steps.time("encode", partial(writer.write, drawn, frame.ticks, frame.duration))
        writer.finish(whole=False)
    return steps.medians()


def _decoded(steps: Steps, reader: VideoReader) -> Iterator[Any]:
    frames = iter(reader.frames())
    while (frame := steps.time("read", lambda: next(frames, None))) is not None:
        yield frame


def row(name: str, where: str, spent: dict[str, float]) -> str:
    """A row of the table."""
    whole = sum(spent.values())
    shown = " | ".join(f"{spent.get(step, np.nan):.1f}".replace("nan", "–") for step in STEPS)
    camera = f"{100 * _CAMERA * whole / 1000:.0f} %" if "encode" not in spent else "–"
    share = spent["network"] / whole
    rates = f"{1000 / whole:.0f} | {1000 / spent['network']:.0f}"
    return f"| {name} | {where} | {shown} | {100 * share:.0f} % | {rates} | {camera} |"


STEPS = ("read", "prepare", "network", "decode", "draw", "encode")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, a row as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?")
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--runtime", default="openvino")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    settings = {"runtime": given.runtime, "precision": "float32"}
    titles = (
        "model",
        "picture",
        *(f"{step}, ms" for step in STEPS),
        "network's share",
        "whole/s",
        "network/s",
        "camera",
    )
    _say(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for name in given.models:
        model = load_model(name, device="cpu")
        _say(row(name, "640 × 480, memory", of_memory(model, settings, given.rounds)))
        if given.video is not None:
            _say(row(name, given.video.name, of_video(given.video, model, settings, given.rounds)))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
