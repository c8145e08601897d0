"""Skeletons: which keypoints there are, which of them are joined, and which are each other's mirror image.

A skeleton is the vocabulary that networks, annotations, drawings and measures share. Everything that needs a joint's
name, side or neighbour asks here, so that no index is written down twice.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.errors import SkeletonError
from posecore.parsing import shown

Edge = tuple[int, int]

#: OKS sigma of a keypoint that nobody measured (custom skeletons).
DEFAULT_SIGMA = 0.05


@dataclass(frozen=True)
class Skeleton:
    """An ordered set of keypoints with the edges between them.

    Attributes:
        name: Short identifier, for example ``coco-17``.
        keypoints: Names in channel order; sides are written ``left_…`` and ``right_…``.
        edges: Pairs of keypoint indices that are joined by a line when drawn.
        flip_pairs: Pairs ``(left, right)`` of indices that swap when the picture is mirrored.
        sigmas: Per-keypoint constants of object keypoint similarity; ``DEFAULT_SIGMA`` for each when left empty.
        sides_known: False where nobody has said which keypoints are each other's mirror image (``flip_pairs`` is then
            no answer): pictures must not be mirrored until somebody does. Skeletons are compared without it.

    Raises:
        SkeletonError: When an index is out of range, a name occurs twice or a keypoint has two mirror images.
    """

    name: str
    keypoints: tuple[str, ...]
    edges: tuple[Edge, ...] = ()
    flip_pairs: tuple[Edge, ...] = ()
    sigmas: tuple[float, ...] = field(default=())
    sides_known: bool = field(default=True, compare=False)

    def __post_init__(self) -> None:
        count = len(self.keypoints)
        if not count:
            raise SkeletonError(f"Skeleton {self.name!r} has no keypoints; give at least one name.")
        if len(set(self.keypoints)) != count:
            twice = sorted({name for name in self.keypoints if self.keypoints.count(name) > 1})
            raise SkeletonError(f"Skeleton {self.name!r} names {', '.join(twice)} more than once; names must differ.")
        for what, pairs in (("edge", self.edges), ("flip pair", self.flip_pairs)):
            for a, b in pairs:
                if not (0 <= a < count and 0 <= b < count) or a == b:
                    raise SkeletonError(
                        f"Skeleton {self.name!r}: {what} ({a}, {b}) must join two different keypoints in 0…{count - 1}."
                    )
        mirrored = [index for pair in self.flip_pairs for index in pair]
        if len(set(mirrored)) != len(mirrored):
            raise SkeletonError(f"Skeleton {self.name!r}: a keypoint stands in two flip pairs; each may stand in one.")
        if not self.sigmas:
            object.__setattr__(self, "sigmas", (DEFAULT_SIGMA,) * count)
        if len(self.sigmas) != count or not all(0 < sigma < float("inf") for sigma in self.sigmas):
            raise SkeletonError(f"Skeleton {self.name!r} needs {count} positive sigmas, one per keypoint.")

    def __len__(self) -> int:
        return len(self.keypoints)

    def index(self, name: str) -> int:
        """Index of a keypoint by name; raises ``SkeletonError`` naming the ones that exist."""
        try:
            return self.keypoints.index(name)
        except ValueError:
            raise SkeletonError(
                f"Skeleton {self.name!r} has no keypoint {name!r}; it has {', '.join(self.keypoints)}."
            ) from None

    @cached_property
    def flip_permutation(self) -> NDArray[np.intp]:
        """``(K,)``: channel ``i`` of a mirrored picture is channel ``flip_permutation[i]`` of the original."""
        order = np.arange(len(self))
        for left, right in self.flip_pairs:
            order[left], order[right] = right, left
        return order

    def side(self, index: int) -> str:
        """``"left"``, ``"right"`` or ``"middle"``: the person's own side that a keypoint belongs to."""
        for left, right in self.flip_pairs:
            if index in (left, right):
                return "left" if index == left else "right"
        return "middle"

    @cached_property
    def colors(self) -> tuple[tuple[int, int, int], ...]:
        """One RGB colour per keypoint: the colour circle walked once, so that neighbours in the list look related."""
        hues = [index / len(self) for index in range(len(self))]
        rgb = [colorsys.hsv_to_rgb(hue, 0.75, 1.0) for hue in hues]
        return tuple((round(255 * r), round(255 * g), round(255 * b)) for r, g, b in rgb)

    def directed_tree(self, root: int = 0) -> tuple[Edge, ...]:
        """Edges ``(parent, child)`` of a spanning tree, parents before children.

        Follows ``edges`` breadth first from ``root``; parts that no edge reaches hang on the root. Every tree codec
        needs one edge per keypoint except the root, whatever the skeleton looks like when drawn.
        """
        neighbours: dict[int, list[int]] = {index: [] for index in range(len(self))}
        for a, b in self.edges:
            neighbours[a].append(b)
            neighbours[b].append(a)
        tree: list[Edge] = []
        reached = {root}
        queue = [root]
        while len(reached) < len(self):
            if not queue:
                stray = min(set(range(len(self))) - reached)
                tree.append((root, stray))
                reached.add(stray)
                queue.append(stray)
            parent = queue.pop(0)
            for child in neighbours[parent]:
                if child not in reached:
                    reached.add(child)
                    tree.append((parent, child))
                    queue.append(child)
        return tuple(tree)


