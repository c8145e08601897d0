"""What a network can do so far: loss, similarity and share of correct joints on cut-outs that it is not trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from posecore.data.annotations import Person
from posecore.data.augment import compose
from posecore.data.truth import Truth
from posecore.drawing import draw_poses
from posecore.evaluation.oks import keypoint_similarity
from posecore.evaluation.pck import PCK_FRACTION, limb_joints, trunk_length
from posecore.families import AnyFamily
from posecore.fields import Fields, Provenance
from posecore.imaging import stretch
from posecore.poses import Poses
from posecore.settings import NetworkSettings, Settings
from posecore.skeleton import Skeleton
from posecore.training.data import TrainingSet, to_device, validation_batches

#: Boxes that score lower are not measured.
_SURE = 0.25


@dataclass(frozen=True)
class Task:
    """What a network is trained for: everything about it that does not change while it learns."""

    family: AnyFamily
    skeleton: Skeleton
    network_settings: NetworkSettings
    loss_settings: Settings


@dataclass(frozen=True)
class Measurement:
    """Results on the held-out cut-outs.

    Attributes:
        figures: ``loss`` and its parts; ``oks`` and ``pck`` of the best-scored pose of each cut-out against the person
            that it was made for. Of networks that find boxes ``oks`` is that of the nearest box that is sure enough.
        sheet: Some cut-outs with the poses found, or None.
    """

    figures: dict[str, float]
    sheet: NDArray[np.uint8] | None


def measure(
    task: Task,
    network: nn.Module,
    held: TrainingSet,
    *,
    limit: int,
    side: int,
    size: float,
    drawn: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> Measurement:
    """Run ``network`` (in evaluation mode) over the held-out cut-outs.

    Args:
        task: What it is trained for.
        network: The network, on any device.
        held: Cut-outs.
        limit: Most cut-outs to look at.
        side: Side of the input in pixels.
        size: Longer side of the person as a part of it.
        drawn: How many to draw.
        advance: Called after every batch; may raise to break off.
    """
    device = next(network.parameters()).device
    totals: dict[str, list[tuple[float, float, float]]] = {}
    similarities: list[float] = []
    correct: list[NDArray[np.float64]] = []
    tiles: list[NDArray[np.uint8]] = []
    for draw in validation_batches(held, limit, side, 32, size, 0):
        pixels, truth = compose(to_device(draw, device), task.skeleton.flip_permutation)
        with torch.inference_mode():
            outputs = task.family.run(network, pixels, task.network_settings)
            terms = task.family.loss(outputs, truth, task.skeleton, task.network_settings, task.loss_settings)
        for name, term in terms.items():
            totals.setdefault(name, []).append((float(term.total), float(term.count), term.weight))
        arrays = {name: value.float().cpu().numpy() for name, value in outputs.items()}
        for row in range(len(pixels)):
            poses = decoded(task, {name: value[row] for name, value in arrays.items()}, side)
            person = _central_person(truth, row, side)
            if person is not None:
                similarities.append(_similarity(person, poses, task.skeleton))
                correct.append(_correct(person, poses, task.skeleton))
            if len(tiles) < drawn:
                tiles.append(_tile(pixels[row], poses))
        advance()
    figures = {
        name: sum(total for total, _, _ in parts) / max(sum(count for _, count, _ in parts), 1)
        for name, parts in totals.items()
    }
    figures["loss"] = sum(figures[name] * parts[0][2] for name, parts in totals.items())
    figures["oks"] = float(np.mean(similarities)) if similarities else 0.0
    joints = np.concatenate(correct) if correct else np.zeros(0)
    figures["pck"] = float(joints.mean()) if len(joints) else 0.0
    return Measurement(figures, _sheet(tiles))


def decoded(task: Task, outputs: Mapping[str, NDArray[np.float32]], side: int) -> Poses:
    """The best-scored pose (or none) that the outputs of one picture decode to, in input pixels; every sure box."""
    transform = stretch((side, side), (side, side))
    maps = task.family.maps(outputs, task.network_settings, task.skeleton)
    fields = Fields(task.family.name, maps, transform, task.skeleton, Provenance("", "", ""))
    least = _SURE if task.family.finds_boxes else 0.0
    settings = task.family.decode_settings(pose_threshold=least, keypoint_threshold=0.0)
    poses, _ = task.family.decode(fields, settings)
    return poses.select([0]) if len(poses.scores) and not task.family.finds_boxes else poses


def _central_person(truth: Truth, row: int, side: int) -> Person | None:
    """The labelled person whose neighbourhood is closest to the middle, as numpy."""
    centres = truth.corners[row].mean(1)
    distance = (centres - (side - 1) / 2).square().sum(-1)
    distance[~truth.labelled[row].any(-1)] = torch.inf
    distance = distance.nan_to_num(torch.inf)
    index = int(distance.argmin())
    if not torch.isfinite(distance[index]):
        return None
    labels = truth.labels[row, index].cpu().numpy()
    xy = truth.keypoints[row, index].cpu().numpy().copy()
    corners = truth.corners[row, index].cpu().numpy()
    low, high = corners.min(0), corners.max(0)
    # COCO's people fill about 0.53 of their boxes; the neighbourhood is larger than the box by 1.2 on each axis.
    area = 0.53 * float(np.prod(high - low)) / 1.2**2
    person = Person(xy, labels, (float(low[0]), float(low[1]), float(high[0]), float(high[1])), area)
    xy[~person.labelled] = np.nan
    return person


def _similarity(person: Person, poses: Poses, skeleton: Skeleton) -> float:
    if not len(poses.scores):
        return 0.0
    return float(np.nanmean(keypoint_similarity(person, poses, skeleton.sigmas), axis=1).max())


def _correct(person: Person, poses: Poses, skeleton: Skeleton) -> NDArray[np.float64]:
    """1 or 0 per labelled limb joint of a person whose trunk is labelled (limbs are all joints without known names)."""
    trunk = trunk_length(person, skeleton)
    limbs = limb_joints(skeleton)
    wanted = person.labelled & (limbs if limbs.any() else True)
    if trunk is None:
        return np.zeros(0)
    if not len(poses.scores):
        return np.zeros(int(wanted.sum()))
    distance = np.hypot(*(poses.keypoints[0] - person.keypoints).T)
    return np.asarray((distance < PCK_FRACTION * trunk)[wanted], np.float64)


def _tile(pixels: torch.Tensor, poses: Poses) -> NDArray[np.uint8]:
    picture = pixels.clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    return draw_poses(np.ascontiguousarray(picture), poses)


def _sheet(tiles: list[NDArray[np.uint8]], columns: int = 6) -> NDArray[np.uint8] | None:
    """Tiles of equal size in rows."""
    if not tiles:
        return None
    tiles = tiles + [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.concatenate(tiles[start : start + columns], 1) for start in range(0, len(tiles), columns)]
    return np.concatenate(rows, 0)
