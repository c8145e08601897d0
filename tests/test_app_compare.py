"""The Compare page: columns, their address, clips, and many pictures at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from posecore.evaluation.comparing import Compared, Look
from posecore.poses import Poses
from posecore.skeleton import COCO_17
from posecore.ui.compare.columns import first_columns, model_key
from posecore.ui.compare.many import comparisons
from posecore.ui.compare.page import agreement_badges
from posecore.ui.shared.models.model_picker import all_models
from posecore.zoo import list_models
from tests.app_support import MODEL, forget_everything, install_model, jpeg, open_app, upload, words

SMALL = {f"{letter}_{name}": value for letter in "abcd" for name, value in {"input_size": "129"}.items()}
OTHER = "movenet-lightning.posecore"


@pytest.fixture(autouse=True)
def _fresh(home: Path) -> None:
    forget_everything()
    install_model(home)


def open_compare(**query: str) -> AppTest:
    return open_app("compare", {"columns": f"{MODEL};{MODEL}", **SMALL, **query})


def wait_for(app: AppTest) -> AppTest:
    for _ in range(200):
        if not any(task.active for task in comparisons()._known.values()):
            break
        time.sleep(0.05)
    return app.run()


def test_a_link_brings_columns_and_their_settings(home: Path) -> None:
    app = open_compare(columns=f"{MODEL};{OTHER};{MODEL}", c_pose_threshold="0.7")
    assert [app.selectbox(key=model_key(letter)).value for letter in "ABC"] == [MODEL, OTHER, MODEL]
    assert app.session_state["c_pose_threshold"] == pytest.approx(0.7)
    assert app.session_state["a_pose_threshold"] != pytest.approx(0.7)
    assert app.query_params["columns"] == f"{MODEL};{OTHER};{MODEL}"
    app.selectbox(key=model_key("B")).set_value(MODEL).run()
    assert app.query_params["columns"] == f"{MODEL};{MODEL};{MODEL}"
    assert not app.exception


def test_a_link_to_a_model_that_is_not_here(home: Path) -> None:
    app = open_compare(columns=f"{MODEL};no-such-model")
    assert "no-such-model" in words(app)
    assert app.selectbox(key=model_key("B")).value in {info.name for info in list_models() if info.available}


def test_many_pictures_are_compared_in_the_background(home: Path) -> None:
    app = open_compare()
    upload(app, ("one.jpg", jpeg(64, 48)), ("two.jpg", jpeg(48, 64)), ("broken.jpg", b"none"))
    app.session_state["compare_tab"] = "All pictures"
    app.run()
    app.button(key="compare_all").click().run()
    wait_for(app)
    tables = [frame.value for frame in app.dataframe]
    rows = next(table for table in tables if "picture" in table.columns)
    assert set(rows["picture"]) == {"one.jpg", "two.jpg", "broken.jpg"}
    assert rows.set_index("picture")["problem"]["broken.jpg"].startswith("A: ")
    assert not app.exception


def test_begin_with_models_that_differ(home: Path) -> None:
    here = {name: info for name, info in all_models().items() if info.available}
    families = [here[name].family for name in first_columns(here, here[MODEL])]
    assert len(set(families[:3])) == 3
    alone = {MODEL: here[MODEL]}
    assert first_columns(alone, here[MODEL]) == [MODEL] * 4


def test_badges_say_how_far_columns_agree() -> None:
    nobody = Poses.empty(COCO_17, (10, 10))
    assert "A–B **1.00**" in agreement_badges(Compared("x", (Look(nobody), Look(nobody))))
    assert "nothing to compare" in agreement_badges(Compared("x", (Look(nobody), Look(None, error="No."))))
