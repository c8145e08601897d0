"""Places that synthetic people stand in: sky or wall, a ground in perspective, and things to be mistaken for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.data.synthetic.painting import Camera, Light

Picture = NDArray[np.uint8]
Rgb = tuple[float, float, float]

#: Texture tiles are this many samples wide and high.
_TILE = 512


def noise(rng: np.random.Generator, width: int, height: int, cell: float, octaves: int = 3) -> NDArray[np.float32]:
    """``(height, width)`` smooth noise, about -1 … 1; ``cell`` is the size of its largest lumps in pixels."""
    total = np.zeros((height, width), np.float32)
    weight = 0.55
    for _ in range(octaves):
        grid = rng.uniform(-1, 1, (max(int(height / cell), 1) + 2, max(int(width / cell), 1) + 2)).astype(np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        weight *= 0.55
        cell = max(cell / 2.2, 1.0)
    return total


def _paint(values: NDArray[np.float32]) -> Picture:
    return np.clip(values, 0, 255).astype(np.uint8)


def _gradient(size: tuple[int, int], stops: Sequence[tuple[float, Rgb]]) -> NDArray[np.float32]:
    """``(height, width, 3)`` vertical gradient through ``stops`` (row, colour)."""
    rows = np.arange(size[1])
    at = [row for row, _ in stops]
    channels = [np.interp(rows, at, [color[channel] for _, color in stops]) for channel in range(3)]
    column = np.stack(channels, -1).astype(np.float32)[:, None, :]
    return np.repeat(column, size[0], 1)


def _near(rng: np.random.Generator, color: Rgb, spread: float = 10) -> Rgb:
    # Brightness varies more than hue.
    red, green, blue = np.clip(np.array(color) + rng.normal(0, 0.45 * spread, 3) + rng.normal(0, 1.2 * spread), 0, 255)
    return float(red), float(green), float(blue)


def _lay_ground(
    picture: NDArray[np.float32],
    tile: NDArray[np.float32],
    camera: Camera,
    metres: float,
    color: Rgb,
    rows: tuple[int, int] | None = None,
) -> None:
    """Lay a texture on the ground in perspective, in place.

    Args:
        picture: ``(height, width, 3)``.
        tile: ``(_TILE, _TILE)`` brightness around 1; far away, where several of its samples fall on one pixel, a
            coarser copy and at last its mean are used instead.
        camera: Where the ground is seen from.
        metres: Side of the square that the tile covers.
        color: Colour at brightness 1; brighter parts turn a little yellower.
        rows: First row and the one after the last; None for all below the horizon.
    """
    height, width = picture.shape[:2]
    first, last = rows or (0, height)
    first, last = max(first, int(np.ceil(camera.horizon + 0.5)), 0), min(last, height)
    if first >= last:
        return
    scale = _TILE / metres
    to_tile = np.array(
        [
            [camera.eye_height * scale, 0, -camera.center_x * camera.eye_height * scale],
            [0, 0, camera.focal * camera.eye_height * scale],
            [0, 1, first - camera.horizon],
        ]
    )
    below = np.arange(first, last, dtype=np.float32) - np.float32(camera.horizon)
    # Samples of the tile between one row of the picture and the next.
    step = camera.focal * camera.eye_height * scale / np.maximum(below, 0.5) ** 2
    tone = _in_perspective(tile, to_tile, width, step)
    base = np.array(color, np.float32)
    picture[first:last] = tone[..., None] * (base * np.array((1.06, 1.0, 0.86), np.float32))
    picture[first:last] += base * np.array((-0.06, 0.0, 0.14), np.float32)


def _in_perspective(
    tile: NDArray[np.float32], to_tile: NDArray[np.float64], width: int, step: NDArray[np.floating]
) -> NDArray[np.float32]:
    """``(rows, width)`` brightness of a tile seen through the homography ``to_tile``.

    ``step`` ``(rows,)`` is the number of the tile's samples per row, falling from the first row to the last.
    """
    # Byte images are warped several times faster than floats.
    sharp_tile = np.clip(tile * 100, 0, 255).astype(np.uint8)
    blur = np.clip((step - 1.5) / 6, 0, 1)[:, None]
    sharp_from, soft_to = int(np.count_nonzero(blur >= 1)), int(np.count_nonzero(blur > 0))
    tone = np.empty((len(step), width), np.float32)
    if sharp_from < len(step):
        lower = to_tile @ np.array([[1, 0, 0], [0, 1, sharp_from], [0, 0, 1]])
        tone[sharp_from:] = _warp(sharp_tile, lower, (width, len(step) - sharp_from))
    if soft_to:
        small = np.asarray(cv2.resize(sharp_tile, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA), np.uint8)
        soft = _warp(small, np.diag([1 / 8, 1 / 8, 1]) @ to_tile, (width, soft_to)).astype(np.float32)
        soft += (float(sharp_tile.mean()) - soft) * np.clip((step[:soft_to, None] - 16) / 60, 0, 1)
        both = slice(sharp_from, soft_to)
        soft[both] += (tone[both] - soft[both]) * (1 - blur[both])
        tone[:soft_to] = soft
    tone *= np.float32(1 / 100)
    return tone


def _warp(tile: NDArray[np.uint8], to_tile: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The tile, mirrored on for ever, as seen through the homography from picture to tile."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(tile, to_tile, size, flags=flags, borderMode=cv2.BORDER_REFLECT)  # type: ignore[return-value]


def _haze(picture: NDArray[np.float32], camera: Camera, color: Rgb, strength: float) -> None:
    """Blend the ground towards ``color`` near the horizon, in place."""
    first = max(int(np.ceil(camera.horizon)), 0)
    rows = np.arange(first, len(picture), dtype=np.float32) - np.float32(camera.horizon)
    share = (strength * np.exp(-rows / (0.08 * camera.size[1])))[:, None, None].astype(np.float32)
    picture[first:] += (np.array(color, np.float32) - picture[first:]) * share


def _sky(rng: np.random.Generator, camera: Camera) -> tuple[NDArray[np.float32], Rgb]:
    """A sky with clouds, and its colour at the horizon."""
    width, height = camera.size
    top: Rgb = (86, 142, 208)
    low: Rgb = (206, 224, 238)
    mood = rng.uniform()
    if mood < 0.2:
        top, low = (120, 128, 168), (248, 206, 164)
    elif mood < 0.4:
        top, low = (164, 176, 188), (214, 218, 220)
    top, low = _near(rng, top), _near(rng, low, 4)
    horizon = float(np.clip(camera.horizon, 1, height))
    sky = _gradient(camera.size, [(0, top), (horizon, low)])
    rows = max(int(horizon), 1)
    # Clouds are flat: stretch the noise sideways.
    clouds = cv2.resize(noise(rng, max(width // 4, 2), max(rows // 2, 2), max(width / 22, 3), 4), (width, rows))
    cover = np.clip((clouds - rng.uniform(-0.15, 0.25)) * 2.2, 0, 0.85)[..., None]
    sky[:rows] += (np.array((250, 250, 250), np.float32) - sky[:rows]) * cover
    return sky, low


def _grass(rng: np.random.Generator) -> NDArray[np.float32]:
    return 1 + 0.34 * noise(rng, _TILE, _TILE, 7, 2) + 0.2 * noise(rng, _TILE, _TILE, 120, 3)


def _paving(rng: np.random.Generator, slabs: int, joint: float = 0.72) -> NDArray[np.float32]:
    """Square slabs of slightly different brightness with dark joints."""
    each = 1 + 0.06 * rng.uniform(-1, 1, (slabs, slabs)).astype(np.float32)
    tone = np.asarray(cv2.resize(each, (_TILE, _TILE), interpolation=cv2.INTER_NEAREST), np.float32)
    tone *= 1 + 0.07 * noise(rng, _TILE, _TILE, 9, 2)
    step = _TILE / slabs
    for number in range(slabs + 1):
        at = min(int(number * step), _TILE - 2)
        tone[at : at + 2] *= joint
        tone[:, at : at + 2] *= joint
    return tone


def _planks(rng: np.random.Generator) -> NDArray[np.float32]:
    """Floor boards that run away from the viewer."""
    boards = 16
    width = _TILE // boards
    grain = cv2.resize(noise(rng, _TILE, 32, 6, 2), (_TILE, _TILE))
    tone = np.asarray(1 + 0.09 * grain, np.float32)
    for board in range(boards):
        columns = slice(board * width, (board + 1) * width)
        tone[:, columns] *= 1 + 0.11 * rng.uniform(-1, 1)
        seam = int(rng.integers(_TILE - 3))
        tone[seam : seam + 2, columns] *= 0.7
        tone[:, board * width : board * width + 2] *= 0.72
    return tone


def _treeline(rng: np.random.Generator, picture: NDArray[np.float32], camera: Camera, far: Rgb) -> None:
    """Bushes and trees along the horizon, further ones paler."""
    width, height = camera.size
    bottom = int(np.clip(camera.horizon + 0.012 * height, 1, height))
    band = picture[:bottom]
    rows = np.arange(bottom, dtype=np.float32)[:, None]
    rough = noise(rng, width, bottom, max(height / 34, 3), 4)
    for depth in range(3):
        tall = height * (0.19 - 0.055 * depth) * rng.uniform(0.75, 1.25)
        crowns = noise(rng, width, 1, max(width / (6 + 3 * depth), 4), 4)[0]
        top = bottom - tall * np.clip(0.75 + 0.75 * crowns, 0.12, 1.6)
        # Leaves fray the outline and catch more light on top.
        inside = rows - top + rough * tall * 0.3
        share = np.clip(inside / 2 + 0.5, 0, 1)[..., None]
        lit = 1.12 + 0.42 * rough - 0.32 * np.clip(inside / tall, 0, 1)
        color = np.array(_near(rng, (82, 116, 58), 7), np.float32) * (0.62 + 0.19 * depth)
        pale = (0.38 - 0.17 * depth) * np.array(far, np.float32)
        leaves = color * (0.75 + 0.1 * depth) * lit[..., None] + pale
        band += (leaves - band) * share


def _park(rng: np.random.Generator, camera: Camera) -> NDArray[np.float32]:
    picture, low = _sky(rng, camera)
    _lay_ground(picture, _grass(rng), camera, 5.0, _near(rng, (98, 138, 62), 8))
    if rng.uniform() < 0.6:
        _path(rng, picture, camera)
    _haze(picture, camera, low, 0.45)
    _treeline(rng, picture, camera, low)
    return picture


def _path(rng: np.random.Generator, picture: NDArray[np.float32], camera: Camera) -> None:
    """A sandy path that winds to the horizon."""
    distance = np.geomspace(0.8, 60, 40)
    middle = rng.uniform(-2, 2) + rng.uniform(-0.1, 0.1) * distance + 0.8 * np.sin(distance / rng.uniform(3, 7))
    width = rng.uniform(0.8, 1.4)
    edges = [
        camera.project(np.stack([middle + sign * width, np.zeros(40), -distance], -1).astype(np.float64))
        for sign in (-1, 1)
    ]
    outline = np.concatenate([edges[0], edges[1][::-1]])
    mask = np.zeros(picture.shape[:2], np.uint8)
    limit = 8 * max(camera.size)
    points = np.rint(np.clip(outline, -limit, limit) * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, lineType=cv2.LINE_AA, shift=4)
    x, y, wide, tall = cv2.boundingRect(mask)
    part = (slice(y, y + tall), slice(x, x + wide))
    # The grain of what grew there before does for the sand as well.
    grain = 0.75 + 0.25 * picture[part][..., 1:2] / max(float(picture[part][..., 1].mean()), 1.0)
    sand = grain * np.array(_near(rng, (196, 178, 142), 6), np.float32)
    share = cv2.GaussianBlur(mask[part], (0, 0), 1.2)[..., None] * np.float32(1 / 255)
    picture[part] += (sand - picture[part]) * share


def _beach(rng: np.random.Generator, camera: Camera) -> NDArray[np.float32]:
    picture, _ = _sky(rng, camera)
    tile = 1 + 0.07 * noise(rng, _TILE, _TILE, 5, 2) + 0.06 * noise(rng, _TILE, _TILE, 70, 2)
    _lay_ground(picture, tile, camera, 4.0, _near(rng, (218, 196, 152), 6))
    width, height = camera.size
    first, shore = int(np.clip(camera.horizon, 0, height - 1)), int(camera.horizon + 0.09 * height)
    rows = np.arange(first, min(shore + 3, height))
    if len(rows):
        edge = shore - 3 * np.sin(np.arange(width) / (0.05 * width) + rng.uniform(0, 6))
        share = np.clip(edge[None, :] - rows[:, None], 0, 1)[..., None].astype(np.float32)
        sea = _gradient((width, len(rows)), [(0, (64, 118, 150)), (len(rows), (132, 186, 190))])
        sea *= 1 + 0.16 * cv2.resize(noise(rng, 48, len(rows) + 1, 3, 2), (width, len(rows)))[..., None]
        foam = np.clip(1 - np.abs(edge[None, :] - rows[:, None] - 2) / 2.5, 0, 1)[..., None] * 0.8
        picture[rows] += (sea + (245 - sea) * foam.astype(np.float32) - picture[rows]) * share
    return picture


def _street(rng: np.random.Generator, camera: Camera) -> NDArray[np.float32]:
    picture, low = _sky(rng, camera)
    width, height = camera.size
    x = -float(rng.uniform(0, 0.1)) * width
    base = int(np.clip(camera.horizon + camera.focal * camera.eye_height / 19, 1, height))
    while x < width:
        wide = rng.uniform(0.16, 0.34) * max(width, height * 0.8)
        _house(rng, picture, int(x), int(x + wide), int(camera.horizon - rng.uniform(0.16, 0.6) * height), base)
        x += wide
    kerbs = [camera.horizon + camera.focal * camera.eye_height / distance for distance in (17.0, rng.uniform(7.5, 9))]
    first, last = (int(np.clip(row, base, height)) for row in kerbs)
    stone = _near(rng, (168, 164, 158), 8)
    slabs = _paving(rng, int(rng.integers(5, 9)))
    _lay_ground(picture, slabs, camera, 4.0, stone, (base, first))
    _lay_ground(picture, slabs, camera, 4.0, stone, (last, height))
    tar = 1 + 0.1 * noise(rng, _TILE, _TILE, 4, 2)
    _lay_ground(picture, tar, camera, 3.0, _near(rng, (112, 112, 114), 5), (first, last))
    picture[first : first + 1] = (150, 148, 144)
    _lane(picture, camera, 12.0)
    picture[last : last + max(height // 160, 1)] = (206, 204, 198)
    _haze(picture, camera, low, 0.15)
    return picture


def _lane(picture: NDArray[np.float32], camera: Camera, distance: float) -> None:
    """A dashed white line across the picture, ``distance`` metres away."""
    for start in range(-24, 24, 4):
        corners = np.array(
            [(start + x, 0, -distance + z) for x, z in ((0, 0.15), (2.2, 0.15), (2.2, -0.15), (0, -0.15))]
        )
        points = np.rint(camera.project(corners) * 16).astype(np.int32)
        cv2.fillConvexPoly(picture, points, (214, 212, 206), cv2.LINE_AA, 4)


def _house(rng: np.random.Generator, picture: NDArray[np.float32], x0: int, x1: int, y0: int, y1: int) -> None:
    """A front with rows of windows between columns ``x0``, ``x1`` and rows ``y0``, ``y1``."""
    height, width = picture.shape[:2]
    palette: tuple[Rgb, ...] = (
        (178, 110, 86),
        (206, 192, 166),
        (156, 164, 172),
        (196, 152, 110),
        (222, 216, 206),
        (120, 132, 146),
    )
    wall = np.array(_near(rng, palette[rng.integers(len(palette))], 7), np.float32)
    left, right, top, bottom = max(x0, 0), min(x1, width), max(y0, 0), min(y1, height)
    if left >= right or top >= bottom:
        return
    shade = 1 + 0.05 * noise(rng, right - left, bottom - top, 30, 3)
    picture[top:bottom, left:right] = wall * shade[..., None]
    picture[top : top + max(height // 120, 1), left:right] *= 0.7
    columns, glass = int(rng.integers(3, 6)), np.array(_near(rng, (84, 104, 124), 10), np.float32)
    step = (x1 - x0) / columns
    storey = step * rng.uniform(1.15, 1.5)
    for row in range(int((y1 - y0) / storey) + 1):
        for column in range(columns):
            wx0, wy0 = int(x0 + (column + 0.24) * step), int(y0 + (row + 0.22) * storey)
            wx1, wy1 = int(x0 + (column + 0.76) * step), int(y0 + (row + 0.78) * storey)
            if wx0 < 0 or wy0 < 0 or wy1 > y1 or wx1 <= wx0 or wy1 <= wy0:
                continue
            frame = max(int(step / 22), 1)
            picture[wy0 - frame : wy1 + frame, max(wx0 - frame, 0) : wx1 + frame] = np.minimum(wall * 1.16, 245)
            lit = rng.uniform() < 0.12
            pane = np.array((236, 214, 150), np.float32) if lit else glass * rng.uniform(0.75, 1.2)
            picture[wy0:wy1, wx0:wx1] = pane
            picture[wy0:wy1, (wx0 + wx1) // 2 : (wx0 + wx1) // 2 + frame] = np.minimum(wall * 1.1, 240)


def _room(rng: np.random.Generator, camera: Camera) -> NDArray[np.float32]:
    width, height = camera.size
    walls: tuple[Rgb, ...] = (
        (214, 206, 190),
        (176, 192, 196),
        (200, 178, 160),
        (186, 198, 178),
        (226, 222, 214),
        (150, 160, 180),
    )
    wall = np.array(_near(rng, walls[rng.integers(len(walls))], 6), np.float32)
    back = rng.uniform(6.0, 8.0)
    floor = camera.horizon + camera.focal * camera.eye_height / back
    picture = np.broadcast_to(wall, (height, width, 3)).copy()
    columns = np.arange(width, dtype=np.float32)
    # Daylight falls in from one side.
    picture *= (1.06 - 0.22 * np.abs(columns / width - rng.uniform(0, 1)))[None, :, None]
    picture *= (1 + 0.02 * noise(rng, width, height, 40, 3))[..., None]
    metre = camera.focal / back
    if rng.uniform() < 0.35:
        stripe = np.sin(columns / metre * 2 * np.pi / 0.25) > 0
        picture[:, stripe] *= 0.955
    for number in range(int(rng.integers(1, 4))):
        _wall_thing(rng, picture, camera, floor, metre, number)
    edge = int(np.clip(floor, 0, height))
    skirting = int(max(0.1 * metre, 2))
    picture[max(edge - skirting, 0) : edge] = np.array(_near(rng, (236, 234, 228), 4), np.float32)
    picture[max(edge - skirting, 0) : max(edge - skirting, 0) + 1] *= 0.8
    woods: tuple[Rgb, ...] = ((176, 130, 86), (134, 94, 62), (196, 164, 124))
    if rng.uniform() < 0.75:
        _lay_ground(picture, _planks(rng), camera, 3.0, _near(rng, woods[rng.integers(3)], 8), (edge, height))
    else:
        _lay_ground(picture, _paving(rng, 6, 0.8), camera, 3.0, _near(rng, (186, 180, 172), 8), (edge, height))
    picture[edge : edge + max(height // 120, 1)] *= 0.75
    return picture


def _wall_thing(
    rng: np.random.Generator, picture: NDArray[np.float32], camera: Camera, floor: float, metre: float, slot: int
) -> None:
    """A framed picture, a window or a door on the back wall."""
    height, width = picture.shape[:2]
    x = (0.12 + 0.3 * slot + rng.uniform(0, 0.2)) * width
    kind = rng.choice(["frame", "window", "door"], p=[0.55, 0.3, 0.15])
    wide, tall, low = {"frame": (0.7, 0.5, 1.5), "window": (1.3, 1.3, 0.95), "door": (0.95, 2.05, 0.0)}[str(kind)]
    wide *= rng.uniform(0.8, 1.2)
    x0, x1 = int(x - wide * metre / 2), int(x + wide * metre / 2)
    y1 = int(floor - low * metre)
    y0 = int(y1 - tall * metre)
    border = max(int(0.05 * metre), 1)
    x0, x1, y0, y1 = max(x0, 0), min(x1, width), max(y0, 0), min(y1, height)
    if x1 - x0 <= 2 * border + 1 or y1 - y0 <= 2 * border + 1:
        return
    inner = (slice(y0 + border, y1 - border), slice(x0 + border, x1 - border))
    size = (x1 - x0 - 2 * border, y1 - y0 - 2 * border)
    if kind == "frame":
        picture[y0:y1, x0:x1] = np.array(_near(rng, (70, 54, 42), 20), np.float32)
        hues = np.array([_near(rng, (160, 130, 110), 45) for _ in range(2)], np.float32)
        blend = np.clip(noise(rng, *size, max(size) / 3, 2) + 0.5, 0, 1)[..., None]
        picture[inner] = hues[0] + (hues[1] - hues[0]) * blend
    elif kind == "window":
        picture[y0:y1, x0:x1] = 240
        picture[inner] = _gradient(
            size, [(0, (176, 208, 236)), (0.6 * size[1], (228, 238, 242)), (size[1], (150, 176, 130))]
        )
        picture[y0:y1, (x0 + x1 - border) // 2 : (x0 + x1 + border) // 2 + 1] = 240
    else:
        picture[y0:y1, x0:x1] = 222
        picture[inner] = np.array(_near(rng, (168, 142, 112), 14), np.float32)


def _studio(rng: np.random.Generator, camera: Camera) -> NDArray[np.float32]:
    width, height = camera.size
    color = np.array(_near(rng, (168, 172, 180), 30), np.float32)
    floor = camera.horizon + 0.13 * height
    stops = [
        (0, color * 0.86),
        (floor - 0.1 * height, color * 1.04),
        (floor + 0.08 * height, color * 0.97),
        (height, color * 1.12),
    ]
    picture = _gradient(camera.size, [(row, (float(c[0]), float(c[1]), float(c[2]))) for row, c in stops])
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    picture *= (1.05 - 0.16 * (x * x + y * y)).astype(np.float32)[..., None]
    return picture


def _gym(rng: np.random.Generator, camera: Camera) -> NDArray[np.float32]:
    picture = _room(rng, camera)
    _lay_lines(rng, picture, camera)
    return picture


def _lay_lines(rng: np.random.Generator, picture: NDArray[np.float32], camera: Camera) -> None:
    """Court lines on the floor."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    limit = 8 * max(camera.size)
    for _ in range(3):
        start = rng.uniform(-3, 3)
        across = rng.uniform() < 0.5
        depth = rng.uniform(2.5, 5.5)
        ends = [(-9, 0, -depth), (9, 0, -depth)] if across else [(start, 0, -0.9), (start, 0, -5.8)]
        half = np.array((0, 0, 0.03) if across else (0.03, 0, 0))
        corners = np.array([ends[0] + half, ends[1] + half, ends[1] - half, ends[0] - half])
        points = np.clip(camera.project(corners), -limit, limit)
        cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
    share = mask.astype(np.float32)[..., None] / 255 * 0.8
    picture += (np.array(_near(rng, (230, 226, 200), 20), np.float32) - picture) * share


