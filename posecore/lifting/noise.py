"""The errors that models make in pictures, as ``python -m benchmarks.lifting_noise --people FOLDER`` measures them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posecore.skeleton import COCO_17

Array = NDArray[np.float64]

#: Joint → bias x (to the person's left as seen in the picture) and y, spread, part astray, their spread, part missing,
#: part swapped with its mirror image. Lengths are in sizes of the person: the root mean square distance of the limbs'
#: joints from their middle.
MEASURED: dict[str, tuple[float, float, float, float, float, float, float]] = {
    "nose": (-0.005, 0.002, 0.053, 0.048, 0.207, 0.017, 0.000),
    "eye": (0.002, 0.002, 0.046, 0.058, 0.178, 0.020, 0.026),
    "ear": (-0.003, -0.005, 0.057, 0.025, 0.249, 0.030, 0.000),
    "shoulder": (0.005, -0.007, 0.086, 0.038, 0.335, 0.019, 0.017),
    "elbow": (-0.007, -0.005, 0.096, 0.069, 0.485, 0.069, 0.014),
    "wrist": (-0.002, 0.001, 0.094, 0.087, 0.474, 0.118, 0.041),
    "hip": (-0.009, -0.023, 0.128, 0.045, 0.560, 0.042, 0.024),
    "knee": (0.003, -0.005, 0.107, 0.093, 0.600, 0.148, 0.080),
    "ankle": (-0.011, -0.011, 0.111, 0.072, 0.508, 0.188, 0.090),
}

_ROWS = np.array([MEASURED[name.removeprefix("left_").removeprefix("right_")] for name in COCO_17.keypoints])
_SIDES = np.array([-1.0 if name.startswith("right") else 1.0 for name in COCO_17.keypoints])
_PAIRS = np.array(COCO_17.flip_pairs)

#: How far a mistake of a frame is that of the frame before.
_MEMORY = 0.6
#: Part of the spread that belongs to the person rather than to the frame (what annotators call a hip, for example).
_LASTING = 0.5


def disturbed(exact: Array, strength: Array, rng: np.random.Generator) -> Array:
    """Keypoints as a model would find them, NaN where it misses them.

    Args:
        exact: ``(B, T, 17, 2)`` true positions.
        strength: ``(B,)`` how strong the errors are; 1 as measured, 0 for none.
        rng: Source of chance.
    """
    count, length = exact.shape[:2]
    limbs = exact[:, :, 5:]
    spans = np.sqrt(((limbs - limbs.mean(2, keepdims=True)) ** 2).sum(-1).mean(-1))
    factor = strength[:, None, None]
    spread = _ROWS[:, 2]
    lasting = rng.normal(size=(count, 1, 17, 2))
    passing = _remembered(rng.normal(size=(count, length, 17, 2)))
    error = (_LASTING**0.5 * lasting + (1 - _LASTING) ** 0.5 * passing) * spread[:, None]
    error[..., 0] += _facing(exact) * _SIDES * _ROWS[:, 0]
    error[..., 1] += _ROWS[:, 1]
    astray = rng.random((count, length, 17)) < _ROWS[:, 3] * factor
    error += np.where(astray[..., None], rng.normal(size=error.shape) * _ROWS[:, 4, None], 0)
    noisy = exact + error * (factor * spans[..., None])[..., None]
    swaps = rng.random((count, length, len(_PAIRS))) < _ROWS[_PAIRS[:, 0], 6] * factor
    lefts, rights = _PAIRS.T
    noisy[:, :, lefts], noisy[:, :, rights] = (
        np.where(swaps[..., None], noisy[:, :, rights], noisy[:, :, lefts]),
        np.where(swaps[..., None], noisy[:, :, lefts], noisy[:, :, rights]),
    )
    noisy[rng.random((count, length, 17)) < _ROWS[:, 5] * factor] = np.nan
    return np.asarray(noisy)


def _facing(exact: Array) -> Array:
    """``(B, T, 1)`` 1 where the person's left is right in the picture, as of somebody who faces the camera, else -1."""
    left, right = _PAIRS[[3, 6]].T
    return np.asarray(np.sign((exact[:, :, left, 0] - exact[:, :, right, 0]).mean(-1))[..., None])


def _remembered(noise: Array) -> Array:
    """Noise ``(B, T, …)`` of unit spread that remembers the frame before."""
    for frame in range(1, noise.shape[1]):
        noise[:, frame] = _MEMORY * noise[:, frame - 1] + (1 - _MEMORY**2) ** 0.5 * noise[:, frame]
    return noise
