"""Evaluations made of known people and known mistakes, without a model or pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from posecore.data.annotations import AnnotatedImage, Label, Person
from posecore.evaluation import Evaluation, PicturePoses, measure
from posecore.poses import Poses
from posecore.skeleton import COCO_17
from tests.pose_support import poses_from

SIZE = (200, 200)


def evaluation(noise: list[float], people: int = 2, seed: int = 0, missing: float = 0.0) -> Evaluation:
    """A picture per entry, whose people are found with errors of so many pixels; the same people for any noise."""
    rng = np.random.default_rng(7)
    mistakes = np.random.default_rng(seed)
    items = []
    for number, size in enumerate(noise):
        xy = rng.uniform(20, 180, (people, 17, 2)).astype(np.float32)
        known = [Person(one, np.full(17, Label.VISIBLE, np.uint8), (20, 20, 180, 180), 9000.0) for one in xy]
        found = np.flatnonzero(mistakes.random(people) >= missing)
        moved = xy[found] + mistakes.normal(0, size, (len(found), 17, 2)).astype(np.float32)
        scores = mistakes.random(len(found)).astype(np.float32)
        poses = Poses(moved, np.ones(moved.shape[:2], np.float32), scores, COCO_17, SIZE)
        items.append(PicturePoses(AnnotatedImage(Path(f"{number}.png"), SIZE, tuple(known), number), poses, found))
    return measure(items, "crops", COCO_17, COCO_17)


def whole(found: Evaluation, empty: int = 0, ghosts: int = 0) -> Evaluation:
    """The same as if whole pictures had been looked at, with empty ones, the first of which hold a ghost each."""
    items = [replace(item, answers=None) for item in found.predictions]
    for number in range(empty):
        image = AnnotatedImage(Path(f"empty{number}.png"), SIZE, (), 1000 + number)
        xy = np.full((1, 17, 2), 30, np.float32) + np.arange(34).reshape(1, 17, 2)
        poses = poses_from(xy, np.ones((1, 17)), [0.3 + 0.1 * number], COCO_17, SIZE)
        items.append(PicturePoses(image, poses.select([0] if number < ghosts else [])))
    return measure(items, "full", COCO_17, COCO_17, model="m", dataset="set", settings={"output_stride": 16})
