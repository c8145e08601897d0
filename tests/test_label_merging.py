"""Two people on one picture at the same time: what one changed, the other's change leaves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from posecore.data.annotations import Label, Person
from posecore.data.library import Library
from posecore.data.people import make_person
from posecore.labelling.desk import LabelDesk
from posecore.labelling.edits import Drawn, Inbox, Message, Sheet, to_entry
from posecore.labelling.merging import merge
from posecore.labelling.proposals import Proposal
from posecore.skeleton import Skeleton
from posecore.ui.label.editor import save_edits

STICK = Skeleton("stick", ("top", "middle", "end"), ((0, 1), (1, 2)))
SIZE = (400, 300)


def person(x: float, y: float = 50) -> Person:
    return make_person(np.array([[x, y], [x + 40, y + 30], [x + 10, y + 60]]), np.full(3, Label.VISIBLE, np.uint8))


def sheet(*people: Person, done: bool = True) -> Sheet:
    return Sheet(tuple(Drawn(one) for one in people), done)


def moved(one: Person, joint: int, by: float) -> Person:
    xy = one.keypoints.copy()
    xy[joint] += by
    return make_person(xy, one.labels)


def joints(drawn: Sheet) -> list[list[list[float]]]:
    return [one.person.keypoints.tolist() for one in drawn.people]


def merged(base: Sheet, mine: Sheet, theirs: Sheet) -> list[list[list[float]]]:
    return joints(merge(base, mine, theirs, STICK, SIZE).sheet)


A, B, C = person(50), person(150), person(250)


def test_different_joints_of_one_person() -> None:
    result = merge(sheet(A), sheet(moved(A, 2, 9)), sheet(moved(A, 0, 5)), STICK, SIZE)
    assert joints(result.sheet) == [moved(moved(A, 0, 5), 2, 9).keypoints.tolist()]
    assert result.twice == 0


def test_different_people() -> None:
    base = sheet(A, B)
    assert merged(base, sheet(A, moved(B, 1, 4)), sheet(moved(A, 0, 5), B)) == joints(
        sheet(moved(A, 0, 5), moved(B, 1, 4))
    )


def test_added_by_both() -> None:
    assert merged(sheet(A), sheet(A, B), sheet(A, C)) == joints(sheet(A, C, B))
    assert merged(sheet(A), sheet(A, B), sheet(A, B)) == joints(sheet(A, B))


def test_deleted_by_one() -> None:
    assert merged(sheet(A, B), sheet(B), sheet(A, B, C)) == joints(sheet(B, C))
    assert merged(sheet(A, B), sheet(moved(A, 0, 3), B), sheet(A)) == joints(sheet(moved(A, 0, 3)))


def test_deleted_by_one_and_changed_by_the_other_stays() -> None:
    changed = moved(B, 0, 7)
    assert merged(sheet(A, B), sheet(A), sheet(A, changed)) == joints(sheet(A, changed))
    assert merged(sheet(A, B), sheet(A, changed), sheet(A)) == joints(sheet(A, changed))


def test_the_same_joint_by_both_gives_both() -> None:
    result = merge(sheet(A), sheet(moved(A, 0, 5)), sheet(moved(A, 0, -5)), STICK, SIZE)
    assert joints(result.sheet) == joints(sheet(moved(A, 0, -5), moved(A, 0, 5)))
    assert result.twice == 1


def test_a_person_who_was_moved_whole_is_the_same_person() -> None:
    whole = make_person(A.keypoints + 6, A.labels)
    assert merged(sheet(A), sheet(whole), sheet(A, B)) == joints(sheet(whole, B))


def test_labels_of_joints_and_boxes_are_changes_too() -> None:
    hidden = make_person(A.keypoints, np.array([2, 1, 2], np.uint8))
    boxed = make_person(A.keypoints, A.labels, (10.0, 10.0, 200.0, 200.0))
    (both,) = merge(sheet(A), sheet(hidden), sheet(boxed), STICK, SIZE).sheet.people
    assert both.person.labels.tolist() == [2, 1, 2]
    assert both.person.box == pytest.approx((10, 10, 200, 200), abs=0.01)


def test_a_picture_with_a_new_proposal_is_not_done() -> None:
    theirs = Sheet((Drawn(A), Drawn(B, True, 0.5)), False)
    result = merge(sheet(A), sheet(moved(A, 0, 3)), theirs, STICK, SIZE).sheet
    assert [drawn.proposed for drawn in result.people] == [False, True]
    assert not result.done


def test_who_was_moved_beyond_recognition_stays_beside_who_was_changed() -> None:
    elsewhere = make_person(A.keypoints + 60, A.labels)
    kept = merged(sheet(A), sheet(moved(A, 0, 3)), sheet(elsewhere))
    assert kept == joints(sheet(elsewhere, moved(A, 0, 3)))


#: So little that everybody is still recognised by a joint that stayed or by their box.
changes = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(1, 5)), max_size=3)


@given(changes, changes)
@settings(max_examples=100, deadline=None)
def test_nobody_is_lost_and_order_matters_not(mine: list[Any], theirs: list[Any]) -> None:
    def edited(edits: list[Any]) -> Sheet:
        people = [A, B, C]
        for index, joint, by in edits:
            people[index] = moved(people[index], joint, by)
        return sheet(*people)

    base, one, other = sheet(A, B, C), edited(mine), edited(theirs)
    forth, back = merge(base, one, other, STICK, SIZE), merge(base, other, one, STICK, SIZE)
    assert forth.twice == back.twice
    assert len(forth.sheet.people) == 3 + forth.twice
    assert sorted(joints(forth.sheet)) == sorted(joints(back.sheet))
    if not theirs:
        assert joints(forth.sheet) == joints(one)
    touched = {(index, joint) for index, joint, _ in mine} & {(index, joint) for index, joint, _ in theirs}
    if not touched:
        assert forth.twice == 0


# --- through the editor's messages -----------------------------------------------------------------------------------


class Tab:
    """An editor that shows a picture and changes it."""

    def __init__(self, name: str, desk: LabelDesk) -> None:
        self.name, self.desk, self.inbox, self.revision = name, desk, Inbox(), 0
        self.base = self.shown = desk.sheet(desk.stored.image(1))
        self.base_revision = 0

    def save(self, *people: Person, answered: bool = True) -> str:
        """Save what is drawn; unless ``answered``, the editor goes on without knowing that it was saved."""
        self.revision += 1
        self.shown = sheet(*people)
        edit = {
            "revision": self.revision,
            **self.plain(self.shown),
            "base": self.plain(self.base),
            "base_revision": self.base_revision,
        }
        message = Message(self.name, self.revision, frozenset(), {1: (self.revision, edit)}, None)
        trouble = save_edits(self.desk, message, self.inbox)
        if answered:
            self.base, self.base_revision = self.shown, self.revision
        return trouble

    @staticmethod
    def plain(drawn: Sheet) -> dict[str, object]:
        return {"people": [to_entry(one, SIZE) for one in drawn.people], "done": drawn.done}


@pytest.fixture
def desk(home: Path) -> LabelDesk:
    """A picture with two people."""
    path = home / "one.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", SIZE).save(path)
    made = LabelDesk(Library(home / "datasets").create("mine", [path], STICK))
    made.save(1, sheet(A, B))
    return made


def test_two_tabs_keep_what_the_other_did(desk: LabelDesk) -> None:
    one, two = Tab("one", desk), Tab("two", LabelDesk(Library(desk.stored.folder.parent).get("mine")))
    one.save(moved(A, 0, 5), B)
    two.save(A, moved(B, 2, 7))
    one.save(moved(moved(A, 0, 5), 1, 3), B)
    assert joints(desk.sheet(desk.stored.image(1))) == joints(sheet(moved(moved(A, 0, 5), 1, 3), moved(B, 2, 7)))
    assert one.inbox.notice == two.inbox.notice == ""
    two.save(A, moved(B, 2, 7), C)
    assert len(desk.stored.image(1).people) == 3


def test_an_editor_that_goes_on_before_it_is_answered_adds_nobody_twice(desk: LabelDesk) -> None:
    one, two = Tab("one", desk), Tab("two", desk)
    one.save(A, B, C, answered=False)
    two.save(moved(A, 0, 5), B)
    one.save(A, B, moved(C, 1, 4), answered=False)
    one.save(A, B, moved(moved(C, 1, 4), 2, 4))
    assert joints(desk.sheet(desk.stored.image(1))) == joints(sheet(moved(A, 0, 5), B, moved(moved(C, 1, 4), 2, 4)))
    assert one.inbox.notice == ""


def test_two_tabs_that_contradict_each_other_are_told(desk: LabelDesk) -> None:
    one, two = Tab("one", desk), Tab("two", desk)
    one.save(moved(A, 0, 5), B)
    assert two.save(moved(A, 0, -5), B) == ""
    assert "1 person at the same time" in two.inbox.notice
    assert len(desk.stored.image(1).people) == 3
    # Whoever goes on changes their own version only.
    one.save(moved(A, 0, 6), B)
    tops = sorted(float(one.keypoints[0, 0]) for one in desk.stored.image(1).people)
    assert tops == [45, 56, 150]


def test_crowds_and_proposals_of_others_stay(desk: LabelDesk) -> None:
    tab = Tab("one", desk)
    crowd = replace(person(300), crowd=True)
    desk.stored.set_people(1, [A, B, crowd])
    desk.propose(1, [Proposal(C, 0.5)])
    tab.save(moved(A, 0, 5), B)
    now = desk.sheet(desk.stored.image(1))
    assert [drawn.proposed for drawn in now.people] == [False, False, True]
    assert [one.crowd for one in desk.stored.image(1).people] == [False, False, True]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1), st.integers(0, 2), st.integers(1, 5)), max_size=6))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_tabs_that_change_different_people_never_disturb_each_other(desk: LabelDesk, steps: list[Any]) -> None:
    desk.save(1, sheet(A, B))
    tabs = [Tab("one", desk), Tab("two", desk)]
    kept = [A, B]
    for which, _, joint, by in steps:
        kept[which] = moved(kept[which], joint, by)
        own = [A, B]
        own[which] = kept[which]
        tabs[which].save(*own)
    assert joints(desk.sheet(desk.stored.image(1))) == joints(sheet(*kept))
