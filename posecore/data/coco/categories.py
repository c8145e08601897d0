"""Which categories of a COCO file are read, and the skeleton they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from posecore.data.checks import (
    EntryError,
    Problems,
    a_dict,
    a_list,
    a_number,
    a_text,
    an_id,
    an_id_of,
    number_of,
    shown,
)
from posecore.data.naming import different_names, skeleton_of, tells_sides, unnamed_skeleton
from posecore.data.people import Remark
from posecore.errors import SkeletonError
from posecore.skeleton import Edge, Skeleton
from posecore.words import counted

#: What entries refer to categories and pictures by.
Id = int | str


@dataclass(frozen=True)
class Other:
    """A category that is not read.

    Attributes:
        name: Its name.
        reason: Why it is not read.
        has_keypoints: True when it has keypoints, of another skeleton.
    """

    name: str
    reason: str
    has_keypoints: bool


@dataclass(frozen=True)
class Categories:
    """The categories of a file.

    Attributes:
        skeleton: What those that are read share.
        chosen: Names of those that are read, by id.
        others: Those that are not, by id.
    """

    skeleton: Skeleton
    chosen: Mapping[Id, str]
    others: Mapping[Id, Other]

    @classmethod
    def of(
        cls,
        entries: Any,
        annotations: Sequence[Any],
        wanted: str | int | None,
        problems: Problems,
        keypoints: Sequence[str] | None = None,
    ) -> Categories:
        """Choose among the file's categories.

        Args:
            entries: The file's categories.
            annotations: Its annotations; of several skeletons, the one that most of them have is read.
            wanted: Name or id of a category whose skeleton is read instead.
            problems: Takes what is odd.
            keypoints: Names of the keypoints to read, where another file of the set has chosen already.

        Raises:
            EntryError: When no category and no annotation has keypoints, or ``wanted`` has none.
        """
        names, skeletons = _read_categories(entries, problems)
        used = Counter(number for a in annotations if (number := category_of(a)) is not None)
        if not skeletons:
            unnamed = _unnamed(names, annotations, problems.remark)
            skeletons = dict.fromkeys(names, unnamed)
        shares: Counter[tuple[str, ...]] = Counter()
        for number, skeleton in skeletons.items():
            shares[skeleton.keypoints] += used[number]
        if wanted is not None:
            names_read = skeletons[_wanted(wanted, names, skeletons)].keypoints
        elif keypoints is not None and tuple(keypoints) in shares:
            names_read = tuple(keypoints)
        else:
            names_read = max(shares, key=lambda key: shares[key])
        chosen = {i: names[i] for i, skeleton in skeletons.items() if skeleton.keypoints == names_read}
        others = {
            i: Other(name, "keypoints of another skeleton" if i in skeletons else "no keypoints", i in skeletons)
            for i, name in names.items()
            if i not in chosen
        }
        return cls(skeletons[max(chosen, key=lambda number: used[number])], chosen, others)

    def find(self, entry: Mapping[str, Any], remark: Remark) -> Id:
        """The category of an annotation.

        Where only one is read, it is that of who names none; where the file has no other, also that of who has
        keypoints and names one that is not there, as when one program counts from 0 and another from 1.

        Raises:
            EntryError: When there is no such category.
        """
        if entry.get("category_id") is None and len(self.chosen) == 1:
            return next(iter(self.chosen))
        number = category_of(entry)
        if number is not None and (number in self.chosen or number in self.others):
            return number
        if len(self.chosen) == 1 and not self.others and entry.get("keypoints"):
            only, name = next(iter(self.chosen.items()))
            remark(f"a category id that no category has; taken for {name!r} ({only}), the only one there is")
            return only
        raise EntryError(f"there is no category {shown(entry.get('category_id'))}")

    def note_others(self, left_out: Mapping[Id, tuple[int, int]], problems: Problems) -> None:
        """One problem for every category that is not read though it occurs.

        Args:
            left_out: How many annotations of each category were skipped, and how many of these are ignored.
            problems: Takes the problems.
        """
        for number, (skipped, ignored) in left_out.items():
            other = self.others[number]
            reason = f"{counted(skipped, 'annotation')} skipped: the category has {other.reason}"
            if ignored:
                reason += f"; {counted(ignored, 'place')} ignored, not learnt as background"
            problems.note(f"category {other.name!r}", reason, ignored)


def category_of(annotation: Any) -> Id | None:
    """The id of an annotation's category; None when it has none that can be read."""
    if not isinstance(annotation, dict):
        return None
    try:
        return an_id_of(annotation.get("category_id"), "the category id")
    except EntryError:
        return None


def _read_categories(entries: Any, problems: Problems) -> tuple[dict[Id, str], dict[Id, Skeleton]]:
    """Names of all categories, and skeletons of those with keypoints; what is odd in them costs no category."""
    names: dict[Id, str] = {}
    skeletons: dict[Id, Skeleton] = {}
    listed = _listed(entries, problems.remark)
    for position, entry in enumerate(listed):
        with problems.skipping(f"categories[{position}]"):
            number = an_id_of(a_dict(entry, "a category").get("id"), "the id")
            if number in names:
                if entry in listed[:position]:
                    problems.remark("a category that is listed twice; read once")
                    continue
                raise EntryError(f"another category has the id {number} already")
            names[number] = _name(entry.get("name"), number)
            if entry.get("keypoints"):
                skeletons[number] = category_skeleton(entry, names[number], problems.remark)
    return names, skeletons


