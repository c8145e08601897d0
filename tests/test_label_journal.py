"""Labels that were just saved: a line beside the file, seen by everybody, folded in without loss."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from posecore.data.annotations import Label, Person, PoseDataset
from posecore.data.coco import read_coco
from posecore.data.coco.read import load_coco
from posecore.data.detect import open_dataset
from posecore.data.journal import Journal
from posecore.data.library import Library
from posecore.data.people import make_person
from posecore.data.stored import StoredSet
from posecore.errors import DataError
from posecore.skeleton import Skeleton

STICK = Skeleton("stick", ("top", "end"), ((0, 1),))


def stick(x: float, category: str = "person") -> Person:
    return make_person(np.array([[x, 5], [x + 4, 20]]), np.full(2, Label.VISIBLE, np.uint8), category=category)


def a_set(home: Path, count: int = 4) -> StoredSet:
    folder = home / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (60, 40)).save(folder / f"{number:03d}.png")
    return Library(home / "datasets").create("mine", sorted(folder.iterdir()), STICK)


@pytest.fixture
def stored(home: Path) -> StoredSet:
    """Four pictures, numbered from 1, that wait for labels."""
    return a_set(home)


def journal(stored: StoredSet) -> Journal:
    return Journal(stored.labels)


def tops(dataset: PoseDataset) -> dict[int, list[float]]:
    return {image.image_id: [float(person.keypoints[0, 0]) for person in image.people] for image in dataset}


READERS: dict[str, Callable[[StoredSet], PoseDataset]] = {
    "the library": lambda stored: stored.dataset(),
    "another library": lambda stored: StoredSet(stored.folder).dataset(),
    "the folder": lambda stored: open_dataset(stored.folder),
    "the file": lambda stored: read_coco(stored.labels, stored.pictures),
    "an export": lambda stored: open_dataset(stored.export(stored.folder.parent.parent / f"{time.time_ns()}", "coco")),
}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_sees_what_was_saved(stored: StoredSet, reader: str) -> None:
    stored.set_people(1, [stick(1), stick(9)])
    stored.set_people(2, [stick(2)])
    stored.set_people(1, [stick(3)])
    assert journal(stored).path.is_file()
    assert tops(READERS[reader](stored)) == {1: [3], 2: [2], 3: [], 4: []}


def test_another_process_sees_it(stored: StoredSet) -> None:
    stored.set_people(1, [stick(1)])
    inspect = [sys.executable, "-m", "posecore", "data", "inspect", str(stored.folder)]
    before = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout
    stored.fold()
    assert subprocess.run(inspect, capture_output=True, text=True, check=True).stdout == before
    stored.set_people(1, [])
    stored.set_people(2, [])
    assert subprocess.run(inspect, capture_output=True, text=True, check=True).stdout != before


def test_a_save_writes_no_more_in_a_large_set(home: Path) -> None:
    sizes = []
    for count in (2, 40):
        stored = a_set(home / str(count), count)
        before = stored.labels.read_bytes()
        stored.set_people(1, [stick(1)])
        assert stored.labels.read_bytes() == before
        sizes.append(journal(stored).place().end)
    assert sizes[0] == sizes[1]


changes = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["person", "bird"])), max_size=2),
        st.booleans(),
    ),
    max_size=8,
)


@given(changes, st.integers(0, 8))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_folding_changes_nothing(stored: StoredSet, given: list[Any], when: int) -> None:
    for number, (image, people, done) in enumerate(given):
        if number == when:
            stored.fold()
        stored.set_people(image, [stick(x, category) for x, category in people], done=done)
    before = StoredSet(stored.folder).dataset()
    stored.fold()
    assert not journal(stored).path.exists()
    for after in (stored.dataset(), StoredSet(stored.folder).dataset()):
        assert tops(after) == tops(before)
        assert [image.ignore for image in after] == [image.ignore for image in before]
        assert [[p.category for p in image.people] for image in after] == [
            [p.category for p in image.people] for image in before
        ]
    plain = json.loads(stored.labels.read_text())
    assert len({entry["id"] for entry in plain["annotations"]}) == len(plain["annotations"])
    known = {entry["id"] for entry in plain["categories"]}
    assert {entry["category_id"] for entry in plain["annotations"]} <= known
    assert all(entry["keypoints"] == ["top", "end"] for entry in plain["categories"])


def test_a_set_that_was_folded_is_not_read_again(stored: StoredSet, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.set_people(1, [stick(1)])
    seen = stored.dataset()
    stored.fold()
    monkeypatch.setattr("posecore.data.stored.read_coco", lambda *_, **__: pytest.fail("read again"))
    assert stored.dataset() is seen
    stored.set_people(2, [stick(2)])
    assert tops(stored.dataset()) == {1: [1], 2: [2], 3: [], 4: []}


def test_what_is_saved_while_folding_stays(stored: StoredSet, monkeypatch: pytest.MonkeyPatch) -> None:
    from posecore.data import stored as module

    stored.set_people(1, [stick(1)])
    real = load_coco

    def slow(path: Path) -> object:
        content = real(path)
        # Somebody in another process, just then.
        StoredSet(stored.folder).set_people(2, [stick(2)])
        return content

    monkeypatch.setattr(module, "load_coco", slow)
    stored.fold()
    assert len(journal(stored).read()[0]) == 1
    assert tops(StoredSet(stored.folder).dataset()) == {1: [1], 2: [2], 3: [], 4: []}
    assert tops(stored.dataset()) == {1: [1], 2: [2], 3: [], 4: []}


def test_two_who_fold_at_once_lose_nothing(stored: StoredSet, monkeypatch: pytest.MonkeyPatch) -> None:
    from posecore.data import stored as module

    stored.set_people(1, [stick(1)])
    real = load_coco

    def slow(path: Path) -> object:
        content = real(path)
        monkeypatch.setattr(module, "load_coco", real)
        other = StoredSet(stored.folder)
        other.fold()
        other.set_people(1, [stick(7)])
        return content

    monkeypatch.setattr(module, "load_coco", slow)
    stored.fold()
    assert tops(StoredSet(stored.folder).dataset())[1] == [7]
    assert tops(stored.dataset())[1] == [7]


@pytest.mark.parametrize("rest", [b'{"image": 2, "ig', b"\0\0\0\0", b"{"])
def test_a_line_that_a_killed_process_began_is_none(stored: StoredSet, rest: bytes) -> None:
    stored.set_people(1, [stick(1)])
    with journal(stored).path.open("ab") as file:
        file.write(rest)
    assert tops(stored.dataset())[1] == [1]
    assert tops(StoredSet(stored.folder).dataset())[1] == [1]
    stored.set_people(2, [stick(2)])
    for read in (stored, StoredSet(stored.folder)):
        assert tops(read.dataset()) == {1: [1], 2: [2], 3: [], 4: []}


def test_a_damaged_line_is_said(stored: StoredSet) -> None:
    stored.set_people(1, [stick(1)])
    with journal(stored).path.open("ab") as file:
        file.write(b"no change at all\n")
    with pytest.raises(DataError, match=r"annotations\.json\.changes is damaged 2 lines .* remove that line"):
        open_dataset(stored.folder)
    assert "is damaged" in StoredSet(stored.folder).broken


def test_a_crash_between_the_file_and_its_changes_loses_nothing(
    stored: StoredSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.set_people(1, [stick(1), stick(2)])
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "drop", lambda *_: None)
        stored.fold()
    assert journal(stored).path.exists()
    again = StoredSet(stored.folder)
    assert tops(again.dataset())[1] == [1, 2]
    again.set_people(1, [stick(5)])
    again.set_split(0.5, 1)
    assert not journal(stored).path.exists()
    assert tops(StoredSet(stored.folder).dataset())[1] == [5]


def test_changes_are_folded_in_after_a_while(stored: StoredSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecore.data.journal._QUIET", 0.05)
    stored.set_people(1, [stick(1)])
    deadline = time.monotonic() + 20
    while journal(stored).path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(json.loads(stored.labels.read_text())["annotations"]) == 1


def test_changes_of_a_dead_server_are_folded_in_by_the_next(stored: StoredSet) -> None:
    stored.set_people(1, [stick(1)])
    Library(stored.folder.parent).sweep()
    assert not journal(stored).path.exists()
    assert len(json.loads(stored.labels.read_text())["annotations"]) == 1


def test_changes_of_an_old_skeleton_do_not_outlive_it(stored: StoredSet) -> None:
    stored.set_people(1, [stick(1)])
    stored.set_skeleton(Skeleton("other", ("top", "middle", "end"), ((0, 1), (1, 2))))
    (person,) = StoredSet(stored.folder).image(1).people
    assert person.labels.tolist() == [Label.VISIBLE, Label.UNLABELLED, Label.VISIBLE]
    stored.set_people(1, [])
    assert StoredSet(stored.folder).image(1).people == ()


def _save_for_ever(folder: Path, done: Path) -> None:
    """Save numbers that go up, and note each that was saved; fold now and then."""
    stored = StoredSet(folder)
    number = max([0, *(int(value) for people in tops(stored.dataset()).values() for value in people)])
    with done.open("ab", buffering=0) as file:
        while True:
            number += 1
            image = number % 4 + 1
            stored.set_people(image, [stick(number)])
            file.write(f"{image} {number}\n".encode())
            if number % 7 == 0:
                stored.fold()


@pytest.mark.slow
def test_fifty_kills_in_the_middle_of_saving_lose_nothing(stored: StoredSet, tmp_path: Path) -> None:
    done = tmp_path / "done"
    context = multiprocessing.get_context("fork")
    generator = np.random.default_rng(0)
    for _ in range(50):
        worker = context.Process(target=_save_for_ever, args=(stored.folder, done))
        worker.start()
        time.sleep(0.05 + 0.2 * generator.random())
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        saved = {int(line.split()[0]): int(line.split()[1]) for line in done.read_text().splitlines() if line}
        read = tops(StoredSet(stored.folder).dataset())
        for image, number in saved.items():
            # A later number may have been saved without being noted any more.
            (found,) = read[image]
            assert found >= number
            assert found % 4 + 1 == image
    assert len(done.read_text().splitlines()) > 50
    Library(stored.folder.parent).sweep()
    assert sorted(path.name for path in stored.folder.iterdir()) == ["annotations.json", "dataset.json", "images"]
