"""MoveNet's codec: fields to poses (NumPy, one picture) and labels to target fields (torch, a batch).

All positions inside this module are (x, y) in *cells*: the middle of cell (column, row) is (column, row). Vectors
start at the middle of their cell. The published graphs count from a cell's top-left corner instead, half a cell further
up and to the left; where a published decoder compares such a position with a cell's index, ``CORNER`` puts the half
back, so that it chooses the same cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, create_model

from posecore.families.maxima import local_maxima
from posecore.families.movenet.network import STRIDE
from posecore.settings import DecodeSettings, max_poses_field, nms_radius_field, threshold_field

#: Input position (x and y alike) of the middle of cell 0, which covers the pixels 0 … 3.
ORIGIN = (STRIDE - 1) / 2
#: From the middle of a cell to its top-left corner, where the published graphs have their origin.
CORNER = 0.5

Array = NDArray[Any]
Index = NDArray[np.intp]


#: Modes in which settings have an effect, whatever the network was published for.
_ONE: dict[str, Any] = {"mode": ["auto", "single"]}
_SEVERAL: dict[str, Any] = {"mode": ["auto", "multi"]}


class MoveNetDecodeSettings(DecodeSettings):
    """How MoveNet's fields become poses."""

    filters = ("keypoint_threshold", "pose_threshold")

    mode: Literal["auto", "single", "multi"] = Field(
        "auto",
        title="People",
        description="One (single) takes the person nearest the middle, All (multi) everybody; Auto does what the "
        "network was published for.",
        json_schema_extra={"words": {"single": "One", "multi": "All"}},
    )
    # For one person the network always answers; pictures without anybody mostly score below 0.1.
    pose_threshold: float = threshold_field(0.15, "Pose threshold", "Lowest score of a person that is shown.")
    distance_offset: float = Field(
        1.8,
        title="Distance offset",
        ge=0.1,
        le=50,
        description="One person: scores are divided by the distance in cells plus this, so a larger value lets strong "
        "peaks win that are further away.",
        json_schema_extra={"step": 0.1, "when": _ONE},
    )
    search_spread: float = Field(
        0.3,
        title="Search spread",
        ge=0.005,
        le=5,
        description="Several people: how far from where the centre points a joint is looked for, as variance relative "
        "to the side of the grid.",
        json_schema_extra={"step": 0.005, "when": _SEVERAL},
    )
    rescoring_threshold: float = threshold_field(
        0.127,
        "Rescoring threshold",
        "Several people: a person's score is the centre's times the mean of the joints that score higher than this.",
        when=_SEVERAL,
    )
    root_threshold: float = threshold_field(
        0.05,
        "Root threshold",
        "Several people: lowest peak of the centre map from which a person may be started.",
        when=_SEVERAL,
    )
    nms_radius: float = nms_radius_field(
        8.0,
        "Several people: pixels of the network's input, along either axis, within which a higher centre suppresses a "
        "lower one.",
        step=4.0,
        when=_SEVERAL,
    )
    max_poses: int = max_poses_field(6, "Several people: most people that are returned.", when=_SEVERAL)


def _narrowed(name: str, one: Sequence[str], several: Sequence[str]) -> type[MoveNetDecodeSettings]:
    """The settings of networks for which *auto* is among the modes of ``one`` person or of ``several``."""
    fields: dict[str, Any] = {}
    for field, info in MoveNetDecodeSettings.model_fields.items():
        extra = info.json_schema_extra
        if isinstance(extra, dict) and "when" in extra:
            modes = one if extra["when"] == _ONE else several
            changed = type(info).merge_field_infos(info, json_schema_extra={**extra, "when": {"mode": list(modes)}})
            fields[field] = (info.annotation, changed)
    return create_model(name, __base__=MoveNetDecodeSettings, **fields)


#: Of networks that were published for one person, and for several.
SinglePoseDecodeSettings = _narrowed("SinglePoseDecodeSettings", ("auto", "single"), ("multi",))
MultiPoseDecodeSettings = _narrowed("MultiPoseDecodeSettings", ("single",), ("auto", "multi"))