def _listed(entries: Any, remark: Remark) -> list[Any]:
    """The categories as a list: a single one may stand by itself, several may be fields by their ids."""
    if entries is None or isinstance(entries, list):
        return entries or []
    if isinstance(entries, dict) and ("keypoints" in entries or "name" in entries):
        return [{"id": 1, **entries}]
    if isinstance(entries, dict) and all(isinstance(entry, dict) for entry in entries.values()):
        return [{"id": number, **entry} for number, entry in entries.items()]
    remark(f"categories that are no list but {shown(entries)}; passed over")
    return []


def _name(value: Any, number: Id) -> str:
    """A category's name; names may be written as numbers, and some have none."""
    text = str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    return text or f"category {number}"


def category_skeleton(entry: Mapping[str, Any], name: str, remark: Remark) -> Skeleton:
    """A category's skeleton; its lines count keypoints from 1, and some files' from 0 or name their ends."""
    names = different_names(_keypoint_names(entry["keypoints"]), remark)
    edges = _edges(entry.get("skeleton"), names, remark)
    if entry.get("posecore") is not None:
        try:
            return _own_skeleton(a_dict(entry["posecore"], "a category's posecore"), names, edges)
        except (EntryError, SkeletonError) as error:
            remark(f"a category's field posecore that cannot be used ({str(error).rstrip('.')}); passed over")
    return skeleton_of(name, names, edges)


def _own_skeleton(own: Mapping[str, Any], names: Sequence[str], edges: Sequence[Edge]) -> Skeleton:
    """A skeleton with what posecore itself has written beside the keypoints' names."""
    pairs = [_two(pair) for pair in a_list(own.get("flip_pairs"), "flip_pairs")]
    sigmas = [a_number(value, "a sigma") for value in a_list(own.get("sigmas"), "sigmas")]
    flips = tuple((an_id(a, "a flip pair's end"), an_id(b, "a flip pair's end")) for a, b in pairs)
    known = own.get("sides_known")
    known = known if isinstance(known, bool) else bool(flips) or tells_sides(names, flips)
    title = a_text(own.get("name"), "a skeleton's name")
    return Skeleton(title, tuple(names), tuple(edges), flips, tuple(sigmas), known)


def _keypoint_names(value: Any) -> list[str]:
    """Names of keypoints; some files write numbers, or leave a name empty."""
    if isinstance(value, dict):
        value = _in_order(value)
    items = value.split(",") if isinstance(value, str) else a_list(value, "keypoints")
    items = [item.get("name", item.get("label")) if isinstance(item, dict) else item for item in items]
    plain = [item if isinstance(item, (str, int, float)) and not isinstance(item, bool) else "" for item in items]
    return [str(item).strip() or f"keypoint_{index}" for index, item in enumerate(plain)]


def _in_order(fields: Mapping[str, Any]) -> list[Any]:
    """Names that are fields by their numbers, or numbers by their names, in the order of the numbers."""
    if all(type(value) is int for value in fields.values()):
        fields = {str(value): name for name, value in fields.items()}
    if any(number_of(key) is None for key in fields):
        return list(fields)
    return [fields[key] for key in sorted(fields, key=lambda key: number_of(key) or 0.0)]


def _edges(value: Any, names: Sequence[str], remark: Remark) -> list[Edge]:
    """Lines between keypoints: only drawn, so that one that leads nowhere costs nothing."""
    pairs = value if isinstance(value, list) else []
    if value is not None and not isinstance(value, list):
        remark("a skeleton that is no list of lines; passed over")
    ends = [_ends(pair, names) for pair in pairs]
    counted_ends = [end for pair in ends if pair for end in pair if isinstance(end, int)]
    first = 0 if 0 in counted_ends else 1
    edges: list[Edge] = []
    for pair in ends:
        a, b = (names.index(end) if isinstance(end, str) else end - first for end in pair) if pair else (-1, -1)
        if not (0 <= a < len(names) and 0 <= b < len(names)):
            remark("a line of a skeleton that does not join two of its keypoints; passed over")
        elif a != b and (a, b) not in edges:
            edges.append((a, b))
    return edges


def _ends(pair: Any, names: Sequence[str]) -> tuple[int | str, int | str] | None:
    """The ends of a line, each a number as it stands or a keypoint's name; None when there are no two such."""
    try:
        ends = [end if end in names else an_id_of(end, "an end") for end in _two(pair)]
    except EntryError:
        return None
    if any(isinstance(end, str) and end not in names for end in ends):
        return None
    return ends[0], ends[1]


def _two(pair: Any) -> list[Any]:
    if len(a_list(pair, "a skeleton's line")) != 2:
        raise EntryError(f"a skeleton's line must have two ends, not {len(pair)}")
    return list(pair)


def _unnamed(names: dict[Id, str], annotations: Sequence[Any], remark: Remark) -> Skeleton:
    """A skeleton for a file whose categories name no keypoints though its annotations have some."""
    for annotation in annotations:
        values = annotation.get("keypoints") if isinstance(annotation, dict) else None
        if isinstance(values, list) and len(values) >= 3 and len(values) % 3 == 0:
            number = category_of(annotation)
            names.setdefault(0 if number is None else number, "person")
            return unnamed_skeleton("unnamed", len(values) // 3, remark=remark)
    raise EntryError("no category and no annotation has keypoints; boxes are read with class_names (--class-names)")


def _wanted(wanted: str | int, names: Mapping[Id, str], skeletons: Mapping[Id, Skeleton]) -> Id:
    for number in skeletons:
        if wanted in (number, names[number]) or wanted == str(number):
            return number
    raise EntryError(f"no category {wanted!r} has keypoints; there are {', '.join(names[i] for i in skeletons)}")
