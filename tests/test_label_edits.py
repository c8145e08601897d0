"""What an editor sends becomes people, and people become what an editor shows."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecore.boxes import to_edges
from posecore.data.annotations import Label, Person
from posecore.data.people import make_person
from posecore.errors import DataError
from posecore.labelling.edits import MAX_TABS, Drawn, Inbox, Message, read_sheet, to_entry
from posecore.labelling.proposals import box_around
from posecore.labelling.template import template
from posecore.skeleton import COCO_17, LSP_14, OPENPOSE_18, SKELETONS, Skeleton

SIZE = (640, 480)
STICK = Skeleton("stick", ("top", "middle", "end"), ((0, 1), (1, 2)))


def entry(*joints: tuple[float | None, float | None, int], **changes: Any) -> dict[str, Any]:
    """A person of three joints as the browser sends them."""
    plain = {"box": None, "category": "person", "area": None, "proposed": False, "score": None}
    return {"joints": [list(joint) for joint in joints], **plain, **changes}


def read(*people: dict[str, Any], done: bool = True) -> tuple[Drawn, ...]:
    return read_sheet({"people": list(people), "done": done}, STICK, SIZE).people


places = st.tuples(
    st.integers(0, 64000).map(lambda n: n / 100), st.integers(0, 48000).map(lambda n: n / 100), st.sampled_from([1, 2])
)
joints = st.one_of(places, st.sampled_from([(None, None, 0), (None, None, 3)]))
people = st.lists(joints, min_size=3, max_size=3).filter(lambda some: any(joint[2] in (1, 2) for joint in some))


@given(people, st.booleans())
def test_what_is_sent_comes_back(some: list[Any], proposed: bool) -> None:
    sent = entry(*some, proposed=proposed, score=0.25 if proposed else None)
    (drawn,) = read(sent)
    # Through JSON, as the browser compares it.
    assert json.loads(json.dumps(to_entry(drawn, SIZE))) == json.loads(json.dumps(sent))


@given(people)
def test_a_box_holds_all_joints_and_follows_them(some: list[Any]) -> None:
    (drawn,) = read(entry(*some))
    person = drawn.person
    corners = to_edges(person.keypoints[person.labelled])
    assert (corners >= np.array(person.box[:2]) - 1e-3).all()
    assert (corners <= np.array(person.box[2:]) + 1e-3).all()
    assert person.box[2] > person.box[0]
    assert person.box[3] > person.box[1]
    assert person.area > 0


def test_positions_are_pixels_from_the_first_centre() -> None:
    (drawn,) = read(entry((10.5, 20.25, 2), (11.5, 30.5, 1), (None, None, 3)))
    assert drawn.person.keypoints[:2].tolist() == [[10, 19.75], [11, 30]]
    assert drawn.person.labels.tolist() == [Label.VISIBLE, Label.HIDDEN, Label.ABSENT]
    assert np.isnan(drawn.person.keypoints[2]).all()


def test_an_own_box_stays_and_grows_when_a_joint_leaves_it() -> None:
    box = [100.5, 100.5, 200.5, 300.5]
    inside = entry((120, 120, 2), (130, 200, 2), (150, 250, 2), box=box, area=5000)
    (drawn,) = read(inside)
    assert drawn.person.box == tuple(box)
    assert drawn.person.area == 5000
    assert to_entry(drawn, SIZE)["box"] == box
    outside = entry((90.5, 120, 2), (130, 200, 2), (150, 250, 2), box=box, area=5000)
    (drawn,) = read(outside)
    assert drawn.person.box == (90.5, 100.5, 200.5, 300.5)
    assert drawn.person.area != 5000, "the area was of another box"


def test_somebody_with_a_box_alone_is_kept_and_nobody_at_all_is_not() -> None:
    nothing = [(None, None, 0)] * 3
    kept = read(entry(*nothing, box=[1, 2, 30, 40]), entry(*nothing))
    assert [drawn.person.box for drawn in kept] == [(1, 2, 30, 40)]
    assert not read_sheet({"people": [entry(*nothing)], "done": True}, STICK, SIZE).done, "it is not an empty picture"
    assert read_sheet({"people": [], "done": True}, STICK, SIZE).done


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(list(entry())), inner, max_size=7),
    )
)
def test_nonsense_is_refused(values: Any) -> None:
    for sheet in (values, {"people": values}, {"people": [values]}, {"people": [{**entry(), "joints": values}]}):
        # Whatever is not refused is a sheet.
        with suppress(DataError):
            assert all(isinstance(drawn, Drawn) for drawn in read_sheet(sheet, STICK, SIZE).people)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (entry((1, 1, 2)), "3 joints"),
        (entry((1, 1, 4), (1, 1, 2), (1, 1, 2)), "0, 1, 2 or 3"),
        (entry((None, 1, 2), (1, 1, 2), (1, 1, 2)), "a number"),
        (entry((float("inf"), 1, 2), (1, 1, 2), (1, 1, 2)), "finite"),
        (entry((1, 1, 2), (2, 2, 2), (3, 3, 2), box=[5, 5, 5, 9]), "wider"),
        (entry((1, 1, 2), (2, 2, 2), (3, 3, 2), category=""), "category"),
    ],
)
def test_a_wrong_person_is_named(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        read(wrong)


def test_a_box_of_its_own_is_told_from_one_that_follows() -> None:
    xy = np.array([[100, 100], [150, 200], [120, 300]], np.float32)
    labels = np.full(3, Label.VISIBLE, np.uint8)
    follows = box_around(xy, SIZE)
    assert to_entry(Drawn(make_person(xy, labels, follows)), SIZE)["box"] is None
    wider = Person(xy, labels, (50, 50, 400, 400), 1000.0)
    assert to_entry(Drawn(wider), SIZE)["box"] == [50, 50, 400, 400]


# --- which changes are new -------------------------------------------------------------------------------------------


class Tab:
    """What a tab does with numbers: every message has all changes that it does not know to be saved."""

    def __init__(self, name: str) -> None:
        self.name, self.attempt, self.revision = name, 0, 0
        self.pending: dict[int, int] = {}

    def says(self, picture: int) -> tuple[int, dict[int, int]]:
        self.revision += 1
        self.attempt += 1
        self.pending[picture] = self.revision
        return self.attempt, dict(self.pending)

    def hears(self, inbox: Inbox) -> None:
        if inbox.tab != self.name:
            return
        for picture, revision in inbox.revisions().items():
            if self.pending.get(int(picture)) == revision:
                del self.pending[int(picture)]


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.sampled_from(("heard", "late", "lost")), st.booleans()),
        max_size=40,
    )
)
def test_a_change_is_saved_once_and_never_after_a_later_one(steps: list[tuple[str, int, str, bool]]) -> None:
    inbox, tabs = Inbox(), {name: Tab(name) for name in "ab"}
    kept: dict[tuple[str, int], list[int]] = {}
    late: list[tuple[str, int, dict[int, int]]] = []

    def deliver(tab: str, attempt: int, edits: dict[int, int]) -> None:
        inbox.hear(tab, attempt, edits.keys())
        for picture, revision in edits.items():
            if inbox.is_new(picture, revision):
                inbox.saved(picture, revision, {})
                kept.setdefault((tab, picture), []).append(revision)

    for name, picture, fate, answered in steps:
        attempt, edits = tabs[name].says(picture)
        if fate == "heard":
            deliver(name, attempt, edits)
            for message in late:
                deliver(*message)
            late.clear()
        elif fate == "late":
            late.append((name, attempt, edits))
        if answered:
            tabs[name].hears(inbox)
    for name, tab in tabs.items():
        attempt, edits = tab.says(1)
        deliver(name, attempt, edits)
        assert inbox.revisions() == {str(picture): revision for picture, revision in edits.items()}
    for revisions in kept.values():
        assert revisions == sorted(set(revisions))
    for name, picture, *_ in steps:
        assert kept[name, picture]


def test_what_is_remembered_does_not_grow_with_the_pictures_of_a_session() -> None:
    inbox, tab = Inbox(), Tab("a")
    for picture in range(1, 2000):
        attempt, edits = tab.says(picture)
        inbox.hear(tab.name, attempt, edits.keys())
        for changed, revision in edits.items():
            assert inbox.is_new(changed, revision)
            inbox.saved(changed, revision, {})
        assert len(inbox.revisions()) == 1
        tab.hears(inbox)
    for name in range(1000):
        inbox.hear(f"tab {name}", 1, [1])
        inbox.saved(1, 1, {})
    assert len(inbox._tabs) == MAX_TABS


def test_a_message_is_read_and_nonsense_refused() -> None:
    edit = {"revision": 4, "people": [], "done": True}
    message = Message.read({"tab": "x", "attempt": 2, "has": ["t"], "edits": {"7": edit}, "go": "8", "about": "s"})
    assert (message.tab, message.attempt, message.has) == ("x", 2, frozenset({"t"}))
    assert (message.go, message.about) == (8, "s")
    assert message.edits == {7: (4, edit)}
    for wrong in (None, {}, {"tab": "x", "attempt": 1, "has": [], "edits": {"²": edit}}, {"tab": 3}):
        with pytest.raises(DataError, match="Reload the page"):
            Message.read(wrong)


# --- the template ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skeleton", [*SKELETONS.values(), STICK], ids=lambda skeleton: skeleton.name)
def test_a_template_fills_the_box_and_keeps_joints_apart(skeleton: Skeleton) -> None:
    places = template(skeleton)
    assert places.shape == (len(skeleton), 2)
    assert (places >= 0).all()
    assert (places <= 1).all()
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1) + 9 * np.eye(len(skeleton))
    assert gaps.min() > 0.02


def test_a_template_stands_upright_and_faces_the_camera() -> None:
    for skeleton in (COCO_17, LSP_14, OPENPOSE_18):
        at = dict(zip(skeleton.keypoints, template(skeleton).tolist(), strict=True))
        assert at["left_shoulder"][0] > at["right_shoulder"][0]
        assert at["left_shoulder"][1] < at["left_hip"][1] < at["left_knee"][1] < at["left_ankle"][1]


def test_joints_without_a_place_lie_beside_those_that_have_one() -> None:
    skeleton = Skeleton("more", ("left_wrist", "left_thumb", "left_finger"), ((0, 1), (0, 2)))
    wrist, thumb, finger = template(skeleton)
    assert 0.01 < np.linalg.norm(thumb - wrist) < 0.1
    assert np.linalg.norm(finger - thumb) > 0.01