@dataclass(frozen=True)
class MoveNetMaps:
    """The decoder's input; vectors are (x, y) in cells.

    Attributes:
        centre: ``(H, W)`` probability that a person's centre is here.
        regression: ``(K, 2, H, W)`` from a person's centre to the keypoints.
        heatmaps: ``(K, H, W)`` probabilities.
        offsets: ``(K, 2, H, W)`` from a cell to the keypoint in it.
        box_size: ``(2, H, W)`` (width, height) of the person centred here, or None.
        box_offset: ``(2, H, W)`` from the cell to the middle of that box, or None.
    """

    centre: NDArray[np.float32]
    regression: NDArray[np.float32]
    heatmaps: NDArray[np.float32]
    offsets: NDArray[np.float32]
    box_size: NDArray[np.float32] | None = None
    box_offset: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Decoded:
    """People in cells, in the order in which they were found.

    Attributes:
        xy: ``(P, K, 2)`` keypoints.
        keypoint_scores: ``(P, K)``.
        scores: ``(P,)``.
        centres: ``(P, 2)`` cells of the centres.
        regressed: ``(P, K, 2)`` where the centre points.
        peaks: ``(P, K, 2)`` cells chosen in the heatmaps.
    """

    xy: Array
    keypoint_scores: Array
    scores: Array
    centres: Array
    regressed: Array
    peaks: Array


@dataclass(frozen=True)
class Centres:
    """Peaks of the centre map, best first: cells ``(N, 2)`` (x, y) and heights ``(N,)``."""

    cells: Index
    scores: Array


def find_centres(maps: MoveNetMaps, settings: MoveNetDecodeSettings) -> Centres:
    """Cells of the centre map that reach ``root_threshold`` and that no cell within ``nms_radius`` exceeds."""
    centre = maps.centre
    reach = round(settings.nms_radius / STRIDE)
    rows, columns = np.divmod(local_maxima(centre[None], settings.root_threshold, reach), centre.shape[1])
    heights = centre[rows, columns].astype(np.float64)
    order = np.argsort(-heights, kind="stable")
    return Centres(np.stack([columns, rows], axis=1)[order], heights[order])


def decode_single(maps: MoveNetMaps, settings: MoveNetDecodeSettings) -> Decoded:
    """The person nearest the middle, as the published single-pose graphs decode.

    The centre map is divided by the distance to the middle of the grid, each heatmap by the distance to where the
    centre points. A joint's score is the height of its heatmap; the person's is their mean.
    """
    height, width = maps.centre.shape
    columns, rows = np.arange(width), np.arange(height)
    away = np.hypot(columns - width / 2, (rows - height / 2)[:, None])
    row, column = divmod(int((maps.centre / (away + settings.distance_offset)).argmax()), width)
    centre = np.array([[column, row]], np.float64)
    regressed = centre[:, None] + maps.regression[None, :, :, row, column]
    # (K, H, W) distances from every cell.
    x, y = (regressed[0, :, axis, None, None] + CORNER for axis in (0, 1))
    away = np.sqrt((columns - x) ** 2 + (rows[:, None] - y) ** 2)  # np.hypot takes twice as long.
    flat = (maps.heatmaps / (away + settings.distance_offset)).reshape(len(maps.heatmaps), -1).argmax(1)[None]
    peaks = _cells(flat, width)
    scores = _at(maps.heatmaps, peaks)
    return _snapped(maps, centre, regressed, peaks, scores, scores.mean(1))


