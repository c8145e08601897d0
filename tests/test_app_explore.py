"""The Explore page in all its states, without a browser."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from posecore.drawing import DrawingOptions
from posecore.errors import ImageError, WeightsError
from posecore.families.posenet import PoseNetNetworkSettings
from posecore.families.posenet.codec import PoseNetDecodeSettings
from posecore.lifting import Poses3D
from posecore.lifting.settings import LiftSettings
from posecore.poses import Poses
from posecore.settings import Control, controls
from posecore.ui.explore.overview import Found, in_order, looks
from posecore.ui.explore.saving import savings
from posecore.ui.shared.background import Task
from posecore.ui.shared.lifting import can_lift
from posecore.ui.shared.pictures.sources import folder_sources, samples
from posecore.ui.shared.steps import Far, Shares, StoppedError, one_by_one
from tests.app_support import (
    MODEL,
    encoded,
    forget_everything,
    forward_passes,
    install_model,
    jpeg,
    open_app,
    upload,
    wait_for_download,
    without_shipped_models,
    words,
)
from tests.motion_support import seen, walker


@pytest.fixture(autouse=True)
def _fresh(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_shipped_models(monkeypatch, tmp_path)
    forget_everything()


@pytest.fixture
def model(home: Path) -> Path:
    """The file of the one model on this machine."""
    return install_model(home)


def other_value(control: Control, value: object) -> object:
    """A value that a control allows and does not have."""
    if control.kind == "flag":
        return not value
    if control.kind == "choice":
        return next(choice for choice in control.choices if choice != value)
    assert control.minimum is not None
    assert control.maximum is not None
    middle = (control.minimum + control.maximum) / 2
    return int(middle) if control.kind == "int" else middle


def set_control(app: Any, key: str, value: object) -> None:
    """Move a control, whatever kind of widget it is."""
    app.get_by_key(key).set_value(value)
    app.run()
    assert not app.exception


def test_first_view_is_analysed(model: Path) -> None:
    app = open_app()
    assert "people**" in words(app)
    assert "input 513 × 385" in words(app)
    assert "Three people in a street" in words(app)
    assert forward_passes() == 1


def test_first_view_without_a_model_offers_the_smallest() -> None:
    app = open_app()
    assert "No model is on this machine yet" in words(app)
    assert "Three people in a street" in words(app)
    assert app.button(key="fetch").label == "Download it (1.2 MB)"
    assert not app.error
    assert forward_passes() == 0


def test_fetching_makes_the_picture_analysed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(name: str, progress: Any, agreed: bool) -> Path:
        progress.update(500_000, 1_000_000)
        progress.update(1_000_000, 1_000_000)
        return install_model(home, name)

    monkeypatch.setattr("posecore.ui.shared.models.downloads.fetch_model", fetch)
    app = open_app()
    app.button(key="fetch").click().run()
    wait_for_download(MODEL)
    app.run()
    assert not app.exception
    assert "people**" in words(app)


def test_a_failed_fetch_says_what_else_can_be_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POSECORE_WEIGHTS_MIRROR", str(tmp_path))
    app = open_app()
    app.button(key="fetch").click().run()
    wait_for_download(MODEL)
    app.run()
    assert not app.exception
    assert len(app.error) == 1
    assert "Your own weights" in words(app)
    assert "POSECORE_WEIGHTS_MIRROR" in words(app)


def test_a_model_elsewhere_offers_the_one_that_is_here(model: Path) -> None:
    app = open_app(query={"model": "posenet-resnet50.google_quant2"})
    assert "is not on this machine yet" in words(app)
    next(button for button in app.button if button.label.startswith("Use PoseNet")).click().run()
    assert "people**" in words(app)


def test_a_damaged_model_is_a_sentence(model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-100])
    app = open_app()
    assert len(app.error) == 1
    assert "Choose another model" in app.error[0].value


def test_no_decode_control_or_drawing_option_runs_the_network(model: Path) -> None:
    app = open_app()
    for prefix, settings in (("", PoseNetDecodeSettings), ("draw_", DrawingOptions)):
        for control in controls(settings):
            if control.name == "calibrated":  # Nobody has calibrated weights that were drawn by lot.
                assert app.get_by_key("calibrated_unavailable").disabled
                continue
            widget = app.get_by_key(prefix + control.name)
            if not widget.disabled:
                set_control(app, prefix + control.name, other_value(control, widget.value))
    assert app.get_by_key("mode").value == "single"
    assert forward_passes() == 1


def test_every_network_control_runs_the_network_once(model: Path) -> None:
    app = open_app()
    expected = 1
    for control in controls(PoseNetNetworkSettings):
        widget = app.get_by_key(control.name)
        if widget.disabled:
            continue
        value = 8 if control.name == "output_stride" else 257 if control.name == "input_size" else None
        set_control(app, control.name, value or other_value(control, widget.value))
        expected += 1
        assert forward_passes() == expected, control.name


@pytest.mark.parametrize("page", ["fields", "video", "compare"])
def test_settings_go_along_to_other_pages(model: Path, page: str) -> None:
    app = open_app()
    set_control(app, "pose_threshold", 0.4)
    app.switch_page(f"../../../pages/{page}.py").run()
    app.run()
    assert not app.exception
    if page == "compare":  # Its columns have settings of their own.
        assert app.toggle(key="drawn_skeleton").value
        return
    assert app.slider(key="pose_threshold").value == app.number_input(key="pose_threshold_typed").value == 0.4
    assert app.slider(key="keypoint_threshold").value == 0.1
    if page == "video":
        assert app.toggle(key="draw_skeleton").value
        assert app.slider(key="draw_opacity").value == 1.0


def test_controls_without_effect_are_disabled(model: Path) -> None:
    app = open_app()
    assert app.slider(key="input_scale").disabled
    set_control(app, "input_by", "scale")
    assert not app.slider(key="input_scale").disabled
    assert app.slider(key="input_size").disabled
    set_control(app, "mode", "single")
    assert app.slider(key="nms_radius").disabled
    assert "No effect now:** it needs *People* at All" in app.slider(key="nms_radius").help


def test_choices_are_words_on_the_page_and_values_in_the_address(model: Path) -> None:
    app = open_app(query={"mode": "single", "draw_color_by": "side"})
    assert app.segmented_control(key="mode").options == ["All", "One"]
    assert app.segmented_control(key="mode").value == "single"
    assert app.selectbox(key="draw_color_by").value == "side"
    assert "mode" in app.query_params
    set_control(app, "mode", "multi")
    assert "mode" not in app.query_params
    set_control(app, "mode", "single")
    assert app.query_params["mode"] == "single"
    app.query_params["mode"] = "multi"
    app.run()
    assert app.segmented_control(key="mode").value == "multi"
    app.query_params["mode"] = "nonsense"
    assert open_app(query={"mode": "nonsense"}).segmented_control(key="mode").value == "multi"


def test_reset_brings_the_defaults_back(model: Path) -> None:
    app = open_app()
    set_control(app, "pose_threshold", 0.9)
    set_control(app, "draw_color_by", "side")
    app.session_state["lift_height"] = 1.9
    next(button for button in app.button if button.label == "Reset all settings").click().run()
    assert app.session_state["lift_height"] == LiftSettings().height
    assert app.slider(key="pose_threshold").value == PoseNetDecodeSettings().pose_threshold
    assert app.selectbox(key="draw_color_by").value == "person"
    assert forward_passes() == 1


def test_two_visitors_share_what_is_equal(model: Path) -> None:
    open_app()
    second = open_app()
    assert forward_passes() == 1
    set_control(second, "output_stride", 8)
    assert forward_passes() == 2
    set_control(second, "output_stride", 16)
    assert forward_passes() == 2


def test_nobody_found_says_what_to_do(model: Path) -> None:
    app = open_app(query={"pose_threshold": "1"})
    assert "nobody found" in words(app)
    assert "Lower the pose threshold" in words(app)
    app.session_state["tab"] = "Keypoints"
    app.run()
    assert not app.exception
    assert "Nobody was found" in words(app)


def test_a_link_brings_the_view_back(model: Path) -> None:
    query = {"sample": "Grace Hopper", "output_stride": "8", "pose_threshold": "0.5", "draw_boxes": "true"}
    app = open_app(query=query | {"part": "10,20,300,400", "model": MODEL})
    assert "Grace Hopper · 512 × 600" in words(app)
    assert app.get_by_key("output_stride").value == 8
    assert app.slider(key="pose_threshold").value == 0.5
    assert app.toggle(key="draw_boxes").value is True
    assert "input 393 × 513" in words(app) or "input 385 × 513" in words(app)


@pytest.mark.parametrize(
    "query",
    [
        {"model": "no-such-model", "output_stride": "7", "pose_threshold": "high", "part": "1,2,3"},
        {"sample": "Nowhere", "part": "5,5,5,5"},
        {"source": "Nothing", "part": "a,b,c,d"},
    ],
)
def test_a_wrong_link_still_shows_something(model: Path, query: dict[str, str]) -> None:
    app = open_app(query=query)
    assert "people**" in words(app)


def test_the_link_names_model_and_sample(model: Path) -> None:
    app = open_app(menu_Link=True)
    assert f"model={MODEL}" in app.code[0].value
    assert "sample=Three+people+in+a+street" in app.code[0].value


def region_edges(app: AppTest) -> list[Any]:
    return [field for field in app.number_input if str(field.key).startswith("part_")]


def test_another_part_runs_the_network_and_another_picture_starts_whole(model: Path) -> None:
    app = open_app(menu_Region=True)
    for field, value in zip(region_edges(app), (100, 50, 400, 350), strict=True):
        field.set_value(value)
    next(button for button in app.button if button.label == "Look at this region").click().run()
    assert not app.exception
    assert forward_passes() == 2
    assert app.query_params["part"] == "100,50,400,350"
    app.selectbox(key="sample").select("Grace Hopper").run()
    assert "part" not in app.query_params


def test_an_empty_part_is_refused(model: Path) -> None:
    app = open_app(menu_Region=True)
    for field, value in zip(region_edges(app), (100, 50, 100, 350), strict=True):
        field.set_value(value)
    next(button for button in app.button if button.label == "Look at this region").click().run()
    assert "The region is empty" in app.error[0].value


@pytest.mark.parametrize("tab", ["Heatmaps", "Vectors", "Keypoints", "Timings"])
def test_every_tab_can_be_opened(model: Path, tab: str) -> None:
    app = open_app(tab=tab)
    for key in ("heat_view", "vector_view"):
        group = [widget for widget in app.get("segmented_control") if widget.key == key]
        for option in ("One", "Colours", "All", "Arrows", "All joints"):
            if group and option in group[0].options:
                app.get_by_key(key).set_value(option)
                app.run()
                assert not app.exception
    assert forward_passes() == 1


def test_nothing_uploaded_yet(model: Path) -> None:
    app = open_app()
    upload(app)
    assert "Drop pictures" in words(app)
    next(button for button in app.button if button.label == "Look at a sample instead").click().run()
    assert "people**" in words(app)


def test_camera(model: Path) -> None:
    app = open_app()
    app.segmented_control(key="source").set_value("Camera").run()
    assert "Take a snapshot" in words(app)


def claiming(width: int, height: int) -> bytes:
    """A small PNG that claims a size and does not hold it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


