"""Which categories of a COCO file are read, and the skeleton they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from posecore.data.checks import EntryError, Problems, a_dict, a_list, a_number, a_text, an_id, counted, texts
from posecore.data.naming import skeleton_of, unnamed_skeleton
from posecore.skeleton import Skeleton


@dataclass(frozen=True)
class Categories:
    """The categories of a file: which are read, and how often the others occur."""

    skeleton: Skeleton
    chosen: Mapping[int, str]
    others: Mapping[int, tuple[str, int, str]]

    @classmethod
    def of(cls, entries: Any, annotations: Sequence[Any], wanted: str | int | None) -> Categories:
        """Choose among the file's categories; raises ``EntryError`` when none has keypoints."""
        names, skeletons = {}, {}
        for entry in a_list([] if entries is None else entries, '"categories"'):
            number = an_id(a_dict(entry, "a category").get("id"), "a category's id")
            names[number] = a_text(entry.get("name"), "a category's name")
            if entry.get("keypoints"):
                skeletons[number] = category_skeleton(entry)
        used = Counter(a["category_id"] for a in annotations if _has_category(a))
        if not skeletons:
            unnamed = _unnamed(names, annotations)
            skeletons = dict.fromkeys(names, unnamed)
        best = _wanted(wanted, names, skeletons) if wanted is not None else max(skeletons, key=lambda i: (used[i], -i))
        chosen = {i: names[i] for i, skeleton in skeletons.items() if skeleton.keypoints == skeletons[best].keypoints}
        others = {
            i: (name, used[i], "keypoints of another skeleton" if i in skeletons else "no keypoints")
            for i, name in names.items()
            if i not in chosen
        }
        return cls(skeletons[best], chosen, others)

    def note_others(self, problems: Problems) -> None:
        """One problem for every category that is not read though it occurs."""
        for name, count, reason in self.others.values():
            if count:
                skipped = f"{counted(count, 'annotation')} skipped"
                problems.note(f"category {name!r}", f"{skipped}: the category has {reason}")


def _has_category(annotation: Any) -> bool:
    return isinstance(annotation, dict) and type(annotation.get("category_id")) is int


def category_skeleton(entry: Mapping[str, Any]) -> Skeleton:
    """A category's skeleton; its lines count keypoints from 1."""
    names = texts(entry["keypoints"], "a category's keypoints")
    edges = []
    for pair in a_list(entry.get("skeleton") or [], "a category's skeleton"):
        a, b = (an_id(end, "an end of a skeleton's line") for end in _two(pair))
        if a != b and (a - 1, b - 1) not in edges:
            edges.append((a - 1, b - 1))
    if entry.get("posecore") is None:
        return skeleton_of(entry["name"], names, edges)
    own = a_dict(entry["posecore"], "a category's posecore")
    pairs = [_two(pair) for pair in a_list(own.get("flip_pairs"), "flip_pairs")]
    sigmas = [a_number(value, "a sigma") for value in a_list(own.get("sigmas"), "sigmas")]
    flips = tuple((an_id(a, "a flip pair's end"), an_id(b, "a flip pair's end")) for a, b in pairs)
    return Skeleton(a_text(own.get("name"), "a skeleton's name"), tuple(names), tuple(edges), flips, tuple(sigmas))


def _two(pair: Any) -> list[Any]:
    if len(a_list(pair, "a skeleton's line")) != 2:
        raise EntryError(f"a skeleton's line must have two ends, not {len(pair)}")
    return list(pair)


def _unnamed(names: dict[int, str], annotations: Sequence[Any]) -> Skeleton:
    """A skeleton for a file whose categories name no keypoints though its annotations have some."""
    for annotation in annotations:
        values = annotation.get("keypoints") if isinstance(annotation, dict) else None
        if isinstance(values, list) and len(values) >= 3 and len(values) % 3 == 0 and _has_category(annotation):
            names.setdefault(annotation["category_id"], "person")
            return unnamed_skeleton("unnamed", len(values) // 3)
    raise EntryError("no category and no annotation has keypoints")


def _wanted(wanted: str | int, names: Mapping[int, str], skeletons: Mapping[int, Skeleton]) -> int:
    for number in skeletons:
        if wanted in (number, names[number]) or wanted == str(number):
            return number
    raise EntryError(f"no category {wanted!r} has keypoints; there are {', '.join(names[i] for i in skeletons)}")
