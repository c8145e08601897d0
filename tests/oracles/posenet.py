"""The published multi-person decoding of PoseNet, one keypoint at a time, without any vectorisation.

It is the oracle that the tests compare the codec with, and what the benchmark is a ratio to. Positions are (y, x) in
input pixels, as in the publication's own order.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posecore.families.posenet.codec import PoseNetMaps

Point = tuple[float, float]


@dataclass(frozen=True)
class LiteralPose:
    """Keypoints (y, x) and their scores, and the pose's score."""

    points: list[Point]
    scores: list[float]
    score: float


def decode_literally(
    maps: PoseNetMaps, max_poses: int, score_threshold: float, nms_radius: float, refinement_steps: int = 2
) -> list[LiteralPose]:
    """Poses in the order in which they are found."""
    queue = _queue(maps, score_threshold)
    poses: list[LiteralPose] = []
    while len(poses) < max_poses and queue:
        negative_score, _, keypoint, row, column = heapq.heappop(queue)
        root = _offset_position(maps, keypoint, row, column)
        if _near_existing(poses, root, keypoint, nms_radius):
            continue
        points, scores = _walk(maps, keypoint, root, -negative_score, refinement_steps)
        total = sum(score for k, score in enumerate(scores) if not _near_existing(poses, points[k], k, nms_radius))
        poses.append(LiteralPose(points, scores, total / len(points)))
    return poses


def _queue(maps: PoseNetMaps, threshold: float) -> list[tuple[float, int, int, int, int]]:
    """Local maxima over the threshold, ready to be popped best first."""
    keypoints, height, width = maps.scores.shape
    queue: list[tuple[float, int, int, int, int]] = []
    for keypoint in range(keypoints):
        for row in range(height):
            for column in range(width):
                score = float(maps.scores[keypoint, row, column])
                if score >= threshold and _is_peak(maps.scores[keypoint], score, row, column):
                    queue.append((-score, len(queue), keypoint, row, column))
    heapq.heapify(queue)
    return queue


def _is_peak(scores: NDArray[np.float32], score: float, row: int, column: int) -> bool:
    height, width = scores.shape
    for r in range(max(row - 1, 0), min(row + 2, height)):
        for c in range(max(column - 1, 0), min(column + 2, width)):
            if scores[r, c] > score:
                return False
    return True


def _near_existing(poses: list[LiteralPose], point: Point, keypoint: int, radius: float) -> bool:
    for pose in poses:
        y, x = pose.points[keypoint]
        if (y - point[0]) ** 2 + (x - point[1]) ** 2 <= radius**2:
            return True
    return False


def _offset_position(maps: PoseNetMaps, keypoint: int, row: int, column: int) -> Point:
    dx, dy = maps.offsets[keypoint, :, row, column]
    return row * maps.stride + float(dy), column * maps.stride + float(dx)


def _cell(maps: PoseNetMaps, point: Point) -> tuple[int, int]:
    """Nearest cell; halves round up, as JavaScript's Math.round does."""
    height, width = maps.scores.shape[1:]
    row = math.floor(point[0] / maps.stride + 0.5)
    column = math.floor(point[1] / maps.stride + 0.5)
    return min(max(row, 0), height - 1), min(max(column, 0), width - 1)


def _walk(
    maps: PoseNetMaps, root_keypoint: int, root: Point, root_score: float, refinement_steps: int
) -> tuple[list[Point], list[float]]:
    edges = len(maps.tree)
    points: dict[int, Point] = {root_keypoint: root}
    scores = {root_keypoint: root_score}
    for edge in range(edges - 1, -1, -1):
        target, source = maps.tree[edge]
        if source in points and target not in points:
            _hop(maps, points, scores, source, target, edges + edge, refinement_steps)
    for edge in range(edges):
        source, target = maps.tree[edge]
        if source in points and target not in points:
            _hop(maps, points, scores, source, target, edge, refinement_steps)
    order = range(len(maps.scores))
    return [points[k] for k in order], [scores[k] for k in order]


def _hop(
    maps: PoseNetMaps,
    points: dict[int, Point],
    scores: dict[int, float],
    source: int,
    target: int,
    channel: int,
    refinement_steps: int,
) -> None:
    y, x = points[source]
    row, column = _cell(maps, (y, x))
    dx, dy = maps.displacements[channel, :, row, column]
    point = (y + float(dy), x + float(dx))
    for _ in range(refinement_steps):
        point = _offset_position(maps, target, *_cell(maps, point))
    points[target] = point
    row, column = _cell(maps, point)
    scores[target] = float(maps.scores[target, row, column])
