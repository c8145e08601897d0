"""Computing a network by the way that settings ask for, or by the best one that is ready.

Nobody waits for what is left open to ``auto``: pictures are computed by PyTorch while the graph for their size is
converted, loaded and checked beside them. How far that has come is remembered for the input sizes used last, for all
networks of the process together.
"""

from __future__ import annotations

import atexit
import hashlib
import itertools
import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posecore.errors import PosecoreError, SettingsError
from posecore.families.backbones.int8 import ranges_of
from posecore.families.contract import AnyFamily
from posecore.runtimes import kept
from posecore.runtimes.checking import Deviation, check_pixels, deviation
from posecore.runtimes.converting import ConversionError, Job, convert
from posecore.runtimes.engines import ENGINES, Compiled, Pixels
from posecore.runtimes.ways import EXACT, Way, Wish, meanwhile, ways, wish_of
from posecore.settings import NetworkSettings
from posecore.skeleton import Skeleton
from posecore.storage import DraftFolder, sentence

log = logging.getLogger(__name__)

#: Input sizes for which graphs stay ready, and bytes of weights in them; the one in use stays whatever it takes.
PLACES = 16
MOST_BYTES = 1_000_000_000
#: How often ways are timed, and what counts as equally fast.
_TURNS = 7
_ABOUT = 1.05
#: Seconds that the end of the process waits for what cannot be interrupted.
_FAREWELL = 10.0

Outputs = dict[str, NDArray[np.float32]]
#: (height, width) of the input.
Size = tuple[int, int]


@dataclass(frozen=True)
class _Ready:
    """A way that can be gone, and the names of what comes out."""

    way: Way
    compiled: Compiled
    names: tuple[str, ...]


