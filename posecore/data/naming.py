"""Skeletons from what files of labels say about keypoints: names, lines between them, mirror images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from posecore.skeleton import COCO_17, SKELETONS, Edge, Skeleton
from posecore.words import unused_name

#: Words for the sides, left beside right.
_WORDS = (
    ("left", "right"),
    ("lft", "rgt"),
    ("links", "rechts"),
    ("linke", "rechte"),
    ("linker", "rechter"),
    ("linkes", "rechtes"),
    ("gauche", "droite"),
    ("gauche", "droit"),
    ("izquierda", "derecha"),
    ("izquierdo", "derecho"),
    ("sinistra", "destra"),
    ("sinistro", "destro"),
    ("esquerda", "direita"),
    ("esquerdo", "direito"),
    ("左", "右"),
)
#: Words of further languages and short ones, by which pairs are found but a name on its own is not given a side.
_OTHER_WORDS = (
    ("izq", "der"),
    ("esq", "dir"),
    ("esquerr", "dret"),
    ("sx", "dx"),
    ("лев", "прав"),
    ("lew", "praw"),
    ("lev", "prav"),
    ("αριστερ", "δεξι"),
    ("vänster", "höger"),
    ("venstre", "højre"),
    ("venstre", "høyre"),
    ("vasen", "oikea"),
    ("bal", "jobb"),
    ("sol", "sağ"),
    ("kiri", "kanan"),
    ("trái", "phải"),
    ("왼", "오른"),
    ("ひだり", "みぎ"),
    ("يسرى", "يمنى"),
    ("يسار", "يمين"),
)
#: Letters for the sides.
_LETTERS = ("l", "r")
#: Parts of a name: capitals, capitalised and lower-case words, numbers, other letters.
_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_A-Za-z]+")
#: Parts that tell a side: words, a letter on its own, and letters for side and end such as FL or RH.
_MARK = re.compile(
    rf"(?:{'|'.join(word for pair in _WORDS for word in pair)}|[lr]|[lr][fbhlr]|[fbh][lr])",
    re.IGNORECASE,
)
#: Parts of the body in the middle, of which there may be several in a row.
_MIDLINE = frozenset({
    "abdomen", "back", "backbone", "beak", "belly", "body", "center", "centre", "chest", "chin", "crown", "head", "jaw",
    "lip", "mid", "middle", "mouth", "neck", "nose", "pelvis", "root", "snout", "spine", "sternum", "tail", "thorax",
    "throat", "torso", "trunk", "vertebra", "waist", "withers",
})  # fmt: skip
#: What to do where the sides are not known.
ASK_FOR_SIDES = (
    "say which keypoints are each other's mirror image: flip_idx in data.yaml, “posecore data convert --mirror "
    "LEFT=RIGHT” (--mirror none when there are none), or the skeleton on the app's Data page"
)


def mirror_pairs(names: Sequence[str]) -> tuple[Edge, ...]:
    """Pairs (left, right) of indices read off the names.

    Two names are a pair when they differ in their side alone, written as a word or a letter, wherever it stands:
    ``left_hip``, ``Hip-Left``, ``frontLeftPaw``, ``LHip``, ``l_hip``, ``hip_l``, ``earL``, ``elbowFL``. A name without
    its counterpart in the list, or with several, has no side.
    """
    position = {name: index for index, name in enumerate(names)}
    pairs: set[Edge] = set()
    for replacements in (_words_swapped, _letters_swapped):
        taken = {index for pair in pairs for index in pair}
        found = {
            (index, position[twin])
            for index, name in enumerate(names)
            for twin in replacements(name)
            if twin in position and not taken & {index, position[twin]}
        }
        often = Counter(index for pair in found for index in pair)
        pairs |= {pair for pair in found if often[pair[0]] == often[pair[1]] == 1}
    return tuple(sorted(pairs))


def _words_swapped(name: str) -> Iterator[str]:
    """The name with a word for left made one for right, once for every place where one stands."""
    for left, right in (*_WORDS, *_OTHER_WORDS):
        for place in re.finditer(left, name, re.IGNORECASE):
            yield name[: place.start()] + _like(place[0], right) + name[place.end() :]


def _letters_swapped(name: str) -> Iterator[str]:
    """The name with an l made an r, once for every l. A letter alone is no name with a side."""
    left, right = _LETTERS
    for place in re.finditer(left, name, re.IGNORECASE) if len(name) > 1 else ():
        yield name[: place.start()] + _like(place[0], right) + name[place.end() :]


def _like(pattern: str, word: str) -> str:
    """A word with the capitals of another."""
    if pattern.isupper():
        return word.upper()
    return word.capitalize() if pattern[0].isupper() else word


def tells_sides(names: Sequence[str], pairs: Sequence[Edge]) -> bool:
    """True when names, and the pairs read off them, leave no doubt about which keypoints swap in a mirror.

    They do not when a name that is not in a pair has a side, or several are numbered of a kind that is not in the
    middle of a body (``foot_1``, ``foot_2``; not ``tail1``, ``tail2``), nor, without any pair, when they are no names
    (``3``, ``keypoint_3``, ``p3``) or several are of one kind (``ear_a``, ``ear_b``), for these may be sides.
    """
    if len(names) < 2:
        return True
    paired = {index for pair in pairs for index in pair}
    single = [name for index, name in enumerate(names) if index not in paired]
    if any(has_side(name) for name in single) or _may_be_sides(single):
        return False
    if pairs:
        return True
    words = [frozenset(part.lower() for part in _PARTS.findall(name)) for name in names]
    shared = Counter(word for parts in words for word in parts)
    return not any(_nameless(name) for name in names) and max(shared.values(), default=1) == 1


def _may_be_sides(names: Sequence[str]) -> bool:
    """True when several names are one with numbers or letters, of something that is not in the middle of a body."""
    kinds: Counter[tuple[str, ...]] = Counter()
    for name in names:
        parts = [part.lower() for part in _PARTS.findall(name)]
        words = tuple(part for part in parts if len(part) > 1 and not part.isdigit())
        if len(words) < len(parts) and not _MIDLINE & set(words):
            kinds[words or tuple(part for part in parts if not part.isdigit())] += 1
    return max(kinds.values(), default=0) > 1


def has_side(name: str) -> bool:
    """True for a name that says left or right."""
    lower = name.lower()
    return "left" in lower or "right" in lower or any(_MARK.fullmatch(part) for part in _PARTS.findall(name))


def _nameless(name: str) -> bool:
    """True for numbers and letters in place of names."""
    return bool(re.search(r"\d", name)) or len(re.sub(r"[\W_]", "", name)) < 2


def different_names(names: Sequence[str], remark: Callable[[str], object]) -> list[str]:
    """Names that all differ: the second ``leg`` is ``leg_2``."""
    given: list[str] = []
    for name in names:
        free = name if name not in given else unused_name(name, {*given, *names}, "_")
        if free != name:
            remark(f"two keypoints called {name!r}; the second is {free!r}")
        given.append(free)
    return given


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
            rf"(?P<a>.*[a-z]){short.upper()}(?P<b>)",
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

    Args:
        name: Of the new one.
        names: Of its keypoints.
        edges: Lines between them.
        flip_pairs: Mirror images where the file says them.

    Raises:
        SkeletonError: When names, edges or pairs contradict each other.
    """
    known = known_skeleton(names)
    if known is not None:
        return known
    pairs = mirror_pairs(names) if flip_pairs is None else tuple(flip_pairs)
    sure = flip_pairs is not None or tells_sides(names, pairs)
    return Skeleton(name, tuple(names), tuple(edges), pairs, (), sure)


def unnamed_skeleton(
    name: str,
    count: int,
    flip_pairs: Sequence[Edge] | None = None,
    remark: Callable[[str], object] = lambda what: None,
) -> Skeleton:
    """A skeleton for keypoints without names: COCO's for 17 unless their mirror images are others, else numbered ones.

    Without ``flip_pairs`` the sides are not known, not even of 17: their order may be another than COCO's.
    """
    if count == len(COCO_17) and (flip_pairs is None or set(flip_pairs) == set(COCO_17.flip_pairs)):
        if flip_pairs is not None:
            return COCO_17
        remark("17 keypoints without names; taken for COCO's, but not mirrored as long as nobody says their sides")
        return replace(COCO_17, sides_known=False)
    numbered = tuple(f"keypoint_{index}" for index in range(count))
    return Skeleton(name, numbered, (), tuple(flip_pairs or ()), (), flip_pairs is not None or count < 2)
