"""How far an exported model is from posecore: every keypoint of the same pictures, in pixels and in score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from posecore.errors import ExportError
from posecore.export.graph import POSES, channels_first
from posecore.export.plan import Checked
from posecore.fields import Fields, Provenance
from posecore.imaging import InputTransform, Picture, letterbox, sample
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.settings import DecodeSettings

#: Scores below this are those of places in a graph's answer that nobody fills.
_NOBODY = 1e-6

#: Pixels in the exported layout to outputs by name.
Run = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class Shot:
    """A picture and what the network sees of it.

    Attributes:
        name: Its name in reports.
        picture: ``(H, W, 3)`` uint8.
        transform: From picture to input.
        pixels: ``(H, W, 3)`` float32, the network's input.
    """

    name: str
    picture: Picture
    transform: InputTransform
    pixels: NDArray[np.float32]


@dataclass(frozen=True)
class PictureParity:
    """One picture, both ways.

    Attributes:
        name: Of the picture.
        ours: What posecore finds.
        theirs: What the exported model finds, in the order of ``ours``; NaN for people that it does not find.
        pixels: ``(P, K)`` distances in pixels of the network's input; NaN where posecore shows no keypoint.
        scores: ``(P, K)`` differences of keypoint scores; NaN there as well.
        missed: People of ours that the exported model does not find.
        extra: People that the exported model alone finds, by the thresholds of the decoder.
    """

    name: str
    ours: Poses
    theirs: Poses
    pixels: NDArray[np.float64]
    scores: NDArray[np.float64]
    missed: int
    extra: int

    @property
    def worst(self) -> float:
        """The largest distance, infinite when a person is missed or made up."""
        return float("inf") if self.missed or self.extra else _largest(self.pixels)


@dataclass(frozen=True)
class Parity:
    """All pictures.

    Attributes:
        pictures: One by one.
        keypoints: Names.
        largest_difference: Largest difference between a number of the exported model's maps and ours; None for graphs
            that decode.
    """

    pictures: tuple[PictureParity, ...]
    keypoints: tuple[str, ...]
    largest_difference: float | None

    @property
    def worst_picture(self) -> PictureParity:
        """The picture on which the two are furthest apart."""
        return max(self.pictures, key=lambda one: one.worst)

    def summary(self) -> dict[str, Any]:
        """The figures as plain data."""
        pixels = np.concatenate([one.pixels for one in self.pictures])
        scores = np.concatenate([one.scores for one in self.pictures])
        joints = {
            name: {"pixels": _rounded(_largest(pixels[:, index])), "score": _rounded(_largest(scores[:, index]))}
            for index, name in enumerate(self.keypoints)
        }
        return {
            "people": sum(len(one.ours) for one in self.pictures),
            "missed": sum(one.missed for one in self.pictures),
            "extra": sum(one.extra for one in self.pictures),
            "largest_pixels": _rounded(_largest(pixels)),
            "mean_pixels": _rounded(float(np.nanmean(pixels)) if np.isfinite(pixels).any() else 0.0),
            "largest_score": _rounded(_largest(scores)),
            "largest_map_difference": self.largest_difference,
            "worst_picture": self.worst_picture.name,
            "keypoints": joints,
            "pictures": {
                one.name: {
                    "people": len(one.ours),
                    "missed": one.missed,
                    "extra": one.extra,
                    "pixels": _rounded(_largest(one.pixels)),
                    "score": _rounded(_largest(one.scores)),
                }
                for one in self.pictures
            },
        }


def shots(model: PoseModel, checked: Checked, pictures: Mapping[str, Picture]) -> list[Shot]:
    """Pictures as the exported model is given them: in the middle of its input, with their shape kept."""
    found = []
    for name, picture in pictures.items():
        transform = letterbox((picture.shape[1], picture.shape[0]), checked.size, half_pixel=True)
        pixels = sample(picture, transform, fill=model.family.padding, antialias=True)
        found.append(Shot(name, picture, transform, pixels))
    return found


def compare(model: PoseModel, checked: Checked, run: Run, seen: Sequence[Shot]) -> Parity:
    """Run pictures through posecore's own network and decoder, in float32, and through an exported model.

    Args:
        model: What was exported.
        checked: How.
        run: Runs the exported model.
        seen: Pictures; at least one.
    """
    found, differences = [], []
    for shot in seen:
        ours = _outputs(model, checked, shot)
        pixels = shot.pixels[None] if checked.plan.layout == "nhwc" else shot.pixels.transpose(2, 0, 1)[None]
        answer = run(np.ascontiguousarray(pixels))
        if not all(np.isfinite(values).all() for values in answer.values()):
            raise ExportError(
                f"The exported model answers {shot.name} with values that are not numbers; do not use it."
            )
        expected = _decoded(model, checked, ours, shot)
        if POSES in answer:
            theirs = _as_poses(model, answer[POSES], shot)
        else:
            maps = channels_first(answer, checked)
            differences.append(_difference(model, ours, maps))
            theirs = _decoded(model, checked, _as_outputs(model, maps), shot)
        found.append(_compared(shot, expected, theirs, checked.decode))
    return Parity(tuple(found), model.skeleton.keypoints, max(differences, default=None))


def _outputs(model: PoseModel, checked: Checked, shot: Shot) -> dict[str, NDArray[np.float32]]:
    """What the network answers to one picture, batch axis and all."""
    batch = torch.from_numpy(shot.pixels)[None].permute(0, 3, 1, 2).to(model.device)
    with torch.inference_mode():
        outputs = model.family.run(model.network, batch, checked.network)
        return {name: value.float().cpu().numpy() for name, value in outputs.items()}


def _decoded(model: PoseModel, checked: Checked, outputs: Mapping[str, NDArray[np.float32]], shot: Shot) -> Poses:
    maps = model.family.maps({name: value[0] for name, value in outputs.items()}, checked.network, model.skeleton)
    provenance = Provenance(shot.name, model.name, model.weights_id, checked.network.model_dump())
    fields = Fields(model.family.name, maps, shot.transform, model.skeleton, provenance)
    poses: Poses = model.family.decode(fields, checked.decode)[0]
    return poses


def _probabilities(model: PoseModel, name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    return torch.sigmoid(torch.from_numpy(values)).numpy() if name in model.family.logits else values


def _difference(
    model: PoseModel, ours: Mapping[str, NDArray[np.float32]], theirs: Mapping[str, NDArray[np.float32]]
) -> float:
    return max(float(np.abs(_probabilities(model, name, ours[name]) - theirs[name]).max()) for name in ours)


def _as_outputs(model: PoseModel, maps: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """What an exported graph answered, as :meth:`Family.run` would have."""
    # Next to 1 the logit of a float32 is exact to some 1e-7 of probability, which is what parity is about.
    return {
        name: torch.logit(torch.from_numpy(values)).numpy() if name in model.family.logits else values
        for name, values in maps.items()
    }


def _as_poses(model: PoseModel, rows: NDArray[np.float32], shot: Shot) -> Poses:
    """Poses in source pixels from rows in the layouts of :class:`GraphDecoder`."""
    keypoints = len(model.skeleton)
    if rows.ndim == 4:
        joints = rows[0]
        scores = joints[..., 2].mean(1)
    else:
        joints, scores = rows[0, :, : 3 * keypoints].reshape(-1, keypoints, 3), rows[0, :, -1]
    side = np.array(shot.transform.input_size, np.float64)
    xy = joints[..., 1::-1].astype(np.float64) * side - 0.5
    return Poses(
        shot.transform.to_source(xy).astype(np.float32),
        np.clip(joints[..., 2], 0, 1).astype(np.float32),
        np.clip(scores, 0, 1).astype(np.float32),
        model.skeleton,
        shot.transform.image_size,
    )


def _compared(shot: Shot, ours: Poses, theirs: Poses, settings: DecodeSettings) -> PictureParity:
    """Match each person of ours to the nearest of theirs, each of which answers for one."""
    shape = ours.keypoint_scores.shape
    pixels, scores = np.full(shape, np.nan), np.full(shape, np.nan)
    keypoints = np.full((*shape, 2), np.nan, np.float32)
    heights = np.zeros(shape, np.float32)
    left, missed = list(range(len(theirs))), 0
    for person in range(len(ours)):
        apart = _apart(ours, theirs, person, shot.transform)
        shown = ours.keypoint_scores[person] > 0
        # Somebody who shares no keypoint is nobody's match.
        shared = np.isfinite(apart[left])
        mean = np.where(shared, apart[left], 0).sum(1) / np.maximum(shared.sum(1), 1)
        nearest = np.where(shared.any(1), mean, np.inf)
        if not np.isfinite(nearest.min(initial=np.inf)):
            missed += 1
            continue
        chosen = left.pop(int(nearest.argmin()))
        pixels[person] = np.where(shown, apart[chosen], np.nan)
        difference = np.abs(ours.keypoint_scores[person] - theirs.keypoint_scores[chosen])
        scores[person] = np.where(shown, difference, np.nan)
        keypoints[person] = np.where(shown[:, None], theirs.keypoints[chosen], np.nan)
        heights[person] = np.where(shown, theirs.keypoint_scores[chosen], 0)
    matched = Poses(keypoints, heights, ours.scores, ours.skeleton, ours.image_size)
    likely = theirs.scores[left] >= max(settings.pose_threshold, _NOBODY)
    seen = theirs.keypoint_scores[left].max(1, initial=0) >= max(settings.keypoint_threshold, _NOBODY)
    extra = int((likely & seen).sum())
    return PictureParity(shot.name, ours, matched, pixels, scores, missed, extra)


def _apart(ours: Poses, theirs: Poses, person: int, transform: InputTransform) -> NDArray[np.float64]:
    """``(P, K)`` distances of one person of ours from all of theirs, in pixels of the input."""
    difference = (theirs.keypoints - ours.keypoints[person]) / transform.scale
    distances: NDArray[np.float64] = np.hypot(difference[..., 0], difference[..., 1])
    return distances


def _largest(values: NDArray[np.float64]) -> float:
    return float(np.nanmax(values)) if np.isfinite(values).any() else 0.0


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