@dataclass(eq=False)
class _Place:
    """How far things have come for one network, its settings and one input size."""

    wish: Wish
    nbytes: int
    seen: int = 0
    begun: bool = False
    ready: _Ready | None = None
    said: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Runner:
    """Computes one network.

    Args:
        family: The network's family.
        architecture: Name of its layout.
        network: The network, in evaluation mode on its device.
        skeleton: Meaning of its keypoints.
        device: Where PyTorch computes it.

    Attributes:
        worth: Pictures of one input size after which a graph is converted for it: for a few, that takes longer than it
            saves. Less in a process that will meet many more.
    """

    worth: ClassVar[int] = 10

    def __init__(
        self, family: AnyFamily, architecture: str, network: nn.Module, skeleton: Skeleton, device: torch.device
    ) -> None:
        self._family = family
        self._architecture = architecture
        self._network = network
        self._skeleton = skeleton
        self._device = device
        self._number = next(_numbers)
        self._nbytes = sum(parameter.numel() * 4 for parameter in network.parameters())
        self._ranges = ranges_of(network)
        self._fast: dict[Wish, Way] = {}

    def run(self, pixels: Pixels, settings: NetworkSettings) -> tuple[Outputs, Way]:
        """Outputs of pictures, and how they were computed.

        Args:
            pixels: ``(B, H, W, 3)`` float32 RGB 0 … 255.
            settings: Network settings.

        Raises:
            SettingsError: When the runtime or precision that is asked for cannot be had here.
        """
        place = self._place(pixels, settings)
        if place.wish.runtime in ENGINES:
            self._make_ready(place, settings, _size(pixels))
        elif place.wish.is_open:
            place.seen += len(pixels)
            if not place.begun and place.seen > self.worth:
                self._begin(place, settings, _size(pixels))
        ready = place.ready
        if ready is None:
            way = meanwhile(place.wish, self._device)
            return self._torch(pixels, settings, way.precision), way
        if ready.way.runtime == "torch":
            return dict(zip(ready.names, ready.compiled(pixels), strict=True)), ready.way
        found = [ready.compiled(pixels[index : index + 1]) for index in range(len(pixels))]
        joined = [np.concatenate(values) if len(values) > 1 else values[0] for values in zip(*found, strict=True)]
        return dict(zip(ready.names, joined, strict=True)), ready.way

    def said(self) -> tuple[str, ...]:
        """A sentence for every input size of late, about the way that was chosen for it."""
        with _lock:
            mine = [place.said for key, place in _places.items() if key[0] == self._number]
        return tuple(dict.fromkeys(filter(None, mine)))

    def _place(self, pixels: Pixels, settings: NetworkSettings) -> _Place:
        wish = wish_of(settings, self._device)
        key = (self._number, wish, settings, _size(pixels), torch.get_num_threads())
        with _lock:
            place = _places.setdefault(key, _Place(wish, self._nbytes))
            _places.move_to_end(key)
            held = sum(one.nbytes for one in _places.values())
            while len(_places) > PLACES or (held > MOST_BYTES and len(_places) > 1):
                held -= _places.popitem(last=False)[1].nbytes
        return place

    def _begin(self, place: _Place, settings: NetworkSettings, size: Size) -> None:
        """Choose a way in the background."""
        with place.lock:
            begun, place.begun = place.begun, True
        if not begun:
            _later(lambda: self._choose(place, settings, size))

    def _make_ready(self, place: _Place, settings: NetworkSettings, size: Size) -> None:
        """Load the runtime that is asked for; several threads may come at once, and all but one find it done."""
        with place.lock:
            if place.ready is not None:
                return
            if place.wish.is_open:
                if self._choose(place, settings, size) is None:
                    raise SettingsError(f"{place.said}. Choose runtime 'torch' or 'auto'.")
                return
            try:
                place.ready = self._load(ways(place.wish, self._device)[0], settings, size, hurry=True)
            except (ConversionError, OSError, RuntimeError) as error:
                raise SettingsError(f"{_why(error).rstrip('.')}; choose runtime 'torch' or 'auto'.") from error

    def _choose(self, place: _Place, settings: NetworkSettings, size: Size) -> _Ready | None:
        """Take the fastest way that says what PyTorch says, if there is one."""
        pixels = check_pixels(size)
        exact = self._torch(pixels, settings, "float32")
        shape = f"{self._architecture} at {size[1]} × {size[0]}"
        fits: list[tuple[_Ready, Deviation]] = []
        refused = []
        for way in self._candidates(place.wish):
            if _stop.is_set():
                return None
            try:
                ready = self._load(way, settings, size, place.wish.runtime in ENGINES)
                other = dict(zip(ready.names, ready.compiled(pixels), strict=True))
            except (PosecoreError, OSError, RuntimeError) as error:
                if _stop.is_set():  # The program ends; that a conversion was given up is no news.
                    return None
                refused.append(f"{way}: {_why(error)}")
                log.warning("%s is not computed by %s: %s", shape, way, _why(error))
                continue
            if any(other[name].shape != values.shape for name, values in exact.items()):
                refused.append(f"{way}: its answer has another shape")
                continue
            found = deviation(self._family, self._skeleton, settings, size, exact, other)
            # Who names a precision takes what it costs, and so does who has a model rounded.
            if found.small or place.wish.precision != "auto" or self._ranges:
                fits.append((ready, found))
            else:
                refused.append(f"{way}: {found}")
        reasons = "".join(f"; not {reason}" for reason in refused)
        if not fits:
            place.said = f"{shape}: {EXACT}{reasons}"
            return None
        chosen, found = _fastest(fits, pixels)
        self._fast[place.wish] = chosen.way
        place.ready, place.said = chosen, f"{shape}: {chosen.way}, {found} of PyTorch's{reasons}"
        log.info("%s", place.said)
        return chosen

    def _candidates(self, wish: Wish) -> tuple[Way, ...]:
        """Ways to try; once one was the fastest, that one alone is tried for other input sizes."""
        known = self._fast.get(wish)
        if known is not None:
            return (known,)
        found = ways(wish, self._device)
        # What is rounded to integers gains nothing from shorter numbers around them.
        exact = tuple(way for way in found if way.precision == EXACT.precision)
        return exact if self._ranges and exact else found

    def _load(self, way: Way, settings: NetworkSettings, size: Size, hurry: bool) -> _Ready:
        names = tuple(self._torch(np.zeros((1, *size, 3), np.float32), settings, "float32"))
        if way.runtime == "torch":
            return _Ready(way, lambda pixels: list(self._torch(pixels, settings, way.precision).values()), names)
        made_of = self._made_of(way.runtime, settings, size)
        if (compiled := _kept_graph(way, made_of)) is not None:
            return _Ready(way, compiled, names)
        with _draft() as folder:
            job = Job(way.runtime, self._architecture, self._skeleton, settings.model_dump(), size, hurry, self._ranges)
            graph = convert(job, self._network, folder, _stop)
            # Loaded before it is kept: what cannot be loaded is not worth keeping.
            ready = _Ready(way, _loaded(way, graph), names)
            try:
                kept.keep(graph, made_of)
            except OSError as error:
                log.warning("A converted network is not kept: %s", sentence(error, kept.graphs_folder()))
        return ready

    def _made_of(self, runtime: str, settings: NetworkSettings, size: Size) -> dict[str, Any]:
        chosen = settings.model_dump(exclude={"runtime", "precision"})
        return {
            "weights": self._digest,
            "architecture": self._architecture,
            "settings": chosen,
            "size": list(size),
            "runtime": [runtime, ENGINES[runtime].version()],
            "made_by": [version("posecore"), torch.__version__],
        }

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in sorted(self._network.state_dict().items()):
            digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
            digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        digest.update(repr(sorted(self._ranges.items())).encode())
        return digest.hexdigest()

    def _torch(self, pixels: Pixels, settings: NetworkSettings, precision: str) -> Outputs:
        # A channels-last view of the NHWC array: nothing is copied on the CPU.
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(self._device)
        half = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision)
        with torch.inference_mode(), nullcontext() if half is None else torch.autocast(self._device.type, half):
            outputs = self._family.run(self._network, batch, settings)
            return {name: value.float().cpu().numpy() for name, value in outputs.items()}