def decode_multi(maps: MoveNetMaps, settings: MoveNetDecodeSettings) -> Decoded:
    """Everybody, as the published MultiPose graph decodes.

    Every heatmap is multiplied by ``exp(-distance² / (search_spread · grid side))`` around the point where a centre
    points, and, when the network has boxes, by 0 outside the person's box. A joint lies where the product is highest;
    its score is the highest product of *anybody* there, so that a joint that two people claim counts for both. A
    person's score is the centre's height times the mean of the joints that score more than ``rescoring_threshold``. The
    defaults are the constants of the published graph, which keeps them in float16: 0.30005 and 0.12695.
    """
    found = find_centres(maps, settings)
    cells = found.cells[: settings.max_poses]
    height, width = maps.centre.shape
    keypoints = len(maps.heatmaps)
    regressed = cells[:, None] + maps.regression[:, :, cells[:, 1], cells[:, 0]].transpose(2, 0, 1)
    # The Gaussian and the box are products of a part along x and a part along y: (P, K, W) and (P, K, H).
    spread = settings.search_spread * min(height, width)
    along_x = _gaussian(np.arange(width), regressed[..., 0] + CORNER, spread)
    along_y = _gaussian(np.arange(height), regressed[..., 1] + CORNER, spread)
    if maps.box_size is not None and maps.box_offset is not None:
        low, high = _boxes(maps.box_size, maps.box_offset, cells)
        along_x *= _between(np.arange(width), low[:, 0], high[:, 0])[:, None]
        along_y *= _between(np.arange(height), low[:, 1], high[:, 1])[:, None]
    flat = np.zeros((len(cells), keypoints), np.intp)
    for person in range(len(cells)):
        weighted = maps.heatmaps * along_y[person, :, :, None] * along_x[person, :, None, :]
        flat[person] = weighted.reshape(keypoints, -1).argmax(1)
    peaks = _cells(flat, width)
    # (P, P, K): what everybody's weights are at everybody's peaks.
    every, (columns, rows) = np.arange(keypoints), np.moveaxis(peaks, -1, 0)
    weights = along_x[:, every, columns] * along_y[:, every, rows]
    scores = _at(maps.heatmaps, peaks) * weights.max(0, initial=0)
    counts = scores > settings.rescoring_threshold
    people = found.scores[: len(cells)] * (scores * counts).sum(1) / np.maximum(counts.sum(1), 1)
    return _snapped(maps, cells.astype(np.float64), regressed, peaks, scores, people)


def find_peaks(heatmaps: NDArray[np.float32], threshold: float) -> list[tuple[int, int, int]]:
    """(keypoint, column, row) of cells that reach ``threshold`` and that none of their neighbours exceeds."""
    keypoints, rows, columns = np.unravel_index(local_maxima(heatmaps, threshold), heatmaps.shape)
    return list(zip(keypoints.tolist(), columns.tolist(), rows.tolist(), strict=True))


def _snapped(
    maps: MoveNetMaps, centres: Array, regressed: Array, peaks: Index, keypoint_scores: Array, scores: Array
) -> Decoded:
    """Move the chosen cells ``(P, K, 2)`` by their offsets."""
    every = np.arange(peaks.shape[1])
    moved = peaks + maps.offsets[every, :, peaks[..., 1], peaks[..., 0]]
    return Decoded(moved, keypoint_scores, scores, centres, regressed, peaks)


def _cells(flat: Index, width: int) -> Index:
    """Flat indices ``(P, K)`` to cells ``(P, K, 2)`` (x, y)."""
    rows, columns = np.divmod(flat, width)
    return np.stack([columns, rows], axis=-1)


def _at(heatmaps: NDArray[np.float32], peaks: Index) -> Array:
    """``(P, K)`` heights of the heatmaps at cells ``(P, K, 2)``."""
    return heatmaps[np.arange(len(heatmaps)), peaks[..., 1], peaks[..., 0]].astype(np.float64)


def _gaussian(cells: Array, points: Array, denominator: float) -> Array:
    """``(P, K, N)``: exp(-distance² / denominator) from points ``(P, K)`` to cells ``(N,)`` along one axis."""
    weights: Array = np.exp(-((cells - points[..., None]) ** 2) / denominator)
    return weights


def _boxes(size: NDArray[np.float32], offset: NDArray[np.float32], cells: Index) -> tuple[Array, Array]:
    """Corners ``(P, 2)`` (x, y) of the boxes at cells ``(P, 2)``, counted from the grid's corner, inside the grid."""
    middle = cells + offset[:, cells[:, 1], cells[:, 0]].T + CORNER
    half = np.maximum(size[:, cells[:, 1], cells[:, 0]].T, 0) / 2
    limit = (size.shape[2], size.shape[1])
    return (middle - half).clip(0, limit), (middle + half).clip(0, limit)


def _between(cells: Array, low: Array, high: Array) -> Array:
    """``(P, N)`` 1 for the cells whose index lies in [low, high), along one axis."""
    return ((cells >= low[:, None]) & (cells < high[:, None])).astype(np.float64)


