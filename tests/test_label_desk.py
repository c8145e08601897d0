"""A set on the desk: labels and proposals side by side, who counts, and in which order to look."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from posecore.data.annotations import Label, Person
from posecore.data.detect import open_dataset
from posecore.data.journal import Journal
from posecore.data.library import Library
from posecore.data.people import make_person
from posecore.data.stored import StoredSet
from posecore.errors import DataError, PosecoreError
from posecore.labelling.desk import LabelDesk
from posecore.labelling.edits import Drawn, Inbox, Message, Sheet, to_entry
from posecore.labelling.proposals import Proposal
from posecore.labelling.proposing import Proposed, propose_for, propose_for_all
from posecore.labelling.waiting import PROPOSALS, WaitingProposals
from posecore.poses import Poses
from posecore.skeleton import COCO_17, OPENPOSE_18, Skeleton
from posecore.ui.label.editor import save_edits
from tests.pose_support import poses_from

STICK = Skeleton("stick", ("top", "end"), ((0, 1),))
SIZE = (80, 60)


def a_set(home: Path, count: int = 3, skeleton: Skeleton = STICK) -> StoredSet:
    """Pictures that wait for labels."""
    folder = home / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        paths.append(folder / f"{number}.png")
        Image.new("RGB", SIZE).save(paths[-1])
    return Library(home / "datasets").create("mine", paths, skeleton)


@pytest.fixture
def desk(home: Path) -> LabelDesk:
    """Three pictures, numbered from 1."""
    return LabelDesk(a_set(home))


def stick(x: float, y: float) -> Person:
    return make_person(np.array([[x, y], [x + 10, y + 20]]), np.full(2, Label.VISIBLE, np.uint8))


def proposal(x: float, sureness: float = 0.5) -> Proposal:
    return Proposal(stick(x, 10), sureness)


def sheet(desk: LabelDesk, picture: int) -> Sheet:
    return desk.sheet(desk.stored.image(picture))


def tops(sheet: Sheet) -> list[float]:
    return [float(drawn.person.keypoints[0, 0]) for drawn in sheet.people]


class Tab:
    """An editor in a browser, as far as Python hears of it."""

    def __init__(self, name: str) -> None:
        self.name, self.attempt, self.revisions = name, 0, dict[int, int]()

    def says(self, picture: int, people: Sequence[Drawn], done: bool = True, revision: int | None = None) -> Message:
        self.attempt += 1
        number = self.revisions[picture] = revision or self.revisions.get(picture, 0) + 1
        edit = {"revision": number, "people": [to_entry(drawn, SIZE) for drawn in people], "done": done}
        return Message(self.name, self.attempt, frozenset(), {picture: (number, edit)}, None)


# --- proposals are not labels ----------------------------------------------------------------------------------------


def test_proposals_count_only_when_they_are_confirmed(desk: LabelDesk, tmp_path: Path) -> None:
    desk.propose(1, [proposal(5), proposal(40)])
    assert desk.stored.dataset().people == 0
    assert desk.stored.labelled() == 0
    assert [drawn.proposed for drawn in sheet(desk, 1).people] == [True, True]
    exported = open_dataset(desk.stored.export(tmp_path / "before.zip", "coco"))
    assert exported.people == 0
    assert desk.progress().proposals == 2
    assert desk.confirm() == 2
    assert desk.progress().proposals == 0
    assert desk.stored.labelled() == 1
    assert tops(sheet(desk, 1)) == [5, 40]
    assert desk.statuses() == {1: "done", 2: "unlabelled", 3: "unlabelled"}


def test_a_half_confirmed_picture_still_waits(desk: LabelDesk) -> None:
    desk.propose(1, [proposal(5), proposal(40)])
    first, second = sheet(desk, 1).people
    desk.save(1, Sheet((Drawn(first.person), second), done=False))
    assert desk.stored.dataset().people == 1
    assert desk.stored.labelled() == 0, "training would learn that the second person is background"
    assert desk.statuses()[1] == "unconfirmed"
    assert [drawn.proposed for drawn in sheet(desk, 1).people] == [False, True]


def test_nobody_on_a_picture_is_not_the_same_as_nobody_looked(desk: LabelDesk) -> None:
    desk.save(1, Sheet((), done=True))
    desk.save(2, Sheet((), done=False))
    assert desk.statuses() == {1: "done", 2: "unlabelled", 3: "unlabelled"}


def test_proposals_survive_the_server_and_a_damaged_file_is_none(desk: LabelDesk) -> None:
    desk.propose(2, [proposal(5, 0.75)])
    again = LabelDesk(StoredSet(desk.stored.folder))
    (drawn,) = sheet(again, 2).people
    assert (drawn.proposed, drawn.sureness) == (True, 0.75)
    np.testing.assert_array_equal(drawn.person.keypoints, stick(5, 10).keypoints)
    fold(desk)
    (desk.stored.folder / PROPOSALS).write_text('{"pictures": {"2": [{"joints": 3}]}}')
    assert again.progress().proposals == 0


def waiting_files(desk: LabelDesk) -> tuple[Path, Journal]:
    file = desk.stored.folder / PROPOSALS
    return file, Journal(file)


def fold(desk: LabelDesk) -> None:
    WaitingProposals(desk.stored.folder).fold()


def proposed(desk: LabelDesk) -> dict[int, list[float]]:
    return {image.image_id: tops(desk.sheet(image)) for image in desk.images() if desk.sheet(image).proposals}


def test_a_change_of_proposals_writes_no_more_in_a_large_set(home: Path) -> None:
    sizes = []
    for count in (2, 40):
        desk = LabelDesk(a_set(home / str(count), count))
        for picture in range(2, count + 1):
            desk.propose(picture, [proposal(5)])
        fold(desk)
        file, journal = waiting_files(desk)
        before = file.read_bytes()
        desk.propose(1, [proposal(5)])
        assert file.read_bytes() == before
        sizes.append(journal.place().end)
        assert len(proposed(LabelDesk(desk.stored))) == count
    assert 0 < sizes[0] == sizes[1]


@pytest.mark.parametrize("left", [1, 2, 40, -1])
def test_proposals_that_were_cut_off_cost_only_the_last_change(desk: LabelDesk, left: int) -> None:
    _, journal = waiting_files(desk)
    desk.propose(1, [proposal(5)])
    desk.propose(2, [proposal(7)])
    whole = journal.path.read_bytes()
    desk.propose(1, [proposal(9)])
    last = journal.path.read_bytes()[len(whole) :]
    journal.path.write_bytes(whole + last[:left])
    for read in (desk, LabelDesk(desk.stored)):
        assert proposed(read) == {1: [5], 2: [7]}
        read.propose(3, [proposal(11)])
        assert proposed(desk) == proposed(LabelDesk(desk.stored)) == {1: [5], 2: [7], 3: [11]}
        read.discard()
        assert proposed(desk) == proposed(LabelDesk(desk.stored)) == {}
        journal.path.write_bytes(whole + last[:left])


def test_folding_proposals_changes_nothing_also_when_it_is_broken_off(
    desk: LabelDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = LabelDesk(StoredSet(desk.stored.folder))
    desk.propose(1, [proposal(5), proposal(40)])
    desk.propose(2, [proposal(7)])
    desk.propose(2, [])
    for broken in (True, False):
        with monkeypatch.context() as patch:
            if broken:
                patch.setattr(Journal, "drop", lambda *_: None)
            fold(desk)
        assert waiting_files(desk)[1].path.exists() == broken
        for read in (desk, other, LabelDesk(desk.stored)):
            assert proposed(read) == {1: [5, 40]}
    other.propose(3, [proposal(9)])
    assert proposed(desk) == {1: [5, 40], 3: [9]}


def test_files_of_proposals_without_changes_beside_them_are_read(desk: LabelDesk) -> None:
    entry = {"joints": [[5, 10, 2], [15, 30, 2]], "box": [5.5, 10.5, 15.5, 30.5], "category": "person", "sureness": 0.5}
    content = {"format": "posecore.proposals", "pictures": {"2": [entry], "3": [{**entry, "joints": [[1, 2, 2]] * 3}]}}
    (desk.stored.folder / PROPOSALS).write_text(json.dumps(content))
    assert proposed(desk) == {2: [5]}, "three joints are not of this set's skeleton"
    desk.propose(1, [proposal(7)])
    assert proposed(desk) == proposed(LabelDesk(desk.stored)) == {1: [7], 2: [5]}


@pytest.mark.parametrize("damaged", ["the file", "a change"])
def test_damaged_proposals_are_none_and_begin_anew(desk: LabelDesk, damaged: str) -> None:
    desk.propose(1, [proposal(5)])
    file, journal = waiting_files(desk)
    (file if damaged == "the file" else journal.path).write_bytes(b"no JSON at all\n")
    for read in (desk, LabelDesk(desk.stored)):
        assert proposed(read) == {}
    desk.propose(2, [proposal(7)])
    assert proposed(desk) == proposed(LabelDesk(desk.stored)) == {2: [7]}


def test_discarding_leaves_labels_alone(desk: LabelDesk) -> None:
    desk.save(1, Sheet((Drawn(stick(20, 10)),), done=True))
    desk.propose(1, [proposal(5)])
    desk.propose(2, [proposal(5)])
    assert desk.discard() == 2
    assert tops(sheet(desk, 1)) == [20]
    assert desk.statuses()[2] == "unlabelled"


def test_crowds_stay(desk: LabelDesk) -> None:
    crowd = Person(np.full((2, 2), np.nan, np.float32), np.zeros(2, np.uint8), (1, 1, 70, 50), 900.0, crowd=True)
    desk.stored.set_people(1, [crowd, stick(5, 5)])
    assert tops(sheet(desk, 1)) == [5]
    desk.save(1, Sheet((), done=True))
    (left,) = desk.stored.image(1).people
    assert left.crowd


# --- changes from browsers -------------------------------------------------------------------------------------------


def test_a_change_that_comes_late_or_twice_is_not_saved_again(desk: LabelDesk) -> None:
    inbox, tab = Inbox(), Tab("a")
    late = tab.says(1, [Drawn(stick(5, 5))])
    assert save_edits(desk, tab.says(1, [Drawn(stick(30, 5))]), inbox) == ""
    assert save_edits(desk, late, inbox) == ""
    assert tops(sheet(desk, 1)) == [30]
    # Another tab had its turn meanwhile; the first one's message, sent again, must not take it back.
    again = tab.says(1, [Drawn(stick(30, 5))], revision=2)
    save_edits(desk, Tab("b").says(1, [Drawn(stick(50, 5))]), inbox)
    save_edits(desk, again, inbox)
    assert tops(sheet(desk, 1)) == [50]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3), st.integers(0, 60), st.booleans()), max_size=12))
def test_the_last_change_of_a_picture_wins_whichever_tab_it_came_from(
    desk: LabelDesk, changes: list[tuple[bool, int, int, bool]]
) -> None:
    for picture in (1, 2, 3):
        desk.save(picture, Sheet((), done=False))
    tabs, inboxes = (Tab("a"), Tab("b")), (Inbox(), Inbox())
    expected: dict[int, list[float]] = {1: [], 2: [], 3: []}
    for second, picture, x, proposed in changes:
        drawn = Drawn(stick(x, 5), proposed, 0.5 if proposed else None)
        message = tabs[second].says(picture, [drawn], done=not proposed)
        assert save_edits(desk, message, inboxes[second]) == ""
        expected[picture] = [x]
    for picture, some in expected.items():
        assert tops(sheet(desk, picture)) == some


def test_a_full_disk_is_said_and_the_change_can_be_sent_again(desk: LabelDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox, tab = Inbox(), Tab("a")
    message = tab.says(1, [Drawn(stick(30, 5))])

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        assert "free some space" in save_edits(desk, message, inbox)
    assert inbox.revisions() == {}
    assert tops(sheet(desk, 1)) == []
    assert save_edits(desk, message, inbox) == ""
    assert tops(sheet(desk, 1)) == [30]


def test_one_bad_change_does_not_hold_back_the_others(desk: LabelDesk) -> None:
    good = Tab("a").says(1, [Drawn(stick(30, 5))])
    bad = {9: (1, {"people": [], "done": True}), 2: (1, {"people": 3})}
    message = Message("a", 1, frozenset(), {**bad, **good.edits}, None)
    assert save_edits(desk, message, Inbox()) != ""
    assert tops(sheet(desk, 1)) == [30]


# --- what to look at first -------------------------------------------------------------------------------------------


def test_least_sure_pictures_come_first(home: Path) -> None:
    desk = LabelDesk(a_set(home, 6))
    desk.propose(1, [proposal(5, 0.9)])
    desk.propose(2, [proposal(5, 0.9), proposal(40, 0.2)])
    desk.propose(4, [proposal(5, 0.5)])
    desk.save(3, Sheet((Drawn(stick(5, 5)),), done=True))
    assert desk.order("least sure first") == [5, 6, 2, 4, 1, 3]
    assert desk.order("as in the set") == [1, 2, 3, 4, 5, 6]
    progress = desk.progress()
    assert (progress.pictures, progress.done, progress.unconfirmed, progress.proposals) == (6, 1, 3, 4)


# --- models ----------------------------------------------------------------------------------------------------------


class SeeingModel:
    """A model that always sees the same people."""

    name = "seeing"

    def __init__(self, poses: Poses) -> None:
        self.poses, self.skeleton = poses, poses.skeleton
        self.seen = 0

    def __call__(self, picture: Any, **settings: Any) -> Poses:
        self.seen += 1
        return self.poses


def seeing(skeleton: Skeleton, count: int = 1) -> Any:
    places = np.random.default_rng(3).uniform(10, 50, (count, len(skeleton), 2))
    scores = np.linspace(0.2, 1, count * len(skeleton)).reshape(count, -1)
    return SeeingModel(poses_from(places, scores, np.ones(count), skeleton, SIZE))


def test_another_skeleton_is_mapped_by_name(home: Path) -> None:
    desk = LabelDesk(a_set(home, 1, OPENPOSE_18))
    model = seeing(COCO_17)
    assert propose_for(desk, model, desk.stored.image(1), {}, 5, nullcontext()) == 1
    (drawn,) = sheet(desk, 1).people
    nose, left_wrist = OPENPOSE_18.index("nose"), OPENPOSE_18.index("left_wrist")
    np.testing.assert_allclose(drawn.person.keypoints[nose], model.poses.keypoints[0, 0], atol=1e-3)
    np.testing.assert_allclose(
        drawn.person.keypoints[left_wrist], model.poses.keypoints[0, COCO_17.index("left_wrist")], atol=1e-3
    )
    neck = model.poses.keypoints[0, [COCO_17.index("left_shoulder"), COCO_17.index("right_shoulder")]].mean(0)
    np.testing.assert_allclose(drawn.person.keypoints[OPENPOSE_18.index("neck")], neck, atol=1e-3)


def test_a_model_of_something_else_is_refused(desk: LabelDesk) -> None:
    with pytest.raises(DataError, match="no name is shared"):
        propose_for(desk, seeing(COCO_17), desk.stored.image(1), {}, 1, nullcontext())
    with pytest.raises(DataError, match="no name is shared"):
        propose_for_all(desk, seeing(COCO_17), desk.images(), {}, 1, nullcontext())


def test_sureness_is_the_mean_score_of_known_joints(home: Path) -> None:
    desk = LabelDesk(a_set(home, 1, STICK))
    poses = poses_from([[[5.0, 5.0], [np.nan, np.nan]]], [[0.8, 0.0]], [1.0], STICK, SIZE)
    propose_for(desk, SeeingModel(poses), desk.stored.image(1), {}, 1, nullcontext())  # type: ignore[arg-type]
    assert sheet(desk, 1).people[0].sureness == pytest.approx(0.4)


def test_all_unlabelled_pictures_are_looked_at(desk: LabelDesk) -> None:
    desk.save(2, Sheet((Drawn(stick(5, 5)),), done=True))
    model = seeing(STICK)
    run = propose_for_all(desk, model, desk.images(), {}, 1, nullcontext())
    assert (run.done, run.total, run.people, model.seen) == (3, 3, 2, 2)
    assert desk.statuses() == {1: "unconfirmed", 2: "done", 3: "unconfirmed"}


def test_nothing_is_proposed_where_somebody_was_quicker(desk: LabelDesk) -> None:
    class Slow(SeeingModel):
        def __call__(self, picture: Any, **settings: Any) -> Poses:
            desk.save(self.seen + 1, Sheet((), done=True))
            return super().__call__(picture, **settings)

    run = propose_for_all(desk, Slow(seeing(STICK).poses), desk.images(), {}, 1, nullcontext())  # type: ignore[arg-type]
    assert (run.done, run.people) == (3, 0)
    assert set(desk.statuses().values()) == {"done"}


def test_a_run_can_be_stopped_and_keeps_what_it_found(desk: LabelDesk) -> None:
    stop = Event()
    reports = []

    def report(proposed: Proposed) -> None:
        reports.append(proposed.done)
        stop.set()

    run = propose_for_all(desk, seeing(STICK), desk.images(), {}, 1, nullcontext(), report, stop)
    assert reports == [run.done] == [1]
    assert run.total == 3
    assert list(desk.statuses().values()).count("unconfirmed") == 1


def test_a_picture_that_is_gone_is_named_and_the_rest_goes_on(desk: LabelDesk) -> None:
    images = desk.images()
    images[0].path.unlink()
    run = propose_for_all(desk, seeing(STICK), images, {}, 1, nullcontext())
    assert run.done == 3
    assert images[0].path.name in run.problems[0]


def test_what_cannot_be_written_ends_a_run_with_a_sentence(desk: LabelDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("posecore.labelling.waiting.write_json", full)
    with pytest.raises(PosecoreError, match="free some space"):
        propose_for_all(desk, seeing(STICK), desk.images(), {}, 1, nullcontext())


def test_the_file_of_proposals_is_small_and_plain(desk: LabelDesk) -> None:
    desk.propose(1, [proposal(5)])
    fold(desk)
    content = json.loads((desk.stored.folder / PROPOSALS).read_text())
    assert content["pictures"]["1"][0]["joints"] == [[5, 10, 2], [15, 30, 2]]
    desk.propose(1, [])
    fold(desk)
    assert json.loads((desk.stored.folder / PROPOSALS).read_text())["pictures"] == {}
