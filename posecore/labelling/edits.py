"""People on their way to an editor and back, and which of an editor's changes are new."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.boxes import Region, area_of, to_edges, to_positions
from posecore.data.annotations import Label, Person
from posecore.data.checks import EntryError, a_dict, a_list, a_number, a_text, an_id
from posecore.data.people import AREA_OF_BOX, make_person, numbers
from posecore.errors import DataError
from posecore.labelling.proposals import box_around
from posecore.skeleton import Skeleton

#: Pixels by which a box may differ from the one that joints give and still follow them.
_SAME = 0.05
#: Editors of one session that are told apart; older ones are forgotten.
MAX_TABS = 8
#: Most people that one picture may have.
MAX_PEOPLE = 1000


@dataclass(frozen=True, eq=False)
class Drawn:
    """A person as an editor shows them.

    Attributes:
        person: The person.
        proposed: True while a model's proposal waits for somebody to confirm it.
        sureness: The proposal's (see :class:`posecore.labelling.proposals.Proposal`), or None.
    """

    person: Person
    proposed: bool = False
    sureness: float | None = None


@dataclass(frozen=True, eq=False)
class Sheet:
    """All that is drawn on one picture.

    Attributes:
        people: Everybody, crowds left out.
        done: True when the picture counts: nothing on it waits to be labelled or confirmed.
    """

    people: tuple[Drawn, ...] = ()
    done: bool = False

    @property
    def proposals(self) -> int:
        """People who are not confirmed yet."""
        return sum(drawn.proposed for drawn in self.people)


# --- to the editor ---------------------------------------------------------------------------------------------------


def to_entry(drawn: Drawn, size: tuple[int, int]) -> dict[str, Any]:
    """A person as plain data for the browser; ``size`` is the picture's (width, height).

    The box and the area are None where they follow from the joints.
    """
    person = drawn.person
    box: Region | None = person.box
    if person.labelled.any() and _follows(person, size):
        box = None
    area = None if box is None or abs(person.area - _area(person.box)) < 0.01 * _area(person.box) else person.area
    return {
        "joints": [_joint(xy, label) for xy, label in zip(person.keypoints, person.labels.tolist(), strict=True)],
        "box": None if box is None else [_rounded(side) for side in box],
        "category": person.category,
        "area": None if area is None else _rounded(area),
        "proposed": drawn.proposed,
        "score": None if drawn.sureness is None else round(drawn.sureness, 4),
    }


def _joint(xy: NDArray[np.floating], label: int) -> list[Any]:
    if label not in (Label.HIDDEN, Label.VISIBLE):
        return [None, None, label]
    # Editors count from the picture's edges, in boxes as in positions.
    x, y = to_edges(xy).tolist()
    return [_rounded(x), _rounded(y), label]


def _rounded(value: float) -> float | int:
    """To a hundredth; whole numbers as such, which is how they look when they come back."""
    rounded = round(value, 2)
    return int(rounded) if rounded == int(rounded) else rounded


def _follows(person: Person, size: tuple[int, int]) -> bool:
    """True for a box that is the one that the joints give."""
    joints = person.keypoints[person.labelled].astype(np.float64)
    box = _whole_box(None, joints, size) or make_person(person.keypoints, person.labels).box
    return bool(np.allclose(box, person.box, atol=_SAME))


def _area(box: Region) -> float:
    return AREA_OF_BOX * area_of(box)


# --- from the editor -------------------------------------------------------------------------------------------------


def read_sheet(entry: Any, skeleton: Skeleton, size: tuple[int, int]) -> Sheet:
    """What a browser sent about one picture, checked.

    Boxes are made from joints where there is none, and widened where joints lie outside. People of whom nothing is
    known, neither a joint nor a box, are left out.

    Args:
        entry: ``{"people": [...], "done": bool}`` with people as :func:`to_entry` makes them.
        skeleton: The skeleton of the set.
        size: (width, height) of the picture.

    Raises:
        DataError: When it is malformed.
    """
    try:
        fields = a_dict(entry, "a change")
        people = a_list(fields.get("people"), "people")
        if len(people) > MAX_PEOPLE:
            raise EntryError(f"a picture may have {MAX_PEOPLE} people, not {len(people)}")
        drawn = [read_drawn(person, skeleton, size) for person in people]
        kept = tuple(one for one in drawn if one is not None)
        # Somebody without any joint is not the same as nobody at all.
        return Sheet(kept, fields.get("done") is True and (bool(kept) or not people))
    except EntryError as error:
        raise DataError(f"This change cannot be read: {error}. Reload the page; what is saved stays.") from error


def read_drawn(entry: Any, skeleton: Skeleton, size: tuple[int, int]) -> Drawn | None:
    """A person as :func:`to_entry` makes them; None for somebody of whom nothing is known.

    Raises:
        EntryError: When it is malformed.
    """
    fields = a_dict(entry, "a person")
    xy, labels = _read_joints(fields.get("joints"), len(skeleton))
    labelled = (labels == Label.HIDDEN) | (labels == Label.VISIBLE)
    box = None if fields.get("box") is None else _read_box(fields["box"])
    if box is None and not labelled.any():
        return None
    area = None if box is None or fields.get("area") is None else a_number(fields["area"], "the area")
    if area is not None and area <= 0:
        raise EntryError(f"the area must be more than 0, not {area:g}")
    category = a_text(fields.get("category"), "the category")
    score = None if fields.get("score") is None else a_number(fields["score"], "the score")
    whole_box = _whole_box(box, xy[labelled], size)
    person = make_person(xy, labels, whole_box, area if whole_box == box else None, category=category)
    return Drawn(person, fields.get("proposed") is True, score)


def _read_joints(values: Any, count: int) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Positions and labels; NaN where there is no position."""
    joints = a_list(values, "joints")
    if len(joints) != count:
        raise EntryError(f"a person of this set has {count} joints, not {len(joints)}")
    xy, labels = np.full((count, 2), np.nan), np.zeros(count, np.uint8)
    for index, joint in enumerate(joints):
        parts = a_list(joint, "a joint")
        if len(parts) != 3:
            raise EntryError(f"a joint has x, y and a label, not {len(parts)} values")
        label = an_id(parts[2], "a label")
        if label not in tuple(Label):
            raise EntryError(f"a label is 0, 1, 2 or 3, not {label}")
        labels[index] = label
        if label in (Label.HIDDEN, Label.VISIBLE):
            xy[index] = to_positions(numbers(parts[:2], 2, "a joint's place"))
    return xy, labels


