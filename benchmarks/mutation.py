"""Damaged files through every entry point: each must be read, or refused with a sentence of posecore's own.

Small sound files are made, mutated (bits, cut and doubled pieces, large numbers in headers, odd JSON and YAML), and
read in processes of their own under limits on time and memory::

    python -m benchmarks.mutation --count 10000 --seed 1

A table of what came of them is printed; inputs that ended in another exception, a crash, a hang or too much memory are
kept under ``--keep``. The exit code is 1 when there are any.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import pickle
import random
import resource
import select
import signal
import struct
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image

from posecore.data.detect import open_dataset
from posecore.data.library import Library
from posecore.errors import PosecoreError
from posecore.families.posenet import POSENET
from posecore.fields import Fields
from posecore.imaging import read_image
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.skeleton import COCO_17
from posecore.training.config import read_config
from posecore.video import VideoReader
from posecore.zoo import load_model
from posecore.zoo.weights import save_weights

ARCHITECTURE = "posenet-mobilenet_v1-050"
#: Seconds that one input may take, and bytes of addresses that a process may use; decoders' threads take many.
SECONDS = 20.0
ADDRESSES = 4 * 2**30
#: Bytes above those before it from which an input counts as one that takes too much.
TOO_MUCH = 450_000_000

#: Inputs that are read one after the other in one process.
_TOGETHER = 25

_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_ODD_TEXTS = (
    "NaN", "-Infinity", "1e999", "9" * 5000, "null", "true", '""', "[" * 2000, '{"a":' * 400, "-1",
    '"' + "x" * 2000 + '"',
    "*a", "&a [*a]", "!!timestamp x", "!!int ''", "[[1, 2]]", "{}", "\x00", "\\ud800", "18446744073709551616",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """An entry point: sound files to begin with, and what reads one from a path."""

    seeds: tuple[tuple[str, bytes], ...]
    read: Callable[[Path], object]
    share: float


def mutated(name: str, data: bytes, chance: random.Random) -> bytes:
    """A file with a few things wrong; what is packed or has its length said is mostly damaged inside."""
    inside = chance.random() < 0.7
    if inside and name.endswith((".json", ".yaml", ".txt", ".xml", ".csv")):
        return _mutated_text(data, chance)
    if inside and name.endswith((".zip", ".npz")):
        return _mutated_zip(data, chance)
    if inside and name.endswith(".safetensors"):
        length = int.from_bytes(data[:8], "little")
        header = _mutated_text(data[8 : 8 + length], chance)
        return len(header).to_bytes(8, "little") + header + data[8 + length :]
    return _mutated_bytes(data, chance)


def _mutated_zip(data: bytes, chance: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice(list(entries))
    entries[name] = mutated(name, entries[name], chance)
    return _zipped(entries)


def _mutated_bytes(data: bytes, chance: random.Random) -> bytes:
    mutable = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        place = chance.randrange(len(mutable)) if mutable else 0
        if chance.random() < 0.4:
            place = min(place, chance.randrange(200))
        end = min(place + chance.randrange(1, 64), len(mutable))
        match chance.randrange(6):
            case 0 if mutable:
                mutable[place % len(mutable)] ^= 1 << chance.randrange(8)
            case 1:
                mutable[place : place + 4] = struct.pack(chance.choice("<>") + "I", chance.choice(_INTERESTING))
            case 2:
                del mutable[place:end]
            case 3:
                mutable[place:place] = mutable[place:end] * chance.choice((1, 50))
            case 4:
                mutable[place:end] = chance.randbytes(end - place)
            case _ if chance.random() < 0.4:
                del mutable[place:]
    return _with_checksums(bytes(mutable))


def _mutated_text(data: bytes, chance: random.Random) -> bytes:
    """JSON or YAML with values replaced."""
    text = data.decode("utf-8", "replace")
    for _ in range(chance.choice((1, 1, 2, 3))):
        breaks = [place for place, sign in enumerate(text) if sign in " :,[]{}\n"]
        start = chance.choice(breaks) + 1
        end = next((place for place in breaks if place > start), len(text))
        text = text[:start] + chance.choice(_ODD_TEXTS) + text[end:]
    return text.encode("utf-8", "replace")


def _with_checksums(data: bytes) -> bytes:
    """A PNG's chunks with the sums that they should have: otherwise nothing behind them is ever read."""
    if not data.startswith(b"\x89PNG"):
        return data
    whole, place = bytearray(data), 8
    while place + 12 <= len(whole):
        end = place + 8 + int.from_bytes(whole[place : place + 4], "big")
        if end + 4 > len(whole):
            break
        whole[end : end + 4] = zlib.crc32(whole[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(whole)


# --- sound files -----------------------------------------------------------------------------------------------------


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pictures() -> tuple[tuple[str, bytes], ...]:
    """Small pictures of every format and mode that is read."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    image, grey = Image.fromarray(pixels), Image.fromarray(pixels[..., 0])
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x011A] = 72.0
    wide = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    clear = Image.fromarray(np.dstack([pixels, pixels[..., :1]]))
    return (
        ("a.jpg", _encoded(image, "JPEG", exif=exif)),
        ("b.jpg", _encoded(image, "JPEG", progressive=True)),
        ("c.jpg", _encoded(image.convert("CMYK"), "JPEG")),
        ("d.jpg", _encoded(image, "MPO", save_all=True, append_images=[image])),
        ("a.png", _encoded(image, "PNG", exif=exif)),
        ("b.png", _encoded(image.quantize(64), "PNG", transparency=3)),
        ("c.png", _encoded(wide, "PNG")),
        ("d.png", _encoded(clear, "PNG")),
        ("a.webp", _encoded(image, "WEBP")),
        ("b.webp", _encoded(clear, "WEBP", lossless=True)),
        ("a.bmp", _encoded(image, "BMP")),
        ("a.gif", _encoded(image, "GIF")),
        ("a.tif", _encoded(image, "TIFF", compression="tiff_lzw")),
        ("b.tif", _encoded(grey.convert("F"), "TIFF")),
        ("c.tif", _encoded(wide, "TIFF", compression="tiff_adobe_deflate")),
    )


def _coco() -> dict[str, Any]:
    keypoints = [value for index in range(17) for value in (10 + index, 12 + index, 2)]
    person = {"id": 1, "image_id": 1, "category_id": 1, "keypoints": keypoints, "bbox": [5, 5, 30, 30], "area": 500}
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 48, "height": 64}],
        "annotations": [person],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.keypoints), "skeleton": [[1, 2]]}],
    }


def _zipped(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def sets() -> tuple[tuple[str, bytes], ...]:
    """Zips of sets of one picture, in the formats that files of labels come in."""
    picture = pictures()[0][1]
    yolo = b"kpt_shape: [17, 3]\nnames: {0: person}\ntrain: images\n"
    line = ("0 .5 .5 .4 .4 " + " ".join(".5 .5 2" for _ in range(17))).encode()
    return (
        ("coco.zip", _zipped({"a.jpg": picture, "labels.json": json.dumps(_coco()).encode()})),
        ("yolo.zip", _zipped({"images/a.jpg": picture, "labels/a.txt": line, "data.yaml": yolo})),
        ("labelme.zip", _zipped({"a.jpg": picture, "a.json": json.dumps(_labelme()).encode()})),
        ("cvat.zip", _zipped({"images/a.jpg": picture, "annotations.xml": _CVAT.encode()})),
        ("deeplabcut.zip", _zipped({"a.jpg": picture, "CollectedData_me.csv": _DEEPLABCUT.encode()})),
    )


def _labelme() -> dict[str, Any]:
    point = {"shape_type": "point", "group_id": 1, "flags": {}}
    shapes = [{**point, "label": name, "points": [[9 + at, 12]]} for at, name in enumerate(COCO_17.keypoints)]
    return {"shapes": shapes, "imagePath": "a.jpg", "imageData": None, "imageWidth": 48, "imageHeight": 64}


_CVAT = (
    "<annotations><meta><task><labels><label><name>person</name><type>skeleton</type></label></labels></task></meta>"
    '<image id="0" name="a.jpg" width="48" height="64"><skeleton label="person">'
    + "".join(f'<points label="{name}" outside="0" occluded="0" points="9.5,12"/>' for name in COCO_17.keypoints)
    + '</skeleton><box label="person" xtl="5" ytl="5" xbr="30" ybr="40" group_id="0"/></image></annotations>'
)
_DEEPLABCUT = "scorer,me,me,me,me\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\na.jpg,9.5,12,,\n"


def videos(folder: Path) -> tuple[tuple[str, bytes], ...]:
    """Clips of twelve frames in several containers."""
    clips = []
    for name, codec in (("a.mp4", "mpeg4"), ("a.mkv", "mjpeg"), ("a.avi", "mpeg4"), ("a.gif", "gif")):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, 12)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = 64, 48
            stream.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(codec, "yuv420p")
            for index in range(12):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * index, np.uint8))
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        clips.append((name, (folder / name).read_bytes()))
    return tuple(clips)


def weights(folder: Path) -> tuple[tuple[str, bytes], ...]:
    """Our own file, a state dictionary and a TensorFlow.js graph, all of a small network."""
    network = POSENET.build(ARCHITECTURE)
    save_weights(folder / "w.safetensors", network, name=f"{ARCHITECTURE}.x", architecture=ARCHITECTURE)
    torch.save({"a.weight": torch.zeros(3, 3)}, folder / "w.pt")
    node = {"name": "conv", "op": "Conv2D", "input": ["x", "w"], "attr": {"strides": {"list": {"i": ["1", "2"]}}}}
    tensor = {"name": "w", "shape": [3, 3], "dtype": "float32"}
    graph = {"modelTopology": {"node": [node]}, "weightsManifest": [{"paths": ["g.bin"], "weights": [tensor]}]}
    (folder / "g.bin").write_bytes(bytes(36))
    pickled = pickle.dumps({"state_dict": [os.getcwd]})
    own = (folder / "w.safetensors").read_bytes()
    return (
        ("w.safetensors", own),
        ("w.pt", (folder / "w.pt").read_bytes()),
        ("p.pth", pickled),
        ("g.json", json.dumps(graph).encode()),
    )


def saved() -> tuple[tuple[tuple[str, bytes], ...], tuple[tuple[str, bytes], ...]]:
    """Saved fields, and saved poses."""
    torch.manual_seed(0)
    model = PoseModel(f"{ARCHITECTURE}.x", POSENET, ARCHITECTURE, POSENET.build(ARCHITECTURE), "x", device="cpu")
    fields = model.fields(np.zeros((64, 64, 3), np.uint8), input_size=65)
    with tempfile.TemporaryDirectory() as folder:
        fields.save(Path(folder) / "f.npz")
        data = (Path(folder) / "f.npz").read_bytes()
    poses = model.decode(fields, pose_threshold=0.0, max_poses=2)
    return (("f.npz", data),), (("p.json", poses.to_json().encode()),)


def targets(folder: Path) -> dict[str, Target]:
    """All entry points by name."""
    fields, poses = saved()
    configs = Path(__file__).parent.parent / "configs"
    yamls = tuple((path.name, path.read_bytes()) for path in sorted(configs.glob("*.yaml"))[:4])
    labels = (("labels.json", json.dumps(_coco()).encode()),)
    return {
        "read_image": Target(pictures(), _read_image, 0.34),
        "library add": Target(sets(), _add, 0.12),
        "open_dataset": Target(labels, _open_dataset, 0.1),
        "VideoReader": Target(videos(folder), _watch, 0.14),
        "load_model": Target(weights(folder), _load, 0.08),
        "read_config": Target(yamls, read_config, 0.08),
        "Poses.from_json": Target(poses, _poses, 0.07),
        "Fields.load": Target(fields, Fields.load, 0.07),
    }


def _read_image(path: Path) -> None:
    pixels = read_image(path)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise AssertionError(f"not a picture: {pixels.dtype} {pixels.shape}")


def _add(path: Path) -> None:
    stored = Library(path.parent / "library").add("s", path)
    for image in stored.dataset():
        with contextlib.suppress(PosecoreError):
            read_image(image.path)


def _open_dataset(path: Path) -> None:
    path.with_name("a.jpg").write_bytes(pictures()[0][1])
    open_dataset(path)


def _watch(path: Path) -> None:
    with VideoReader(path) as video:
        for _, _ in zip(video.frames(), range(120), strict=False):
            pass


def _load(path: Path) -> None:
    path.with_name("g.bin").write_bytes(bytes(36))
    architecture = "movenet-lightning" if path.suffix == ".json" else ARCHITECTURE
    load_model(architecture, weights=path, device="cpu")


def _poses(path: Path) -> None:
    Poses.from_json(path.read_text("utf-8", "replace")).to_json()


# --- running ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What came of one input: ``fine``, ``refused``, ``exception``, ``crash`` or ``hang``."""

    kind: str
    words: str
    above: int


def attempts(read: Callable[[Path], object], paths: Sequence[Path]) -> Iterator[Outcome]:
    """Read files in a process of their own; another takes over behind one that ends or hangs it."""
    done = 0
    while done < len(paths):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _child(read, paths[done:], writer)
        os.close(writer)
        late = False
        with os.fdopen(reader, "rb") as stream:
            while done < len(paths):
                late = not select.select([stream], [], [], SECONDS)[0]
                line = b"" if late else stream.readline()
                if not line.endswith(b"\n"):
                    break
                done += 1
                above, kind, words = line.decode("utf-8", "replace").rstrip().split(" ", 2)
                yield Outcome(kind, words, int(above))
        if late:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if done < len(paths):
            done += 1
            yield Outcome("hang", f"more than {SECONDS:g} s", 0) if late else Outcome("crash", f"status {status}", 0)


def _child(read: Callable[[Path], object], paths: Sequence[Path], writer: int) -> None:
    """Read files one after the other; a line for each: bytes above those before, kind of outcome, words."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        os.dup2(nowhere.fileno(), 2)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ADDRESSES, size + ADDRESSES))
    for path in paths:
        Path("/proc/self/clear_refs").write_text("5")
        before = _highest()
        outcome = _outcome(read, path)
        os.write(writer, f"{max(_highest() - before, 0)} {outcome}\n".encode("utf-8", "replace"))
    os._exit(0)


def _outcome(read: Callable[[Path], object], path: Path) -> str:
    try:
        read(path)
    except PosecoreError as error:
        long = len(str(error)) > 1500
        return f"exception message of {len(str(error))} characters" if long else "refused ."
    except BaseException as error:  # noqa: BLE001 - finding these is what this is for
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
        return f"exception {type(error).__name__}: {str(error)[:100]!r} at {place}"
    return "fine ."


def _highest() -> int:
    """Most bytes of memory that this process has held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def inputs(target: Target, count: int, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """``count`` damaged files: name and contents."""
    for _ in range(count):
        name, data = chance.choice(target.seeds)
        yield name, mutated(name, data, chance)


def run(count: int, seed: int, keep: Path | None, only: str | None = None) -> dict[str, Counter[str]]:
    """Outcomes by entry point; ``above`` holds the most bytes of memory above the parent's."""
    torch.set_num_threads(1)
    table: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as work:
        for name, target in targets(Path(work)).items():
            if only not in (None, name):
                continue
            tally = table.setdefault(name, Counter())
            damaged = inputs(target, round(count * target.share), random.Random(f"{seed} {name}"))
            while some := list(islice(damaged, _TOGETHER)):
                with tempfile.TemporaryDirectory(dir=work) as folder:
                    for outcome, path in zip(attempts(target.read, _laid_out(some, folder)), some, strict=True):
                        _count(tally, outcome, f"{name} {path[0]}", path[1], keep)
    return table


def _laid_out(files: Sequence[tuple[str, bytes]], folder: str) -> list[Path]:
    """Files, each in a folder of its own."""
    paths = [Path(folder) / str(number) / name for number, (name, _) in enumerate(files)]
    for path, (_, data) in zip(paths, files, strict=True):
        path.parent.mkdir()
        path.write_bytes(data)
    return paths


def _count(tally: Counter[str], outcome: Outcome, title: str, data: bytes, keep: Path | None) -> None:
    kind = outcome.kind if outcome.above < TOO_MUCH else "memory"
    tally[kind] += 1
    tally["above"] = max(tally["above"], outcome.above)
    if kind in ("fine", "refused"):
        return
    print(f"{title}: {kind} {outcome.words}", file=sys.stderr, flush=True)  # noqa: T201
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{zlib.crc32(data):08x} {title}".replace(" ", "-")).write_bytes(data)


def main() -> int:
    """Print the table; 1 when anything but a reading or a refusal came of an input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one entry point")
    parser.add_argument("--keep", type=Path, help="folder for inputs that went wrong")
    chosen = parser.parse_args()
    table = run(chosen.count, chosen.seed, chosen.keep, chosen.only)
    kinds = ("fine", "refused", "exception", "crash", "hang", "memory")
    print(f"{'entry point':16}", *(f"{kind:>10}" for kind in kinds), "  most MB above")  # noqa: T201
    for name, tally in table.items():
        print(f"{name:16}", *(f"{tally[kind]:10}" for kind in kinds), f"{tally['above'] / 1e6:14.0f}")  # noqa: T201
    return int(any(tally[kind] for tally in table.values() for kind in kinds[2:]))


if __name__ == "__main__":
    sys.exit(main())
