"""Poses drawn on pictures: lines, joints, boxes and names, readable on any picture and at any size.

Pictures are ``(H, W, 3)`` uint8 RGB; positions are (x, y) in pixels, the centre of the top-left one at (0, 0), as in
:mod:`posecore.poses`. Every coloured shape lies on a slightly larger dark one, so that it stands out on light and on
dark ground alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from posecore.boxes import corners_of
from posecore.drawing.shapes import OUTLINE, WHITE, Color, Points, color_table
from posecore.drawing.surfaces import Pixels, Strokes, Surface
from posecore.drawing.text import Room, letter_height, outline_width, text_masks
from posecore.errors import ImageError
from posecore.imaging import Picture, Region, check_region, has_whole_rows
from posecore.poses import Poses
from posecore.settings import Settings

ColorBy = Literal["person", "side", "score", "keypoint"]
Background = Literal["picture", "dimmed", "black", "white"]

#: Colours of people: twelve that stay at least 20 units of CIELAB apart for eyes without red or green cones, too.
PERSON_COLORS: tuple[Color, ...] = (
    (0, 191, 255), (255, 112, 25), (0, 255, 159), (255, 25, 112), (140, 25, 255), (202, 217, 98),
    (255, 166, 210), (115, 132, 255), (128, 255, 0), (178, 45, 162), (140, 101, 35), (14, 140, 109),
)  # fmt: skip
#: Colours of the person's own sides: blue against orange keeps apart for nearly every eye.
SIDE_COLORS: dict[str, Color] = {"left": (30, 160, 255), "right": (255, 140, 20), "middle": (240, 240, 240)}
#: Scores 0 … 1 run through this colormap, of which the darkest part is left out.
SCORE_COLORMAP = "plasma"
_SCORE_START = 0.12

#: Of the frame around a region.
REGION_COLOR: Color = (255, 225, 60)
_DIM = 0.38


class DrawingOptions(Settings):
    """How poses are drawn. The app makes its controls and the command line its flags from these fields."""

    skeleton: bool = Field(default=True, title="Skeleton", description="Draw the lines between joints.")
    joints: bool = Field(default=True, title="Joints", description="Draw a dot on every joint.")
    boxes: bool = Field(default=False, title="Boxes", description="Draw a box around every person.")
    labels: bool = Field(
        default=False, title="Names", description="Write the name of every joint beside it, where there is room."
    )
    scores: bool = Field(
        default=False,
        title="Scores",
        description="Write every person's score above them and joint scores after the names.",
    )
    color_by: ColorBy = Field(
        default="person",
        title="Colour by",
        description="What colours tell apart: people, body sides, scores or joints.",
    )
    thickness: float = Field(
        default=1.0, ge=0.25, le=4, title="Thickness", description="Factor on the size of lines and joints."
    )
    opacity: float = Field(
        default=1.0,
        ge=0,
        le=1,
        title="Opacity",
        description="How much the drawing covers the picture: 0 not at all, 1 fully.",
    )
    background: Background = Field(
        default="picture",
        title="Background",
        description="What lies under the drawing: the picture, the picture darkened, or a plain colour.",
    )


def draw_poses(
    image: Picture, poses: Poses, options: DrawingOptions | None = None, *, in_place: bool = False
) -> Picture:
    """Draw people on a picture.

    Missing (NaN) keypoints are left out; lines to keypoints outside the picture end at its edge. A picture of another
    size than ``poses.image_size`` (a thumbnail, say) gets the poses scaled along. The first person lies on top.

    Args:
        image: ``(H, W, 3)`` uint8 RGB; not changed unless ``in_place``.
        poses: The people to draw.
        options: What to draw and how; the defaults when None.
        in_place: Nobody needs ``image`` any more: it may be drawn on, which saves a copy.

    Returns:
        A new ``(H, W, 3)`` uint8 picture, or ``image`` itself.

    Raises:
        ImageError: When ``image`` is not such a picture.
    """
    options = options or DrawingOptions()
    check_picture(image)
    keeps = in_place and options.background == "picture" and image.flags.writeable and has_whole_rows(image)
    base = image if keeps else _background(image, options.background)
    if not len(poses) or options.opacity == 0:
        return base
    canvas = base if options.opacity == 1 else base.copy()
    _draw_people(Pixels(canvas), poses, options)
    if canvas is not base:
        cv2.addWeighted(canvas, options.opacity, base, 1 - options.opacity, 0, dst=canvas)
    return canvas


def pose_strokes(
    size: tuple[int, int],
    poses: Poses,
    options: DrawingOptions | None = None,
    region: Region | None = None,
    frames: Sequence[Region] = (),
) -> dict[str, Any]:
    """What :func:`draw_poses` and :func:`draw_region` would do to a picture, for a program that has the picture.

    Args:
        size: (width, height) of the picture, in whose pixels the strokes are.
        poses: The people to draw.
        options: What to draw and how; the defaults when None.
        region: What to mark, as for :func:`draw_region`, in pixels of ``size``.
        frames: What to draw a frame around, in pixels of ``size``.

    Returns:
        ``size``; ``ground``, the colour and opacity of what covers the picture; ``region`` (x0, y0, x1, y1) outside of
        which the picture is dimmed, or None; ``under`` and ``over``: shapes, see :class:`Strokes`, of which the latter
        have the ``opacity`` together.
    """
    options = options or DrawingOptions()
    over, under = Strokes(size), Strokes(size)
    if len(poses) and options.opacity:
        _draw_people(over, poses, options)
    box = None
    if region is not None:
        x0, y0, x1, y1 = check_region(region)
        box = [*_in_picture(x0, y0, size), *_in_picture(x1, y1, size)]
        _frame_region(under, (x0, y0, x1, y1))
    for frame in frames:
        _frame_region(under, frame)
    ground = {"picture": ["#000000", 0.0], "dimmed": ["#000000", 1 - _DIM], "black": ["#000000", 1.0]}
    return {
        "size": list(size),
        "ground": ground.get(options.background, ["#ffffff", 1.0]),
        "dim": 1 - _DIM,
        "region": box,
        "under": under.list,
        "over": over.list,
        "opacity": options.opacity,
    }


def _draw_people(surface: Surface, poses: Poses, options: DrawingOptions) -> None:
    people = [_Person.of(poses, index, surface.size, options) for index in range(len(poses))]
    for person in reversed(people):
        if options.boxes:
            _draw_box(surface, person)
        if options.skeleton:
            _draw_limbs(surface, person)
        if options.joints:
            _draw_joints(surface, person)
    _draw_texts(surface, poses, people, options)


def draw_region(image: Picture, region: Region, color: Color = REGION_COLOR) -> Picture:
    """Mark a region of a picture: a frame around it, the rest dimmed.

    Args:
        image: ``(H, W, 3)`` uint8 RGB; not changed.
        region: (x0, y0, x1, y1), may reach outside; the whole picture is (0, 0, width, height).
        color: RGB of the frame.

    Returns:
        A new ``(H, W, 3)`` uint8 picture.
    """
    x0, y0, x1, y1 = check_region(region)
    canvas = _background(image, "dimmed")
    surface = Pixels(canvas)
    (left, top), (right, bottom) = _in_picture(x0, y0, surface.size), _in_picture(x1, y1, surface.size)
    canvas[top:bottom, left:right] = image[top:bottom, left:right]
    _frame_region(surface, (x0, y0, x1, y1), color)
    return canvas


def _in_picture(x: float, y: float, size: tuple[int, int]) -> tuple[int, int]:
    return round(min(max(x, 0), size[0])), round(min(max(y, 0), size[1]))


def _frame_region(surface: Surface, region: Region, color: Color = REGION_COLOR) -> None:
    x0, y0, x1, y1 = region
    width, height = surface.size
    size = max(1.5, 0.003 * math.hypot(width, height))
    # A region counts pixel edges from 0, positions count pixel centres from 0. The frame lies inside where it can.
    inset = size / 2 - 0.5
    box = (max(x0, 0) + inset, max(y0, 0) + inset, min(x1, width) - inset - 1, min(y1, height) - inset - 1)
    _frame(surface, np.array(box), color, size)


def check_picture(image: Any) -> Picture:
    """``image`` itself when it is a picture to draw on; raises ``ImageError`` saying what it is otherwise."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ImageError(f"Drawing needs a picture of shape (height, width, 3) of uint8; this is {what}.")
    if not image.size:
        raise ImageError(f"Drawing needs a picture with pixels; this one has shape {image.shape}.")
    return image


