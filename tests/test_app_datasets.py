"""The Data page in all its states, without a browser."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from posecore.data.annotations import AnnotatedImage, Label, Person, PoseDataset
from posecore.data.augment import AugmentSettings
from posecore.data.batches import PackSettings
from posecore.data.coco import read_coco
from posecore.data.library import Library
from posecore.data.synthetic import write_dataset
from posecore.drawing.diagram import skeleton_layout, skeleton_svg
from posecore.drawing.masks import hatch_cells
from posecore.families import family_of
from posecore.skeleton import COCO_17, Skeleton
from posecore.training.preview import Preview, PreviewPlan, make_preview
from posecore.ui.data.browser import ALL, FEW, NOBODY, WAITING, _marks, matching
from posecore.ui.data.figures import label_chart
from posecore.ui.data.target_preview import Previewing
from posecore.ui.shared.background import Task, tasks
from posecore.ui.shared.session import Session
from posecore.ui.shared.sets.export_set import Packed, forget_packed, pack, packings
from posecore.ui.shared.sets.set_library import library as set_library
from posecore.ui.shared.steps import Far, StoppedError
from tests.app_support import jpeg, kept, open_app, words
from tests.video_support import even_ticks, write_video

TABS = ("Pictures", "Labels", "Skeleton", "Split", "Training targets")


@pytest.fixture
def library(home: Path) -> Library:
    return Library(home / "datasets")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> PoseDataset:
    """Four small pictures of drawn people."""
    return read_coco(write_dataset(tmp_path_factory.mktemp("scenes"), 4, seed=0, size=(240, 180), people=1))


def open_data(tab: str | None = None, **state: object) -> AppTest:
    app = open_app("datasets", None, **({"dataset_tab": tab} if tab else {}), **state)
    if tab:
        app.session_state["dataset_tab"] = tab
        app.run()
        assert not app.exception, app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    button = next(b for b in app.button if b.label == label)
    button.click().run()
    assert not app.exception, app.exception
    return app


def a_zip(**files: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as out:
        for name, data in files.items():
            out.writestr(name.replace("__", "/"), data)
    return memory.getvalue()


def coco_zip(pictures: int = 3) -> bytes:
    keypoints = [value for index in range(17) for value in (20 + 3 * index, 30 + 4 * index, 2)]
    labels = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 120, "height": 140} for i in range(pictures)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "keypoints": keypoints, "bbox": [15, 25, 60, 80], "area": 900}
            for i in range(pictures)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.keypoints), "skeleton": []}],
    }
    files = {f"{i}.jpg": jpeg(120, 140) for i in range(pictures)}
    return a_zip(**{"labels.json": json.dumps(labels).encode(), **files})


def test_without_sets_the_page_offers_all_ways_in(library: Library) -> None:
    app = open_data()
    assert "Add your first set" in words(app)
    assert app.segmented_control(key="dataset_from").options == [
        "Zip file",
        "Folder",
        "Pictures without labels",
        "Video",
        "Synthetic people",
    ]


def test_drawn_people_and_every_tab(library: Library) -> None:
    app = open_data()
    app.segmented_control(key="dataset_from").set_value("Synthetic people").run()
    app.number_input(key="dataset_drawn_count").set_value(3)
    press(app, "Generate")
    (stored,) = library.all()
    assert (stored.name, len(stored.dataset())) == ("drawn-3", 3)
    assert [metric.value for metric in app.metric][:2] == ["3", "3"]
    for tab in TABS:
        app.session_state["dataset_tab"] = tab
        app.run()
        assert not app.exception, (tab, app.exception)
        assert not app.error, (tab, words(app))


def test_a_zip_comes_in(library: Library) -> None:
    app = open_data()
    app.file_uploader[0].upload("my set (1).zip", coco_zip())
    press(app, "Add")
    (stored,) = library.all()
    assert stored.name == "my-set-1"
    assert stored.dataset().people == 3
    assert not app.error


def test_frames_of_a_video_become_a_set_and_more_of_them_join_it(library: Library, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "walk.mp4", even_ticks(30))
    app = open_data(dataset_from="Video", video_source="Upload")
    app.file_uploader[0].upload("walk.mp4", clip.read_bytes()).run()
    app.number_input(key="frames_count").set_value(4).run()
    assert "About 4 pictures of 96 × 64 pixels, 0.25 s apart." in words(app)
    take_frames(app)
    (stored,) = library.all()
    assert (stored.name, len(stored.dataset()), stored.labelled()) == ("walk", 4, 0)
    assert "4 pictures of the video in the set walk." in app.toast[0].value
    press(app, "Add a set")
    app.selectbox(key="frames_into").set_value("walk").run()
    app.segmented_control(key="frames_which").set_value("Every n-th one").run()
    take_frames(app)
    assert len(library.get("walk").dataset()) == 7


def take_frames(app: AppTest) -> None:
    press(app, "Take the frames")
    (task,) = tasks("frames")._known.values()
    assert task.wait(60)
    app.run()
    assert not app.exception, app.exception
    assert not app.error, words(app)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no zip at all", "cannot be unpacked"),
        (a_zip(**{"..__..__evil.json": b"{}"}), "leads out of the folder"),
        (a_zip(**{"inner.zip": a_zip(x=b"y")}), "another zip, inner.zip"),
        (a_zip(**{"readme.txt": b"hello"}), "holds no labels that are known"),
        (a_zip(**{"labels.json": b'{"images": [], "annotations": []}'}), "no annotation has keypoints"),
    ],
)
def test_a_bad_zip_is_refused_in_words(library: Library, data: bytes, message: str) -> None:
    app = open_data()
    app.file_uploader[0].upload("bad.zip", data)
    press(app, "Add")
    assert message in words(app)
    assert ".adding" not in words(app)
    assert not library.all()
    assert [p.name for p in library.folder.iterdir() if p.name != ".locks"] == []


def test_pictures_without_labels(library: Library) -> None:
    app = open_data()
    app.segmented_control(key="dataset_from").set_value("Pictures without labels").run()
    for name in ("a.jpg", "a.jpg", "no picture.jpg"):
        app.file_uploader[0].upload(name, jpeg(80, 60) if name == "a.jpg" else b"words")
    app.text_input(key="dataset_pictures_name").set_value("mine")
    press(app, "Add")
    stored = library.get("mine")
    assert (len(stored.dataset()), stored.labelled(), len(stored.problems)) == (2, 0, 1)
    assert "not labelled yet" in words(app)
    for tab in TABS:
        app.session_state["dataset_tab"] = tab
        app.run()
        assert not app.exception, (tab, app.exception)


def test_a_folder_of_the_server(library: Library, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(coco_zip())) as opened:
        opened.extractall(tmp_path / "given")
    app = open_data()
    app.segmented_control(key="dataset_from").set_value("Folder").run()
    press(app, "Add")
    assert "path of a folder" in words(app)
    app.text_input(key="dataset_folder_path").set_value(str(tmp_path / "nowhere"))
    press(app, "Add")
    assert "does not exist" in words(app)
    app.text_input(key="dataset_folder_path").set_value(str(tmp_path / "given"))
    press(app, "Add")
    assert library.get("given").dataset().people == 3


def test_no_folders_for_those_who_come_over_the_network(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.get_option", lambda name: "0.0.0.0" if name == "server.address" else None)
    app = open_data()
    assert "Folder" not in app.segmented_control(key="dataset_from").options
    assert "POSECORE_ALLOW_FOLDERS" in words(app)
    monkeypatch.setenv("POSECORE_ALLOW_FOLDERS", "1")
    app.run()
    assert "Folder" in app.segmented_control(key="dataset_from").options


def test_a_taken_or_unsafe_name_is_said(library: Library) -> None:
    library.add_synthetic("drawn", 1, 0)
    app = open_data(posecore=Session(adding_set=True))
    app.segmented_control(key="dataset_from").set_value("Synthetic people").run()
    for name, message in (("drawn", "already"), ("../x", "cannot be called")):
        app.text_input(key="dataset_drawn_name").set_value(name)
        press(app, "Generate")
        assert message in words(app)
    press(app, "Back")
    assert app.metric


def test_a_broken_set_is_said_and_can_be_deleted(library: Library) -> None:
    library.add_synthetic("drawn", 1, 0)
    (library.folder / "broken").mkdir()
    (library.folder / "broken" / "annotations.json").write_text("{")
    app = open_data(dataset="broken")
    assert "cannot be read" in words(app)
    app.selectbox(key="dataset").set_value("drawn").run()
    assert not app.error


def test_deleting_asks_first(library: Library) -> None:
    library.add_synthetic("drawn", 1, 0)
    app = open_data(dataset_delete_menu=True)
    assert app.button(key="dataset_delete").disabled
    app.checkbox(key="dataset_sure_drawn").check().run()
    app.button(key="dataset_delete").click().run()
    assert not library.all()
    assert "Add your first set" in words(app)


@pytest.mark.parametrize("said", ["use", "view", "nonsense"])
def test_visitors_who_may_not_change_sets(library: Library, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    library.add_synthetic("drawn", 1, 0)
    monkeypatch.setenv("POSECORE_VISITORS", said)
    app = open_data(dataset_delete_menu=True)
    app.checkbox(key="dataset_sure_drawn").check().run()
    app.button(key="dataset_delete").click().run()
    assert [stored.name for stored in library.all()] == ["drawn"]
    assert "not allowed to visitors" in words(app)
    app = open_data(posecore=Session(adding_set=True), dataset_from="Synthetic people")
    next(button for button in app.button if button.label == "Generate").click().run()
    assert [stored.name for stored in library.all()] == ["drawn"]
    assert "not allowed to visitors" in words(app)


def test_the_title_changes_and_the_name_does_not(library: Library) -> None:
    library.add_synthetic("drawn", 1, 0)
    app = open_data(dataset_title_menu=True)
    app.text_input(key="dataset_title_drawn").set_value("People at work")
    press(app, "Save")
    assert library.get("drawn").title == "People at work"
    assert app.selectbox(key="dataset").options == ["People at work (drawn)"]


def test_other_pages_open_the_same_set(library: Library) -> None:
    for name in ("first", "second", "third"):
        library.add_synthetic(name, 1, 0)
    app = open_data()
    app.selectbox(key="dataset").set_value("first").run()
    app.switch_page("../../../pages/label.py").run()
    assert app.selectbox(key="dataset").value == "first"


def test_split(library: Library) -> None:
    library.add_synthetic("drawn", 5, 0)
    app = open_data("Split")
    assert "not split" in words(app)
    app.number_input(key="dataset_val").set_value(40)
    press(app, "Split")
    assert library.get("drawn").parts() == {"train": 3, "val": 2}
    assert "not split" not in words(app)
    app.session_state["dataset_tab"] = "Pictures"
    app.run()
    app.selectbox(key="dataset_part").set_value("val").run()
    assert "2 of 5 pictures" in words(app)


def test_skeleton_edits_are_checked_and_saved(library: Library) -> None:
    stored = library.add_synthetic("drawn", 2, 0)
    stored.set_skeleton(replace(COCO_17, flip_pairs=COCO_17.flip_pairs[1:]))
    app = open_data("Skeleton")
    assert "mirrors 'left_eye' as itself" in words(app)
    assert app.button(key="skeleton_save").disabled
    press(app, "Pair by names")
    assert not app.error
    app.button(key="skeleton_save").click().run()
    assert library.get("drawn").skeleton == COCO_17


def test_cocos_names_are_offered(library: Library) -> None:
    stored = library.add_synthetic("drawn", 2, 0)
    before = stored.image(1).people
    stored.set_skeleton(replace(COCO_17, keypoints=("Nose", *COCO_17.keypoints[1:15], "LAnkle", "RAnkle")))
    app = open_data("Skeleton")
    press(app, "Use COCO's names for 3")
    app.button(key="skeleton_save").click().run()
    now = library.get("drawn")
    assert now.skeleton.keypoints == COCO_17.keypoints
    assert np.array_equal(now.image(1).people[0].labels, before[0].labels)


def made_now(app: AppTest) -> tuple[PreviewPlan, Preview]:
    """The preview that the page shows, and its plan."""
    made = kept(app, Previewing).made
    assert made is not None
    return made[1:]


def test_targets_of_every_family(library: Library) -> None:
    library.add_synthetic("drawn", 3, 0)
    app = open_data("Training targets")
    for architecture in reversed(SMALL):
        app.selectbox(key="target_architecture").set_value(architecture).run()
        assert not app.exception, app.exception
        assert not app.error, words(app)
    plan, preview = made_now(app)
    press(app, "New random crop")
    assert made_now(app)[0].seed == plan.seed + 1
    assert not np.array_equal(made_now(app)[1].pictures[0], preview.pictures[0])


def test_targets_say_when_pairs_are_wrong(library: Library) -> None:
    stored = library.add_synthetic("drawn", 2, 0)
    stored.set_skeleton(replace(COCO_17, flip_pairs=()))
    app = open_data("Training targets")
    assert "put (left_eye, right_eye) into flip_pairs" in words(app)
    app.slider(key="augment_flip").set_value(0.0).run()
    assert not app.error


# --- below the page --------------------------------------------------------------------------------------------------


def plan(architecture: str, **changes: object) -> PreviewPlan:
    values: dict[str, Any] = {
        "augment": AugmentSettings(),
        "network": {},
        "loss": {},
        "pack": PackSettings(),
        "seed": 3,
        "pictures": 2,
        **changes,
    }
    return PreviewPlan(architecture, COCO_17, 193, **values)


SMALL = ("posenet-mobilenet_v1-050", "movenet-lightning", "openpose-mobilenet_v2_small")


@pytest.mark.parametrize("architecture", SMALL)
def test_preview_is_what_the_loss_gets(scenes: PoseDataset, architecture: str) -> None:
    """A network that says exactly the targets has little loss, and what it says of unknown cells does not matter."""
    one = family_of(architecture)
    preview = make_preview(scenes, plan(architecture))
    settings, loss_settings = preview.plan.network_settings, preview.plan.loss_settings
    network = one.build(architecture, COCO_17)
    with torch.no_grad():
        outputs = one.run(network, torch.zeros(1, 3, *preview.pictures[0].shape[:2]), settings)
    assert set(preview.targets) == {name for name in outputs if "_stage" not in name}
    for name, target in preview.targets.items():
        assert target.values.shape[1:] == outputs[name].shape[1:]
    exact = {
        name: target.values.logit(1e-6) if name in one.logits else target.values
        for name, target in preview.targets.items()
    }
    best = one.loss(exact, preview.truth, COCO_17, settings, loss_settings)
    worse = one.loss({n: v + 0.3 for n, v in exact.items()}, preview.truth, COCO_17, settings, loss_settings)
    assert sum(float(term.total) for term in best.values()) < sum(float(term.total) for term in worse.values())
    changed = {}
    for name, target in preview.targets.items():
        blank = target.weight <= 0
        blank = blank if target.values.dim() == 4 else blank[:, :, None].expand_as(target.values)
        changed[name] = torch.where(blank, exact[name] + 5, exact[name])
    same = one.loss(changed, preview.truth, COCO_17, settings, loss_settings)
    for term in best:
        assert torch.allclose(same[term].total, best[term].total), term


def test_preview_repeats_and_changes(scenes: PoseDataset) -> None:
    first, again, other = (
        make_preview(scenes, plan("posenet-mobilenet_v1-050", seed=seed)).pictures for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_unlabelled_joints_are_unknown_around_their_person(library: Library) -> None:
    stored = library.add_synthetic("drawn", 2, 0)
    for image in stored.dataset():
        people = []
        for person in image.people:
            labels, xy = person.labels.copy(), person.keypoints.copy()
            labels[0], xy[0] = Label.UNLABELLED, np.nan
            people.append(replace(person, labels=labels, keypoints=xy))
        stored.set_people(image.image_id, people)
    preview = make_preview(stored.dataset(), plan("posenet-mobilenet_v1-050", augment=AugmentSettings.none()))
    for shown in range(len(preview.pictures)):
        cells = preview.unknown("heatmaps", 0, shown)
        assert cells.any()
        assert cells.mean() > preview.unknown("heatmaps", 5, shown).mean()


def test_hatching_covers_the_cells_and_nothing_else() -> None:
    picture = np.full((120, 120, 3), 100, np.uint8)
    cells = np.zeros((5, 5), bool)
    cells[1, 2] = True
    changed = (hatch_cells(picture, cells, 10, 0, 41) != picture).any(2)
    rows, columns = np.nonzero(changed)
    scale = 120 / 41
    assert rows.min() >= 5 * scale - 2
    assert rows.max() <= 16 * scale + 1
    assert columns.min() >= 15 * scale - 2
    assert columns.max() <= 26 * scale + 1
    assert changed.sum() > 0.25 * (10 * scale) ** 2


def test_filters(library: Library, tmp_path: Path) -> None:
    for name in ("one.jpg", "two.jpg", "three.jpg", "Four.jpg"):
        (tmp_path / name).write_bytes(jpeg(60, 60))
    pair = Skeleton("pair", ("a", "b", "c"))
    stored = library.create("set", sorted(tmp_path.glob("*.jpg")), pair)
    full = Person(np.full((3, 2), 9, np.float32), np.full(3, 2, np.uint8), (1, 1, 20, 20), 90.0)
    labels = np.array([Label.VISIBLE, Label.UNLABELLED, Label.UNLABELLED], np.uint8)
    few = Person(np.where(labels[:, None] > 0, full.keypoints, np.float32("nan")), labels, full.box, 90.0)
    ids = {image.path.name: image.image_id for image in stored.dataset()}
    stored.set_people(ids["one.jpg"], [full])
    stored.set_people(ids["two.jpg"], [full, few])
    stored.set_people(ids["three.jpg"], [])
    dataset = stored.dataset()

    def names(part: str = ALL, labels: str = ALL, text: str = "") -> set[str]:
        return {image.path.name for image in matching(dataset, part, labels, text)}

    assert names(labels=WAITING) == {"Four.jpg"}
    assert names(labels=NOBODY) == {"three.jpg"}
    assert names(labels=FEW) == {"two.jpg"}
    assert names(text="FOU") == {"Four.jpg"}
    assert names("train") == set()
    assert len(names("none")) == 4


def test_chart_counts_labels(scenes: PoseDataset) -> None:
    chart = label_chart(scenes)
    assert sum(sum(bar.x) for bar in chart.data) == 17 * scenes.people
    assert list(chart.data[0].y)[:2] == ["nose", "left eye"]


def test_drawing_of_a_skeleton() -> None:
    odd = Skeleton("x", ("<b>", "left_a", "right_a"), ((0, 1),), ((1, 2),))
    people = [np.array([(0, 0), (10, 20), (-10, 20)]), np.array([(5, 5), (np.nan, np.nan), (-5, 25)])]
    layout = skeleton_layout(odd, people)
    assert layout[1, 0] > layout[2, 0]
    assert np.isfinite(skeleton_layout(odd)).all()
    svg = skeleton_svg(odd, layout, "light-dark(black, white)")
    assert "<b>" not in svg
    assert "color: light-dark(black, white)" in svg
    assert svg.count("<circle") == 3
    assert np.array_equal(skeleton_layout(COCO_17, people), skeleton_layout(COCO_17))
    snout = replace(COCO_17, keypoints=("snout", *COCO_17.keypoints[1:]))
    assert np.abs(skeleton_layout(snout) - skeleton_layout(COCO_17)).max() < 0.1


def test_sides_that_nobody_told_are_asked_for(library: Library) -> None:
    stored = library.add_synthetic("drawn", 2, 0)
    stored.set_skeleton(replace(COCO_17, sides_known=False))
    assert not stored.skeleton.sides_known
    app = open_data("Skeleton")
    assert "Which keypoints are left and right is not known" in words(app)
    assert app.button(key="skeleton_save").disabled
    press(app, "Pairs are right")
    app.button(key="skeleton_save").click().run()
    assert not app.exception
    assert library.get("drawn").skeleton.sides_known
    assert "is not known" not in words(app)


def test_outlines_of_regions_are_drawn_along_their_edges() -> None:
    image = AnnotatedImage(Path("a.jpg"), (100, 100), (), 1, ((10.0, 20.0, 30.0, 40.0),))
    ends = {point for mark in _marks(image) for point in mark.points}
    # Marks are positions, as joints are.
    assert ends == {(9.5, 19.5), (29.5, 19.5), (29.5, 39.5), (9.5, 39.5)}


# --- taking a set away -----------------------------------------------------------------------------------------------


def test_a_set_is_packed_beside_the_pages_and_anew_once_its_labels_change(
    library: Library, scenes: PoseDataset
) -> None:
    library.add("mine", scenes.images[0].path.parent.parent)
    app = press(open_data(dataset_export_menu=True), "Make the ZIP")
    stored = set_library().get("mine")
    task = packings().get((str(stored.folder), stored.created, stored.title, "coco"))
    assert task is not None
    assert task.wait(60)
    # After a reload.
    app = open_data(dataset_export_menu=True)
    assert [button.key for button in app.download_button] == ["dataset_export_download"]
    assert task.result is not None
    with zipfile.ZipFile(task.result.path) as packed:
        assert packed.testzip() is None
        assert sum(name.endswith(".jpg") for name in packed.namelist()) == len(scenes)
    stored.set_people(1, [])
    app.run()
    assert not app.download_button
    assert any(button.label == "Make the ZIP" for button in app.button)
    library.remove("mine")
    forget_packed(stored)
    assert not task.result.path.exists()


def test_packing_tells_how_far_it_is_and_can_be_stopped(library: Library, scenes: PoseDataset) -> None:
    stored = library.add("mine", scenes.images[0].path.parent.parent)
    task: Task[Packed, Far] = Task("pack")
    first = pack(stored, "coco", task)
    assert task.report is not None
    assert task.report.done == task.report.total > len(scenes)
    before = first.path.read_bytes()
    task.stop.set()
    with pytest.raises(StoppedError):
        pack(stored, "coco", task)
    assert first.path.read_bytes() == before
    assert [path.name for path in first.path.parent.iterdir() if not path.name.endswith(".zip")] == []