# --- encoding --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TargetShape:
    """Sizes of the targets.

    Attributes:
        spread: Standard deviation of a heatmap's Gaussians relative to the longer side of the person's keypoints.
        least_spread, most_spread: Bounds of that deviation in cells.
        window: Cells around a centre, along both axes, that know where the keypoints are.
        offset_window: Cells around a keypoint's own, along both axes, that know how far it is. The published decoder
            may choose the neighbour of the cell in which the keypoint lies, so 1 is the least that is exact.
        margin: What a box leaves around the keypoints, relative to their extent and at least in cells.
    """

    spread: float = 0.04
    least_spread: float = 0.7
    most_spread: float = 2.0
    window: int = 3
    offset_window: int = 1
    margin: tuple[float, float] = (0.1, 1.0)


def encode(
    keypoints: torch.Tensor,
    labelled: torch.Tensor,
    grid: tuple[int, int],
    chosen: torch.Tensor | None = None,
    shape: TargetShape = TargetShape(),
) -> dict[str, torch.Tensor]:
    """Target fields of a batch of labelled people; the inverse of decoding.

    A person's centre is the mean of their labelled keypoints: of the definitions tried, it is the one that published
    Lightning agrees with (a median of 2 and 3 pixels of 192 in x and y away, against 5 and 17 for the middle of the
    box). Gaussians peak at 1 in the cell that holds the point. Where windows of several people overlap, the nearest one
    owns the cell.

    Args:
        keypoints: ``(B, P, K, 2)`` (x, y) in input pixels; values of unlabelled keypoints are ignored.
        labelled: ``(B, P, K)`` bool.
        grid: (width, height) in cells.
        chosen: ``(B, P)`` bool, the people who have a centre; None means everybody. Heatmaps and offsets always hold
            everybody.
        shape: Sizes.

    Returns:
        ``centre`` ``(B, 1, H, W)`` and ``heatmaps`` ``(B, K, H, W)`` in 0 … 1; ``regression`` and ``offsets``
        ``(B, K, 2, H, W)``, ``box_size`` and ``box_offset`` ``(B, 1, 2, H, W)``, (x, y) in cells; and for those four
        ``…_mask`` ``(B, K or 1, H, W)``, 1 where the target is defined.
    """
    inside = _inside(keypoints, grid)
    labelled = labelled & inside
    cells = torch.where(labelled[..., None], _to_cells(keypoints.float()), torch.nan)
    low, high = _extent(cells, labelled)
    centre = cells.nanmean(2)
    if chosen is not None:
        centre = torch.where(chosen[..., None], centre, torch.nan)
    spread = ((high - low).amax(-1) * shape.spread).clamp(shape.least_spread, shape.most_spread).nan_to_num(1.0)
    centre_cells = _holding(centre)
    targets = {
        "centre": _gaussians(centre_cells[:, :, None], spread, grid),
        "heatmaps": _gaussians(_holding(cells), spread, grid),
    }
    owner, near = _nearest(centre_cells[:, :, None], shape.window, grid)
    places = _grid(grid, keypoints.device)
    # (B, K, H, W): every keypoint belongs to the person that owns the cell.
    owner, near = (value.expand(-1, cells.shape[2], -1, -1) for value in (owner, near))
    targets |= _vectors("regression", cells, owner, near, places)
    targets |= _vectors("offsets", cells, *_nearest(_holding(cells), shape.offset_window, grid), places)
    relative, least = shape.margin
    margin = ((high - low) * relative).clamp(min=least)
    targets |= _vectors("box_offset", ((low + high) / 2)[:, :, None], owner[:, :1], near[:, :1], places)
    targets |= _vectors("box_size", (high - low + 2 * margin)[:, :, None], owner[:, :1], near[:, :1], None)
    return targets


def _to_cells(xy: torch.Tensor) -> torch.Tensor:
    """Input pixels to cells."""
    return (xy - ORIGIN) / STRIDE


def _holding(cells: torch.Tensor) -> torch.Tensor:
    """Index of the cell that holds a point."""
    return torch.floor(cells + CORNER)


