"""What results for one picture make different, drawn: the same colour for the same person, frames around the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from posecore.boxes import corners_of
from posecore.drawing.encoded import shrink
from posecore.drawing.overlay import DrawingOptions, draw_poses
from posecore.drawing.shapes import OUTLINE, Color, capsules, fill
from posecore.drawing.sheets import join_tiles
from posecore.drawing.text import draw_text, text_size
from posecore.imaging import Picture
from posecore.poses import Poses

#: Colour of people whom one result has and another lacks: a full frame where they are, a dashed one where they are not.
ONE_SIDED: Color = (255, 196, 0)
#: Dashes along the longer side of a frame.
_DASHES = 9


@dataclass(frozen=True, eq=False)
class Seen:
    """The people of one result, and where it differs from the others.

    Attributes:
        poses: The people.
        numbers: ``(P,)`` number of each, the same in all results.
        alone: ``(P,)`` True for people whom not every result has.
        missing: ``(N, 4)`` boxes (x0, y0, x1, y1), in pixels of the picture, of people whom only others have.
    """

    poses: Poses
    numbers: NDArray[np.int64]
    alone: NDArray[np.bool_]
    missing: NDArray[np.float32]


def seen_by_each(results: Sequence[Poses], numbers: Sequence[NDArray[np.int64]]) -> list[Seen]:
    """What each result has, and lacks, of the people of all results.

    Args:
        results: For one picture.
        numbers: ``(P,)`` of each: the number that means the same person in all of them.
    """
    holders: dict[int, list[tuple[int, int]]] = {}
    for place, own in enumerate(numbers):
        for person, number in enumerate(own.tolist()):
            holders.setdefault(number, []).append((place, person))
    boxes = [poses.boxes() for poses in results]
    everywhere = {number for number, places in holders.items() if len(places) == len(results)}
    seen = []
    for poses, own in zip(results, numbers, strict=True):
        lacking = [places[0] for number, places in holders.items() if number not in own.tolist()]
        missing = np.array([boxes[where][person] for where, person in lacking], np.float32).reshape(-1, 4)
        alone = np.array([number not in everywhere for number in own.tolist()], bool)
        seen.append(Seen(poses, own, alone, missing[np.isfinite(missing).all(1)]))
    return seen


def draw_seen(image: Picture, seen: Seen, options: DrawingOptions | None = None) -> Picture:
    """Draw what one result has: the same colours for the same people in all, frames around those not all have.

    Args:
        image: ``(H, W, 3)`` uint8 RGB of any size; not changed.
        seen: What to draw.
        options: How people are drawn.

    Returns:
        A new picture of the same size.
    """
    canvas = draw_poses(image, replace(seen.poses, track_ids=seen.numbers), options)
    factor = np.array([image.shape[1], image.shape[0]] * 2) / np.array(seen.poses.image_size * 2)
    width = max(1.6, 0.004 * float(np.hypot(*image.shape[:2])))
    for box in seen.poses.boxes()[seen.alone]:
        if np.isfinite(box).all():
            _frame(canvas, _padded(box, factor, width), width, dashed=False)
    for box in seen.missing:
        _frame(canvas, _padded(box, factor, width), width, dashed=True)
    return canvas


def _padded(box: NDArray[np.float32], factor: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """A box in pixels of the canvas, with some room around."""
    return np.asarray((box + 0.5) * factor - 0.5 + 3 * width * np.array([-1, -1, 1, 1]), np.float64)


def _frame(canvas: Picture, box: NDArray[np.float64], width: float, dashed: bool) -> None:
    x0, y0, x1, y1 = box
    corners = corners_of(box)
    sides = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
    if dashed:
        sides = np.concatenate([_dashes(side, max(x1 - x0, y1 - y0)) for side in sides])
    fill(canvas, capsules(sides, 1.8 * width, canvas, steps=2), OUTLINE)
    fill(canvas, capsules(sides, width, canvas, steps=2), ONE_SIDED)


def _dashes(side: NDArray[np.float64], longest: float) -> NDArray[np.float64]:
    """``(N, 2, 2)`` pieces of a line that leave every other piece out, about as long on all sides of a frame."""
    start, step = side[0], side[1] - side[0]
    count = max(round(_DASHES * float(np.hypot(*step)) / max(longest, 1)), 2)
    shares = np.arange(count)[:, None] / count
    return np.stack([start + step * shares, start + step * (shares + 0.5 / count)], axis=1)


def draw_beside(
    image: Picture,
    columns: Sequence[tuple[str, Seen | str]],
    longest: int = 640,
    options: DrawingOptions | None = None,
) -> Picture:
    """Results for one picture beside each other, with a line above each.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        columns: Words for each, and what it has, or a sentence that says why there is none.
        longest: Pixels of the longer side of each.
        options: How people are drawn.

    Returns:
        ``(H', W', 3)`` uint8 RGB.
    """
    small = shrink(image, longest)
    tiles = []
    for words, seen in columns:
        tile = np.array(small) if isinstance(seen, str) else draw_seen(small, seen, options)
        size = text_size(tile)
        bar = np.full((2 * size, tile.shape[1], 3), OUTLINE, np.uint8)
        draw_text(bar, words, (6, size // 3), size)
        if isinstance(seen, str):
            draw_text(tile, seen, (6, 6), size, ONE_SIDED)
        tiles.append(np.concatenate([bar, tile]))
    return join_tiles(tiles, len(tiles))
