"""Skeletons from what files of labels say about keypoints: names, lines between them, mirror images."""

from __future__ import annotations

import re
from collections.abc import Sequence

from posecore.skeleton import COCO_17, SKELETONS, Edge, Skeleton

#: How files mark sides, left beside right; tried in this order.
_SIDES = (
    (re.compile(r"left", re.IGNORECASE), {"left": "right", "Left": "Right", "LEFT": "RIGHT"}),
    (re.compile(r"^l(?=.)", re.IGNORECASE), {"l": "r", "L": "R"}),
    (re.compile(r"(?<=[_\-. ])l$", re.IGNORECASE), {"l": "r", "L": "R"}),
)


def mirror_pairs(names: Sequence[str]) -> tuple[Edge, ...]:
    """Pairs (left, right) of indices read off the names.

    Understands ``left_hip``, ``Hip-Left``, ``LHip``, ``l_hip`` and ``hip_l``; a name without its counterpart in
    the list has no side.
    """
    position = {name: index for index, name in enumerate(names)}
    pairs: list[Edge] = []
    taken: set[int] = set()
    for pattern, other in _SIDES:
        for index, name in enumerate(names):
            side = pattern.search(name)
            if side is None:
                continue
            twin = position.get(name[: side.start()] + other.get(side[0], side[0]) + name[side.end() :])
            if twin is not None and twin != index and not taken & {index, twin}:
                pairs.append((index, twin))
                taken |= {index, twin}
    return tuple(sorted(pairs))


def canonical(name: str) -> str:
    """``Left Shoulder``, ``left-shoulder`` and ``leftShoulder`` are all ``left_shoulder``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\s\-.]+", "_", words).lower()


def suggested_names(names: Sequence[str], target: Skeleton = COCO_17) -> dict[str, str]:
    """Old name → the name that ``target`` has for it, for keypoints that are only spelled differently there.

    ``LHip``, ``hip_l`` and ``Hip-Left`` are all ``left_hip``. Names that ``target`` has, and second claims to one that
    is taken, are left out.
    """
    taken = set(names) & set(target.keypoints)
    found: dict[str, str] = {}
    for name in names:
        wanted = _sided(name)
        if name not in target.keypoints and wanted in target.keypoints and wanted not in taken:
            found[name] = wanted
            taken.add(wanted)
    return found


def _sided(name: str) -> str:
    """A name as posecore spells it, its side first."""
    for side in ("left", "right"):
        short = side[0]
        for pattern in (
            rf"(?i)(?P<a>.*?)[_\-. ]*{side}[_\-. ]*(?P<b>.*)",
            rf"{short.upper()}(?P<a>)(?P<b>[A-Z].*)",
            rf"(?i){short}[_\-. ](?P<a>)(?P<b>.+)",
            rf"(?i)(?P<a>.+)[_\-. ]{short}(?P<b>)",
        ):
            if found := re.fullmatch(pattern, name):
                return f"{side}_{canonical(found['a'] + found['b'])}"
    return canonical(name)


def known_skeleton(names: Sequence[str]) -> Skeleton | None:
    """The skeleton that posecore knows under these keypoint names, however they are spelled."""
    spelled = tuple(canonical(name) for name in names)
    return next((skeleton for skeleton in SKELETONS.values() if skeleton.keypoints == spelled), None)


def skeleton_of(
    name: str, names: Sequence[str], edges: Sequence[Edge] = (), flip_pairs: Sequence[Edge] | None = None
) -> Skeleton:
    """A known skeleton where the names are its names, else a new one with mirror images read off the names.

    Raises:
        SkeletonError: When names, edges or pairs contradict each other.
    """
    known = known_skeleton(names)
    if known is not None:
        return known
    pairs = mirror_pairs(names) if flip_pairs is None else tuple(flip_pairs)
    return Skeleton(name, tuple(names), tuple(edges), pairs)


def unnamed_skeleton(name: str, count: int, flip_pairs: Sequence[Edge] | None = None) -> Skeleton:
    """A skeleton for keypoints without names: COCO's for 17 with COCO's mirror images, else numbered ones."""
    if count == len(COCO_17) and (flip_pairs is None or set(flip_pairs) == set(COCO_17.flip_pairs)):
        return COCO_17
    return Skeleton(name, tuple(f"keypoint_{index}" for index in range(count)), (), tuple(flip_pairs or ()))