def _kept_graph(way: Way, made_of: dict[str, Any]) -> Compiled | None:
    """A graph that was converted before, ready to run; None where there is none."""
    found = kept.find(made_of)
    if found is None:
        return None
    try:
        return _loaded(way, found)
    except Exception:
        # What is whole cannot be loaded for a reason of its own; else somebody removed it in this moment.
        if kept.find(made_of) is not None:
            raise
        return None


def _loaded(way: Way, graph: Path) -> Compiled:
    return ENGINES[way.runtime].load(graph, way.precision, torch.get_num_threads())


def _size(pixels: Pixels) -> Size:
    return pixels.shape[1], pixels.shape[2]


def _fastest(fits: Sequence[tuple[_Ready, Deviation]], pixels: Pixels) -> tuple[_Ready, Deviation]:
    """The fastest of several ways, which take turns; of those that are about as fast, the most exact."""
    if len(fits) == 1:
        return fits[0]
    spent = [float("inf")] * len(fits)
    for _ in range(_TURNS):
        for index, (ready, _deviation) in enumerate(fits):
            start = time.perf_counter()
            ready.compiled(pixels)
            spent[index] = min(spent[index], time.perf_counter() - start)
    quick = [fit for fit, seconds in zip(fits, spent, strict=True) if seconds <= _ABOUT * min(spent)]
    return min(quick, key=lambda fit: (fit[1].pixels, fit[1].score))


def settle() -> None:
    """Wait until everything that was begun in the background is done."""
    _work.join()


def _draft() -> DraftFolder:
    """A folder to convert in: where graphs are kept, or where the system puts such things if that is not possible."""
    try:
        kept.graphs_folder().mkdir(parents=True, exist_ok=True)
        return DraftFolder(kept.DRAFT, kept.graphs_folder())
    except OSError as error:
        log.warning("Converted networks are not kept: %s", sentence(error, kept.graphs_folder()))
        return DraftFolder(f"posecore{kept.DRAFT}")


def _why(error: Exception) -> str:
    return sentence(error, kept.graphs_folder()) if isinstance(error, OSError) else str(error).partition("\n")[0]


_numbers = itertools.count()
_lock = threading.Lock()
_places: OrderedDict[Any, _Place] = OrderedDict()
_stop = threading.Event()
_work: queue.Queue[Any] = queue.Queue()
_worker: threading.Thread | None = None


def _later(job: Any) -> None:
    """Do ``job`` in the background, after those that came before it."""
    global _worker
    with _lock:
        if _worker is None:
            _worker = threading.Thread(target=_work_off, name="graphs", daemon=True)
            _worker.start()
            atexit.register(_end)
    _work.put(job)


def _work_off() -> None:
    while (job := _work.get()) is not None:
        try:
            if not _stop.is_set():
                job()
        except Exception:
            log.exception("Looking for a faster way to compute a network failed; PyTorch goes on")
        finally:
            _work.task_done()
    _work.task_done()


def _end() -> None:
    """Give up what is being converted, and wait for what cannot be interrupted: libraries crash when they are left."""
    _stop.set()
    _work.put(None)
    if _worker is not None:
        _worker.join(_FAREWELL)
