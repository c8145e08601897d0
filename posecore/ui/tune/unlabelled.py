"""Choosing thresholds without labels: what each of them keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from posecore.evaluation.tuning import Shown, grid, tunable
from posecore.ui.shared.steps import Steps
from posecore.ui.tune.charts import score_histogram, shown_curves
from posecore.ui.tune.labelled import pick_setting, without
from posecore.ui.tune.work import Looked, tried


def surveyed(looked: Looked, decode: Mapping[str, Any]) -> None:
    """What every value of a setting keeps, and which scores there are."""
    st.caption(
        "Nobody labelled these pictures, so nothing here says what is right. It says what a threshold keeps: where a "
        "curve falls steeply, small changes of the threshold matter; in a valley of the scores they do not."
    )
    survey = looked.survey
    known = {one.name: one for one in tunable(survey.model)}
    control = pick_setting("Setting", known, "tune_survey_setting")
    values = grid(control)

    def along(step: Steps) -> list[Shown]:
        found = []
        for value in values:
            found.append(survey.shown({**decode, control.name: value}))
            step()
        return found

    key = ("shown", looked.key, control.name, without(decode, control.name))
    shown = tried(key, along, len(values), f"Trying values of {control.label}")
    if shown is not None:
        st.plotly_chart(shown_curves(control, values, shown, decode[control.name]), key="tune_shown")
    scores = tried(
        ("scores", looked.key, without(decode, "pose_threshold", "keypoint_threshold")),
        lambda step: survey.scores(decode),
        1,
        "Collecting scores",
    )
    if scores is not None:
        for column, values_of, name, noun in zip(
            st.columns(2), scores, ("pose_threshold", "keypoint_threshold"), ("people", "joints"), strict=True
        ):
            column.plotly_chart(score_histogram(values_of, float(decode[name]), noun), key=f"tune_scores_{noun}")
