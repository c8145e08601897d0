"""The Label page in all its states, without a browser."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from posecore.data.annotations import Label
from posecore.data.detect import Format
from posecore.data.library import Library
from posecore.data.people import make_person
from posecore.data.stored import StoredSet
from posecore.labelling.desk import LabelDesk
from posecore.labelling.edits import Drawn, Sheet
from posecore.labelling.proposals import Proposal
from posecore.skeleton import COCO_17, Skeleton
from posecore.ui.label.proposals import run_of
from posecore.ui.label.sets import Labelling, desk_of
from posecore.ui.shared.background import Task
from posecore.ui.shared.sets.export_set import FORMATS, pack
from tests.app_support import forget_everything, install_model, jpeg, kept, open_app, without_shipped_models, words


@pytest.fixture(autouse=True)
def _fresh(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_shipped_models(monkeypatch, tmp_path)
    forget_everything()


@pytest.fixture
def stored(home: Path, tmp_path: Path) -> StoredSet:
    """Three pictures without labels."""
    return a_set(home, tmp_path, COCO_17)


def a_set(home: Path, tmp_path: Path, skeleton: Skeleton) -> StoredSet:
    paths = [tmp_path / f"{number}.jpg" for number in range(3)]
    for path in paths:
        path.write_bytes(jpeg(320, 240))
    return Library(home / "datasets").create("mine", paths, skeleton)


def somebody(skeleton: Skeleton = COCO_17) -> Drawn:
    count = len(skeleton)
    places = np.random.default_rng(1).uniform(20, 200, (count, 2))
    return Drawn(make_person(places, np.full(count, Label.VISIBLE, np.uint8)))


def shown(app: AppTest) -> dict[str, object]:
    """What the editor was given."""
    (editor,) = [element for element in app.get("bidi_component") if "posecore_labels" in element.proto.component_name]
    return dict(json.loads(editor.proto.json))


def test_the_editor_is_given_the_people_of_the_picture_before(stored: StoredSet) -> None:
    desk = desk_of(stored)
    desk.save(1, Sheet((somebody(),), done=True))
    app = open_app("label", label_order="as in the set")
    before = shown(app)["before"]
    assert isinstance(before, dict)
    assert (before["width"], before["height"], len(before["people"])) == (320, 240, 1)
    kept(app, Labelling).place.picture = 1
    assert shown(app.run())["before"] is None, "nothing comes before the first"


def test_without_pictures_one_can_practise(home: Path) -> None:
    app = open_app("label")
    assert "no pictures to label yet" in words(app)
    next(button for button in app.button if button.label.startswith("Practise")).click().run()
    assert not app.exception
    assert "0 of 6 done" in words(app)
    assert Library(home / "datasets").get("practice").labelled() == 0


def test_a_set_without_labels_and_without_a_model(stored: StoredSet) -> None:
    app = open_app("label")
    assert "0 of 3 done" in words(app)
    assert "No model is on this machine yet" in words(app)
    assert not app.error


def test_the_model_is_asked_about_one_picture_and_about_all(stored: StoredSet, home: Path) -> None:
    install_model(home)
    app = open_app("label", label_pose_threshold=0.0, label_keypoint_threshold=0.0, label_fewest=1)
    app.button(key="propose_one").click().run()
    assert not app.exception
    desk = desk_of(stored)
    assert desk.progress().unconfirmed == 1, "thresholds of 0 propose somebody, whatever the weights"
    assert "1 to confirm" in words(app)
    app.button(key="propose_all").click().run()
    run = run_of(desk)
    assert run is not None
    run.wait(60)
    app.run()
    assert not app.exception
    assert desk.progress().unconfirmed == 3
    assert run.result is not None
    assert f"{run.result.done} of {run.result.total} pictures" in words(app)
    assert stored.dataset().people == 0
    app.button(key="propose_all").click().run()
    assert "already" in app.toast[0].value


def test_nobody_found_says_what_to_do(stored: StoredSet, home: Path) -> None:
    install_model(home, "posenet-mobilenet_v1-075.google_quant2")
    install_model(home, "movenet-thunder.google_tfjs")
    app = open_app("label", label_pose_threshold=1.0)
    # To begin with, the most exact of those on this machine: two in a row.
    assert app.selectbox(key="label_model").value == "posenet-mobilenet_v1-075.google_quant2"
    assert app.selectbox(key="label_closer").value == "movenet-thunder.google_tfjs"
    app.button(key="propose_one").click().run()
    assert "Lower the thresholds" in app.toast[0].value
    app.selectbox(key="label_closer").set_value("nothing").run()
    assert "is more exact (AP 0.34, this one 0.22)" in words(app)


def test_a_model_of_other_joints_says_so(home: Path, tmp_path: Path) -> None:
    a_set(home, tmp_path, Skeleton("fish", ("fin", "tail"), ((0, 1),)))
    install_model(home)
    app = open_app("label")
    assert "no name is shared" in app.error[0].value
    assert "0 of 3 done" in words(app), "labelling by hand goes on"


def test_all_proposals_are_confirmed_at_once(stored: StoredSet) -> None:
    desk = LabelDesk(stored)
    desk.propose(1, [Proposal(somebody().person, 0.5)])
    desk.propose(2, [Proposal(somebody().person, 0.25)] * 2)
    app = open_app("label", menu_Proposals=True)
    assert "3 people on 2 pictures are not confirmed" in words(app)
    app.button(key="label_done_all").click().run()
    assert not app.exception
    assert "2 of 3 done" in words(app)
    assert stored.dataset().people == 3


def test_the_least_sure_picture_is_shown_first(stored: StoredSet) -> None:
    desk = LabelDesk(stored)
    desk.save(1, Sheet((somebody(),), done=True))
    desk.propose(2, [Proposal(somebody().person, 0.75)])
    desk.propose(3, [Proposal(somebody().person, 0.25)])
    app = open_app("label")
    assert shown(app)["picture"] == "3"
    assert (shown(app)["next"], shown(app)["open"]) == ("2", "2")
    app.segmented_control(key="label_order").set_value("as in the set").run()
    assert not app.exception
    assert shown(app)["picture"] == "3", "the picture that is worked on stays"
    assert (shown(app)["previous"], shown(app)["next"]) == ("2", None)


def test_a_picture_that_is_gone_is_a_sentence(stored: StoredSet) -> None:
    app = open_app("label")
    stored.image(1).path.unlink()
    app = open_app("label")
    assert "Choose another picture" in app.error[0].value
    assert not app.exception


def test_a_broken_set_is_a_sentence(stored: StoredSet) -> None:
    stored.labels.write_text("{")
    app = open_app("label")
    assert not app.exception
    assert "Choose another set" in app.error[0].value


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_can_be_downloaded(stored: StoredSet, kind: Format) -> None:
    desk = LabelDesk(stored)
    desk.save(1, Sheet((somebody(),), done=True))
    desk.propose(2, [Proposal(somebody().person, 0.5)])
    app = open_app("label", menu_Export=True, label_format=kind)
    assert "1 proposal" in words(app)
    names = zipfile.ZipFile(pack(desk.stored, kind, Task("pack")).path).namelist()
    assert len([name for name in names if name.endswith(".jpg")]) == (0 if kind == "webdataset" else 3)
    assert any(name.endswith(".tar") for name in names) == (kind == "webdataset")
    assert not [name for name in names if "proposals" in name]


def test_the_address_keeps_set_and_picture(stored: StoredSet) -> None:
    other = Library(stored.folder.parent).add_synthetic("newer", 2, 1)
    asked = {"set": stored.name, "picture": "2"}
    app = open_app("label", asked)
    assert app.selectbox(key="dataset").value == stored.name
    assert kept(app, Labelling).place.picture == 2
    assert app.query_params["set"] == stored.name
    assert other.name != stored.name
