"""MoveNet Lightning's speed as ratios within one run: batches against single pictures, and against TensorFlow Lite.

Run with ``python -m benchmarks.movenet [--threads N] [--tflite FILE] [--interpreter PYTHON] [--json FILE]``. FILE is a
published TensorFlow Lite model, whose weights our network then has too. Its interpreter (``ai-edge-litert`` or
``tflite-runtime``) is imported, or run by another PYTHON that has it: the two take turns in the same rounds then as
well. Of every alternative's turns the fastest and the median are told: the first is what else the machine does least
disturbed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 192
BATCH = 16


def lite(path: Path, threads: int) -> Callable[[], object]:
    """One run of a TensorFlow Lite model on noise; raises ``ImportError`` without an interpreter."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime.interpreter import Interpreter
    interpreter: Any = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]
    pixels = np.random.default_rng(0).integers(0, 256, given["shape"]).astype(given["dtype"])

    def run() -> None:
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()

    return run


def serve(path: Path, threads: int) -> None:
    """In the other interpreter's process: one run for every line read, answered with a line."""
    run = lite(path, threads)
    for _ in sys.stdin:
        run()
        sys.stdout.write("done\n")
        sys.stdout.flush()


@contextmanager
def elsewhere(python: Path, path: Path, threads: int) -> Iterator[Callable[[], object]]:
    """The same in a process of ``python``."""
    command = [str(python), __file__, "--serve", "--tflite", str(path), "--threads", str(threads)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def run() -> None:
            stdin.write("\n")
            stdin.flush()
            while (answer := stdout.readline()) != "done\n":
                if not answer:
                    raise RuntimeError("the other interpreter ended")

        try:
            yield run
        finally:
            stdin.close()


def measure(
    threads: int, rounds: int, file: Path | None, others: dict[str, Callable[[], object]]
) -> dict[str, dict[str, float]]:
    """Fastest and median milliseconds per picture, everything taking turns."""
    import torch

    from benchmarks.timing import turns
    from posecore.families.movenet import MOVENET
    from posecore.families.movenet.codec import MoveNetDecodeSettings, MoveNetMaps, decode_multi, decode_single
    from posecore.zoo.own_files import read_own_file

    torch.set_num_threads(threads)
    network = MOVENET.build("movenet-lightning").eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if file is not None:
        network.load_state_dict(read_own_file(file, "movenet-lightning").state)
    batch = (torch.rand(BATCH, 3, SIDE, SIDE) * 255).contiguous(memory_format=torch.channels_last)
    singles = [batch[index : index + 1] for index in range(BATCH)]
    settings = MoveNetDecodeSettings()

    def maps() -> MoveNetMaps:
        outputs = network(singles[0])
        values = {name: value[0].numpy() for name, value in outputs.items()}
        centre, heatmaps = (outputs[name][0].sigmoid().numpy() for name in ("centre", "heatmaps"))
        return MoveNetMaps(centre[0], values["regression"], heatmaps, values["offsets"])

    def halved() -> None:
        with torch.autocast("cpu", torch.bfloat16):
            network(singles[0])

    with torch.inference_mode():
        ready = maps()
        spent = turns(
            {
                "network, 1 picture": lambda: network(singles[0]),
                f"network, {BATCH} × 1 picture": lambda: [network(single) for single in singles],
                f"network, batch of {BATCH}": lambda: network(batch),
                "network in bfloat16, 1 picture": halved,
                "network and decoding, 1 picture": lambda: decode_single(maps(), settings),
                "decode one person": lambda: decode_single(ready, settings),
                "decode six people": lambda: decode_multi(ready, settings),
                **others,
            },
            rounds,
        )
    pictures = {name: BATCH if f" {BATCH}" in name else 1 for name in spent}
    return {
        name: {"fastest": min(values) / pictures[name], "median": statistics.median(values) / pictures[name]}
        for name, values in spent.items()
    }


def main() -> None:
    """Print milliseconds per picture and ratios to one picture at a time, and write them when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--tflite", type=Path)
    parser.add_argument("--interpreter", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.tflite, arguments.threads)
        return
    name = "TensorFlow Lite, 1 picture, with decoding"
    if arguments.tflite and arguments.interpreter:
        with elsewhere(arguments.interpreter, arguments.tflite, arguments.threads) as run:
            figures = measure(arguments.threads, arguments.rounds, arguments.tflite, {name: run})
    elif arguments.tflite:
        run = lite(arguments.tflite, arguments.threads)
        figures = measure(arguments.threads, arguments.rounds, arguments.tflite, {name: run})
    else:
        figures = measure(arguments.threads, arguments.rounds, None, {})
    base = figures["network, 1 picture"]
    for key, value in figures.items():
        times = f"{value['fastest']:7.2f} ms a picture at best, {value['median']:7.2f} in the median"
        ratios = " and ".join(f"{base[kind] / value[kind]:.2f}" for kind in ("fastest", "median"))
        print(f"{key:44} {times}   {ratios} × as fast")  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps({"threads": arguments.threads, "side": SIDE, "milliseconds": figures}))


if __name__ == "__main__":
    main()