def _inside(keypoints: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """``(B, P, K)`` bool: keypoints in input pixels that lie in some cell."""
    limit = keypoints.new_tensor(grid) * STRIDE - 0.5
    return ((keypoints >= -0.5) & (keypoints < limit)).all(-1)


def _extent(cells: torch.Tensor, labelled: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Corners ``(B, P, 2)`` of the box around the labelled keypoints; NaN for nobody."""
    known = labelled[..., None]
    low = torch.where(known, cells, torch.inf).amin(2)
    high = torch.where(known, cells, -torch.inf).amax(2)
    empty = ~labelled.any(2)[..., None]
    return low.masked_fill(empty, torch.nan), high.masked_fill(empty, torch.nan)


def _grid(grid: tuple[int, int], device: torch.device) -> torch.Tensor:
    """``(2, H, W)`` (x, y) of every cell."""
    columns = torch.arange(grid[0], device=device, dtype=torch.float32)
    rows = torch.arange(grid[1], device=device, dtype=torch.float32)
    return torch.stack(torch.meshgrid(columns, rows, indexing="xy"))


def _gaussians(cells: torch.Tensor, spread: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """``(B, C, H, W)``: the highest of the Gaussians around ``cells`` ``(B, P, C, 2)``, ``spread`` ``(B, P)`` wide."""
    columns = torch.arange(grid[0], device=cells.device, dtype=torch.float32)
    rows = torch.arange(grid[1], device=cells.device, dtype=torch.float32)
    denominator = 2 * spread[:, :, None, None] ** 2
    along_x = torch.exp(-((columns - cells[..., 0, None]) ** 2) / denominator).nan_to_num(0.0)
    along_y = torch.exp(-((rows - cells[..., 1, None]) ** 2) / denominator).nan_to_num(0.0)
    highest = cells.new_zeros((len(cells), cells.shape[2], grid[1], grid[0]), dtype=torch.float32)
    for place, pictures in _taken(cells):
        around = along_y[pictures, place, :, :, None] * along_x[pictures, place, :, None, :]
        highest[pictures] = torch.maximum(highest[pictures], around)
    return highest


def _nearest(cells: torch.Tensor, window: int, grid: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """``(B, C, H, W)``: whose of ``cells`` ``(B, P, C, 2)`` is nearest, and whether its window holds the cell."""
    columns = torch.arange(grid[0], device=cells.device, dtype=torch.float32)
    rows = torch.arange(grid[1], device=cells.device, dtype=torch.float32)
    x = (columns - cells[..., 0, None]).abs().nan_to_num(torch.inf)
    y = (rows - cells[..., 1, None]).abs().nan_to_num(torch.inf)
    # Outside the window along one axis is outside it altogether.
    x, y = (torch.where(away <= window, away**2, torch.inf) for away in (x, y))
    nearest = cells.new_full((len(cells), cells.shape[2], grid[1], grid[0]), torch.inf, dtype=torch.float32)
    owner = torch.zeros_like(nearest, dtype=torch.long)
    for place, pictures in _taken(cells):
        squared = y[pictures, place, :, :, None] + x[pictures, place, :, None, :]
        closer = squared < nearest[pictures]
        owner[pictures] = torch.where(closer, place, owner[pictures])
        nearest[pictures] = torch.where(closer, squared, nearest[pictures])
    return owner, nearest.isfinite()


def _taken(cells: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
    """Places of ``(B, P, C, 2)`` that somebody has, each with the pictures where: most places of a batch are empty."""
    there = cells.isfinite().all(-1).any(-1).cpu()
    for place in range(there.shape[1]):
        pictures = there[:, place].nonzero()[:, 0]
        if len(pictures):
            yield place, pictures.to(cells.device)


def _vectors(
    name: str, points: torch.Tensor, owner: torch.Tensor, near: torch.Tensor, places: torch.Tensor | None
) -> dict[str, torch.Tensor]:
    """Target and mask: the owner's ``points`` ``(B, P, C, 2)``, seen from every cell unless ``places`` is None."""
    index = owner[:, None, :, None].expand(-1, 1, -1, 2, -1, -1)
    spread = points[..., None, None].expand(*points.shape, *owner.shape[-2:])
    picked = spread.gather(1, index).squeeze(1)
    vectors = picked if places is None else picked - places
    mask = near & vectors.isfinite().all(2)
    return {name: torch.where(mask[:, :, None], vectors, 0.0), f"{name}_mask": mask.float()}
