"""Contact sheets: many cases side by side, to see at a glance what a model gets right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from posecore.data.annotations import Person
from posecore.drawing.overlay import DrawingOptions, draw_poses
from posecore.drawing.text import draw_text, text_size
from posecore.errors import ImageError
from posecore.evaluation.evaluate import Case
from posecore.evaluation.predictions import crop_region
from posecore.imaging import Picture, Region, letterbox, read_image, sample
from posecore.poses import Poses
from posecore.skeleton import Skeleton

_GAP = 6
_OPTIONS = DrawingOptions(color_by="side")


def contact_sheet(cases: Sequence[Case], columns: int = 4, side: int = 200, expand: float = 1.4) -> Picture:
    """Cases as pairs of squares: left what is labelled, right what the model found, with its similarity.

    Args:
        cases: People and poses, drawn row by row.
        columns: Pairs per row.
        side: Pixels of each square.
        expand: Square relative to the longer side of the person's box.

    Returns:
        ``(H, W, 3)`` uint8 RGB.

    Raises:
        ValueError: When there are no cases.
    """
    if not cases:
        raise ValueError("A contact sheet needs at least one case.")
    tiles = [_tile(case, side, expand) for case in cases]
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    height, width = tiles[0].shape[:2]
    sheet = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        y, x = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        sheet[y : y + height, x : x + width] = tile
    return sheet


def _tile(case: Case, side: int, expand: float) -> Picture:
    """One pair with its caption."""
    image, person = case.picture.image, case.picture.image.people[case.person]
    found = case.picture.poses.select([] if case.pose is None else [case.pose])
    truth = labelled_poses([person], found.skeleton, image.size)
    pck = "" if case.pck is None else f"  PCK {case.pck:.2f}"
    said = f"OKS {case.oks:.2f}{pck}" if len(found) else "not found"
    return pair_tile(image.path, crop_region(person, expand), (truth, found), (f"#{image.image_id}", said), side)


def pair_tile(
    picture: Path, region: Region, poses: tuple[Poses | None, Poses | None], captions: tuple[str, str], side: int
) -> Picture:
    """Two squares of a picture beside each other, with poses and a caption each; grey where it cannot be read.

    Args:
        picture: The file.
        region: What the squares show.
        poses: In pixels of the picture; None for nobody.
        captions: What is written into their corners.
        side: Pixels of each square.
    """
    try:
        view = _cut(read_image(picture), region, side)
    except (ImageError, OSError):
        view = np.full((side, side, 3), 128, np.uint8)
    squares = []
    for one, caption in zip(poses, captions, strict=True):
        drawn = view.copy() if one is None else draw_poses(view, _moved(one, region, side), _OPTIONS)
        draw_text(drawn, caption, (2, 2), text_size(drawn))
        squares.append(drawn)
    return np.concatenate(squares, axis=1)


def _cut(picture: Picture, region: Region, side: int) -> Picture:
    transform = letterbox((picture.shape[1], picture.shape[0]), (side, side), region)
    pixels = sample(picture, transform, fill=40, antialias=True)
    return np.rint(pixels).clip(0, 255).astype(np.uint8)


def labelled_poses(people: Sequence[Person], skeleton: Skeleton, image_size: tuple[int, int]) -> Poses:
    """Labelled people as poses, so that they can be drawn: labelled keypoints score 1."""
    keypoints = np.array([person.keypoints for person in people], np.float32).reshape(-1, len(skeleton), 2)
    scores = np.isfinite(keypoints[..., 0]).astype(np.float32)
    return Poses(keypoints, scores, np.ones(len(people), np.float32), skeleton, image_size)


def _moved(poses: Poses, region: Region, side: int) -> Poses:
    """Poses in the pixels of a square cut-out."""
    factor = side / (region[2] - region[0])
    return replace(
        poses, keypoints=(poses.keypoints - np.array(region[:2], np.float32)) * factor, image_size=(side, side)
    )