def _shapes(rng: np.random.Generator, camera: Camera) -> NDArray[np.float32]:
    """Noise and random coloured shapes, limb-like ones among them: nothing to learn but that it is no person."""
    width, height = camera.size
    picture = _gradient(camera.size, [(0, _near(rng, (150, 150, 150), 45)), (height, _near(rng, (130, 130, 130), 45))])
    picture *= (1 + 0.25 * noise(rng, width, height, max(min(width, height) / 6, 4), 4))[..., None]
    for _ in range(int(rng.integers(8, 22))):
        color = tuple(float(c) for c in rng.uniform(20, 235, 3))
        x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        long, short = (int(v * min(width, height)) + 1 for v in (rng.uniform(0.04, 0.25), rng.uniform(0.01, 0.1)))
        angle = float(rng.uniform(0, 180))
        if rng.uniform() < 0.5:
            cv2.ellipse(picture, (x, y), (long, short), angle, 0, 360, color, -1, cv2.LINE_AA)
        else:
            box = cv2.boxPoints(((x, y), (2 * long, 2 * short), angle))
            cv2.fillConvexPoly(picture, np.rint(box).astype(np.int32), color, cv2.LINE_AA)
    return cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 2.0)))  # type: ignore[return-value]


_PLACES: dict[str, tuple[float, Callable[[np.random.Generator, Camera], NDArray[np.float32]]]] = {
    "park": (0.26, _park),
    "street": (0.2, _street),
    "room": (0.22, _room),
    "gym": (0.08, _gym),
    "beach": (0.08, _beach),
    "studio": (0.08, _studio),
    "shapes": (0.08, _shapes),
}

#: Names of the places.
PLACES = tuple(_PLACES)


def random_place(rng: np.random.Generator) -> str:
    """Name of a place, common ones more often."""
    weights = np.array([weight for weight, _ in _PLACES.values()])
    return PLACES[rng.choice(len(PLACES), p=weights / weights.sum())]


def paint_place(place: str, rng: np.random.Generator, camera: Camera) -> Picture:
    """``(height, width, 3)`` RGB picture of an empty place."""
    return _paint(_PLACES[place][1](rng, camera))


def random_light(place: str, rng: np.random.Generator) -> Light:
    """Light that suits a place: sun from a side outdoors, soft and from above indoors."""
    outdoors = place in ("park", "street", "beach")
    side = rng.uniform(0.25, 0.9) * rng.choice([-1, 1])
    direction = np.array([side, 1.0, rng.uniform(0.25, 0.8)]) if outdoors else np.array([0.4 * side, 1.0, 0.55])
    direction /= np.linalg.norm(direction)
    light = Light((float(direction[0]), float(direction[1]), float(direction[2])))
    if outdoors:
        return light
    return replace(light, key=(0.82, 0.78, 0.7), sky=(0.44, 0.44, 0.44), ground=(0.26, 0.24, 0.21), shadow=0.4)
