"""The Tune page: a set is looked at once, settings are tried and put to use on every page."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from posecore.benchmark import Paced
from posecore.data.annotations import spread
from posecore.data.synthetic import write_dataset
from posecore.ui.shared.background import close_all_tasks
from posecore.ui.shared.videos.store import Video
from posecore.ui.tune.pictures import CLIP, OWN
from posecore.ui.tune.work import looks, trials
from posecore.video import VideoReader
from tests.app_support import forget_everything, open_app, words
from tests.video_support import even_ticks, write_video

MODEL = "posenet-mobilenet_v1-075.posecore"


@pytest.fixture(autouse=True)
def _fresh(home: Path) -> None:
    close_all_tasks()
    forget_everything()


def settled(app: AppTest) -> AppTest:
    """Once everything in the background has ended."""
    for _ in range(20):
        active = [task for kind in (looks(), trials()) for task in kind._active()]
        if not active:
            return app
        for task in active:
            assert task.wait(60)
        app.run()
    raise AssertionError("It never ends.")


def kind_of(key: Hashable) -> object:
    """What a task of the page is about."""
    assert isinstance(key, tuple)
    return key[0]


def test_from_a_labelled_set_to_settings_on_every_page(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Measuring time is tested with the command.
    monkeypatch.setattr(
        "posecore.ui.tune.searching.paces",
        lambda model, networks, *_: [Paced(one, f"side {one['input_size']}", 8.5) for one in networks],
    )
    write_dataset(home / "datasets" / "drawn", 6, seed=3, size=(160, 160))
    app = open_app("tune", model_choice=MODEL, input_size=161, pose_threshold=0.9)
    app.button(key="tune_look").click().run()
    settled(app)
    assert not app.exception
    assert not app.error, words(app)
    assert all(f"badge[{name} **" in words(app) for name in ("F1", "AP", "Precision", "Recall"))
    app.session_state["tune_tab"] = "Search"
    app.run()
    app.number_input(key="tune_trials").set_value(10).run()
    networks = next(one for one in app.multiselect if one.label == "Network settings to choose among")
    networks.set_value(["input_size"]).run()
    sizes = next(one for one in app.multiselect if one.label == "Input size: values to try")
    sizes.set_value(["129", "161"]).run()
    assert "12 times: at 6 pictures in 2 ways" in words(app)
    app.button(key="tune_search").click().run()
    settled(app)
    assert "pictures kept apart" in words(app)
    found = next(task for key, task in trials()._known.items() if kind_of(key) == "search").result
    (table,) = (one.value for one in app.dataframe if "pictures a second" in one.value.columns)
    assert list(table["Input size"]) == ["129", "161"]
    assert list(table["input"]) == ["side 129", "side 161"]
    best = table["F1"].max()
    assert found.tuned.chosen.f1 == pytest.approx(best, abs=0.001)
    found = found.tuned
    assert found.confirmed.pictures == 3
    app.button(key="tune_use").click().run()
    assert {name: app.slider(key=name).value for name in found.settings} == pytest.approx(dict(found.settings))
    app.switch_page("../../../pages/explore.py").run()
    assert {name: app.slider(key=name).value for name in found.settings} == pytest.approx(dict(found.settings))


def test_without_labels_it_says_what_thresholds_keep() -> None:
    app = open_app("tune", model_choice=MODEL, input_size=161, tune_pictures=OWN)
    app.button(key="tune_look").click().run()
    settled(app)
    assert not app.exception
    assert "nothing here says what is right" in words(app)
    kinds = [kind_of(key) for key in trials()._known]
    assert sorted(map(str, kinds)) == ["scores", "shown"]


def test_a_clip_says_what_flickers_and_how_far_models_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "short.mp4", even_ticks(4), size=(160, 120))
    with VideoReader(path) as reader:
        video = Video("short", "short.mp4", path, reader.info)
    monkeypatch.setattr("posecore.ui.tune.pictures.pick_video", lambda: video)
    app = open_app("tune", model_choice=MODEL, input_size=161, tune_pictures=CLIP, tune_survey_tab="Flicker")
    app.number_input(key="tune_frames").set_value(3).run()
    app.button(key="tune_look").click().run()
    settled(app)
    assert not app.exception
    assert not app.error, words(app)
    (looked,) = [task.result for task in looks()._known.values()]
    assert len(looked.fields) == 3
    assert [kind_of(key) for key in trials()._known] == ["flicker"]
    app.session_state["tune_survey_tab"] = "Another model"
    app.run()
    app.selectbox(key="tune_other_model").set_value("movenet-lightning.posecore").run()
    settled(app)
    assert not app.exception
    assert not app.error, words(app)
    assert [kind_of(key) for key in trials()._known] == ["flicker", "opinions", "agreed"]
    (found,) = [task.result for key, task in trials()._known.items() if kind_of(key) == "agreed"]
    assert {one.pictures for one in found} == {3}


def test_pictures_come_from_all_over_a_set() -> None:
    numbers = list(range(100))
    assert spread(numbers, 200) == tuple(numbers)  # type: ignore[arg-type, comparison-overlap]
    some = spread(numbers, 7)  # type: ignore[arg-type]
    assert len(set(some)) == 7
    assert (some[0], some[-1]) == (0, 99)  # type: ignore[comparison-overlap]
