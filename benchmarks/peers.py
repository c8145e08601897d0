"""Other programs that find people beside posecore, on the same pictures, from pixels to joints.

``python -m benchmarks.peers [PICTURE …] [--mediapipe landmarker.task] [--tflite network.tflite] [--cpu-time]``
needs ``posecore[peers]``; what is not installed, or whose model file is not at hand, is said in its row. MediaPipe's
landmarker and ``.tflite`` files are downloads of their own (``npm pack @mediapipe/pose`` has some). Ultralytics' nano
pose network is built from the description in its package with random weights: that takes the same time but for its
answers.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.timing import turns
from posecore.data.synthetic import SAMPLE_SEEDS, render_scene
from posecore.errors import PosecoreError
from posecore.imaging import Picture, read_image
from posecore.runtimes.runner import Runner, settle
from posecore.zoo import load_model

OURS = ("movenet-lightning.google_tfjs", "movenet-multipose.google_tfjs", "posenet-mobilenet_v1-075.google_quant2")
_YOLO = "yolo11n-pose.yaml"
Way = Callable[[Picture], object]


class NotHereError(Exception):
    """A peer that cannot be tried, with the reason."""


def ours(name: str) -> Way:
    """One of our models with settings as they are, by the runtime that is chosen here."""
    try:
        model = load_model(name, device="cpu")
    except PosecoreError as error:
        raise NotHereError(str(error)) from error
    return model


def mediapipe(file: Path | None) -> Way:
    """MediaPipe's pose landmarker: one person, detector and landmarks, in a mode for single pictures."""
    if file is None:
        raise NotHereError("its model file is a download of its own; name it with --mediapipe")
    vision = _module("mediapipe.tasks.python.vision")
    base = _module("mediapipe.tasks.python.core.base_options")
    mp = _module("mediapipe")
    options = vision.PoseLandmarkerOptions(base_options=base.BaseOptions(model_asset_path=str(file)), num_poses=1)
    landmarker = vision.PoseLandmarker.create_from_options(options)
    return lambda picture: landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=picture))


def ultralytics() -> Way:
    """Ultralytics' nano pose network at its usual 640 pixels, random weights."""
    network = _module("ultralytics").YOLO(_YOLO, verbose=False)
    return lambda picture: network.predict(picture[..., ::-1], imgsz=640, device="cpu", verbose=False)


def tflite(file: Path | None, threads: int) -> Way:
    """A network of one input: the picture stretched to it in numbers as it wants them, its answers as they are."""
    if file is None:
        raise NotHereError("files of networks are downloads of their own; name one with --tflite")
    interpreter = _module("ai_edge_litert.interpreter").Interpreter(str(file), num_threads=threads)
    interpreter.allocate_tensors()
    given, answers = interpreter.get_input_details()[0], interpreter.get_output_details()
    _, height, width, _ = given["shape"]

    def run(picture: Picture) -> Any:
        import cv2

        fitted = cv2.resize(picture, (int(width), int(height)), interpolation=cv2.INTER_AREA)
        interpreter.set_tensor(given["index"], fitted[None].astype(given["dtype"]))
        interpreter.invoke()
        return [interpreter.get_tensor(answer["index"]) for answer in answers]

    return run


def _module(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0].replace("_", "-")
        raise NotHereError(f"{package} cannot be imported ({error}); pip install 'posecore[peers]'") from error


def peers(arguments: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Way]]]:
    """Names, and what makes each ready or says why it cannot be."""
    for name in OURS:
        yield f"posecore {name}", partial(ours, name)
    yield "MediaPipe pose landmarker", partial(mediapipe, arguments.mediapipe)
    yield f"Ultralytics {_YOLO}, random weights", ultralytics
    title = "TFLite" if arguments.tflite is None else f"TFLite, {arguments.tflite.name}, not decoded"
    yield title, partial(tflite, arguments.tflite, arguments.threads)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path, nargs="*", help="rendered scenes if none")
    parser.add_argument("--mediapipe", type=Path)
    parser.add_argument("--tflite", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cpu-time", action="store_true", help="leave out what other programs took of the processor")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pictures = [read_image(path) for path in arguments.pictures]
    pictures = pictures or [render_scene(seed).image for seed in SAMPLE_SEEDS.values()]
    ready: dict[str, Way] = {}
    missing: dict[str, str] = {}
    for name, make in peers(arguments):
        try:
            ready[name] = make()
            for _ in range(Runner.worth + 1):
                ready[name](pictures[0])
        # Parts that do not fit together are noticed when they are used.
        except (NotHereError, ImportError, RuntimeError, OSError) as error:
            missing[name] = str(error).partition("\n")[0]
            ready.pop(name, None)
    settle()
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    least: dict[str, list[float]] = {name: [] for name in ready}
    for picture in pictures:
        spent = turns({name: partial(way, picture) for name, way in ready.items()}, arguments.rounds, clock)
        for name, values in spent.items():
            least[name].append(min(values))
    base = np.mean(next(iter(least.values()))) if least else 1.0
    _say("| program | ms a picture | of the first |\n|---|---|---|")
    for name, values in least.items():
        _say(f"| {name} | {np.mean(values):.1f} | {np.mean(values) / base:.1f} × |")
    for name, reason in missing.items():
        _say(f"| {name} | not measured: {reason} | – |")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