def _read_box(values: Any) -> Region:
    x0, y0, x1, y1 = (float(value) for value in numbers(values, 4, "the box"))
    if x1 <= x0 or y1 <= y0:
        raise EntryError("the box must be wider and higher than 0")
    return x0, y0, x1, y1


def _whole_box(box: Region | None, joints: NDArray[np.float64], size: tuple[int, int]) -> Region | None:
    """A box that holds all joints; None where :func:`make_person` is to make a tight one."""
    if box is None:
        around = box_around(joints, size)
        return None if around is None else _holding(around, joints)
    return _holding(box, joints)


def _holding(box: Region, joints: NDArray[np.float64]) -> Region:
    if not len(joints):
        return box
    corners = to_edges(joints)
    low, high = np.minimum(corners.min(0), box[:2]), np.maximum(corners.max(0), box[2:])
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


# --- which changes are new -------------------------------------------------------------------------------------------


@dataclass
class _Heard:
    """What one editor has said: the number of its last message, and picture → revision and content of the changes in it
    that are saved.
    """

    attempt: int = 0
    saved: dict[int, tuple[int, Any]] = field(default_factory=dict)


@dataclass
class Inbox:
    """Remembers which changes of which editor were saved, so that one that comes twice or late is not saved again.

    Every tab of a browser numbers its changes and messages upwards, and every message has all changes in it that the
    tab does not know to be saved. So what is not in a tab's last message need not be remembered, and a message with a
    lower number than one before says nothing new. Tabs do not know each other: each says what its change began with,
    and what others saved meanwhile is kept (:mod:`posecore.labelling.merging`).

    Attributes:
        tab: The editor that was heard last.
        notice: What to know about the last changes that were saved, as a sentence, or empty.
    """

    tab: str = ""
    notice: str = ""
    _tabs: dict[str, _Heard] = field(default_factory=dict)
    _late: bool = False

    @property
    def attempt(self) -> int:
        """Number of the last-heard tab's last message."""
        return self._heard.attempt

    @property
    def _heard(self) -> _Heard:
        return self._tabs.get(self.tab, _Heard())

    def hear(self, tab: str, attempt: int, pictures: Collection[int]) -> None:
        """Note a message, and the pictures that it has changes of."""
        self.tab = tab
        heard = self._tabs.pop(tab, _Heard())
        self._late = attempt < heard.attempt
        if not self._late:
            saved = {picture: change for picture, change in heard.saved.items() if picture in pictures}
            heard = _Heard(attempt, saved)
        # Last in the dictionary: the tab that was silent for the longest time is forgotten first.
        self._tabs[tab] = heard
        while len(self._tabs) > MAX_TABS:
            del self._tabs[next(iter(self._tabs))]

    def is_new(self, picture: int, revision: int) -> bool:
        """True for a change in the message that was heard last that is newer than all that were saved for it."""
        return not self._late and revision > self._revision(picture)

    def saved(self, picture: int, revision: int, edit: Any) -> None:
        """Note that a change is saved, and what it was."""
        self._heard.saved[picture] = (revision, edit)

    def base_of(self, picture: int, edit: Mapping[str, Any]) -> Any:
        """What a change began with, unchecked, or None where the editor does not say.

        An editor goes on before it hears that its change was saved: the next one then begins with that, whatever the
        editor knew.
        """
        known = edit.get("base_revision")
        if isinstance(known, int) and known < self._revision(picture):
            return self._heard.saved[picture][1]
        return edit.get("base")

    def revisions(self) -> dict[str, int]:
        """The saved changes of the last-heard tab's last message, by the picture's number as text."""
        return {str(picture): revision for picture, (revision, _) in self._heard.saved.items()}

    def _revision(self, picture: int) -> int:
        return self._heard.saved.get(picture, (0, None))[0]