def _background(image: Picture, kind: Background) -> Picture:
    """A new contiguous picture to draw on."""
    check_picture(image)
    if kind == "picture":
        return np.array(image, order="C")
    if kind == "dimmed":
        return np.asarray(cv2.convertScaleAbs(np.ascontiguousarray(image), alpha=_DIM), np.uint8)
    return np.full(image.shape, 0 if kind == "black" else 255, np.uint8)


@dataclass(frozen=True, eq=False)
class _Person:
    """One person ready to be drawn, in pixels of the canvas.

    Attributes:
        points: ``(K, 2)`` positions; NaN where missing.
        box: ``(4,)`` x0, y0, x1, y1 around the points, NaN without any.
        color: The person's own colour.
        joint_colors: A colour per keypoint.
        limbs: ``(N, 2, 2)`` segments, one or two per edge whose ends are present.
        limb_colors: A colour per segment.
        line: Width of lines.
        radius: Radius of joints.
    """

    points: Points
    box: NDArray[np.float64]
    color: Color
    joint_colors: tuple[Color, ...]
    limbs: Points
    limb_colors: tuple[Color, ...]
    line: float
    radius: float

    @property
    def landmarks(self) -> Points:
        """``(N, 2)`` joints and points along the limbs, which names should rather not cover."""
        start, step = self.limbs[:, 0], self.limbs[:, 1] - self.limbs[:, 0]
        along = [start + share * step for share in (0.25, 0.5, 0.75)]
        # A joint weighs as much as a whole limb.
        return np.concatenate([*[self.points] * len(along), *along])

    def on(self, surface: Surface) -> bool:
        """True when the box around the joints meets the picture."""
        x0, y0, x1, y1 = self.box
        return bool(x0 < surface.size[0] and y0 < surface.size[1] and x1 > -1 and y1 > -1)

    @property
    def outline(self) -> float:
        """Width of the dark rim on each side of a shape."""
        return min(max(0.22 * self.line, 0.8), 0.08 * self.line + 3)

    @classmethod
    def of(cls, poses: Poses, index: int, canvas: tuple[int, int], options: DrawingOptions) -> _Person:
        size = np.array(canvas, np.float64)
        points = poses.keypoints[index].astype(np.float64)
        factor = size / poses.image_size
        if (factor != 1).any():
            points = (points + 0.5) * factor - 0.5
        present = np.isfinite(points).all(-1)
        points[~present] = np.nan
        box = np.full(4, np.nan)
        if present.any():
            box = np.concatenate([points[present].min(0), points[present].max(0)])
        line = _line_width(box, size) * options.thickness
        color = person_color(poses, index)
        joint_colors = _joint_colors(poses, index, options.color_by)
        limbs, limb_colors = _limbs(poses, points, present, joint_colors, options.color_by)
        return cls(points, box, color, joint_colors, limbs, limb_colors, line, 0.9 * line + 0.6)


