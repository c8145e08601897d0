"""The Label page in a real browser: what is dragged, added and deleted is in the file, and undo brings it back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posecore.data.annotations import Label
from posecore.data.coco import load_coco
from posecore.data.library import Library
from posecore.data.people import make_person
from posecore.data.stored import LOCKS, StoredSet
from posecore.labelling.desk import LabelDesk
from posecore.labelling.proposals import Proposal
from posecore.skeleton import COCO_17
from tests.app_support import jpeg
from tests.browser.running_app import Server
from tests.browser.test_browser import settle

#: A frame that shows a picture.
FRAME = ".posecore-labels .frame[data-picture]"
SAVED = ".posecore-labels .saved[data-saved=true]"
_numbers = count(1)
_WRIST = COCO_17.index("left_wrist")


@dataclass
class Editor:
    """The page with a set on it."""

    page: Any
    stored: StoredSet

    def people(self, picture: int = 1) -> list[dict[str, Any]]:
        """Who is in the file, read anew."""
        data = load_coco(self.stored.labels)
        return [entry for entry in data["annotations"] if entry["image_id"] == picture]

    def joint(self, person: int, joint: int, picture: int = 1) -> list[float]:
        """x, y and visibility of a joint in the file."""
        return list(self.people(picture)[person]["keypoints"][3 * joint : 3 * joint + 3])

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        """Where a position of the file is on the screen."""
        area = self.page.locator(".posecore-labels .shown").bounding_box()
        width, height = self.stored.image(self.shown()).size
        return area["x"] + (x + 0.5) / width * area["width"], area["y"] + (y + 0.5) / height * area["height"]

    def shown(self) -> int:
        """The picture that is shown."""
        return int(self.page.locator(FRAME).get_attribute("data-picture"))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag between two positions of the file."""
        self.page.mouse.move(*self.on_screen(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.on_screen(*end), steps=5)
        self.page.mouse.up()
        self.saved()

    def add_in_box(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Add a person in a box; until it is confirmed, it is a template that counts for nothing."""
        before = len(self.people(self.shown()))
        self.page.locator(FRAME).focus()
        self.page.keyboard.press("p")
        self.drag(start, end)
        self.page.get_by_text("1 to confirm").wait_for()
        assert len(self.people(self.shown())) == before
        self.page.get_by_role("button", name="Confirm person").click()
        self.saved()
        self.page.get_by_text("1 to confirm").wait_for(state="detached")

    def press(self, keys: str) -> None:
        """Press a key in the editor."""
        self.page.locator(FRAME).focus()
        self.page.keyboard.press(keys)
        self.saved()

    def saved(self) -> None:
        """Wait until Python has said that all is saved."""
        self.page.wait_for_selector(SAVED, state="attached")

    def go(self, picture: int, keys: str) -> None:
        """Go to a picture by a key."""
        self.page.keyboard.press(keys)
        self.page.wait_for_selector(f".posecore-labels .frame[data-picture='{picture}']")


def somebody(x: float, y: float) -> Any:
    """Joints in four columns, 30 pixels apart."""
    places = np.array([(x + 30 * (index % 4), y + 30 * (index // 4)) for index in range(17)], np.float32)
    return make_person(places, np.full(17, Label.VISIBLE, np.uint8))


@pytest.fixture
def editor(app_home: Path, server: Server, page: Any, tmp_path: Path) -> Iterator[Editor]:
    """Three pictures, two people on the first."""
    paths = [tmp_path / f"{number}.jpg" for number in range(3)]
    for path in paths:
        path.write_bytes(jpeg(640, 480))
    library = Library(app_home / "datasets")
    # The newest set is the one that is opened.
    stored = library.create(f"label-{os.getpid()}-{next(_numbers)}", paths, COCO_17)
    stored.set_people(1, [somebody(100, 100), somebody(400, 200)])
    yield opened(server, page, stored)
    page.goto("about:blank")
    library.remove(stored.name)


def opened(server: Server, page: Any, stored: StoredSet) -> Editor:
    page.goto(f"{server.url}label")
    page.wait_for_selector(FRAME)
    page.get_by_text("As in the set").click()
    settle(page)
    found = Editor(page, stored)
    # What is not done comes first: back to the beginning.
    while found.shown() != 1:
        page.locator(FRAME).focus()
        found.go(found.shown() - 1, "b")
    page.locator(FRAME).focus()
    return found


def test_people_are_copied_from_the_picture_before_and_wait_to_be_confirmed(editor: Editor) -> None:
    editor.go(2, "n")
    editor.press("c")
    editor.page.get_by_text("1 to confirm").wait_for()
    assert editor.people(2) == [], "nobody said yet that they are there"
    editor.press("c")
    assert "here already" in editor.page.locator(".posecore-labels .note").inner_text()
    editor.press("Enter")
    editor.page.get_by_text("2 of 3 done").wait_for()
    assert [one["keypoints"] for one in editor.people(2)] == [one["keypoints"] for one in editor.people(1)]
    editor.page.wait_for_selector(".posecore-labels .frame[data-picture='3']")
    editor.go(2, "b")
    editor.press("Control+z")
    editor.press("Control+z")
    editor.page.get_by_text("1 of 3 done").wait_for()
    assert editor.people(2) == []


def test_a_joint_is_dragged_hidden_and_everything_is_undone(editor: Editor) -> None:
    before = editor.joint(0, _WRIST)
    editor.drag((before[0], before[1]), (250, 300.5))
    assert editor.joint(0, _WRIST) == pytest.approx([250, 300.5, 2], abs=1)
    editor.press("h")
    moved = editor.joint(0, _WRIST)
    assert moved == pytest.approx([250, 300.5, 1], abs=1)
    editor.press("ArrowRight")
    assert editor.joint(0, _WRIST)[0] == pytest.approx(moved[0] + 1, abs=0.01)
    editor.press("a")
    assert editor.people()[0]["absent"] == [_WRIST]
    assert editor.joint(0, _WRIST) == [0, 0, 0]
    editor.press("Delete")
    assert "absent" not in editor.people()[0]
    editor.press("v")
    assert editor.joint(0, _WRIST) == pytest.approx([moved[0] + 1, moved[1], 2], abs=0.01)
    for _ in range(6):
        editor.press("Control+z")
    assert editor.joint(0, _WRIST) == before
    editor.press("Control+y")
    assert editor.joint(0, _WRIST) == pytest.approx([250, 300.5, 2], abs=1)


def test_a_person_is_moved_deleted_and_brought_back(editor: Editor) -> None:
    left_hip, left_knee = editor.joint(1, 11), editor.joint(1, 13)
    middle = ((left_hip[0] + left_knee[0]) / 2, (left_hip[1] + left_knee[1]) / 2)
    editor.drag(middle, (middle[0] + 50, middle[1] - 30))
    np.testing.assert_allclose(editor.joint(1, 11)[:2], [left_hip[0] + 50, left_hip[1] - 30], atol=1)
    np.testing.assert_allclose(editor.joint(1, 13)[:2], [left_knee[0] + 50, left_knee[1] - 30], atol=1)
    editor.press("Shift+Delete")
    assert len(editor.people()) == 1
    assert editor.joint(0, 0)[:2] == [100, 100], "the other one is still there"
    editor.press("Control+z")
    assert len(editor.people()) == 2


def test_people_are_added_and_survive_a_change_of_picture_and_a_reload(editor: Editor, server: Server) -> None:
    editor.add_in_box((250, 100), (350, 400))
    editor.page.locator(FRAME).focus()
    assert len(editor.people()) == 3
    added = np.array(editor.people()[2]["keypoints"]).reshape(17, 3)
    assert (added[:, 2] == 2).all()
    assert 250 <= added[:, 0].min() < added[:, 0].max() <= 350
    nose, ankle = added[0], added[15]
    assert 100 <= nose[1] < 160 < 350 < ankle[1] <= 400
    # Changed and left at once: nothing waits for a pause.
    editor.page.keyboard.press("Shift+Delete")
    editor.go(2, "n")
    assert len(editor.people()) == 2
    editor.page.keyboard.press("j")
    for place in ((50, 60), (70, 50)):
        editor.page.mouse.click(*editor.on_screen(*place))
    editor.page.keyboard.press("Escape")
    editor.saved()
    assert editor.joint(0, 0, picture=2) == pytest.approx([50, 60, 2], abs=1)
    assert editor.joint(0, 1, picture=2) == pytest.approx([70, 50, 2], abs=1)
    editor.go(1, "b")
    editor.press("Control+z")
    assert len(editor.people()) == 3, "undo still knows what was done here before"
    opened(server, editor.page, editor.stored)
    assert editor.page.locator(".posecore-labels .people button").count() == 3


def test_another_set_is_another_set(editor: Editor, server: Server, app_home: Path, tmp_path: Path) -> None:
    """Pictures of all sets are numbered from 1: what is drawn on one must never reach the other."""
    page, library = editor.page, Library(app_home / "datasets")
    other = library.create(f"{editor.stored.name}-b", [tmp_path / "0.jpg", tmp_path / "1.jpg"], COCO_17)
    try:
        editor.drag((100, 100), (130, 120))
        page.goto(f"{server.url}label?set={other.name}")
        page.get_by_text("1 of 2 ·").wait_for()
        editor.stored = other
        page.locator(FRAME).focus()
        editor.add_in_box((50, 50), (150, 300))
        assert len(editor.people()) == 1
        page.get_by_role("combobox", name="Set of pictures").click()
        page.get_by_role("option", name=f"{other.name.removesuffix('-b')}", exact=True).click()
        page.get_by_text(" of 3 ·").wait_for()
        settle(page)
        page.get_by_role("combobox", name="Set of pictures").click()
        page.get_by_role("option", name=other.name, exact=True).click()
        page.get_by_text(" of 2 ·").wait_for()
        settle(page)
        assert len(editor.people()) == 1
        editor.stored = library.get(other.name.removesuffix("-b"))
        assert [entry["keypoints"][:2] for entry in editor.people()] == [pytest.approx([130, 120], abs=1), [400, 200]]
    finally:
        page.goto("about:blank")
        library.remove(other.name)


def test_the_picture_never_jumps_or_reloads_while_one_works(editor: Editor) -> None:
    page = editor.page
    page.mouse.move(*editor.on_screen(100, 100))
    page.mouse.wheel(0, -500)
    zoom = page.locator(FRAME).get_attribute("data-zoom")
    assert float(zoom) > 2
    page.locator(".posecore-labels .shown").evaluate(
        """(image) => { window.loads = 0; image.addEventListener('load', () => window.loads++);
          window.before = { image, source: image.src, x: image.getBoundingClientRect().x }; }"""
    )
    editor.drag((100, 100), (110, 120))
    editor.press("h")
    settle(page)
    assert page.locator(FRAME).get_attribute("data-zoom") == zoom
    assert page.locator(".posecore-labels .shown").evaluate(
        """(image) => [image === window.before.image, window.loads, image.src === window.before.source,
          image.getBoundingClientRect().x === window.before.x]"""
    ) == [True, 0, True, True]


def test_proposals_are_confirmed_by_hand(editor: Editor, server: Server) -> None:
    desk = LabelDesk(editor.stored)
    desk.propose(2, [Proposal(somebody(100, 100), 0.4), Proposal(somebody(400, 200), 0.3)])
    editor = opened(server, editor.page, editor.stored)
    editor.go(2, "n")
    page = editor.page
    assert page.locator(".posecore-labels .people .proposed").count() == 2
    editor.drag((100, 100), (120, 110))
    assert [entry["keypoints"][:2] for entry in editor.people(2)] == [pytest.approx([120, 110], abs=1)]
    assert desk.progress().proposals == 1, "the one that nobody touched is no label yet"
    editor.press("Control+z")
    assert (editor.people(2), desk.progress().proposals) == ([], 2), "one step back is one change back"
    editor.press("Control+y")
    assert desk.progress().proposals == 1
    page.locator(FRAME).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".posecore-labels .frame[data-picture='3']")
    assert len(editor.people(2)) == 2
    assert desk.progress().proposals == 0
    page.get_by_text("2 of 3 done").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("3 of 3 done").wait_for()


def test_what_cannot_be_saved_is_kept_and_saved_again(editor: Editor) -> None:
    page = editor.page
    # A folder where the lock belongs: nothing can be written, everything can be read.
    lock = editor.stored.folder.parent / LOCKS / f"{editor.stored.name}.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    page.mouse.move(*editor.on_screen(100, 100))
    page.mouse.down()
    page.mouse.move(*editor.on_screen(130, 140), steps=3)
    page.mouse.up()
    page.get_by_text("Nothing was changed").first.wait_for()
    page.get_by_text("Not saved").first.wait_for()
    assert editor.joint(0, 0) == [100, 100, 2]
    lock.rmdir()
    page.locator(".posecore-labels").get_by_role("button", name="Save again").click()
    editor.saved()
    assert editor.joint(0, 0) == pytest.approx([130, 140, 2], abs=1)
    assert not page.get_by_text("Nothing was changed").is_visible()


def test_a_large_photograph_is_shown_small_and_labelled_in_its_own_pixels(
    app_home: Path, server: Server, page: Any, tmp_path: Path
) -> None:
    photo = tmp_path / "large.jpg"
    photo.write_bytes(jpeg(4000, 3000))
    library = Library(app_home / "datasets")
    stored = library.create(f"large-{os.getpid()}", [photo], COCO_17)
    try:
        editor = opened(server, page, stored)
        editor.add_in_box((1000, 500), (2000, 2500))
        added = np.array(editor.people()[0]["keypoints"]).reshape(17, 3)
        assert 1000 <= added[:, 0].min() < added[:, 0].max() <= 2001
        assert added[:, 1].max() > 2000
        longest = page.locator(".posecore-labels .shown").evaluate("(e) => Math.max(e.naturalWidth, e.naturalHeight)")
        assert longest <= 2048
    finally:
        page.goto("about:blank")
        library.remove(stored.name)


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_the_page_fits(editor: Editor, server: Server, size: tuple[int, int]) -> None:
    page = editor.page
    page.set_viewport_size({"width": size[0], "height": size[1]})
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    area = page.locator(FRAME).bounding_box()
    assert area["x"] >= 0
    assert area["x"] + area["width"] <= size[0]
    assert area["height"] >= 200
    assert area["y"] + area["height"] <= size[1]