@dataclass(frozen=True)
class SkeletonMapping:
    """How to express poses of one skeleton in another. Made by :func:`map_skeleton`.

    ``sources[i]`` lists the source keypoints whose mean gives target keypoint ``i``; an empty tuple means that the
    source does not know this keypoint at all (*unlabelled*, which is not the same as absent from the picture).
    """

    source: Skeleton
    target: Skeleton
    sources: tuple[tuple[int, ...], ...]

    @property
    def known(self) -> NDArray[np.bool_]:
        """``(K_target,)`` True where the source skeleton says something about the keypoint."""
        return np.array([bool(found) for found in self.sources])

    def keypoints(
        self, xy: NDArray[np.floating], scores: NDArray[np.floating]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Map ``(…, K_source, 2)`` positions (x, y) and ``(…, K_source)`` scores; unknown ones become NaN and 0.

        A keypoint that is the mean of several takes the lowest of their scores and is NaN when one of them is.
        """
        mapped_xy = np.full((*xy.shape[:-2], len(self.target), 2), np.nan, np.float32)
        mapped_scores = np.zeros((*scores.shape[:-1], len(self.target)), np.float32)
        for index, found in enumerate(self.sources):
            if found:
                mapped_xy[..., index, :] = xy[..., list(found), :].mean(-2)
                mapped_scores[..., index] = scores[..., list(found)].min(-1)
        return mapped_xy, mapped_scores


#: Keypoints that are defined as the mean of others where a skeleton lacks them.
DERIVED: dict[str, tuple[str, ...]] = {
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
}


def map_skeleton(source: Skeleton, target: Skeleton) -> SkeletonMapping:
    """Mapping by keypoint name, with the mid-points of ``DERIVED`` filled in where the source has their parts."""

    def sources_of(name: str) -> tuple[int, ...]:
        if name in source.keypoints:
            return (source.index(name),)
        parts = DERIVED.get(name, ())
        if parts and all(part in source.keypoints for part in parts):
            return tuple(source.index(part) for part in parts)
        return ()

    return SkeletonMapping(source, target, tuple(sources_of(name) for name in target.keypoints))


def _pairs(names: Sequence[str]) -> tuple[Edge, ...]:
    """Flip pairs ``(left, right)`` read off the names."""
    lefts = [name for name in names if name.startswith("left_")]
    return tuple((names.index(left), names.index("right_" + left.removeprefix("left_"))) for left in lefts)


def _named_edges(names: Sequence[str], text: str) -> tuple[Edge, ...]:
    return tuple((names.index(a), names.index(b)) for a, b in (pair.split("-") for pair in text.split()))


_COCO_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
#: Per-keypoint sigmas published with the COCO keypoint evaluation.
_COCO_SIGMAS = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089,
    0.089,
)  # fmt: skip
_SIGMA_OF = dict(zip(_COCO_NAMES, _COCO_SIGMAS, strict=True))

_LIMBS = (
    "left_shoulder-left_elbow left_elbow-left_wrist right_shoulder-right_elbow right_elbow-right_wrist "
    "left_hip-left_knee left_knee-left_ankle right_hip-right_knee right_knee-right_ankle"
)
_TRUNK = "left_shoulder-right_shoulder left_hip-right_hip left_shoulder-left_hip right_shoulder-right_hip"
_FACE = "nose-left_eye nose-right_eye left_eye-left_ear right_eye-right_ear"

COCO_17 = Skeleton(
    "coco-17",
    _COCO_NAMES,
    _named_edges(
        _COCO_NAMES,
        f"{_FACE} {_TRUNK} {_LIMBS}",
    ),
    _pairs(_COCO_NAMES),
    _COCO_SIGMAS,
)

_OPENPOSE_NAMES = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye", "left_eye",
    "right_ear", "left_ear",
)  # fmt: skip

OPENPOSE_18 = Skeleton(
    "openpose-18",
    _OPENPOSE_NAMES,
    _named_edges(
        _OPENPOSE_NAMES,
        f"neck-nose {_FACE} neck-left_shoulder neck-right_shoulder neck-left_hip neck-right_hip {_LIMBS}",
    ),
    _pairs(_OPENPOSE_NAMES),
    tuple(_SIGMA_OF.get(name, _SIGMA_OF["left_shoulder"]) for name in _OPENPOSE_NAMES),
)

_LSP_NAMES = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist", "right_elbow",
    "right_shoulder", "left_shoulder", "left_elbow", "left_wrist", "neck", "head_top",
)  # fmt: skip

LSP_14 = Skeleton(
    "lsp-14",
    _LSP_NAMES,
    _named_edges(
        _LSP_NAMES,
        f"head_top-neck neck-left_shoulder neck-right_shoulder neck-left_hip neck-right_hip {_LIMBS}",
    ),
    _pairs(_LSP_NAMES),
    tuple(_SIGMA_OF.get(name, _SIGMA_OF["left_shoulder"]) for name in _LSP_NAMES),
)

#: The box around a person: its corners as they lie in the picture. By their sigma an OKS of 0.5 is an overlap of 0.5.
PERSON_BOX = Skeleton(
    "person-box",
    ("top_left", "top_right", "bottom_right", "bottom_left"),
    ((0, 1), (1, 2), (2, 3), (3, 0)),
    ((0, 1), (3, 2)),
    (0.12,) * 4,
)

#: The skeletons that posecore knows by name.
SKELETONS: dict[str, Skeleton] = {skeleton.name: skeleton for skeleton in (COCO_17, OPENPOSE_18, LSP_14)}


def data_of_skeleton(skeleton: Skeleton) -> str | dict[str, Any]:
    """A skeleton as plain data for JSON: the name of a known one, or its fields."""
    return skeleton.name if SKELETONS.get(skeleton.name) == skeleton else asdict(skeleton)


def skeleton_of_data(data: Any) -> Skeleton:
    """Read what :func:`data_of_skeleton` made; raises ``SkeletonError`` for anything else."""
    if isinstance(data, str):
        if data not in SKELETONS:
            raise SkeletonError(f"There is no skeleton {shown(data)}; known ones are {', '.join(SKELETONS)}.")
        return SKELETONS[data]
    try:
        names = [data["name"], *data["keypoints"]]
        if not all(isinstance(name, str) for name in names):
            raise SkeletonError("A skeleton's name and keypoints must be texts.")
        edges, pairs = (tuple((int(a), int(b)) for a, b in data[key]) for key in ("edges", "flip_pairs"))
        sigmas = tuple(float(sigma) for sigma in data["sigmas"])
    except KeyError as error:
        raise SkeletonError(f"A skeleton must have {error.args[0]}.") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise SkeletonError(f"A skeleton cannot be {shown(data)}.") from error
    return Skeleton(names[0], tuple(names[1:]), edges, pairs, sigmas)