def _line_width(box: NDArray[np.float64], size: NDArray[np.float64]) -> float:
    """Automatic line width: a share of the person's size as far as it is visible, within shares of the picture's."""
    mean_side = math.sqrt(size.prod())
    inside = np.clip(box.reshape(2, 2), 0, size - 1)
    person = float(np.nan_to_num(np.hypot(*(inside[1] - inside[0]))))
    return max(1.3, min(max(0.011 * person, 0.0024 * mean_side), 0.008 * mean_side))


def color_of(number: int) -> str:
    """The CSS colour of a person by their number, or by their place in a picture."""
    red, green, blue = number_color(number)
    return f"rgb({red}, {green}, {blue})"


def number_color(number: int) -> Color:
    """RGB of a person by their number, or by their place in a picture."""
    return PERSON_COLORS[number % len(PERSON_COLORS)]


def person_color(poses: Poses, index: int) -> Color:
    """RGB of a person: by track identity where there is one (so that it stays), else by place in the list."""
    return number_color(index if poses.track_ids is None else int(poses.track_ids[index]))


def _joint_colors(poses: Poses, index: int, color_by: ColorBy) -> tuple[Color, ...]:
    skeleton = poses.skeleton
    if color_by == "person":
        return (person_color(poses, index),) * len(skeleton)
    if color_by == "side":
        return tuple(SIDE_COLORS[skeleton.side(keypoint)] for keypoint in range(len(skeleton)))
    if color_by == "score":
        return tuple(score_color(float(score)) for score in poses.keypoint_scores[index])
    return skeleton.colors


