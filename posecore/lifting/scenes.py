"""Training pictures of lifting: bodies of other proportions before virtual cameras, seen with the errors of models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from posecore.lifting.bodies import CHAIN, LENGTHS, VECTORS, Bodies, joints_of
from posecore.lifting.features import see, turn_to
from posecore.lifting.noise import disturbed
from posecore.lifting.poses3d import USUAL_FOCAL
from posecore.settings import Settings
from posecore.skeleton import COCO_17

Array = NDArray[np.float64]
Pair = tuple[float, float]

_PART = {name: index for index, name in enumerate(VECTORS)}
_LIMBS = [
    (_PART[f"{side}_{upper}"], _PART[f"{side}_{lower}"])
    for side in ("left", "right")
    for upper, lower in (("thigh", "shin"), ("upper_arm", "forearm"))
]
#: Least depth of a hip before the camera, in statures.
_NEAREST = 0.9


class SceneSettings(Settings):
    """How motions are shown. Lengths are in statures."""

    speed: Pair = Field((0.5, 1.8), description="Slowest and fastest play.")
    proportions: float = Field(0.07, ge=0, le=0.3, description="Spread of the lengths of limbs, as a part of them.")
    native: float = Field(0.15, ge=0, le=1, description="Part of the bodies that keep their own proportions.")
    straighten: Pair = Field((0.0, 35.0), description="Least and most degrees by which knees and elbows bend less.")
    straightened: float = Field(0.5, ge=0, le=1, description="Part of the knees and elbows that do.")
    distance: Pair = Field((1.6, 7.0), description="Nearest and farthest camera.")
    focal: Pair = Field((0.7, 2.0), description="Focal lengths in longer sides of the picture.")
    known_focal: float = Field(0.4, ge=0, le=1, description="Part of the scenes whose focal length is given.")
    pitch: Pair = Field((-15.0, 35.0), description="Degrees by which cameras look down.")
    roll: float = Field(4.0, ge=0, le=90, description="Spread of the cameras' roll in degrees.")
    any_roll: float = Field(0.05, ge=0, le=1, description="Part of the scenes with any roll.")
    noise: Pair = Field((0.0, 1.5), description="Least and most of the measured errors of models.")
    clean: float = Field(0.15, ge=0, le=1, description="Part of the scenes without errors.")
    hidden: float = Field(0.3, ge=0, le=1, description="Part of the scenes that lack joints for a while or throughout.")


@dataclass(frozen=True, eq=False)
class Scenes:
    """A batch of scenes.

    Attributes:
        rays: ``(B, T, 17, 2)`` keypoints in assumed focal lengths from the optical axis; NaN where missing.
        features: ``(B, T, CHANNELS)`` float32, what the network sees of them.
        joints: ``(B, T, 17, 3)`` float32 statures, the truth in the virtual camera's axes.
        exact: ``(B, T, 17, 2)`` keypoints without errors.
    """

    rays: Array
    features: NDArray[np.float32]
    joints: NDArray[np.float32]
    exact: Array


def draw_scenes(bodies: Bodies, count: int, length: int, settings: SceneSettings, rng: np.random.Generator) -> Scenes:
    """``count`` scenes of ``length`` frames; the same for the same state of ``rng``."""
    frames = _frames(bodies, count, length, settings.speed, rng)
    low = np.floor(frames).astype(np.int64)
    part = (frames - low)[..., None]
    roots = bodies.roots[low] * (1 - part) + bodies.roots[low + 1] * part
    vectors = bodies.vectors[low] * (1 - part[..., None]) + bodies.vectors[low + 1] * part[..., None]
    vectors = _straighter(vectors.astype(np.float64), settings, rng)
    whole = np.asarray(joints_of(_reshaped(vectors, settings, rng)), np.float64)
    joints, roots = _mirrored(whole, roots.astype(np.float64), rng)
    joints, places, focal = _filmed(joints, roots, settings, rng)
    exact = (places + joints)[..., :2] / (places + joints)[..., 2:] * focal
    noisy = _seen_by_models(exact, settings, rng)
    known = rng.random((count, 1, 1, 1)) < settings.known_focal
    assumed = np.where(known, focal, USUAL_FOCAL)
    seen = see(noisy / assumed)
    # The truth stands in the axes of the camera that is turned by what it really sees.
    axis = turn_to(_directions(seen.turns) * (assumed / focal)[..., 0, :])
    truth = np.einsum("...ij,...kj->...ki", axis, joints)
    return Scenes(noisy / assumed, seen.features, truth.astype(np.float32), exact / assumed)


def _directions(turns: Array) -> Array:
    """The middles ``(…, 2)`` that :func:`turn_to` took to the optical axis."""
    return turns[..., 2, :2] / turns[..., 2, 2:]


def _frames(bodies: Bodies, count: int, length: int, speed: Pair, rng: np.random.Generator) -> Array:
    """``(B, T)`` places in time, each scene within one motion; a motion that is too short stands still at its end."""
    lengths = np.diff(bodies.bounds, axis=1)[:, 0]
    chosen = rng.choice(len(lengths), count, p=lengths / lengths.sum())
    rates = _log_uniform(speed, count, rng)
    last = lengths[chosen] - 2.0
    starts = rng.uniform(0, 1, count) * np.maximum(last - rates * (length - 1), 0)
    places = starts[:, None] + rates[:, None] * np.arange(length)
    backwards = rng.random((count, 1)) < 0.2
    places = np.where(backwards, places[:, ::-1], places)
    return np.asarray(bodies.bounds[chosen, :1] + np.clip(places, 0, last[:, None]))


def _log_uniform(limits: Pair, count: int, rng: np.random.Generator) -> Array:
    """``(B,)`` numbers between limits, as often doubled as halved."""
    return np.exp(rng.uniform(np.log(limits[0]), np.log(limits[1]), count))


def _straighter(vectors: Array, settings: SceneSettings, rng: np.random.Generator) -> Array:
    """Knees and elbows bent less, by one angle for a whole scene."""
    count = len(vectors)
    for upper, lower in _LIMBS:
        by = np.radians(rng.uniform(*settings.straighten, (count, 1)))
        by *= rng.random((count, 1)) < settings.straightened
        a, b = vectors[..., upper, :], vectors[..., lower, :]
        reach = np.linalg.norm(b, axis=-1, keepdims=True)
        a, b = a / np.maximum(np.linalg.norm(a, axis=-1, keepdims=True), 1e-9), b / np.maximum(reach, 1e-9)
        bend = np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1))
        share = (np.maximum(bend - by, 0) / np.maximum(bend, 1e-6))[..., None]
        angle = np.maximum(bend, 1e-6)[..., None]
        turned = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
        vectors[..., lower, :] = np.where(angle > 1e-3, turned * reach, b * reach)
    return vectors


def _reshaped(vectors: Array, settings: SceneSettings, rng: np.random.Generator) -> Array:
    """The same poses of bodies with other proportions and the same stature."""
    count, names = len(vectors), list(LENGTHS)
    own = np.linalg.norm(vectors, axis=-1).mean(1)
    wanted = own.copy()
    for name in dict.fromkeys(name.removeprefix("left_").removeprefix("right_") for name in names):
        places = [_PART[full] for full in names if full.endswith(name)]
        factor = np.exp(rng.normal(0, settings.proportions, (count, 1)))
        wanted[:, places] = LENGTHS[names[places[0]]] * factor
    wanted = np.where(rng.random((count, 1)) < settings.native, own, wanted)
    chain = wanted[:, [_PART["trunk"], _PART["left_thigh"], _PART["left_shin"]]].sum(1, keepdims=True)
    factors = wanted / np.maximum(own, 1e-6) * (CHAIN / chain)
    return np.asarray(vectors * factors[:, None, :, None])


def _mirrored(joints: Array, roots: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Half of the scenes seen in a mirror."""
    which = rng.random(len(joints)) < 0.5
    joints[which] = joints[which][:, :, COCO_17.flip_permutation] * [-1, 1, 1]
    roots[which] *= [-1, 1, 1]
    return joints, roots


