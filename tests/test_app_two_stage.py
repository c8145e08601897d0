"""Joined models in the app: choosing the second one, and looking into both."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.app_support import forget_everything, forward_passes, open_app, words

FINDER, CLOSER = "posenet-mobilenet_v1-075.posecore", "movenet-lightning.posecore"
JOINED = f"{FINDER}+{CLOSER}"
SMALL = {"finder_input_size": "257", "input_size": "64"}


@pytest.fixture(autouse=True)
def _fresh(home: object) -> None:
    forget_everything()


def titles(app: AppTest) -> list[str]:
    """The stages that can be looked into."""
    return list(app.selectbox(key="stage_choice").options)


def test_a_second_model_is_chosen_beside_the_first() -> None:
    app = open_app(query={"model": FINDER})
    assert app.selectbox(key="closer_choice").value == "nothing"
    assert app.query_params.get("closer") is None
    app.selectbox(key="closer_choice").set_value(CLOSER).run()
    assert not app.exception
    assert app.query_params["closer"] == CLOSER
    assert titles(app)[:2] == ["Finder", "Person 1"]
    app.selectbox(key="model_choice").set_value(CLOSER).run()
    assert not app.exception
    assert not [box for box in app.selectbox if box.key in ("closer_choice", "stage_choice")]


@pytest.mark.parametrize("typed", [JOINED, JOINED.replace("+", " ")])
def test_a_link_brings_both(typed: str) -> None:
    app = open_app(query={"model": typed, **SMALL})
    assert app.selectbox(key="model_choice").value == FINDER
    assert app.selectbox(key="closer_choice").value == CLOSER
    assert app.slider(key="finder_input_size").value == 257


def test_a_link_to_what_cannot_look_closely_says_so() -> None:
    app = open_app(query={"model": FINDER, "closer": "movenet-lighting"})
    assert "is not a model for one person" in words(app)
    assert app.selectbox(key="closer_choice").value == "nothing"


def test_networks_run_for_what_is_new_only() -> None:
    app = open_app(query={"model": JOINED, **SMALL})
    people = sum(title != "Finder" for title in titles(app))
    assert people >= 1
    assert forward_passes() == 1 + people
    app.slider(key="pose_threshold").set_value(0.9).run()
    assert forward_passes() == 1 + people
    assert "nobody found" in words(app)
    app.slider(key="finder_pose_threshold").set_value(1.0).run()
    assert forward_passes() == 1 + people
    assert titles(app) == ["Finder"]
    app.slider(key="finder_pose_threshold").set_value(0.05).run()
    assert forward_passes() == 1 + people


def test_every_stage_has_maps_and_evidence() -> None:
    app = open_app("fields", model_choice=FINDER, closer_choice=CLOSER)
    kinds = {}
    for title in titles(app):
        app.selectbox(key="stage_choice").set_value(title).run()
        assert not app.exception, title
        kinds[title] = list(app.segmented_control(key="map_kind").options)
    assert kinds["Finder"] != kinds["Person 1"]
    app.session_state["fields_tab"] = "Why is this joint here?"
    app.selectbox(key="stage_choice").set_value("Person 1").run()
    assert not app.exception
    assert "of person 1** is at" in words(app)
    assert "the closer look gives" in words(app)


def test_who_was_left_out_is_told_with_the_setting_that_decided() -> None:
    app = open_app("fields", model_choice=FINDER, closer_choice=CLOSER, pose_threshold=0.9)
    app.selectbox(key="stage_choice").set_value("Left out 1").run()
    assert "scores too low. Pose threshold decided." in words(app).replace("*", "")
    app.button(key="why_try_person").click().run()
    assert not app.exception
    assert "it would have been taken" in words(app)