def _limbs(
    poses: Poses, points: Points, present: NDArray[np.bool_], colors: Sequence[Color], color_by: ColorBy
) -> tuple[Points, tuple[Color, ...]]:
    """Segments ``(N, 2, 2)`` and their colours; a limb takes the colour that both ends share."""
    segments: list[Points] = []
    limb_colors: list[Color] = []
    for a, b in poses.skeleton.edges:
        if not (present[a] and present[b]):
            continue
        middle = (points[a] + points[b]) / 2
        if color_by in ("keypoint", "score") and colors[a] != colors[b]:
            # Half of the limb for each end: a mixed colour would stand for nothing.
            segments += [np.stack([points[a], middle]), np.stack([middle, points[b]])]
            limb_colors += [colors[a], colors[b]]
            continue
        segments.append(np.stack([points[a], points[b]]))
        if color_by == "side":
            sides = {poses.skeleton.side(a), poses.skeleton.side(b)}
            limb_colors.append(SIDE_COLORS[sides.pop() if len(sides) == 1 else "middle"])
        else:
            limb_colors.append(colors[a])
    return np.array(segments, np.float64).reshape(-1, 2, 2), tuple(limb_colors)


def score_color(score: float) -> Color:
    """RGB of a score in 0 … 1 (clipped)."""
    clipped = min(max(score, 0.0), 1.0) if math.isfinite(score) else 0.0
    red, green, blue = color_table(SCORE_COLORMAP)[round(255 * (_SCORE_START + (1 - _SCORE_START) * clipped))]
    return int(red), int(green), int(blue)


def _draw_limbs(surface: Surface, person: _Person) -> None:
    # All rims first, so that none cuts into a neighbouring limb.
    surface.lines(person.limbs, person.line + 2 * person.outline, OUTLINE)
    surface.lines(person.limbs, person.line, person.limb_colors)


def _draw_joints(surface: Surface, person: _Person) -> None:
    """Dark rim, white ring, coloured core; without the ring where the dot is too small to show three things."""
    surface.discs(person.points, person.radius + person.outline, OUTLINE)
    core = person.radius
    if core >= 2.5:
        surface.discs(person.points, core, WHITE)
        core *= 0.7
    surface.discs(person.points, core, person.joint_colors)


def _draw_box(surface: Surface, person: _Person) -> None:
    if person.on(surface):
        _frame(surface, _padded(person), person.color, max(0.6 * person.line, 1.2))


def _padded(person: _Person) -> NDArray[np.float64]:
    """The person's box with room for the joints' dots."""
    pad = 1.5 * person.radius + person.outline
    return np.asarray(person.box + np.array([-pad, -pad, pad, pad]), np.float64)


def _frame(surface: Surface, box: NDArray[np.float64], color: Color, width: float) -> None:
    """An outlined rectangle through the corners (x0, y0, x1, y1)."""
    corners = corners_of(box)
    sides = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
    rim = max(0.3 * width, 0.8)
    surface.lines(sides, width + 2 * rim, OUTLINE, steps=2)
    surface.lines(sides, width, color, steps=2)