def _filmed(
    joints: Array, roots: Array, settings: SceneSettings, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Joints ``(B, T, 17, 3)`` in the camera's axes, the root's places ``(B, T, 1, 3)`` and focal lengths."""
    count = len(joints)
    yaw = rng.uniform(0, 2 * np.pi, count)
    pitch = np.radians(rng.uniform(*settings.pitch, count))
    roll = np.where(
        rng.random(count) < settings.any_roll,
        rng.uniform(-np.pi, np.pi, count),
        np.radians(rng.normal(0, settings.roll, count)),
    )
    # The camera's y is down and its z away: the world turned half about x.
    camera = _about(2, roll) @ _about(0, pitch) @ np.diag([1.0, -1.0, -1.0]) @ _about(1, yaw)
    joints = np.einsum("bij,btkj->btki", camera, joints)
    path = np.einsum("bij,btj->bti", camera, roots - roots.mean(1, keepdims=True))
    # A camera that goes along sees nobody walk away.
    path *= rng.random((count, 1, 1)) < 0.75
    focal = _log_uniform(settings.focal, count, rng)
    distance = _log_uniform(settings.distance, count, rng)
    distance += np.maximum(_NEAREST - (distance + path[..., 2].min(1)), 0)
    spread = 0.35 * np.maximum(1 - 0.8 * focal / distance, 0)
    aside = rng.uniform(-1, 1, (count, 2)) * (spread * distance / focal)[:, None]
    places = path + np.concatenate([aside, distance[:, None]], 1)[:, None]
    return joints, places[:, :, None], focal[:, None, None, None]


def _about(axis: int, angles: Array) -> Array:
    """``(B, 3, 3)`` rotations about one axis."""
    turned = np.zeros((len(angles), 3, 3))
    one, two = (axis + 1) % 3, (axis + 2) % 3
    turned[:, axis, axis] = 1
    turned[:, one, one] = turned[:, two, two] = np.cos(angles)
    turned[:, two, one] = np.sin(angles)
    turned[:, one, two] = -np.sin(angles)
    return turned


def _seen_by_models(exact: Array, settings: SceneSettings, rng: np.random.Generator) -> Array:
    """Keypoints with errors; NaN where missing."""
    count = len(exact)
    strength = rng.uniform(*settings.noise, count) * (rng.random(count) >= settings.clean)
    noisy = disturbed(exact, strength, rng)
    noisy[_hidden(count, exact.shape[1], settings.hidden, rng)] = np.nan
    return noisy


#: Joints that are out of sight together: legs, shins, an arm, a side, the face, everything.
_GROUPS = np.array(
    [
        [any(part in name for part in parts) and (not side or name.startswith(side)) for name in COCO_17.keypoints]
        for parts, side in (
            (("knee", "ankle"), ""),
            (("hip", "knee", "ankle"), ""),
            (("ankle",), ""),
            (("elbow", "wrist"), "left"),
            (("elbow", "wrist"), "right"),
            (("",), "left"),
            (("",), "right"),
            (("nose", "eye", "ear"), ""),
            (("",), ""),
        )
    ]
)


def _hidden(count: int, length: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """``(B, T, 17)`` which joints are out of sight: a group for a while or throughout, or joints at random."""
    hidden = np.zeros((count, length, 17), bool)
    for scene in np.flatnonzero(rng.random(count) < share):
        group = _GROUPS[rng.integers(len(_GROUPS))]
        start = int(rng.integers(0, length))
        while_ = int(rng.integers(1, max(length // 2, 2)))
        throughout = rng.random() < 0.3 and not group.all()
        hidden[scene, slice(None) if throughout else slice(start, start + while_)] |= group
        if rng.random() < 0.5:
            hidden[scene] |= rng.random((length, 17)) < rng.uniform(0, 0.5)
    # Somebody of whom nothing is seen cannot be learnt from.
    hidden[hidden.all((1, 2))] = False
    return hidden
