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
from unittest.mock import patch

import numpy as np
import torch

from posecore.data.synthetic import render_scene
from posecore.drawing.overlay import draw_poses
from posecore.imaging import Picture
from posecore.model import PoseModel
from posecore.video import ClipSettings, ClipWriter, CropSettings, OutputSettings, VideoReader
from posecore.video.finding import Finder
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
        self.note(step, 1000 * (time.process_time() - start))
        return done

    def note(self, step: str, spent: float) -> None:
        """Note what ``step`` took."""
        self.spent.setdefault(step, []).append(spent)

    def medians(self) -> dict[str, float]:
        """The middle of what each step took."""
        return {step: statistics.median(values) for step, values in self.spent.items()}


class Looking:
    """A model that looks at one picture after another, where the person was before, as ``posecore video`` does."""

    def __init__(self, model: PoseModel, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._finder = Finder(model)
        self._crop = self._finder.crops(CropSettings(), {}, settings)
        self._runner = model.runner

    def follow(self, steps: Steps, picture: Picture, in_place: bool) -> Picture:
        """Everything up to the drawing; ``prepare`` is all of the fields but the network."""
        run = self._runner.run
        spent = Steps()
        with patch.object(self._runner, "run", lambda *given: spent.time("network", lambda: run(*given))):
            fields = spent.time(
                "fields", lambda: self._finder.fields([picture], ["frame"], self._settings, self._crop)[0]
            )
        network = sum(spent.spent["network"])
        steps.note("prepare", sum(spent.spent["fields"]) - network)
        steps.note("network", network)
        poses = steps.time("decode", lambda: self._finder.decode(fields, {}, self._crop))
        drawn: Picture = steps.time("draw", lambda: draw_poses(picture, poses, in_place=in_place))
        return drawn


def of_memory(model: PoseModel, settings: dict[str, Any], rounds: int) -> dict[str, float]:
    """A picture of 640 × 480 that is there already."""
    picture = render_scene(_SCENE).image
    steps, looking = Steps(), Looking(model, settings)
    looking.follow(Steps(), picture, in_place=False)
    for _ in range(rounds):
        looking.follow(steps, picture, in_place=False)
    return steps.medians()


def of_video(video: Path, model: PoseModel, settings: dict[str, Any], rounds: int) -> dict[str, float]:
    """Frames of a video, decoded, drawn and encoded again."""
    steps, looking = Steps(), Looking(model, settings)
    with tempfile.TemporaryDirectory() as folder, VideoReader(video, ClipSettings()) as reader:
        size = (reader.info.width, reader.info.height)
        writer = ClipWriter(Path(folder) / "clip.mp4", size, reader.info, OutputSettings(audio="drop"))
        for frame in itertools.islice(_decoded(steps, reader), rounds):
            drawn = looking.follow(steps, frame.picture, in_place=True)
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
