"""Which pairs are limbs: no candidate is the end of two limbs of a kind."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import linear_sum_assignment

from posecore.families.openpose.codec.maps import Index
from posecore.families.openpose.codec.pairs import Pairs
from posecore.families.openpose.codec.settings import OpenPoseDecodeSettings


def match(pairs: Pairs, limbs: int, settings: OpenPoseDecodeSettings) -> Index:
    """Accepted pairs such that no peak ends two limbs of a kind; the best first within a limb."""
    candidates = np.flatnonzero(pairs.accepted)
    candidates = candidates[np.lexsort((-pairs.scores[candidates], pairs.limbs[candidates]))]
    if settings.matching == "optimal":
        return _matched_optimally(pairs, candidates, limbs)
    used: set[tuple[int, int, int]] = set()
    chosen = []
    rows = zip(
        candidates.tolist(),
        pairs.limbs[candidates].tolist(),
        pairs.starts[candidates].tolist(),
        pairs.ends[candidates].tolist(),
        strict=True,
    )
    for pair, limb, start, end in rows:
        first, second = (limb, 0, start), (limb, 1, end)
        if first not in used and second not in used:
            used.add(first)
            used.add(second)
            chosen.append(pair)
    return np.array(chosen, np.intp)


def _matched_optimally(pairs: Pairs, candidates: Index, limbs: int) -> Index:
    """The matching of each limb with the largest sum of scores."""
    chosen = [np.zeros(0, np.intp)]
    bounds = np.searchsorted(pairs.limbs[candidates], np.arange(limbs + 1))
    for begin, end in itertools.pairwise(bounds):
        these = candidates[begin:end]
        if not len(these):
            continue
        starts, row = np.unique(pairs.starts[these], return_inverse=True)
        ends, column = np.unique(pairs.ends[these], return_inverse=True)
        gain = np.zeros((len(starts), len(ends)))
        gain[row, column] = pairs.scores[these]
        pair_at = np.full(gain.shape, -1, np.intp)
        pair_at[row, column] = these
        picked = pair_at[linear_sum_assignment(gain, maximize=True)]
        picked = picked[picked >= 0]
        chosen.append(picked[np.argsort(-pairs.scores[picked], kind="stable")])
    return np.concatenate(chosen)