BAD = {
    "not a picture": ("notes.jpg", b"this is not a picture", "not a picture"),
    "empty": ("empty.png", b"", "empty"),
    "truncated": ("cut.jpg", jpeg(640, 480)[:2000], "damaged or cut off"),
    "bomb": ("bomb.png", claiming(30_000, 30_000), "megapixels"),
    "one pixel": ("dot.png", encoded(Image.new("RGB", (1, 1)), "PNG"), "at least 8"),
    "thin": ("thin.png", encoded(Image.new("RGB", (20_000, 30)), "PNG"), "too long and thin"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_a_sentence_and_others_stay_usable(model: Path, name: str) -> None:
    file, data, sentence = BAD[name]
    app = upload(open_app(), (file, data), ("good.jpg", jpeg(320, 240)))
    assert not app.exception
    assert sentence in app.error[0].value
    app.selectbox(key="upload").select_index(1).run()
    assert not app.error
    assert "good.jpg · 320 × 240" in words(app)


def test_photographs_of_fifty_megapixels_are_fine_and_bombs_refused(model: Path) -> None:
    app = upload(open_app(), ("large.jpg", encoded(Image.new("L", (8333, 6000), 99), "JPEG")))
    assert not app.exception
    assert "large.jpg · 8333 × 6000" in words(app)
    passes = forward_passes()
    set_control(app, "keypoint_threshold", 0.4)
    assert forward_passes() == passes
    upload(app, ("too_large.png", claiming(11_000, 6_000)))
    assert "megapixels" in app.error[0].value


def test_a_setting_that_does_not_fit_the_picture_is_a_sentence(model: Path) -> None:
    app = upload(open_app(), ("wide.png", encoded(Image.new("L", (4000, 300)), "PNG")))
    set_control(app, "input_by", "scale")
    set_control(app, "input_scale", 2.0)
    assert "lower the input scale" in app.error[0].value


def test_uploads_survive_another_page_and_can_be_removed(model: Path) -> None:
    app = upload(open_app(), ("a.jpg", jpeg(320, 240)), ("b.jpg", jpeg(200, 200)), ("a again.jpg", jpeg(320, 240)))
    assert len(app.selectbox(key="upload").options) == 2
    app.switch_page("../../../pages/models.py").run()
    app.switch_page("../../../pages/explore.py").run()
    assert "a.jpg · 320 × 240" in words(app)
    next(button for button in app.button if button.label == "Remove this picture").click().run()
    assert "b.jpg · 200 × 200" in words(app)
    next(button for button in app.button if button.label.startswith("Remove all")).click().run()
    assert "Drop pictures" in words(app)


def test_all_pictures_are_listed_with_their_trouble(model: Path) -> None:
    app = upload(open_app(), ("a.jpg", jpeg(320, 240)), BAD["truncated"][:2], ("b.jpg", jpeg(200, 200)))
    app.session_state["menu_Save"] = True
    app.run()
    app.button(key="save_all_pictures").click().run()
    assert (app.session_state["tab"], app.session_state["menu_Save"]) == ("All pictures", False)
    app.button(key="overview_start").click().run()
    (task,) = looks()._known.values()
    assert task.wait(60)
    app.run()
    assert not app.exception
    assert [one.people is not None for one in task.result or ()] == [True, False, True]
    assert "cut.jpg: " in words(app)
    assert "damaged" in words(app)
    app.button(key="overview_save").click().run()
    (saving,) = savings()._known.values()
    assert saving.wait(60)
    assert saving.result is not None, saving.error
    with zipfile.ZipFile(saving.result) as archive:
        names = set(archive.namelist())
    assert {"a.png", "a.json", "b.png", "keypoints.csv", "not_analysed.txt", "posecore_results.json"} <= names
    assert saving.result.parent == app.session_state["posecore"].folder.path


def test_the_sheet_can_be_sorted() -> None:
    one, two, broken = (
        Found(samples()[0], 1, 0.9, 0.2),
        Found(samples()[1], 3, 0.4, 0.7),
        Found(samples()[2], error="Damaged."),
    )
    every = [broken, one, two]
    assert in_order(every, "as they came") == every
    assert in_order(every, "best score") == [one, two, broken]
    assert in_order(every, "people") == [two, one, broken]
    assert in_order(every, "disagreement") == [two, one, broken]
    assert [each.caption for each in every] == ["cannot be used", "1 · 0.90 · differs 0.20", "3 · 0.40 · differs 0.70"]


def test_work_that_is_not_counted_tells_its_share() -> None:
    task: Task[None, Far] = Task("figures")
    share = Shares(task, "Working out figures")
    share(0.0)
    share(0.25)
    assert task.report == Far(25, 100, None, "Working out figures")
    task.stop.set()
    with pytest.raises(StoppedError):
        share(0.5)


def test_work_on_many_ends_when_asked_to() -> None:
    task: Task[list[int], Far] = Task("many")

    def double(value: int) -> int:
        if value == 3:
            task.stop.set()
        return 2 * value

    assert one_by_one(task, [1, 2], double) == [2, 4]
    assert task.report == Far(2, 2)
    with pytest.raises(StoppedError):
        one_by_one(task, [1, 2, 3, 4], double)
    assert task.report == Far(2, 4)


def test_pictures_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no picture"):
        folder_sources(tmp_path)
    with pytest.raises(ImageError, match="cannot be read"):
        folder_sources(tmp_path / "nowhere")
    for name in ("b.jpg", "a.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(jpeg(20, 10))
    (tmp_path / "folder.png").mkdir()
    found = folder_sources(tmp_path)
    assert [source.name for source in found] == ["a.JPG", "b.jpg"]
    assert found[0].read().shape == (10, 20, 3)


def test_a_folder_is_offered_where_it_may_be_named(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSECORE_ALLOW_FOLDERS", "0")
    assert "Folder" not in open_app().segmented_control(key="source").options
    monkeypatch.setenv("POSECORE_ALLOW_FOLDERS", "1")
    (tmp_path / "shots").mkdir()
    (tmp_path / "shots" / "one.jpg").write_bytes(jpeg(320, 240))
    app = open_app()
    app.segmented_control(key="source").set_value("Folder").run()
    app.text_input(key="folder_path").set_value(str(tmp_path / "shots")).run()
    assert "one.jpg · 320 × 240" in words(app)
    app.text_input(key="folder_path").set_value(str(tmp_path / "none")).run()
    assert "cannot be read" in words(app)


def test_too_many_uploads_are_refused_in_a_sentence(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecore.ui.shared.pictures.sources.MAX_UPLOADS", 1)
    app = upload(open_app(), ("a.jpg", jpeg(320, 240)), ("b.jpg", jpeg(200, 200)))
    assert "b.jpg was not added" in app.error[0].value
    assert "a.jpg · 320 × 240" in words(app)


def test_an_unexpected_error_becomes_a_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit.testing.v1 import AppTest

    def script() -> None:
        from posecore.errors import ImageError
        from posecore.ui.shared.error_messages import show_trouble

        show_trouble(RuntimeError("the cat sat on the keyboard"))
        show_trouble(ImageError("A sentence."))

    app = AppTest.from_function(script).run()
    assert "Unexpected error" in app.error[0].value
    assert "the cat sat on the keyboard" in app.code[0].value
    assert app.error[1].value == "A sentence."


def test_weights_that_disappear_are_a_sentence(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise WeightsError("The weights are gone.")

    monkeypatch.setattr("posecore.ui.shared.models.engine.load_model", fail)
    assert "The weights are gone." in open_app().error[0].value


def test_real_weights_find_the_people_of_the_first_sample(
    reference: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSECORE_WEIGHTS_MIRROR", str(reference))
    name = "posenet-mobilenet_v1-075.google_quant2"
    app = open_app(query={"model": name, "pose_threshold": "0.4"})
    app.button(key="fetch").click().run()
    wait_for_download(name)
    assert "**3 people**" in words(app.run())


def test_samples_are_always_readable() -> None:
    for source in samples():
        picture = source.read()
        assert picture.dtype == np.uint8
        assert min(picture.shape[:2]) >= 200


def test_equal_pictures_of_two_visitors_keep_their_own_names(model: Path) -> None:
    first = upload(open_app(), ("mine.jpg", jpeg(330, 240)))
    second = upload(open_app(), ("yours.jpg", jpeg(330, 240)))
    assert "mine.jpg · 330 × 240" in words(first)
    assert "yours.jpg · 330 × 240" in words(second)
    assert "mine" not in words(second)


def test_visitors_who_may_only_look_give_no_files(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_VISITORS", "view")
    app = upload(open_app(), ("a.jpg", jpeg(64, 64)))
    assert "not allowed to visitors" in words(app)
    assert not app.session_state["posecore"].uploads


def test_people_are_lifted_where_there_is_a_network_for_it(
    model: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(can_lift.clear)

    def lift_poses(poses: Poses) -> list[Poses3D]:
        assert poses.track_ids is not None
        return [seen(walker()[40:41], track=int(number)) for number in poses.track_ids]

    can_lift.clear()
    monkeypatch.setattr("posecore.ui.shared.lifting.lift", lambda sequence: [])
    monkeypatch.setattr("posecore.ui.explore.lifted.lift_poses", lift_poses)
    app = open_app(tab="3D", query={"pose_threshold": "0", "max_poses": "2"})
    assert "One picture does not tell how far away a limb is" in words(app)
    assert "Not for clinical use" in words(app)
    table = app.dataframe[0].value
    assert list(table.columns) == ["Person", "Joint", "Angle"]
    assert table["Angle"].between(0, 180).all()
    assert len(table) == 2 * 8
    set_control(app, "pose_threshold", 1.0)
    assert "Nobody was found" in words(app)
