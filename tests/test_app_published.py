"""The start where only shipped models are here, and what networks say of themselves, without a browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from posecore.families import FAMILIES, family_of
from posecore.settings import build_settings
from posecore.ui.shared.background import close_all_tasks, tasks
from posecore.ui.shared.models.downloads import downloads
from posecore.zoo import add_model, default_model, list_models, recommended_model
from posecore.zoo.guide import guide
from tests.app_support import (
    forget_everything,
    install_model,
    open_app,
    wait_for_download,
    without_shipped_models,
    words,
)

SHIPPED = "posenet-mobilenet_v1-050.posecore"


@pytest.fixture(autouse=True)
def shipped(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A small model that comes with posecore, and nothing else."""
    without_shipped_models(monkeypatch, tmp_path)
    path = install_model(home, SHIPPED)
    folder = tmp_path / "nothing shipped"
    folder.mkdir()
    path.rename(folder / path.name)
    forget_everything()
    yield folder
    close_all_tasks()


def offered(app: AppTest) -> bool:
    return any(button.key == "fetch_published" for button in app.button)


def test_a_click_brings_published_weights_and_the_page_changes_over(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def fetch(name: str, progress: Any, agreed: bool) -> Path:
        progress.update(1_000_000, 9_000_000)
        begun.set()
        assert go_on.wait(30)
        return install_model(home, name)

    monkeypatch.setattr("posecore.ui.shared.models.downloads.fetch_model", fetch)
    app = open_app()
    label = app.button(key="fetch_published").label
    assert label == "Download MoveNet MultiPose (9.7 MB)"
    app.button(key="fetch_published").click().run()
    assert not app.exception
    assert begun.wait(30)
    app.run()
    # The shipped model goes on showing its people.
    assert app.selectbox(key="model_choice").value == SHIPPED
    assert "people**" in words(app) or "nobody found" in words(app)
    go_on.set()
    wait_for_download(recommended_model().name)
    app.run()
    assert not app.exception
    assert app.selectbox(key="model_choice").value == recommended_model().name
    assert not offered(app)
    # Who comes later begins with it as well.
    assert getattr(default_model(), "name", "") == recommended_model().name


def test_a_model_chosen_meanwhile_stays(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "posecore.ui.shared.models.downloads.fetch_model", lambda name, progress, agreed: install_model(home, name)
    )
    app = open_app()
    app.session_state["posecore"].before_published = "another"
    install_model(home, recommended_model().name)
    app.run()
    assert app.selectbox(key="model_choice").value == SHIPPED


def test_a_failure_is_a_sentence_and_the_offer_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POSECORE_WEIGHTS_MIRROR", str(tmp_path / "nowhere"))
    app = open_app()
    app.button(key="fetch_published").click().run()
    wait_for_download(recommended_model().name)
    app.run()
    assert "from any of its 3 sources" in app.error[0].value
    assert offered(app)


def test_who_may_only_look_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_VISITORS", "view")
    app = open_app()
    app.button(key="fetch_published").click().run()
    assert "Downloading models is not allowed" in app.error[0].value
    assert downloads().get(recommended_model().name) is None


def test_nothing_is_offered_where_published_weights_are(home: Path) -> None:
    install_model(home, "posenet-mobilenet_v1-075.google_quant2")
    assert not offered(open_app())


def test_the_line_does_not_speak_of_a_model_of_ones_own(tmp_path: Path) -> None:
    mine = add_model(install_model(tmp_path, "movenet-lightning.mine")).name
    app = open_app()
    assert offered(app)
    app.selectbox(key="model_choice").set_value(mine).run()
    assert not offered(app)


# --- what networks say of themselves ---------------------------------------------------------------------------------


def test_the_guide_knows_every_network_and_names_nothing_else() -> None:
    published = {info.architecture for info in list_models() if info.origin == "official"}
    known = {name for family in FAMILIES.values() for name in family.architectures}
    assert published <= set(guide().networks) <= known
    named = {*guide().figures, *guide().limits, *guide().presets}
    assert {one.partition(".")[0] for name in named for one in name.split("+")} <= known
    assert recommended_model().architecture in [name for name, network in guide().networks.items() if network.start]


def test_presets_move_the_thresholds_and_say_what_that_is_worth(home: Path) -> None:
    name = "posenet-mobilenet_v1-075.google_quant2"
    install_model(home, name)
    app = open_app(query={"model": name})

    def preset() -> Any:
        return app.segmented_control(key="decoder_preset").value

    def chosen(word: str) -> list[Any]:
        app.segmented_control(key="decoder_preset").set_value(word).run()
        assert not app.exception, app.exception
        return [app.slider(key=f"{part}_threshold").value for part in ("pose", "keypoint")]

    usual = [app.slider(key=f"{part}_threshold").value for part in ("pose", "keypoint")]
    assert preset() == "Usual"
    assert chosen("Find more") == [0.07, 0.01]
    assert "Pose threshold 0.07, keypoint threshold 0.01. On COCO's pictures: recall 0.554 → 0.595" in words(app)
    app.slider(key="pose_threshold").set_value(0.5).run()
    assert preset() is None
    assert chosen("Usual") == usual
    assert "On COCO's pictures" not in words(app)


@pytest.mark.parametrize("name", sorted(guide().presets))
def test_presets_are_settings_of_their_models(name: str) -> None:
    family = family_of(name.partition(".")[0])
    for preset in guide().presets[name]:
        build_settings(family.decode_settings, dict(preset.settings))
        gained = preset.recall if preset.word == "Find more" else preset.precision
        assert gained[1] > gained[0], preset.word


def test_a_card_says_what_a_network_is_for() -> None:
    app = open_app("models")
    text = words(app)
    for part in (
        "start here",
        "Which model should I take?",
        "several people",
        "one person",
        "million parameters",
        "crops AP",
        "posecore evaluate",
    ):
        assert part in text
    # MultiPose, the one to begin with, is the first of its family.
    keys = [button.key for button in app.button if button.key and button.key.startswith("fetch_movenet")]
    assert keys[0] == f"fetch_{recommended_model().name}"
    assert app.button(key="fetch_advised").label.startswith("Download")


def test_terms_are_agreed_to_on_the_card() -> None:
    app = open_app("models")
    assert "non-commercial research only" in words(app)
    assert app.button(key="fetch_openpose-cmu.cmu").disabled
    app.checkbox(key="agree_openpose-cmu.cmu").check().run()
    assert not app.button(key="fetch_openpose-cmu.cmu").disabled


def test_a_list_of_runs_that_cannot_be_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecore.ui.models.page.list_trouble", lambda: "The list of runs cannot be read.")
    assert "The list of runs cannot be read." in words(open_app("models"))


def test_what_a_shipped_model_cannot_do_stands_where_it_is_used(shipped: Path, home: Path) -> None:
    limited = "movenet-lightning.posecore"
    (home / "weights").mkdir(exist_ok=True)
    install_model(home, limited).rename(shipped / f"{limited}.safetensors")
    app = open_app(model_choice=limited)
    assert "often fails on portraits" in words(app)


def test_speed_is_measured_here() -> None:
    app = open_app("models")
    app.button(key=f"time_{SHIPPED}").click().run()
    task = tasks("speed").get(SHIPPED)
    assert task is not None
    assert task.wait(60)
    app.run()
    assert "a picture" in words(app)
