"""Drawing solids: tapered capsules and flat faces with exact depth, shaded and antialiased.

World axes: x to the right of the picture, y up, z towards the viewer, all in metres, the ground at y = 0. The camera
stands at ``(0, eye_height, 0)`` and looks along -z; its picture plane is shifted, not tilted, so that upright things
stay upright.

A :class:`Solid` is the hull of two spheres, squeezed along the axes of its own frame. That one shape makes limbs, a
flat torso, a head and an ellipsoid, and its front surface has a closed form, so a picture needs no mesh: every solid
is intersected with the rays through the pixels of its bounding box, the nearest hit wins, and colour is worked out
once for the pixels that are finally seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Color = tuple[float, float, float]
#: ``(N, 3)`` surface points in the solid's frame (metres, from its start) → ``(N, 3)`` linear albedo.
Paint = Callable[[Array], Array]
#: ``(…)`` surface coordinates x, y, z in the solid's frame → True where there is material.
Keep = Callable[[Array, Array, Array], NDArray[np.bool_]]

#: Samples per pixel along each axis.
SUPERSAMPLING = 2
_IDENTITY = np.eye(3)
#: Fractional bits of the integer coordinates that OpenCV fills polygons with.
_SHIFT = 4


def linear(color: Sequence[float] | Array) -> Color:
    """Display colour (0 … 255) to linear light (0 … 1), with a gamma of 2."""
    red, green, blue = (float(channel) / 255 for channel in color)
    return red * red, green * green, blue * blue


@dataclass(frozen=True, eq=False)
class Solid:
    """Hull of two spheres, squeezed along the axes of a frame.

    Attributes:
        tag: Name of the body part or object.
        start, end: ``(3,)`` centres of the spheres, world metres.
        radii: Radii at start and end, metres.
        paint: One linear colour, or a function of the surface point.
        frame: ``(3, 3)`` rotation, columns are the axes of the solid in the world.
        stretch: Factors along these axes by which the round shape is made wider or flatter.
        cut: True for a flat end instead of a round one, as of a sleeve.
        keep: Where on the surface there is material; None for everywhere.
        folds: Depth of cloth folds, 0 for none.
        gloss: Strength of the highlight.
        lead: How far it is taken to be nearer than it is, metres, so that cloth stays in front of what it covers.
    """

    tag: str
    start: Array
    end: Array
    radii: tuple[float, float]
    paint: Color | Paint
    frame: Array = field(default_factory=lambda: _IDENTITY)
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)
    cut: bool = False
    keep: Keep | None = None
    folds: float = 0.0
    gloss: float = 0.05
    lead: float = 0.0


@dataclass(frozen=True, eq=False)
class Face:
    """Flat convex polygon: ``corners (V, 3)`` world metres, one linear colour."""

    corners: Array
    paint: Color
    normal: Array


@dataclass(frozen=True)
class Camera:
    """Where the picture plane is.

    Attributes:
        size: (width, height) in source pixels.
        focal: Focal length in source pixels.
        eye_height: Height of the camera above the ground, metres.
        horizon: Picture row of the horizon, source pixels.
    """

    size: tuple[int, int]
    focal: float
    eye_height: float
    horizon: float

    @property
    def center_x(self) -> float:
        """Picture column that the camera looks at."""
        return (self.size[0] - 1) / 2

    def project(self, points: Array) -> Array:
        """``(…, 3)`` world metres to ``(…, 2)`` source pixels (x, y)."""
        distance = np.maximum(-points[..., 2], 0.05)
        x = self.center_x + self.focal * points[..., 0] / distance
        y = self.horizon - self.focal * (points[..., 1] - self.eye_height) / distance
        return np.stack([x, y], -1)


@dataclass(frozen=True)
class Light:
    """Light of a scene.

    Attributes:
        direction: Unit vector to the light, world axes.
        key: Linear colour of the direct light.
        sky, ground: Linear colours of the diffuse light from above and below.
        shadow: How much of the light a cast shadow takes away, 0 … 1.
    """

    direction: tuple[float, float, float]
    key: Color = (1.0, 0.96, 0.88)
    sky: Color = (0.42, 0.47, 0.55)
    ground: Color = (0.22, 0.2, 0.17)
    shadow: float = 0.55


class _Rays:
    """Constants of the ray intersection of many solids, worked out together.

    Space is counted in samples around the middle of each solid, with y up. ``squeeze`` maps it to a space in which the
    solid is round; there, a basis is chosen whose third axis is the ray and whose first is the solid's axis as seen.
    """

    def __init__(self, solids: Sequence[Solid], camera: Camera) -> None:
        start = np.array([solid.start for solid in solids])
        end = np.array([solid.end for solid in solids])
        frames = np.array([solid.frame for solid in solids])
        stretch = np.array([solid.stretch for solid in solids])
        radii = np.array([solid.radii for solid in solids])
        middle = (start + end) / 2
        self.distance = np.maximum(-middle[:, 2], 0.05)
        self.scale = camera.focal * SUPERSAMPLING / self.distance
        origin = _samples(camera.project(middle))
        first, last = (self._offsets(points, middle, origin, camera) for points in (start, end))
        # A sphere grows with nearness as its position does.
        near = np.stack([-middle[:, 2] / np.maximum(-points[:, 2], 0.05) for points in (start, end)], -1)
        radii = radii * near * self.scale[:, None]

        squeeze = np.swapaxes(frames, 1, 2) / stretch[:, :, None]
        first_round, last_round = (np.einsum("nij,nj->ni", squeeze, points) for points in (first, last))
        ray = squeeze[:, :, 2]
        ray_length = np.linalg.norm(ray, axis=1)
        ray = ray / ray_length[:, None]
        axis = last_round - first_round
        toward = np.einsum("ni,ni->n", axis, ray)
        across = axis - toward[:, None] * ray
        spare = np.cross(ray, np.where(np.abs(ray[:, :1]) < 0.7, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]))
        across = np.where(np.linalg.norm(across, axis=1, keepdims=True) > 1e-6, across, spare * 1e-6)
        length = np.linalg.norm(across, axis=1)
        across = across / length[:, None]
        basis = np.stack([across, np.cross(ray, across), ray], -1)

        taper = radii[:, 1] - radii[:, 0]
        # Seen end on, the small sphere lies inside the large one; the closed form wants them just apart.
        length = np.maximum(length, 1.05 * np.abs(taper) + 1e-3)
        plane = np.einsum("nji,njk->nik", basis, squeeze)[:, :, :2].reshape(-1, 6)
        offset = -np.einsum("nji,nj->ni", basis, first_round)
        rest = np.stack([radii[:, 0], taper, length, toward, ray_length], -1)
        # Plain floats: they keep the arrays that they are combined with in single precision, at little cost per call.
        self.constants: list[list[float]] = np.concatenate([plane, offset, rest], 1).tolist()
        self.normals = np.einsum("nji,njk->nik", squeeze, basis).astype(np.float32)
        self.frames = frames.astype(np.float32)
        to_local = np.swapaxes(frames, 1, 2) / self.scale[:, None, None]
        shift = np.einsum("nij,nj->ni", to_local, first)[:, :, None]
        self.locals: list[list[list[float]]] = np.concatenate([to_local, shift], -1).tolist()
        self.origin: list[list[float]] = origin.tolist()
        reach = radii * np.maximum(stretch.max(1), 1)[:, None]
        ends = np.stack([first, last], 1)[:, :, :2]
        low = (ends - reach[:, :, None]).min(1)
        high = (ends + reach[:, :, None]).max(1)
        # Row numbers grow downwards while offsets grow upwards.
        self.bounds = np.stack(
            [origin[:, 0] + low[:, 0], origin[:, 1] - high[:, 1], origin[:, 0] + high[:, 0], origin[:, 1] - low[:, 1]],
            -1,
        )

    def _offsets(self, points: Array, middle: Array, origin: Array, camera: Camera) -> Array:
        """``(N, 3)`` offsets from the middles in samples: right, up, towards the viewer."""
        flat = _samples(camera.project(points)) - origin
        return np.stack([flat[:, 0], -flat[:, 1], (points[:, 2] - middle[:, 2]) * self.scale], -1)

    def hit(self, index: int, right: Array, up: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Front surface of a solid along rays at offsets ``right``, ``up`` (broadcast together).

        The sphere at ``t`` along the axis bulges ``sqrt(radius(t)² - distance²)`` towards the viewer; the root's
        argument is a quadratic in t, and the surface is the largest bulge over 0 ≤ t ≤ 1.

        Returns:
            ``inside`` (positive where the ray hits), ``t``, ``along``, ``across`` and ``near``, the height of the
            surface over the middle in samples.
        """
        a0, a1, b0, b1, c0, c1, a2, b2, c2, radius, taper, length, toward, ray_length = self.constants[index]
        along = a0 * right + (a1 * up + a2)
        across = b0 * right + (b1 * up + b2)
        curve = length * length - taper * taper
        rest = radius * radius - along * along
        rest -= across * across
        middle = along * (length / curve)
        middle += radius * taper / curve
        peak = middle * middle
        peak *= curve
        peak += rest
        np.sqrt(np.maximum(peak, 0, out=peak), out=peak)
        peak *= toward / math.sqrt(curve * (curve + toward * toward))
        peak += middle
        t = np.minimum(np.maximum(peak, 0, out=peak), 1, out=peak)
        inside = middle
        inside *= 2
        inside -= t
        inside *= t
        inside *= curve
        inside += rest
        near = np.sqrt(np.maximum(inside, 0, out=rest), out=rest)
        near += t * toward
        near -= c0 * right + (c1 * up + c2)
        near *= 1 / ray_length
        return inside, t, along, across, near

    def local(self, index: int, right: Array, up: Array, near: Array) -> tuple[Array, Array, Array]:
        """Surface coordinates x, y, z in the solid's frame, metres from its start."""
        x, y, z = (a * right + b * up + (c * near - shift) for a, b, c, shift in self.locals[index])
        return x, y, z


