"""Average precision of found people, written plainly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from posecore.skeleton import OPENPOSE_18


def average_precision(scenes: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> float:
    """COCO-style AP over OKS thresholds 0.50 … 0.95.

    Args:
        scenes: (true ``(P, K, 2)``, found ``(Q, K, 2)``, scores ``(Q,)``) per scene.
    """
    sigmas = np.array(OPENPOSE_18.sigmas)
    similarity = []
    for true, found, _ in scenes:
        areas = np.ptp(true, axis=1).prod(1)[:, None, None]
        squared = ((true[:, None] - found[None]) ** 2).sum(-1)
        one = np.exp(-squared / (2 * areas * (2 * sigmas) ** 2))
        similarity.append(np.nan_to_num(one).mean(-1))
    return float(np.mean([_precision(scenes, similarity, threshold) for threshold in np.arange(0.5, 1.0, 0.05)]))


def _precision(scenes: Sequence[tuple[Any, Any, np.ndarray]], similarity: Sequence[np.ndarray], least: float) -> float:
    hits: list[tuple[float, bool]] = []
    for (_, _, scores), table in zip(scenes, similarity, strict=True):
        free = np.ones(len(table), bool)
        for index in np.argsort(-scores, kind="stable"):
            best = int(np.where(free, table[:, index], -1).argmax()) if len(table) else 0
            hit = bool(len(table)) and bool(free[best]) and table[best, index] >= least
            if hit:
                free[best] = False
            hits.append((float(scores[index]), hit))
    hits.sort(key=lambda item: -item[0])
    right = np.cumsum([hit for _, hit in hits])
    recall = right / sum(len(table) for table in similarity)
    precision = np.maximum.accumulate((right / np.arange(1, len(hits) + 1))[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101))
    return float(np.mean(np.append(precision, 0)[np.minimum(at, len(precision))]))
