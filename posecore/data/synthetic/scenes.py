"""Scenes of synthetic people with exact keypoints: planned from a seed, drawn, and measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.data.synthetic.anatomy import Body, build_body, shown_by
from posecore.data.synthetic.backgrounds import PLACES, paint_place, random_light, random_place
from posecore.data.synthetic.bones import Figure, rotation
from posecore.data.synthetic.looks import random_look
from posecore.data.synthetic.painting import (
    SUPERSAMPLING,
    Array,
    Camera,
    Canvas,
    Color,
    Face,
    Light,
    cast_shadows,
    linear,
)
from posecore.data.synthetic.poses import MOTIONS, Posture, random_posture
from posecore.errors import SettingsError
from posecore.skeleton import COCO_17

#: Values of ``SyntheticPerson.visibility``, as in COCO.
OUTSIDE, OCCLUDED, VISIBLE = 0, 1, 2
#: Most people that fit into one scene.
MAX_PEOPLE = 12
#: Smallest side of a picture.
MIN_SIDE = 32


@dataclass(frozen=True, eq=False)
class SyntheticPerson:
    """Ground truth of one drawn person, in source pixels (pixel centres at whole numbers, see ``posecore.poses``).

    Attributes:
        keypoints: ``(17, 2)`` float32 COCO keypoints (x, y); exact also where occluded or outside the picture.
        visibility: ``(17,)`` int64: 2 seen, 1 hidden by something or by the person itself, 0 outside the picture.
        box: ``(4,)`` float32 tight box (x0, y0, x1, y1) of what is seen of the person.
        area: What is seen of the person, in square pixels.
    """

    keypoints: NDArray[np.float32]
    visibility: NDArray[np.int64]
    box: NDArray[np.float32]
    area: float


@dataclass(frozen=True, eq=False)
class SyntheticScene:
    """A drawn picture ``(height, width, 3)`` uint8 RGB, the people that can be seen in it, and its seed."""

    image: NDArray[np.uint8]
    people: tuple[SyntheticPerson, ...]
    seed: int


@dataclass(frozen=True)
class Block:
    """A box that stands in the scene; metres in world axes, ``yaw`` in degrees."""

    x: float
    y: float
    z: float
    width: float
    height: float
    depth: float
    yaw: float
    color: Color


@dataclass(frozen=True)
class ScenePlan:
    """Everything that a picture shows, before it is drawn. Change a plan with ``dataclasses.replace``.

    Attributes:
        noise: Standard deviation of the camera's noise, in steps of the 8-bit picture.
        blur: Standard deviation of a Gaussian blur, source pixels.
    """

    seed: int
    camera: Camera
    place: str
    light: Light
    figures: tuple[Figure, ...]
    blocks: tuple[Block, ...] = field(default=())
    noise: float = 0.0
    blur: float = 0.0


def render_scene(
    seed: int,
    size: tuple[int, int] = (640, 480),
    people: int | None = None,
    *,
    place: str | None = None,
    noise: float | None = None,
    blur: float | None = None,
) -> SyntheticScene:
    """Draw a random scene; the same arguments give the same bytes.

    Args:
        seed: 0 or more; everything that is left to chance follows from it.
        size: (width, height) of the picture in pixels.
        people: How many; None for 1 to 4.
        place: One of ``PLACES``; None for any.
        noise: Camera noise, steps of the 8-bit picture; None for a little.
        blur: Blur in pixels; None for none.

    Raises:
        SettingsError: When the seed, the size, the place or the number of people is impossible.
    """
    return draw_scene(plan_scene(seed, size, people, place=place, noise=noise, blur=blur))


def _stream(seed: int, purpose: int) -> np.random.Generator:
    """Independent random numbers for one purpose, so that changing one thing leaves the others as they were."""
    return np.random.default_rng([seed, purpose])


def plan_scene(
    seed: int,
    size: tuple[int, int] = (640, 480),
    people: int | None = None,
    *,
    place: str | None = None,
    noise: float | None = None,
    blur: float | None = None,
) -> ScenePlan:
    """Decide on everything in a scene; arguments as for :func:`render_scene`."""
    if seed < 0:
        raise SettingsError(f"The seed {seed} is negative; choose 0 or more.")
    if min(size) < MIN_SIDE:
        raise SettingsError(
            f"A scene of {size[0]} × {size[1]} pixels is too small; each side needs at least {MIN_SIDE}."
        )
    if place is not None and place not in PLACES:
        raise SettingsError(f"There is no place {place!r}; choose one of {', '.join(PLACES)}.")
    if people is not None and not 0 <= people <= MAX_PEOPLE:
        raise SettingsError(f"{people} people do not fit into a scene; choose 0 to {MAX_PEOPLE}.")
    rng = _stream(seed, 0)
    camera = _random_camera(rng, size)
    chosen = place or random_place(_stream(seed, 1))
    count = int(rng.choice([1, 2, 3, 4], p=[0.3, 0.3, 0.25, 0.15])) if people is None else people
    figures = _place_figures(rng, camera, count)
    return ScenePlan(
        seed=seed,
        camera=camera,
        place=chosen,
        light=random_light(chosen, _stream(seed, 2)),
        figures=figures,
        blocks=_seats(figures, _stream(seed, 3)) + _obstacles(_stream(seed, 4), camera, figures),
        noise=1.5 if noise is None else noise,
        blur=0.0 if blur is None else blur,
    )


def _random_camera(rng: np.random.Generator, size: tuple[int, int]) -> Camera:
    focal = rng.uniform(1.0, 1.35) * max(size)
    return Camera(size, focal, rng.uniform(1.15, 1.65), size[1] * rng.uniform(0.26, 0.42))


def _place_figures(rng: np.random.Generator, camera: Camera, count: int) -> tuple[Figure, ...]:
    """People at different distances, kept apart enough that each can be seen."""
    width, height = camera.size
    figures: list[Figure] = []
    taken: list[tuple[float, float]] = []
    slots = rng.permutation(count)
    for number in range(count):
        look, posture = random_look(rng), random_posture(rng)
        gap = 0.75
        while True:
            # How tall a grown-up would be there, as a share of the picture; people in crowds stand further away.
            tall = rng.uniform(0.42, 0.86) if number == 0 else rng.uniform(0.3, 0.8)
            tall *= min(1.0, 1.9 * width / height / (0.55 * count + 0.7))
            distance = camera.focal * 1.75 / (tall * height)
            column = (slots[number] + 0.5 + rng.uniform(-0.42, 0.42)) / count
            x = (0.04 + 0.92 * column - 0.5) * width
            if all(abs(x - other) > gap * 0.3 * height * max(tall, size) for other, size in taken):
                break
            gap *= 0.9
        taken.append((x, tall))
        yaw = float(rng.choice([0, 180, 90, -90], p=[0.5, 0.14, 0.18, 0.18]) + rng.normal(0, 24))
        if abs(posture.lean) > 60:
            yaw = float(rng.choice([90, -90]) + rng.normal(0, 15))
        figures.append(Figure(look, posture, x * distance / camera.focal, -distance, yaw))
    return tuple(figures)


_FURNITURE = ((150, 104, 66), (96, 100, 108), (196, 174, 140), (122, 66, 54), (72, 96, 110))


def _seats(figures: tuple[Figure, ...], rng: np.random.Generator) -> tuple[Block, ...]:
    """A stool under each person who sits."""
    blocks = []
    for figure in figures:
        color = linear(np.array(_FURNITURE[rng.integers(len(_FURNITURE))]) * rng.uniform(0.85, 1.1))
        if not figure.posture.seated:
            continue
        seat = build_body(figure).seat
        back = rotation(1, figure.yaw) @ (0, 0, -0.03)
        blocks.append(
            Block(figure.x + back[0], 0.0, figure.z + back[2], 0.42, max(seat - 0.005, 0.05), 0.36, figure.yaw, color)
        )
    return tuple(blocks)


def _obstacles(rng: np.random.Generator, camera: Camera, figures: tuple[Figure, ...]) -> tuple[Block, ...]:
    """Now and then a crate or a post that hides a part of somebody."""
    if not figures or rng.uniform() > 0.28:
        return ()
    figure = figures[rng.integers(len(figures))]
    near = 0.85 if figure.posture.seated or abs(figure.posture.lean) > 60 else 0.55
    z = min(figure.z + near, -0.6)
    # Somewhere along the ray to the person, so that it is in the way.
    x = figure.x * z / figure.z + rng.normal(0, 0.22)
    if any(abs(other.x - x) < 0.5 and abs(other.z - z) < 0.45 for other in figures):
        return ()
    color = linear(np.array(_FURNITURE[rng.integers(len(_FURNITURE))]) * rng.uniform(0.85, 1.15))
    yaw = float(rng.uniform(-35, 35))
    if rng.uniform() < 0.65:
        side = rng.uniform(0.35, 0.6)
        return (Block(x, 0.0, z, side * rng.uniform(1, 1.6), side * rng.uniform(0.8, 1.4), side, yaw, color),)
    return (Block(x + 0.15, 0.0, z, 0.12, rng.uniform(1.0, 2.6), 0.12, yaw, color),)


def _block_faces(block: Block) -> list[Face]:
    """The faces of a box that look towards the viewer."""
    turn = rotation(1, block.yaw)
    center = np.array([block.x, block.y + block.height / 2, block.z])
    half = np.array([block.width, block.height, block.depth]) / 2
    faces = []
    for axis in range(3):
        for sign in (-1, 1):
            normal = sign * turn[:, axis]
            middle = center + normal * half[axis]
            first, second = (turn[:, other] * half[other] for other in ((axis + 1) % 3, (axis + 2) % 3))
            corners = np.array(
                [middle + first + second, middle - first + second, middle - first - second, middle + first - second]
            )
            if (corners[:, 2] < -0.2).all():
                faces.append(Face(corners, block.color, normal))
    return faces


def draw_scene(plan: ScenePlan, empty: NDArray[np.uint8] | None = None) -> SyntheticScene:
    """Draw a plan and measure what is seen of each person; people who cannot be seen at all are left out.

    ``empty`` is the place without people and shadows, ``(height, width, 3)`` uint8 RGB, from :func:`draw_place`; it is
    drawn when not given.
    """
    bodies = [build_body(figure) for figure in plan.figures]
    solids = [solid for body in bodies for solid in body.solids]
    faces = [face for block in plan.blocks for face in _block_faces(block)]
    background = draw_place(plan) if empty is None else empty
    background = cast_shadows(background, solids, faces, plan.camera, plan.light)
    canvas = Canvas(plan.camera, solids, faces)
    image = _through_lens(canvas.composite(background, plan.light), plan)
    people = []
    first = 0
    for figure, body in zip(plan.figures, bodies, strict=True):
        person = _measure(canvas, figure, body, first)
        first += len(body.solids)
        if person is not None:
            people.append(person)
    return SyntheticScene(image, tuple(people), plan.seed)


def draw_place(plan: ScenePlan) -> NDArray[np.uint8]:
    """The empty place of a plan."""
    return paint_place(plan.place, _stream(plan.seed, 5), plan.camera)


def _through_lens(image: NDArray[np.uint8], plan: ScenePlan) -> NDArray[np.uint8]:
    """Blur and noise of a camera."""
    if plan.blur > 0:
        image = cv2.GaussianBlur(image, (0, 0), plan.blur)  # type: ignore[assignment]
    if plan.noise > 0:
        rng = _stream(plan.seed, 6)
        # One tile of noise, repeated, is far cheaper than a number for every pixel.
        side = 160
        tile = rng.normal(0, plan.noise, (side, side, 1)) + rng.normal(0, 0.4 * plan.noise, (side, side, 3))
        height, width = image.shape[:2]
        grain = np.tile(np.rint(tile).astype(np.int16), (-(-height // side), -(-width // side), 1))[:height, :width]
        image = cv2.add(image, np.ascontiguousarray(grain), dtype=cv2.CV_8U)  # type: ignore[assignment]
    return image


def _measure(canvas: Canvas, figure: Figure, body: Body, first: int) -> SyntheticPerson | None:
    """Ground truth of the person whose solids are numbered from ``first``; None when nothing of it is seen."""
    window = canvas.window_of(first, len(body.solids))
    if window is None:
        return None
    owner = canvas.owner[window]
    mine = (owner >= first) & (owner < first + len(body.solids))
    columns, rows = np.flatnonzero(mine.any(0)) + window[1].start, np.flatnonzero(mine.any(1)) + window[0].start
    if not len(columns):
        return None
    edges = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
    keypoints = canvas.camera.project(body.keypoints)
    return SyntheticPerson(
        keypoints=keypoints.astype(np.float32),
        visibility=_visibility(canvas, figure, body, keypoints, first),
        box=(edges / SUPERSAMPLING - 0.5).astype(np.float32),
        area=float(np.count_nonzero(mine)) / SUPERSAMPLING**2,
    )


def _visibility(canvas: Canvas, figure: Figure, body: Body, keypoints: Array, first: int) -> NDArray[np.int64]:
    """``(17,)`` COCO visibility: a keypoint is seen when what is drawn there is a part that it belongs to.

    The part must not lie far in front of it either: a hip seen through the whole pelvis from the other side is hidden.
    """
    width, height = canvas.camera.size
    visibility = np.full(len(keypoints), OCCLUDED, np.int64)
    for index, (name, (x, y)) in enumerate(zip(COCO_17.keypoints, keypoints, strict=True)):
        if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
            visibility[index] = OUTSIDE
            continue
        tags, depth = shown_by(name)
        allowed = {first + number for number, solid in enumerate(body.solids) if solid.tag in tags}
        column, row = (round((value + 0.5) * SUPERSAMPLING - 0.5) for value in (x, y))
        # A joint on the outline may round to the sample beside it.
        near = (slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2))
        limit = -body.keypoints[index, 2] - depth * figure.look.height
        seen = canvas.owner[near][canvas.distance[near] > limit]
        if not allowed.isdisjoint(seen.tolist()):
            visibility[index] = VISIBLE
    return visibility


#: Titles of sample scenes and the seeds that give them (640 × 480).
SAMPLE_SEEDS: dict[str, int] = {
    "Four people on a beach": 515,
    "Three people in a street": 155,
    "Three people in a park": 586,
    "Three people in a room": 1187,
    "One person in a gym": 29,
}


def render_clip(
    seed: int,
    size: tuple[int, int] = (640, 480),
    frames: int = 48,
    fps: float = 24.0,
    people: int = 2,
    motion: str | None = None,
    *,
    crossing: bool = False,
    yaw: float = 20.0,
) -> Iterator[SyntheticScene]:
    """Frames of people who move smoothly before a still background.

    Args:
        seed: 0 or more; everything that is left to chance follows from it.
        size: (width, height) in pixels.
        frames: How many frames.
        fps: Frames per second; it sets how far people move from one frame to the next.
        people: How many people; they stand beside each other and do not meet, unless ``crossing``.
        motion: One of ``MOTIONS`` for everybody; None lets them differ. Walkers go round in a small circle.
        crossing: Everybody walks straight through the picture, by turns from the left and from the right, and so they
            pass before each other; ``motion`` is not looked at.
        yaw: Degrees by which people are turned from the viewer; 90 shows them from the side.

    Raises:
        SettingsError: When the motion does not exist or the size or the number of people is impossible.
    """
    if motion is not None and motion not in MOTIONS:
        raise SettingsError(f"There is no motion {motion!r}; choose one of {', '.join(MOTIONS)}.")
    plan = plan_scene(seed, size, people)
    rng = _stream(seed, 7)
    names = list(MOTIONS)
    start = int(rng.integers(len(names)))
    actors = [
        _Actor(
            _at_the_edge(figure, plan.camera, number)
            if crossing
            else replace(_on_stage(figure, plan.camera, number, people), yaw=yaw),
            "cross" if crossing else motion or names[(start + number) % len(names)],
            float(rng.uniform()),
            float(rng.uniform(0.9, 1.1)),
        )
        for number, figure in enumerate(plan.figures)
    ]
    empty = draw_place(plan)
    for frame in range(frames):
        figures = tuple(actor.at(frame / fps) for actor in actors)
        yield draw_scene(replace(plan, figures=figures, blocks=()), empty)


def _on_stage(figure: Figure, camera: Camera, number: int, count: int) -> Figure:
    """A person at its place in a clip: in a row that fits into the picture."""
    width, height = camera.size
    tall = min(0.62, 1.1 * width / height / max(count, 1))
    distance = camera.focal * 1.75 / (tall * height)
    x = ((number + 0.5) / count - 0.5) * 0.9 * width * distance / camera.focal
    return replace(figure, posture=Posture(), x=x, z=-distance)


def _at_the_edge(figure: Figure, camera: Camera, number: int) -> Figure:
    """A person who is about to walk through the picture, behind those of a lower number."""
    width, height = camera.size
    distance = camera.focal * 1.75 / (min(0.66, 1.1 * width / height) * height) * (1 + 0.22 * number)
    heading = 1 if number % 2 == 0 else -1
    edge = 0.42 * width * distance / camera.focal
    return replace(figure, posture=Posture(), x=-heading * edge, z=-distance, yaw=90.0 * heading)


@dataclass(frozen=True)
class _Actor:
    """A person with a motion of ``MOTIONS`` or ``cross``; ``offset`` in turns of its cycle, ``pace`` 1 is usual."""

    figure: Figure
    motion: str
    offset: float
    pace: float

    def at(self, seconds: float) -> Figure:
        """The person ``seconds`` after the beginning."""
        motion = "walk" if self.motion == "cross" else self.motion
        rate = {"walk": 0.9, "squat": 0.45, "wave": 1.1, "jumping-jack": 0.8}[motion] * self.pace
        posture = MOTIONS[motion](self.offset + rate * seconds)
        if motion != "walk":
            return replace(self.figure, posture=posture)
        # A stride of two steps covers three quarters of the height; line and circle are walked at that speed.
        speed = 0.75 * self.figure.look.height * rate
        if self.motion == "cross":
            heading = 1 if self.figure.yaw > 0 else -1
            return replace(self.figure, posture=posture, x=self.figure.x + heading * speed * seconds)
        radius = 0.45 * self.figure.look.height / 1.7
        angle = 2 * np.pi * self.offset + speed / radius * seconds
        return replace(
            self.figure,
            posture=posture,
            x=self.figure.x + radius * float(np.sin(angle)),
            z=self.figure.z + radius * float(np.cos(angle)),
            yaw=float(np.degrees(angle)) + 90,
        )
