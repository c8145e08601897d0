"""Networks in 8-bit integers, made after training from some pictures: faster on processors and nearly as good.

Ranges are taken from pictures like those that the network will see (means of the least and largest values of each
picture), biases are shifted so that every channel's mean stays, and what that costs and brings is measured before
anything is kept. Any size of input works, for the network stays what it is: OpenVINO makes integers of it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.data.annotations import AnnotatedImage, PoseDataset, spread
from posecore.data.pictures import read_labelled
from posecore.errors import ImageError, PosecoreError
from posecore.evaluation import Protocol, evaluate
from posecore.evaluation.predictions import views
from posecore.extras import require
from posecore.families.backbones.int8 import find_ranges, mend_biases, ranges_of, set_ranges
from posecore.imaging import ImageSource, Picture, Region, read_image
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.runtimes.runner import Runner, settle
from posecore.settings import EXACT_NETWORK
from posecore.two_stage import TwoStageModel
from posecore.words import unused_name
from posecore.zoo import list_models, save_weights
from posecore.zoo.kept_models import path_of

#: Most pictures that ranges are taken from, that biases are mended with, and that the result is measured on.
CALIBRATED, MENDED, MEASURED = 64, 16, 150
_TURNS = 9
#: Share of a person's size that a joint may lie elsewhere and count as the same.
_NEAR = 0.05

Progress = Callable[[str], None]
#: A picture and the part of it that is looked at.
Shot = tuple[Picture, Region | None]


class QuantisingError(PosecoreError):
    """A network cannot be made to compute in 8-bit integers."""


@dataclass(frozen=True)
class Worth:
    """What 8-bit integers cost and bring.

    Attributes:
        pictures: How many pictures ranges were taken from.
        measured: How many pictures, other ones as far as there were enough, the rest was measured on.
        ap_before, ap_after: OKS AP on labelled pictures, other ones as well as far as there were enough; None without
            labels.
        protocol: How that was measured; empty without labels.
        people_before, people_found: People that the network finds, and how many of them it finds in 8 bits.
        joints_near: Share of those people's joints that lie within 5 % of the person's size of where they were.
        milliseconds_before, milliseconds_after: Of the network, each by the fastest way here.
    """

    pictures: int
    measured: int
    ap_before: float | None
    ap_after: float | None
    protocol: str
    people_before: int
    people_found: int
    joints_near: float
    milliseconds_before: float
    milliseconds_after: float

    @property
    def gain(self) -> float:
        """How many times as fast it is."""
        return self.milliseconds_before / self.milliseconds_after

    def sentence(self) -> str:
        """In words."""
        near = f"{100 * self.joints_near:.0f} % of the joints stay where they were"
        ap = "" if self.ap_after is None else f", AP {self.ap_before:.3f} → {self.ap_after:.3f} ({self.protocol})"
        return f"{self.gain:.1f} × as fast{ap}; {self.people_found} of {self.people_before} people found, {near}."

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "gain": self.gain, "sentence": self.sentence()}


def quantise(
    model: PoseModel,
    pictures: Iterable[ImageSource] = (),
    dataset: PoseDataset | None = None,
    progress: Progress = lambda _: None,
) -> tuple[PoseModel, Worth]:
    """A model in 8-bit integers, and what that costs and brings.

    Args:
        model: Computes with floating-point numbers, on the processor.
        pictures: Pictures as the network will see them; what cannot be read is left out.
        dataset: Labelled pictures in their place.
        progress: Told what is being done.

    Raises:
        MissingExtraError: Without OpenVINO, which the gain comes from.
        QuantisingError: When the model cannot be quantised, or there is no picture.
    """
    require("openvino")
    if isinstance(model, TwoStageModel):
        raise QuantisingError(f"{model.name} joins two models; quantise one of them.")
    if ranges_of(model.network):
        raise QuantisingError(f"{model.name} computes in 8-bit integers already.")
    single = model.follower() is not None
    progress("Reading pictures")
    learnt, judged = (None, None) if dataset is None else parts_of(dataset)
    calibrated, others = shots_of(pictures, learnt, single)
    if not calibrated:
        raise QuantisingError("8-bit integers need pictures like those the network will see; none could be read.")
    progress(f"Looking at {len(calibrated)} pictures")
    rounded = rounded_model(model, calibrated)
    progress("Comparing")
    ap: tuple[float | None, float | None] = (None, None)
    protocol: Protocol = "crops" if single else "full"
    if judged is not None:
        ap = (_ap(model, judged, protocol), _ap(rounded, judged, protocol))
    people, found, near = _agreement(model, rounded, others)
    progress("Timing both")
    before, after = _times(model, rounded, others[0])
    worth = Worth(
        len(calibrated), len(others), *ap, "" if dataset is None else protocol, people, found, near, before, after
    )
    return rounded, worth


def keep(rounded: PoseModel, worth: Worth, licence: str = "", path: Path | None = None) -> str:
    """Write a quantised model, among the models of this machine unless ``path`` says where; returns its name.

    Raises:
        WeightsError: When it cannot be written.
    """
    name = unused_name(_name(rounded), [info.name for info in list_models()])
    save_weights(
        path or path_of(name),
        rounded.network,
        name=name,
        architecture=rounded.architecture,
        skeleton=rounded.skeleton,
        **rounded.own_settings(),
        title=f"{rounded.family.architectures[rounded.architecture].title} in 8 bits",
        description=f"8-bit integers, from {worth.pictures} pictures: {worth.sentence()}",
        licence=licence,
    )
    return name


def _name(model: PoseModel) -> str:
    tag = model.name.removeprefix("run:").removeprefix(f"{model.architecture}.").removesuffix(".int8")
    return f"{model.architecture}.{tag}.int8"


def parts_of(dataset: PoseDataset) -> tuple[PoseDataset, PoseDataset]:
    """Pictures for ranges and others to measure AP on, taken in turns: the same where there are too few for both."""
    if len(dataset) <= MENDED * 2:
        return dataset, dataset
    first, second = (replace(dataset, images=dataset.images[start::2]) for start in (0, 1))
    return first, second


def shots_of(
    pictures: Iterable[ImageSource], dataset: PoseDataset | None, single: bool
) -> tuple[list[Shot], list[Shot]]:
    """Shots for ranges and others to measure with, from all over the pictures: the same where there are few.

    Args:
        pictures: Pictures, of which some are chosen by lot, always the same; what cannot be read is left out.
        dataset: Labelled pictures in their place.
        single: Look at labelled people one by one.
    """
    found: list[Shot] = []
    sources: Sequence[Any] = dataset.images if dataset is not None else list(pictures)
    for place in np.random.default_rng(0).permutation(len(sources)):
        source = sources[place]
        try:
            found += _labelled(source, single) if isinstance(source, AnnotatedImage) else [(read_image(source), None)]
        except ImageError:
            continue
        if len(found) >= CALIBRATED + MENDED:
            break
    enough = len(found) > MENDED * 2
    calibrated = [shot for index, shot in enumerate(found) if not enough or index % 4]
    others = [shot for index, shot in enumerate(found) if not enough or not index % 4]
    return calibrated[:CALIBRATED], others


def _labelled(image: AnnotatedImage, single: bool) -> list[Shot]:
    picture = read_labelled(image)
    return [(picture, view.region) for view in views(image, "crops" if single else "full")][:4]


def rounded_model(model: PoseModel, shots: Sequence[Shot]) -> PoseModel:
    """The model with ranges from these pictures and mended biases."""
    settings = model.network_defaults
    inputs = [_input(model, shot) for shot in shots]

    def run(network: torch.nn.Module, pixels: NDArray[np.float32]) -> None:
        with torch.inference_mode():
            model.family.run(network, torch.from_numpy(pixels).permute(0, 3, 1, 2), settings)

    def run_all() -> int:
        for pixels in inputs:
            run(model.network, pixels)
        return len(inputs)

    network = copy.deepcopy(model.network)
    set_ranges(network, find_ranges(model.network, run_all))
    by_size: dict[tuple[int, ...], list[NDArray[np.float32]]] = {}
    for pixels in inputs:
        by_size.setdefault(pixels.shape, []).append(pixels)
    together = np.concatenate(max(by_size.values(), key=len)[:MENDED])
    mend_biases(network, model.network, lambda one: run(one, together))
    return PoseModel(
        _name(model),
        model.family,
        model.architecture,
        network,
        f"{model.weights_id}-int8",
        skeleton=model.skeleton,
        device="cpu",
        **model.own_settings(),
    )


def _input(model: PoseModel, shot: Shot) -> NDArray[np.float32]:
    picture, region = shot
    transform = model.family.place((picture.shape[1], picture.shape[0]), region, model.network_defaults)
    return model.family.prepare(picture, transform, model.network_defaults)[None]


def _ap(model: PoseModel, dataset: PoseDataset, protocol: Protocol) -> float | None:
    # Whole pictures have many sizes, for each of which a graph would have to be converted.
    runtime = {"runtime": "openvino", "precision": "float32"} if protocol == "crops" else {}
    some = replace(dataset, images=spread(dataset.images, MEASURED))
    return evaluate(model, some, protocol, runtime).precision["AP"]


def _agreement(model: PoseModel, rounded: PoseModel, shots: Sequence[Shot]) -> tuple[int, int, float]:
    """People that the model finds, how many of them it finds rounded, and the share of their joints that stay."""
    people = found = 0
    near: list[bool] = []
    for picture, region in shots:
        ours, theirs = (one.decode(one.fields(picture, region, **EXACT_NETWORK)) for one in (model, rounded))
        people += len(ours)
        left = list(range(len(theirs)))
        for person in range(len(ours)):
            apart = [_apart(ours, person, theirs, other) for other in left]
            medians = [float(np.median(one)) if one.size else np.inf for one in apart]
            if not medians or min(medians) > 0.5:
                continue
            best = int(np.argmin(medians))
            left.pop(best)
            found += 1
            near += (apart[best] <= _NEAR).tolist()
    return people, found, float(np.mean(near)) if near else 0.0


def _apart(ours: Poses, person: int, theirs: Poses, other: int) -> NDArray[np.float64]:
    """Distances of the joints that both show, as shares of the person's size."""
    both = ours.present[person] & theirs.present[other]
    shown = ours.keypoints[person][ours.present[person]]
    if not both.any():
        return np.zeros(0)
    size = max(float(np.hypot(*(shown.max(0) - shown.min(0)))), 1.0)
    moved = ours.keypoints[person][both] - theirs.keypoints[other][both]
    return np.asarray(np.hypot(moved[:, 0], moved[:, 1]) / size, np.float64)


def _times(model: PoseModel, rounded: PoseModel, shot: Shot) -> tuple[float, float]:
    """Least milliseconds of both networks, taking turns, each by the way that is chosen for it."""
    pixels = _input(model, shot)
    settings = model.network_defaults
    for one in (model, rounded):
        for _ in range(Runner.worth + 1):
            one.runner.run(pixels, settings)
    settle()
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(_TURNS):
        for times, one in zip(spent, (model, rounded), strict=True):
            start = time.perf_counter()
            one.runner.run(pixels, settings)
            times.append(1000 * (time.perf_counter() - start))
    return min(spent[0]), min(spent[1])
