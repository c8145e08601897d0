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


def linear(color: Sequence[float]) -> Color:
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
        self.ray_length = np.linalg.norm(ray, axis=1)
        ray = ray / self.ray_length[:, None]
        axis = last_round - first_round
        self.toward = np.einsum("ni,ni->n", axis, ray)
        across = axis - self.toward[:, None] * ray
        spare = np.cross(ray, np.where(np.abs(ray[:, :1]) < 0.7, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]))
        across = np.where(np.linalg.norm(across, axis=1, keepdims=True) > 1e-6, across, spare * 1e-6)
        length = np.linalg.norm(across, axis=1)
        across = across / length[:, None]
        basis = np.stack([across, np.cross(ray, across), ray], -1)

        self.radius = radii[:, 0]
        self.taper = radii[:, 1] - radii[:, 0]
        # Seen end on, the small sphere lies inside the large one; the closed form wants them just apart.
        self.length = np.maximum(length, 1.05 * np.abs(self.taper) + 1e-3)
        self.plane = np.einsum("nji,njk->nik", basis, squeeze)[:, :, :2]
        self.offset = -np.einsum("nji,nj->ni", basis, first_round)
        self.normals = np.einsum("nji,njk->nik", squeeze, basis)
        self.to_local = np.swapaxes(frames, 1, 2) / self.scale[:, None, None]
        self.start_offset = first
        self.origin = origin
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
        plane, offset = self.plane[index].astype(np.float32), self.offset[index].astype(np.float32)
        radius, taper = np.float32(self.radius[index]), np.float32(self.taper[index])
        length, toward = np.float32(self.length[index]), np.float32(self.toward[index])
        along = plane[0, 0] * right + (plane[0, 1] * up + offset[0])
        across = plane[1, 0] * right + (plane[1, 1] * up + offset[1])
        curve = length * length - taper * taper
        middle = (along * length + radius * taper) / curve
        rest = radius * radius - along * along - across * across
        peak = np.sqrt(np.maximum(rest + middle * middle * curve, 0))
        t = np.clip(middle + peak * (toward / np.sqrt(curve * (curve + toward * toward))), 0, 1)
        inside = rest + t * curve * (2 * middle - t)
        bulge = np.sqrt(np.maximum(inside, 0))
        depth = plane[2, 0] * right + (plane[2, 1] * up + offset[2])
        near = (t * toward + bulge - depth) / np.float32(self.ray_length[index])
        return inside, t, along, across, near

    def local(self, index: int, right: Array, up: Array, near: Array) -> tuple[Array, Array, Array]:
        """Surface coordinates x, y, z in the solid's frame, metres from its start."""
        matrix = self.to_local[index].astype(np.float32)
        shift = (matrix @ self.start_offset[index]).astype(np.float32)
        x, y, z = (row[0] * right + row[1] * up + row[2] * near - move for row, move in zip(matrix, shift, strict=True))
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

    def _window(self, bounds: Array) -> tuple[slice, slice] | None:
        """Rows and columns of the samples inside ``bounds`` (x0, y0, x1, y1), or None outside the picture."""
        height, width = self.owner.shape
        x0, y0 = max(int(np.floor(bounds[0])), 0), max(int(np.floor(bounds[1])), 0)
        x1, y1 = min(int(np.ceil(bounds[2])) + 1, width), min(int(np.ceil(bounds[3])) + 1, height)
        return (slice(y0, y1), slice(x0, x1)) if x0 < x1 and y0 < y1 else None

    def _rasterise_solid(self, index: int) -> None:
        rays = self._rays
        assert rays is not None
        window = self._window(rays.bounds[index])
        if window is None:
            return
        rows, columns = window
        right = (np.arange(columns.start, columns.stop) - rays.origin[index, 0]).astype(np.float32)[None, :]
        up = (rays.origin[index, 1] - np.arange(rows.start, rows.stop)).astype(np.float32)[:, None]
        inside, _, _, _, near = rays.hit(index, right, up)
        distance = np.float32(rays.distance[index]) - near * np.float32(1 / rays.scale[index])
        seen = (inside > 0) & (distance < self.distance[window])
        solid = self.solids[index]
        if solid.cut or solid.keep is not None:
            x, y, z = rays.local(index, right, up, near)
            if solid.cut:
                axis = (solid.frame.T @ (solid.end - solid.start)).astype(np.float32)
                seen &= axis[0] * x + axis[1] * y + axis[2] * z < axis @ axis
            if solid.keep is not None:
                seen &= solid.keep(x, y, z)
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

    def composite(self, background: NDArray[np.uint8], light: Light) -> NDArray[np.uint8]:
        """The things in front of ``background`` ``(H, W, 3)`` RGB, antialiased."""
        covered = self.owner >= 0
        columns, rows = np.flatnonzero(covered.any(0)), np.flatnonzero(covered.any(1))
        if not len(columns):
            return background.copy()
        step = SUPERSAMPLING
        x0, x1 = columns[0] // step, -(-(columns[-1] + 1) // step)
        y0, y1 = rows[0] // step, -(-(rows[-1] + 1) // step)
        part = (slice(y0 * step, y1 * step), slice(x0 * step, x1 * step))
        light_map = self._shade(part, light)
        size = (int(x1 - x0), int(y1 - y0))
        color = cv2.resize(light_map, size, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(covered[part].view(np.uint8) * np.float32(1), size, interpolation=cv2.INTER_AREA)
        picture = background.copy()
        under = picture[y0:y1, x0:x1].astype(np.float32)
        under *= under
        under *= (1 - alpha)[..., None] * np.float32(1 / 255**2)
        under += color
        np.minimum(under, 1, out=under)
        picture[y0:y1, x0:x1] = np.sqrt(under) * 255 + 0.5
        return picture

    def _shade(self, part: tuple[slice, slice], light: Light) -> NDArray[np.float32]:
        """Linear colour of the samples in ``part``, 0 where nothing is."""
        owner = self.owner[part]
        flat = owner.reshape(-1)
        pixels = np.flatnonzero(flat >= 0)
        pixels = pixels[np.argsort(flat[pixels], kind="stable")]
        numbers = flat[pixels]
        rows, columns = np.divmod(pixels, owner.shape[1])
        count = len(pixels)
        albedo, normals = np.empty((count, 3), np.float32), np.empty((count, 3), np.float32)
        gloss = np.zeros(count, np.float32)
        ends = np.searchsorted(numbers, np.arange(len(self.solids) + len(self.faces) + 1))
        for number in np.unique(numbers):
            run = slice(ends[number], ends[number + 1])
            if number < len(self.solids):
                x, y = columns[run] + part[1].start, rows[run] + part[0].start
                albedo[run], normals[run] = self._surface(int(number), x, y)
                gloss[run] = self.solids[number].gloss
            else:
                face = self.faces[number - len(self.solids)]
                albedo[run], normals[run] = face.paint, face.normal
        color = _lit(albedo, normals, gloss, light)
        color *= self._occlusion(part)[rows, columns][:, None]
        result = np.zeros((*owner.shape, 3), np.float32)
        result.reshape(-1, 3)[pixels] = color
        return result

    def _surface(self, index: int, x: NDArray[np.intp], y: NDArray[np.intp]) -> tuple[Array | Color, Array]:
        """Albedo and ``(N, 3)`` unit normals of a solid at samples ``x``, ``y`` where it is seen."""
        rays, solid = self._rays, self.solids[index]
        assert rays is not None
        right = (x - rays.origin[index, 0]).astype(np.float32)
        up = (rays.origin[index, 1] - y).astype(np.float32)
        inside, t, along, across, near = rays.hit(index, right, up)
        around = np.stack([along - np.float32(rays.length[index]) * t, across, np.sqrt(np.maximum(inside, 0))])
        normals = rays.normals[index].astype(np.float32) @ around
        normals *= 1 / np.sqrt(np.maximum((normals * normals).sum(0), 1e-9))
        if not callable(solid.paint) and not solid.folds:
            return solid.paint, normals.T
        points = np.stack(rays.local(index, right, up, near), -1)
        if solid.folds:
            normals += solid.folds * _folds(points, solid.frame, index)
            normals *= 1 / np.sqrt((normals * normals).sum(0))
        return (solid.paint(points) if callable(solid.paint) else solid.paint), normals.T

    def _occlusion(self, part: tuple[slice, slice]) -> NDArray[np.float32]:
        """Factor that darkens what lies just behind something nearer, as light has a harder way to it."""
        distance = self.distance[part]
        size = (distance.shape[1] // SUPERSAMPLING, distance.shape[0] // SUPERSAMPLING)
        small = cv2.resize(distance, size, interpolation=cv2.INTER_NEAREST)
        finite = np.isfinite(small)
        far = np.float32(small[finite].max() if finite.any() else 1.0)
        small = np.where(finite, small, far)
        sigma = 0.02 * self.camera.focal / max(float(np.median(small[finite])) if finite.any() else far, 0.5)
        nearer = np.clip(small - cv2.GaussianBlur(small, (0, 0), max(sigma, 0.8)), 0, 0.25)
        factor = 1 / (1 + np.float32(5.0) * nearer)
        return cv2.resize(factor, (distance.shape[1], distance.shape[0]), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _folds(points: Array, frame: Array, phase: float) -> Array:
    """``(3, N)`` disturbance of normals that reads as folds of cloth: a few waves, one bent by the other."""
    x, y, z = (points[:, axis] for axis in range(3))
    bent = y * 26 + x * 17 + 1.6 * np.sin(z * 21 + y * 9 + phase)
    first = np.cos(bent)
    second = np.cos(x * 38 - y * 43 + z * 30 + 2 * phase + 0.8 * first)
    local = np.stack([0.6 * first + 0.5 * second, 0.8 * first - 0.6 * second, 0.3 * second])
    return frame.astype(np.float32) @ local.astype(np.float32)


def _lit(albedo: Array, normals: Array, gloss: Array, light: Light) -> NDArray[np.float32]:
    """Linear colour of surfaces: wrapped direct light, diffuse light from above and below, a soft highlight."""
    direction = np.array(light.direction, np.float32)
    # Light wraps a little around the edge, as it does on skin and cloth.
    direct = np.clip(normals @ direction * np.float32(0.8) + np.float32(0.2), 0, None)
    upward = normals[:, 1] * np.float32(0.5) + np.float32(0.5)
    ground, sky, key = (np.array(color, np.float32) for color in (light.ground, light.sky, light.key))
    color = upward[:, None] * (sky - ground)
    color += ground
    color += direct[:, None] * key
    color *= albedo
    halfway = direction + np.array([0, 0, 1], np.float32)
    halfway /= np.linalg.norm(halfway)
    highlight = np.clip(normals @ halfway, 0, 1)
    highlight *= highlight
    highlight *= highlight
    highlight *= highlight
    color += (highlight * highlight * gloss)[:, None]
    return color


def cast_shadows(background: NDArray[np.uint8], solids: Sequence[Solid], faces: Sequence[Face], camera: Camera, light: Light) -> NDArray[np.uint8]:
    """``background`` with the soft shadows that the things throw on the ground."""
    mask = np.zeros(background.shape[:2], np.uint8)
    toward = np.array(light.direction)
    outlines = [face.corners for face in faces]
    if solids:
        angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ring = np.stack([np.cos(angles), np.zeros(12), np.sin(angles)], -1)
        outlines += [
            np.concatenate([solid.start + solid.radii[0] * ring, solid.end + solid.radii[1] * ring]) for solid in solids
        ]
    for outline in outlines:
        landed = outline - toward * (np.maximum(outline[:, 1:2], 0) / toward[1])
        if (landed[:, 2] > -0.3).any():
            continue
        hull = cv2.convexHull(camera.project(landed).astype(np.float32))
        cv2.fillConvexPoly(mask, np.rint(hull * (1 << _SHIFT)).astype(np.int32), 255, shift=_SHIFT, lineType=cv2.LINE_AA)
    mask[: max(int(np.ceil(camera.horizon)), 0)] = 0
    if not mask.any():
        return background
    soft = cv2.GaussianBlur(mask, (0, 0), max(camera.size) / 200)
    # Halving linear light is a factor of its square root in display values.
    table = np.sqrt(1 - light.shadow * np.arange(256, dtype=np.float32) / 255)
    return (background * table[soft][..., None] + 0.5).astype(np.uint8)
