"""Local maxima of the heatmaps: the candidates for joints, refined to a fraction of a cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.families.maxima import local_maxima
from posecore.families.openpose.codec.maps import Array, Index, OpenPoseMaps
from posecore.families.openpose.codec.settings import OpenPoseDecodeSettings

#: Peaks of one keypoint that are looked at; bounds time and memory on maps full of noise.
MAX_PEAKS = 100
#: Lowest value relative to the peak that enters its Gaussian fit; smaller ones are noise around zero.
_FLOOR = 0.01


@dataclass(frozen=True)
class Peaks:
    """Candidates for joints: by keypoint, and the highest first within one.

    Attributes:
        keypoints: ``(N,)`` indices, rising.
        cells: ``(N, 2)`` position (x, y) of the local maximum, in cells.
        xy: ``(N, 2)`` refined position (x, y), in cells.
        scores: ``(N,)`` height.
        rivals: ``(N,)`` index of the higher peak within ``nms_radius`` that a peak lost to, -1 for those that are kept.
    """

    keypoints: Index
    cells: Array
    xy: Array
    scores: Array
    rivals: Index

    @property
    def kept(self) -> Index:
        """Indices of the peaks that may become joints."""
        return np.flatnonzero(self.rivals < 0)


def find_peaks(maps: OpenPoseMaps, settings: OpenPoseDecodeSettings, threshold: float | None = None) -> Peaks:
    """Local maxima of every heatmap that reach ``peak_threshold``, or ``threshold`` when it is given."""
    lowest = settings.peak_threshold if threshold is None else threshold
    factor = settings.upsampling
    found = [_maxima(heat, base, lowest) for base, heat in _prepared(maps, settings)]
    keypoints, x, y, heights, offsets = (np.concatenate([part[index] for part in found]) for index in range(5))
    at = np.stack([x, y], axis=1).astype(np.float64)
    fine = at + offsets.reshape(-1, 2) if settings.refine_peaks else at
    # The centre of fine cell u lies at coarse (u + 1/2) / factor − 1/2.
    cells, xy = ((position + 0.5) / factor - 0.5 for position in (at, fine))
    order = np.lexsort((-heights, keypoints))
    keypoints, heights, cells, xy = keypoints[order], heights[order], cells[order], xy[order]
    rank = np.arange(len(keypoints)) - np.searchsorted(keypoints, keypoints)
    kept = rank < MAX_PEAKS
    keypoints, heights, cells, xy = keypoints[kept], heights[kept], cells[kept], xy[kept]
    rivals = _suppressed(keypoints, xy, settings.nms_radius / maps.stride)
    return Peaks(keypoints, cells, xy, heights, rivals)


def _prepared(maps: OpenPoseMaps, settings: OpenPoseDecodeSettings) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(first keypoint, heatmaps) to look for peaks in: all at once, or enlarged and smoothed one by one."""
    factor, sigma = settings.upsampling, settings.smoothing * settings.upsampling / maps.stride
    if factor == 1 and sigma == 0:
        yield 0, maps.heatmaps
        return
    height, width = maps.heatmaps.shape[1:]
    for keypoint, heat in enumerate(maps.heatmaps):
        if factor > 1:
            heat = cv2.resize(heat, (width * factor, height * factor), interpolation=cv2.INTER_CUBIC)
        if sigma > 0:
            heat = cv2.GaussianBlur(heat, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        yield keypoint, heat[None]


def _maxima(heat: NDArray[np.float32], base: int, threshold: float) -> tuple[Array, Array, Array, Array, Array]:
    """Keypoint, column, row, height and offset ``(N · 2)`` (x, y) of the cells that no neighbour exceeds."""
    _, height, width = heat.shape
    flat = heat.reshape(-1)
    cells = local_maxima(heat, max(threshold, float(np.finfo(np.float32).tiny)))
    keypoints, rest = np.divmod(cells, height * width)
    rows, columns = np.divmod(rest, width)
    offsets = np.stack([_offset(flat, cells, columns, 1, width), _offset(flat, cells, rows, width, height)], axis=1)
    return keypoints + base, columns, rows, flat[cells].astype(np.float64), offsets.reshape(-1)


def _offset(flat: NDArray[np.float32], cells: Index, places: Index, step: int, length: int) -> Array:
    """Where between −1/2 and 1/2 cell the Gaussian through a maximum and its two neighbours along one axis peaks.

    The logarithm of a Gaussian is a parabola, so that three values give its vertex exactly. At the edge of the map the
    missing neighbour is extrapolated from the two cells on the other side by the same parabola.

    Args:
        flat: Maps as one run of numbers.
        cells: ``(N,)`` flat indices of the maxima.
        places: ``(N,)`` their column or row.
        step: Distance between neighbours along the axis in ``flat``.
        length: Number of columns or rows.
    """
    if length < 3:
        return np.zeros(len(cells))
    values = flat[cells]

    def log_at(shift: Index | int) -> Array:
        inside = np.clip(places + shift, 0, length - 1) - places
        return np.asarray(np.log(np.maximum(flat[cells + inside * step], _FLOOR * values)))

    before, here, behind = log_at(-1), np.log(values), log_at(1)
    at_start, at_end = places == 0, places == length - 1
    if at_start.any() or at_end.any():
        before = np.where(at_start, 3 * here - 3 * behind + log_at(2), before)
        behind = np.where(at_end, 3 * here - 3 * before + log_at(-2), behind)
    curvature = before - 2 * here + behind
    offset = np.divide(before - behind, 2 * curvature, out=np.zeros(len(cells)), where=curvature < 0)
    return np.asarray(np.clip(offset, -0.5, 0.5))


def _suppressed(keypoints: Index, xy: Array, radius: float) -> Index:
    """For each peak: index of a kept, higher one of the same keypoint within ``radius`` cells, or -1."""
    rivals = np.full(len(keypoints), -1, np.intp)
    if not len(keypoints):
        return rivals
    rank = np.arange(len(keypoints)) - np.searchsorted(keypoints, keypoints)
    # One row per keypoint, so that only peaks of the same one are compared.
    table = np.full((2, keypoints[-1] + 1, rank.max() + 1), np.nan, np.float32)
    table[:, keypoints, rank] = xy.T
    apart = table[:, :, :, None] - table[:, :, None]
    apart *= apart
    near = apart[0] + apart[1] <= radius * radius
    crowded = np.flatnonzero(near.sum((1, 2)) > np.isfinite(table[0]).sum(1))
    starts = np.searchsorted(keypoints, crowded)
    for keypoint, start in zip(crowded.tolist(), starts.tolist(), strict=True):
        for index in range(int(rank[keypoints == keypoint].max()) + 1):
            if rivals[start + index] < 0:
                lower = start + index + 1 + np.flatnonzero(near[keypoint, index, index + 1 :])
                rivals[lower[rivals[lower] < 0]] = start + index
    return rivals


def weaker_peaks(maps: OpenPoseMaps, settings: OpenPoseDecodeSettings) -> Peaks:
    """Peaks that stay below ``peak_threshold`` but reach half of it: what a lower threshold would have brought."""
    peaks = find_peaks(maps, settings, 0.5 * settings.peak_threshold)
    weak = np.flatnonzero(peaks.scores < settings.peak_threshold)
    return replace(peaks, **{name: getattr(peaks, name)[weak] for name in vars(peaks)})
