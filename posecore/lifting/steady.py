"""Bones as long in every frame, and the person where the picture shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from posecore.lifting.agreement import place_roots
from posecore.lifting.body import PARENTS, ROOT, bone_lengths, places_of
from posecore.lifting.cuts import unbroken
from posecore.lifting.poses3d import Poses3D
from posecore.skeleton import Skeleton
from posecore.video.smoothing import runs

Array = NDArray[np.float64]

#: Seconds over which depth is smoothed.
_CALM = 0.5


def steady_bones(person: Poses3D) -> Poses3D:
    """The same person with bones of constant length, equal on both sides, and placed so that they are seen as before.

    Every bone keeps its direction. The face moves along with the head, whatever else a skeleton has with the nearest
    place of the body.
    """
    before = np.asarray(person.keypoints, np.float64)
    places = places_of(before, person.skeleton)
    shifts = _shifts(places, bone_lengths(places))
    keypoints = before.copy()
    for index, place in enumerate(_carriers(person.skeleton)):
        keypoints[:, index] += shifts[place]
    steadied = replace(person, keypoints=keypoints.astype(np.float32))
    return replace(steadied, roots=seen_alike(steadied, person).astype(np.float32))


def _shifts(places: Mapping[str, Array], lengths: Mapping[str, float]) -> dict[str, Array]:
    """Place → ``(T, 3)`` by how much it moves; a place that hangs on an unknown one stays."""
    moved: dict[str, Array] = {ROOT: places[ROOT]}
    for place, parent in PARENTS.items():
        bone = places[place] - places[parent]
        length = np.linalg.norm(bone, axis=1, keepdims=True)
        wanted = moved[parent] + bone / np.maximum(length, 1e-9) * lengths.get(place, 0.0)
        moved[place] = np.where(np.isfinite(wanted), wanted, places[place])
    return {place: np.nan_to_num(moved[place] - places[place]) for place in places}


def _carriers(skeleton: Skeleton) -> list[str]:
    """The place of the body with which each keypoint moves."""
    return [name if name in PARENTS or name == ROOT else "head" for name in skeleton.keypoints]


def seen_alike(person: Poses3D, like: Poses3D) -> Array:
    """``(T, 3)`` where the middle of a person's hips must be so that they are seen as nearly as can be like ``like``.

    Depth trembles most and is smoothed over time; the keypoints then say where the middle is aside. Frames that tell
    nothing keep their place.
    """
    relative = np.asarray(person.keypoints, np.float64)
    middle = (np.array(like.lifted_by.image_size, np.float64) - 1) / 2
    sight = (np.asarray(like.project(), np.float64) - middle) / like.lifted_by.focal
    roots = place_roots(relative, sight)
    roots = np.where(np.isfinite(roots), roots, np.asarray(like.roots, np.float64))
    for part in unbroken(sight, person.times):
        roots[part, 2] = _calmed(roots[part, 2], person.fps)
    aside = sight * (relative[..., 2:] + roots[:, None, 2:]) - relative[..., :2]
    known = np.isfinite(aside).all(-1, keepdims=True)
    counts = known.sum(1)
    means = np.where(known, aside, 0.0).sum(1) / np.maximum(counts, 1)
    roots[:, :2] = np.where(counts > 0, means, roots[:, :2])
    return roots


def _calmed(depths: Array, rate: float) -> Array:
    """``(T,)`` depths without their trembling, each stretch without gaps by itself.

    A person's size in the picture tells the depth, and a pixel more or less is a hand's breadth.
    """
    result = depths.copy()
    for run in runs(np.isfinite(depths)):
        window = min(round(_CALM * rate) | 1, (run.stop - run.start - 1) | 1)
        if 3 <= window <= run.stop - run.start:
            result[run] = savgol_filter(depths[run], window, 1)
    return result