def _samples(pixels: Array) -> Array:
    """Source pixels to samples; the centre of sample i is ``(i + 0.5) / SUPERSAMPLING - 0.5`` in source pixels."""
    return (pixels + 0.5) * SUPERSAMPLING - 0.5


class Canvas:
    """Depth buffer of one picture: which solid or face is seen at each sample, and how far away it is."""

    def __init__(self, camera: Camera, solids: Sequence[Solid], faces: Sequence[Face] = ()) -> None:
        """Rasterise ``solids`` (numbered from 0) and ``faces`` (numbered after them)."""
        self.camera = camera
        self.solids = tuple(solids)
        self.faces = tuple(faces)
        width, height = (side * SUPERSAMPLING for side in camera.size)
        self.distance = np.full((height, width), np.inf, np.float32)
        self.owner = np.full((height, width), -1, np.int16)
        self._rays = _Rays(self.solids, camera) if solids else None
        for index in range(len(self.solids)):
            self._rasterise_solid(index)
        for index, face in enumerate(self.faces):
            self._rasterise_face(len(self.solids) + index, face)

    def _window(self, bounds: Array | Sequence[float]) -> tuple[slice, slice] | None:
        """Rows and columns of the samples inside ``bounds`` (x0, y0, x1, y1), or None outside the picture."""
        height, width = self.owner.shape
        left, top, right, bottom = (float(bound) for bound in bounds)
        x0, y0, x1, y1 = (
            max(int(left), 0),
            max(int(top), 0),
            min(math.ceil(right) + 1, width),
            min(math.ceil(bottom) + 1, height),
        )
        return (slice(y0, y1), slice(x0, x1)) if x0 < x1 and y0 < y1 else None

    def _rasterise_solid(self, index: int) -> None:
        rays = self._rays
        assert rays is not None
        window = self._window(rays.bounds[index])
        if window is None:
            return
        rows, columns = window
        x, y = rays.origin[index]
        right = np.arange(columns.start - x, columns.stop - x - 0.5, dtype=np.float32)[None, :]
        up = np.arange(y - rows.start, y - rows.stop + 0.5, -1, dtype=np.float32)[:, None]
        inside, _, _, _, near = rays.hit(index, right, up)
        distance = near * (-1 / float(rays.scale[index]))
        distance += float(rays.distance[index]) - self.solids[index].lead
        seen = (inside > 0) & (distance < self.distance[window])
        solid = self.solids[index]
        if solid.cut or solid.keep is not None:
            local = rays.local(index, right, up, near)
            if solid.cut:
                a, b, c = (solid.frame.T @ (solid.end - solid.start)).tolist()
                seen &= a * local[0] + b * local[1] + c * local[2] < a * a + b * b + c * c
            if solid.keep is not None:
                seen &= solid.keep(*local)
        np.copyto(self.distance[window], distance, where=seen)
        np.copyto(self.owner[window], np.int16(index), where=seen)

    def _rasterise_face(self, number: int, face: Face) -> None:
        corners = _samples(self.camera.project(face.corners))
        window = self._window(np.concatenate([corners.min(0), corners.max(0)]))
        if window is None:
            return
        rows, columns = window
        mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        local = np.rint((corners - (columns.start, rows.start)) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillConvexPoly(mask, local, 1, shift=_SHIFT)
        # The inverse of the distance is linear over the picture of a plane.
        system = np.column_stack([corners, np.ones(len(corners))])
        slope = np.linalg.lstsq(system, -1 / face.corners[:, 2], rcond=None)[0]
        inverse = (
            slope[0] * np.arange(columns.start, columns.stop)[None, :]
            + slope[1] * np.arange(rows.start, rows.stop)[:, None]
            + slope[2]
        )
        distance = (1 / np.maximum(inverse, 1e-6)).astype(np.float32)
        seen = (mask > 0) & (distance < self.distance[window])
        np.copyto(self.distance[window], distance, where=seen)
        np.copyto(self.owner[window], np.int16(number), where=seen)

    def window_of(self, first: int, count: int) -> tuple[slice, slice] | None:
        """Rows and columns of the samples that ``count`` solids from number ``first`` may cover, None if outside."""
        if self._rays is None or not count:
            return None
        bounds = self._rays.bounds[first : first + count]
        return self._window(np.concatenate([bounds[:, :2].min(0), bounds[:, 2:].max(0)]))

    def composite(self, background: NDArray[np.uint8], light: Light) -> NDArray[np.uint8]:
        """The things in front of ``background`` ``(H, W, 3)`` RGB, antialiased."""
        picture = background.copy()
        rows, columns = (np.flatnonzero((self.owner >= 0).any(axis)) for axis in (1, 0))
        if not len(rows):
            return picture
        step = SUPERSAMPLING
        x0, x1 = int(columns[0]) // step, -(-int(columns[-1] + 1) // step)
        y0, y1 = int(rows[0]) // step, -(-int(rows[-1] + 1) // step)
        part = (slice(y0 * step, y1 * step), slice(x0 * step, x1 * step))
        size = (x1 - x0, y1 - y0)
        color = cv2.resize(self._shade(part, light), size, interpolation=cv2.INTER_AREA)
        covered = (self.owner[part] >= 0).view(np.uint8) * np.uint8(255)
        free = 1 - cv2.resize(covered, size, interpolation=cv2.INTER_AREA) * np.float32(1 / 255)
        seen = picture[y0:y1, x0:x1] * free[..., None]
        seen += color * self._occlusion(part)[..., None]
        picture[y0:y1, x0:x1] = seen + np.float32(0.5)
        return picture

    def _shade(self, part: tuple[slice, slice], light: Light) -> NDArray[np.uint8]:
        """Display colour of the samples in ``part``, 0 where nothing is."""
        result = np.zeros((*self.owner[part].shape, 3), np.uint8)
        lamp = _Lamp(light)
        for index, solid in enumerate(self.solids):
            assert self._rays is not None
            window = self._window(self._rays.bounds[index])
            if window is None:
                continue
            rows, columns = np.nonzero(self.owner[window] == index)
            if not len(rows):
                continue
            rows, columns = rows + window[0].start, columns + window[1].start
            albedo, normals = self._surface(index, columns, rows)
            color = lamp.color(albedo, normals, solid.gloss)
            result[rows - part[0].start, columns - part[1].start] = color.T
        for number, face in enumerate(self.faces, len(self.solids)):
            seen = self.owner[part] == number
            normal = face.normal.astype(np.float32)[:, None]
            result[seen] = lamp.color(np.array(face.paint, np.float32)[:, None], normal, 0.0)[:, 0]
        return result

    def _surface(self, index: int, x: NDArray[np.intp], y: NDArray[np.intp]) -> tuple[Array, Array]:
        """Albedo, ``(3, 1)`` or ``(3, N)``, and ``(3, N)`` unit normals of a solid at samples ``x``, ``y``."""
        rays, solid = self._rays, self.solids[index]
        assert rays is not None
        right, up = (x - rays.origin[index][0]).astype(np.float32), (rays.origin[index][1] - y).astype(np.float32)
        inside, t, along, across, near = rays.hit(index, right, up)
        around = np.empty((3, len(x)), np.float32)
        around[0] = along - rays.constants[index][11] * t
        around[1] = across
        np.sqrt(np.maximum(inside, 0), out=around[2])
        normals = _unit(rays.normals[index] @ around)
        plain = np.array(solid.paint, np.float32)[:, None] if not callable(solid.paint) else None
        if plain is not None and not solid.folds:
            return plain, normals
        points = np.empty((3, len(x)), np.float32)
        points[0], points[1], points[2] = rays.local(index, right, up, near)
        if solid.folds:
            normals = _unit(normals + rays.frames[index] @ (solid.folds * _folds(points, index)))
        if callable(solid.paint):
            return solid.paint(points.T).T, normals
        assert plain is not None
        return plain, normals

    def _occlusion(self, part: tuple[slice, slice]) -> NDArray[np.float32]:
        """Per pixel of ``part``, a factor that darkens what lies just behind something nearer."""
        small = self.distance[part][::SUPERSAMPLING, ::SUPERSAMPLING]
        finite = np.isfinite(small)
        if not finite.any():
            return np.ones(small.shape, np.float32)
        small = np.where(finite, small, small[finite].max())
        sigma = 0.02 * self.camera.focal / max(float(np.median(small[finite])), 0.5)
        nearer = np.clip(small - cv2.GaussianBlur(small, (0, 0), max(sigma, 0.8)), 0, 0.25)
        return np.asarray(1 / np.sqrt(1 + np.float32(5.0) * nearer), np.float32)


def _unit(vectors: Array) -> Array:
    """``(3, N)`` vectors at length 1, in place."""
    vectors *= 1 / np.sqrt(np.maximum(np.einsum("in,in->n", vectors, vectors), 1e-9))
    return vectors


def _folds(points: Array, phase: float) -> Array:
    """``(3, N)`` disturbance of normals that reads as folds of cloth: a few waves, one bent by the other."""
    x, y, z = points
    first = np.cos(y * 26 + x * 17 + 1.6 * np.sin(z * 21 + y * 9 + phase))
    second = np.cos(x * 38 - y * 43 + z * 30 + 0.8 * first + 2 * phase)
    local = np.empty_like(points)
    local[0], local[1], local[2] = 0.6 * first + 0.5 * second, 0.8 * first - 0.6 * second, 0.3 * second
    return local


class _Lamp:
    """The arrays of a light, made once per picture."""

    def __init__(self, light: Light) -> None:
        direction = np.array(light.direction, np.float32)
        ground, sky, self.key = (np.array(color, np.float32)[:, None] for color in (light.ground, light.sky, light.key))
        # Light wraps a little around the edge, as it does on skin and cloth.
        self.wrapped = direction * np.float32(0.8)
        self.slope, self.level = (sky - ground) / 2, (sky + ground) / 2
        halfway = direction + np.array([0, 0, 1], np.float32)
        self.halfway = halfway / np.linalg.norm(halfway)

    def color(self, albedo: Array, normals: Array, gloss: float) -> NDArray[np.uint8]:
        """``(3, N)`` display colour: wrapped direct light, diffuse light from above and below, a highlight."""
        color = normals[1] * self.slope
        color += self.level
        color += np.maximum(self.wrapped @ normals + np.float32(0.2), 0) * self.key
        color *= albedo
        if gloss:
            highlight = np.maximum(self.halfway @ normals, 0)
            for _ in range(4):
                highlight *= highlight
            color += highlight * gloss
        np.sqrt(np.minimum(color, 1, out=color), out=color)
        color *= 255
        return np.asarray(color, np.uint8)


def cast_shadows(
    background: NDArray[np.uint8], solids: Sequence[Solid], faces: Sequence[Face], camera: Camera, light: Light
) -> NDArray[np.uint8]:
    """``background`` with the soft shadows that the things throw on the ground."""
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack([np.cos(angles), np.zeros(12), np.sin(angles)], -1)
    outlines = [face.corners for face in faces]
    if solids:
        centers = np.array([(solid.start, solid.end) for solid in solids])
        radii = np.array([solid.radii for solid in solids])
        outlines += list((centers[:, :, None] + radii[:, :, None, None] * ring).reshape(len(solids), 24, 3))
    if not outlines:
        return background
    sizes = [len(outline) for outline in outlines]
    points = np.concatenate(outlines)
    toward = np.array(light.direction)
    landed = points - toward * (np.maximum(points[:, 1:2], 0) / toward[1])
    pixels = np.rint(camera.project(landed) * (1 << _SHIFT))
    mask = np.zeros(background.shape[:2], np.uint8)
    for first, size in zip(np.cumsum([0, *sizes[:-1]]), sizes, strict=True):
        run = slice(first, first + size)
        if landed[run, 2].max() < -0.3:
            hull = cv2.convexHull(pixels[run].astype(np.int32))
            cv2.fillConvexPoly(mask, hull, 255, shift=_SHIFT)
    mask[: max(int(np.ceil(camera.horizon)), 0)] = 0
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return background
    sigma = max(camera.size) / 200
    reach = int(3 * sigma) + 1
    part = (slice(max(y - reach, 0), y + height + reach), slice(max(x - reach, 0), x + width + reach))
    soft = cv2.GaussianBlur(mask[part], (0, 0), sigma)
    # A share of linear light is its square root in display values.
    table = np.sqrt(1 - light.shadow * np.arange(256, dtype=np.float32) / 255)
    result = background.copy()
    result[part] = result[part] * table[soft][..., None] + np.float32(0.5)
    return result