@dataclass(frozen=True)
class Message:
    """What an editor said.

    Attributes:
        tab: Which editor.
        attempt: Number of the message.
        has: Tokens of the pictures that it has at hand.
        edits: Number of a picture → (revision, what is drawn on it, still unchecked).
        go: The picture that it wants to show, or None.
        about: The set that it is about: sets number their pictures alike.
    """

    tab: str
    attempt: int
    has: frozenset[str]
    edits: Mapping[int, tuple[int, Any]]
    go: int | None
    about: str = ""

    @classmethod
    def read(cls, values: Any) -> Message:
        """Check a message; raises ``DataError`` when it is malformed."""
        try:
            fields = a_dict(values, "a message")
            edits = {
                _picture(name): (an_id(a_dict(edit, "a change").get("revision"), "a revision"), edit)
                for name, edit in a_dict(fields.get("edits"), "edits").items()
            }
            has: Sequence[Any] = a_list(fields.get("has"), "has")
            go = None if fields.get("go") is None else _picture(fields["go"])
            tab, attempt = a_text(fields.get("tab"), "the tab"), an_id(fields.get("attempt"), "the attempt")
            about = a_text(fields.get("about"), "the set")
            return cls(tab, attempt, frozenset(map(str, has)), edits, go, about)
        except EntryError as error:
            raise DataError(f"The editor sent something unreadable: {error}. Reload the page.") from error


def _picture(name: Any) -> int:
    text = a_text(name, "a picture")
    if not text.isascii() or not text.isdigit():
        raise EntryError(f"a picture is a number, not {text[:20]!r}")
    return int(text)
