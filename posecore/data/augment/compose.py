"""Geometry of augmentation: which cut-outs make up a picture, where they lie in it, and what that does to labels.

Each picture of a batch is a stack of layers. A layer is one cut-out under an affine map, seen through a convex window.
One layer that fills everything is the ordinary case; four layers with a quarter each are a mosaic; a second layer seen
through the outline of its person's box is a pasted person. All randomness is drawn beforehand on the CPU, so that a
batch is the same on every device, and by a generator of its own, so that it does not depend on the batches before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from posecore.boxes import corners_of
from posecore.data.annotations import Label
from posecore.data.augment.settings import AugmentSettings
from posecore.data.batches import Pack
from posecore.data.naming import ASK_FOR_SIDES
from posecore.data.truth import NEIGHBOURHOOD, Truth, inside
from posecore.errors import DataError
from posecore.skeleton import Skeleton

#: A close-up's side relative to the extent of the joints that it is made for.
_ROOM = 1.4


def check_mirror(skeleton: Skeleton) -> None:
    """Refuse a skeleton whose left and right joints are not known or not all paired, before a step is trained.

    Raises:
        DataError: Naming the keypoint and the pair that is missing or wrong.
    """
    if not skeleton.sides_known:
        raise DataError(
            f"Nobody has said which keypoints of skeleton {skeleton.name!r} are left and right, so that its pictures "
            f"cannot be mirrored; {ASK_FOR_SIDES}. Or train with flip: 0."
        )
    check_pairs(skeleton)


def check_pairs(skeleton: Skeleton) -> None:
    """Refuse a skeleton whose pairs contradict its keypoints' names or leave one of them out.

    Raises:
        DataError: Naming the keypoint and the pair that is missing or wrong.
    """
    partners = skeleton.flip_permutation
    for index, name in enumerate(skeleton.keypoints):
        mirrored = name.replace("left", "right") if "left" in name else name.replace("right", "left")
        if mirrored == name:
            continue
        if mirrored in skeleton.keypoints and partners[index] != skeleton.keypoints.index(mirrored):
            wrong = "itself" if partners[index] == index else repr(skeleton.keypoints[partners[index]])
            raise DataError(
                f"Skeleton {skeleton.name!r} mirrors {name!r} as {wrong}; put ({name}, {mirrored}) into flip_pairs, or "
                "train with flip: 0."
            )
        if partners[index] == index:
            raise DataError(
                f"Skeleton {skeleton.name!r} has {name!r} without a mirror image; name its partner in flip_pairs, or "
                "train with flip: 0."
            )


@dataclass(frozen=True, eq=False)
class Layers:
    """Cut-outs of one pack that a batch is composed of.

    Attributes:
        pixels: ``(L, S, S, 3)`` uint8.
        keypoints, labels, boxes, ignore: As in :class:`posecore.data.batches.Pack`, in packed pixels.
        to_input: ``(L, 2, 3)`` float32: input (x, y, 1) = packed pixels mapped.
        flipped: ``(L,)`` bool.
        picture: ``(L,)`` int64 index of the picture in the batch.
        level: ``(L,)`` int64; higher levels cover lower ones.
        window: ``(L, 4, 2)`` float32 corners in input pixels through which the layer is seen.
    """

    pixels: torch.Tensor
    keypoints: torch.Tensor
    labels: torch.Tensor
    boxes: torch.Tensor
    ignore: torch.Tensor
    to_input: torch.Tensor
    flipped: torch.Tensor
    picture: torch.Tensor
    level: torch.Tensor
    window: torch.Tensor


@dataclass(frozen=True, eq=False)
class Draw:
    """A batch as drawn: one :class:`Layers` per pack that takes part, and the seed of the changes to pixels."""

    layers: tuple[Layers, ...]
    pictures: int
    side: int
    seed: int


@dataclass
class _Layer:
    """One layer while a batch is being drawn."""

    pack: int
    row: int
    picture: int
    level: int
    to_input: NDArray[np.float64]
    flipped: bool
    window: NDArray[np.float64]
    box: NDArray[np.float64]


def draw_batch(
    packs: Sequence[Pack],
    items: NDArray[np.intp],
    settings: AugmentSettings,
    side: int,
    generator: np.random.Generator,
) -> Draw:
    """Choose everything random about a batch.

    Args:
        packs: Where cut-outs come from.
        items: ``(B, 2)`` pack and row of each picture; further layers are drawn from the same packs.
        settings: Strengths.
        side: Side of the network's input in pixels.
        generator: Source of all randomness.
    """
    layers: list[_Layer] = []
    for picture, (number, row) in enumerate(items):
        kind = generator.random()
        if kind < settings.mosaic:
            layers += _mosaic(packs, (int(number), int(row)), picture, settings, side, generator)
            continue
        layers.append(_place(packs, (int(number), int(row)), picture, settings, _square(side), side, generator))
        if kind < settings.mosaic + settings.paste:
            layers.append(_pasted(packs, picture, settings, side, generator))
    groups = [[layer for layer in layers if layer.pack == number] for number in range(len(packs))]
    return Draw(
        tuple(_gather(packs[number], group) for number, group in enumerate(groups) if group),
        len(items),
        side,
        int(generator.integers(2**31)),
    )


def _square(side: int) -> NDArray[np.float64]:
    """Window over the whole input, a pixel wider than it on each side."""
    return _rectangle(-1.0, -1.0, float(side), float(side))


def _rectangle(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    return corners_of(np.array((x0, y0, x1, y1), np.float64))


def _mosaic(
    packs: Sequence[Pack],
    first: tuple[int, int],
    picture: int,
    settings: AugmentSettings,
    side: int,
    generator: np.random.Generator,
) -> list[_Layer]:
    """Four cut-outs around a random point."""
    x, y = generator.uniform(0.35, 0.65, 2) * side
    windows = [(-1, -1, x, y), (x, -1, side, y), (-1, y, x, side), (x, y, side, side)]
    chosen = [first] + [_any_row(packs, generator) for _ in range(3)]
    layers = []
    for level, (item, window) in enumerate(zip(chosen, windows, strict=True)):
        corners = _rectangle(*(float(value) for value in window))
        layers.append(_place(packs, item, picture, settings, corners, side, generator, level))
    return layers


def _pasted(
    packs: Sequence[Pack], picture: int, settings: AugmentSettings, side: int, generator: np.random.Generator
) -> _Layer:
    """A person laid on the picture, seen through the outline of its box."""
    item = _any_row(packs, generator)
    centre, half = generator.uniform(0.15, 0.85, 2) * side, generator.uniform(0.2, 0.4) * side
    window = _rectangle(centre[0] - half, centre[1] - half, centre[0] + half, centre[1] + half)
    layer = _place(packs, item, picture, settings, window, side, generator, level=1, person=True)
    layer.window = corners_of(grown(layer.box, 1.1)) @ layer.to_input[:, :2].T + layer.to_input[:, 2]
    return layer


def _any_row(packs: Sequence[Pack], generator: np.random.Generator) -> tuple[int, int]:
    sizes = np.array([len(pack) for pack in packs])
    number = int(generator.choice(len(packs), p=sizes / sizes.sum()))
    return number, int(generator.integers(sizes[number]))


def _place(
    packs: Sequence[Pack],
    item: tuple[int, int],
    picture: int,
    settings: AugmentSettings,
    window: NDArray[np.float64],
    side: int,
    generator: np.random.Generator,
    level: int = 0,
    person: bool = False,
) -> _Layer:
    """One cut-out placed so that its person (or all of it) lies about the middle of ``window``."""
    number, row = item
    box = _focus_box(packs[number], row, generator, None if person else settings)
    extent = float(min(np.ptp(window[:, 0]), np.ptp(window[:, 1]), side))
    length = extent * settings.size * (1 + settings.scale) ** generator.uniform(-1, 1)
    middle = (window.min(0) + window.max(0)) / 2 + generator.uniform(-1, 1, 2) * settings.shift * extent
    angle = generator.normal(0, np.radians(settings.rotation))
    if generator.random() < settings.any_angle:
        angle = generator.uniform(-np.pi, np.pi)
    flipped = bool(generator.random() < settings.flip)
    centre = (box[:2] + box[2:]) / 2
    factor = length / max(float((box[2:] - box[:2]).max()), 1.0)
    turn = factor * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    if flipped:
        turn = turn * (-1.0, 1.0)  # columns: the packed x axis runs backwards
    to_input = np.column_stack([turn, middle - turn @ centre])
    return _Layer(number, row, picture, level, to_input, flipped, window, box)


def _focus_box(
    pack: Pack, row: int, generator: np.random.Generator, settings: AugmentSettings | None
) -> NDArray[np.float64]:
    """(x0, y0, x1, y1) in packed pixels that a crop is made for: somebody's box, by chance a part of it or everything.

    Without ``settings`` it is somebody's whole box.
    """
    people = np.flatnonzero(pack.focus[row])
    whole = 0.0 if settings is None else settings.whole
    if len(people) == 0 or (len(people) > 1 and generator.random() < whole):
        return np.array([-0.5, -0.5, pack.side - 0.5, pack.side - 0.5])
    person = generator.choice(people)
    box = np.array(pack.boxes[row, person], np.float64)
    if settings is not None and settings.close_up and generator.random() < settings.close_up:
        return _part_of(box, pack.keypoints[row, person], generator)
    return box


def _part_of(
    box: NDArray[np.float64], keypoints: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.float64]:
    """A square about one of a person's joints and some of those next to it: a head, a bust, a half body, a leg."""
    places = keypoints[np.isfinite(keypoints).all(1)].astype(np.float64)
    if len(places) == 0:
        return box
    away = np.linalg.norm(places - places[generator.integers(len(places))], axis=1)
    near = places[np.argsort(away, kind="stable")[: generator.integers(1, max(2 * len(places) // 3, 1) + 1)]]
    centre = (near.min(0) + near.max(0)) / 2
    least = generator.uniform(0.3, 0.6) * float((box[2:] - box[:2]).max()) / 2
    half = max(least, _ROOM * float(np.ptp(near, axis=0).max()) / 2)
    return np.concatenate([centre - half, centre + half])


def grown(boxes: NDArray[np.floating], factor: float) -> NDArray[np.floating]:
    """``(…, 4)`` boxes made larger about their centres."""
    centre, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2 * factor
    return np.concatenate([centre - half, centre + half], -1)


def _gather(pack: Pack, layers: Sequence[_Layer]) -> Layers:
    """Copy the rows of the layers out of their pack."""
    rows = np.array([layer.row for layer in layers])
    return Layers(
        pixels=torch.from_numpy(np.ascontiguousarray(pack.pixels[rows])),
        keypoints=torch.from_numpy(pack.keypoints[rows]),
        labels=torch.from_numpy(pack.labels[rows]),
        boxes=torch.from_numpy(pack.boxes[rows]),
        ignore=torch.from_numpy(pack.ignore[rows]),
        to_input=torch.tensor(np.stack([layer.to_input for layer in layers]), dtype=torch.float32),
        flipped=torch.tensor([layer.flipped for layer in layers]),
        picture=torch.tensor([layer.picture for layer in layers]),
        level=torch.tensor([layer.level for layer in layers]),
        window=torch.tensor(np.stack([layer.window for layer in layers]), dtype=torch.float32),
    )


def compose(draw: Draw, flip_permutation: NDArray[np.intp]) -> tuple[torch.Tensor, Truth]:
    """Make the batch, on the device that ``draw`` lies on.

    Args:
        draw: From :func:`draw_batch`.
        flip_permutation: ``Skeleton.flip_permutation``.

    Returns:
        ``(B, 3, side, side)`` float32 RGB 0 … 255, channels last in memory, and the labels in input pixels.
    """
    device = draw.layers[0].pixels.device
    levels = 1 + max(int(layers.level.max()) for layers in draw.layers)
    pixels = torch.zeros((draw.pictures, 3, draw.side, draw.side), device=device)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    owner = torch.zeros((draw.pictures, draw.side, draw.side), dtype=torch.uint8, device=device)
    warped = [_warp(layers, draw.side) for layers in draw.layers]
    for level in range(levels):
        for layers, images in zip(draw.layers, warped, strict=True):
            rows = torch.nonzero(layers.level == level).flatten()
            if level == 0:
                # The bottom layer fills everything; windows only matter where something else is laid beside it.
                pixels[layers.picture[rows]] = images[rows]
            elif len(rows):
                seen = inside(layers.window[rows], (draw.side, draw.side))
                targets = layers.picture[rows]
                pixels[targets] = torch.where(seen[:, None], images[rows], pixels[targets])
                owner[targets] = torch.where(seen, level, owner[targets]).to(torch.uint8)
    return pixels, _truth(draw, owner, levels, torch.as_tensor(flip_permutation, device=device))


def _warp(layers: Layers, side: int) -> torch.Tensor:
    """``(L, 3, side, side)`` float32: every layer resampled bilinearly, its border repeated outside."""
    count, packed = layers.pixels.shape[:2]
    matrix = torch.zeros((count, 3, 3), device=layers.pixels.device)
    matrix[:, :2], matrix[:, 2, 2] = layers.to_input, 1
    back = torch.linalg.inv(matrix)
    # grid_sample's coordinates run from -1 to 1 between the centres of the outermost pixels (align_corners).
    to_unit = torch.tensor([(2 / (packed - 1), 0, -1), (0, 2 / (packed - 1), -1), (0, 0, 1)], device=back.device)
    half = (side - 1) / 2
    from_unit = torch.tensor([(half, 0, half), (0, half, half), (0, 0, 1)], device=back.device)
    theta = (to_unit @ back @ from_unit)[:, :2]
    grid = F.affine_grid(theta, [count, 3, side, side], align_corners=True)
    source = layers.pixels.permute(0, 3, 1, 2).float()
    return F.grid_sample(source, grid, mode="bilinear", padding_mode="border", align_corners=True)


def _truth(draw: Draw, owner: torch.Tensor, levels: int, flip: torch.Tensor) -> Truth:
    """Collect the labels of all layers; joints outside the picture or covered by another layer become ABSENT."""
    first = draw.layers[0]
    (places, keypoints), regions = first.labels.shape[1:], max(layers.ignore.shape[1] for layers in draw.layers)
    places = max(layers.labels.shape[1] for layers in draw.layers)
    shape = (draw.pictures, levels, places)
    device = owner.device
    xy = torch.zeros((*shape, keypoints, 2), device=device)
    labels = torch.full((*shape, keypoints), int(Label.ABSENT), dtype=torch.uint8, device=device)
    corners = torch.full((*shape, 4, 2), torch.nan, device=device)
    ignore = torch.full((draw.pictures, levels, regions, 4, 2), torch.nan, device=device)
    for layers in draw.layers:
        order = torch.where(layers.flipped[:, None], flip, torch.arange(keypoints, device=device))
        here = (layers.picture, layers.level)
        people, blanks = layers.labels.shape[1], layers.ignore.shape[1]
        labels[here[0], here[1], :people] = layers.labels.gather(2, order[:, None].expand_as(layers.labels))
        moved = _map(layers.to_input, layers.keypoints)
        xy[here[0], here[1], :people] = moved.gather(2, order[:, None, :, None].expand_as(moved))
        corners[here[0], here[1], :people] = _map(layers.to_input, _corners(layers.boxes, NEIGHBOURHOOD))
        ignore[here[0], here[1], :blanks] = _map(layers.to_input, _corners(layers.ignore, 1.0))
    level = torch.arange(levels, device=device, dtype=torch.uint8)[None, :, None].expand(shape)
    blank_level = torch.arange(levels, device=device, dtype=torch.uint8)[None, :, None].expand(ignore.shape[:3])
    labels = _hide(xy, labels, level, owner)
    truth = Truth(
        xy.flatten(1, 2).nan_to_num(),
        labels.flatten(1, 2),
        corners.flatten(1, 2),
        ignore.flatten(1, 2),
        level.flatten(1, 2),
        blank_level.flatten(1, 2),
        owner,
    )
    return _without_empty_places(truth)


def _map(to_input: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """``(L, 2, 3)`` maps applied to ``(L, A, C, 2)`` points (x, y)."""
    return torch.einsum("lij,lacj->laci", to_input[..., :2], points) + to_input[:, None, None, :, 2]


def _corners(boxes: torch.Tensor, factor: float) -> torch.Tensor:
    return torch.from_numpy(corners_of(grown(boxes.cpu().numpy(), factor))).to(boxes)


def _hide(xy: torch.Tensor, labels: torch.Tensor, level: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
    """``(B, L, P, K)`` labels with those joints ABSENT that lie outside the picture or under another layer."""
    side = owner.shape[-1]
    pixel = xy.nan_to_num(-1).round()
    within = ((pixel >= 0) & (pixel <= side - 1)).all(-1)
    column, row = pixel.clamp(0, side - 1).long().unbind(-1)
    seen = owner.flatten(1).gather(1, (row * side + column).flatten(1)).view_as(labels)
    gone = (labels != Label.UNLABELLED) & ~(within & (seen == level[..., None]))
    return torch.where(gone, torch.full_like(labels, int(Label.ABSENT)), labels)


def _without_empty_places(truth: Truth) -> Truth:
    """Drop the places in which no picture of the batch has a person, or a region."""
    present = (truth.labels != Label.ABSENT).any(-1) | _reaches_in(truth)
    people, regions = _crowded(present), _crowded(truth.ignore.isfinite().all(-1).all(-1))

    def picked(values: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        index = order.view(*order.shape, *(1,) * (values.dim() - 2))
        return values.gather(1, index.expand(-1, -1, *values.shape[2:]))

    return Truth(
        picked(truth.keypoints, people),
        picked(truth.labels, people),
        picked(truth.corners, people),
        picked(truth.ignore, regions),
        picked(truth.layers, people),
        picked(truth.ignore_layers, regions),
        truth.owner,
    )


def _reaches_in(truth: Truth) -> torch.Tensor:
    """``(B, P)`` people whose neighbourhood reaches into the picture, though all their joints may lie outside."""
    side = truth.owner.shape[-1]
    return ((truth.corners.amin(2) < side) & (truth.corners.amax(2) > 0)).all(-1)


def _crowded(present: torch.Tensor) -> torch.Tensor:
    """``(B, n)`` indices of the taken places of ``(B, P)``, in order, n the most that any row has (at least one)."""
    count = max(int(present.sum(1).max()), 1)
    return torch.argsort(present.int(), dim=1, descending=True, stable=True)[:, :count]