def _draw_texts(surface: Surface, poses: Poses, people: list[_Person], options: DrawingOptions) -> None:
    width, height = surface.size
    room = Room(width, height, np.concatenate([person.landmarks for person in people]))
    visible = [index for index, person in enumerate(people) if person.on(surface)]
    if options.scores or (options.boxes and poses.track_ids is not None):
        for index in visible:
            _draw_tag(surface, _tag_text(poses, index, options), people[index], room)
    if options.labels:
        size = letter_height(*surface.size)
        names = [name for index in visible for name in _place_names(poses, index, people[index], room, size, options)]
        for name in names:
            _draw_leader(surface, name)
        for name in names:
            surface.text(name.text, (name.box[0], name.box[1]), size, name.color, name.rim, False)


def _tag_text(poses: Poses, index: int, options: DrawingOptions) -> str:
    parts = [] if poses.track_ids is None else [f"#{poses.track_ids[index]}"]
    return " ".join([*parts, f"{poses.scores[index]:.2f}"] if options.scores else parts)


def _draw_tag(surface: Surface, text: str, person: _Person, room: Room) -> None:
    """A filled plate in the person's colour at a corner of their box, the top-left one if it is free."""
    size = letter_height(*surface.size)
    _, letters = text_masks(text, size, 0, bold=True)
    pad = max(2, round(0.35 * size))
    height, width = letters.shape[0] + pad // 2, letters.shape[1] + 2 * pad
    x0, y0, x1, y1 = _padded(person)
    left, top = room.first_free(
        [(x0, y0 - height), (x1 - width, y0 - height), (x0, y1), (x1 - width, y1)], width, height
    )
    surface.plate(left, top, width, height, person.color)
    luminance = np.dot(person.color, (0.299, 0.587, 0.114))
    letter_color = OUTLINE if luminance > 110 else WHITE
    surface.text(text, (left + pad, top + pad // 4), size, letter_color, None, True)


@dataclass(frozen=True, eq=False)
class _Name:
    """A joint's name with its place: ``box`` is (x, y, width, height), ``gap`` the distance it keeps from ``point``."""

    text: str
    point: Points
    box: tuple[int, int, int, int]
    gap: float
    color: Color
    rim: Color


def _place_names(
    poses: Poses, index: int, person: _Person, room: Room, size: int, options: DrawingOptions
) -> Iterator[_Name]:
    """The names of a person's joints that lie on the surface, as far as there is room for them."""
    middle = (person.box[:2] + person.box[2:]) / 2
    gap = person.radius + person.outline + 1
    for keypoint, point in enumerate(person.points):
        if not (0 <= point[0] < room.width and 0 <= point[1] < room.height):
            continue
        text = poses.skeleton.keypoints[keypoint].replace("_", " ")
        if options.scores:
            text += f" {poses.keypoint_scores[index, keypoint]:.2f}"
        height, width = text_masks(text, size, outline_width(size))[0].shape
        corner = room.find(point, point - middle, width, height, gap)
        if corner is not None:
            colors = _letter_colors(person.joint_colors[keypoint], options.background)
            yield _Name(text, point, (*corner, width, height), gap, *colors)


def _letter_colors(color: Color, background: Background) -> tuple[Color, Color]:
    """Letters and rim: a tint on dark, but a shade on light where the ground is white."""
    if background == "white":
        red, green, blue = (round(0.45 * value) for value in color)
        return (red, green, blue), WHITE
    red, green, blue = (round(0.45 * value + 0.55 * 255) for value in color)
    return (red, green, blue), OUTLINE


def _draw_leader(surface: Surface, name: _Name) -> None:
    """A thin line from a joint to its name where the two are apart."""
    left, top, width, height = name.box
    low = np.array([left, top]) + height / 4
    nearest = name.point.clip(low, low + np.array([width, height]) - height / 2)
    distance = float(np.hypot(*(nearest - name.point)))
    if distance < name.gap + 0.9 * height:
        return
    start = name.point + (nearest - name.point) * (name.gap / distance)
    line = np.stack([start, nearest])[None]
    thickness = max(1.2, height / 18)
    surface.lines(line, thickness + 2, name.rim, steps=2)
    surface.lines(line, thickness, name.color, steps=2)
