"""Choosing settings without labels: what each value keeps, how far another model agrees, what flickers in a clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from posecore.errors import PosecoreError
from posecore.evaluation.tuning import Shown, grid, tunable
from posecore.evaluation.unlabelled import agreed, flicker
from posecore.model import PoseModel
from posecore.settings import Control
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.engine import shared_model
from posecore.ui.shared.models.model_picker import all_models, is_own_file
from posecore.ui.shared.plain import plain
from posecore.ui.shared.steps import Steps
from posecore.ui.shared.widgets.options import option_texts
from posecore.ui.tune.charts import agreement_curves, flicker_curves, score_histogram, shown_curves
from posecore.ui.tune.labelled import pick_setting
from posecore.ui.tune.pictures import Chosen
from posecore.ui.tune.work import Looked, opinions_of, tried, without

Made = TypeVar("Made")


@dataclass(frozen=True)
class _Sweep:
    """One setting, from end to end.

    Attributes:
        looked: The pictures.
        decode: The settings that are in force.
        control: The setting.
        values: Its values.
    """

    looked: Looked
    decode: Mapping[str, Any]
    control: Control
    values: list[Any]

    @property
    def now(self) -> Any:
        """Where the setting is."""
        return self.decode[self.control.name]

    def found(self, what: str, make: Callable[[Mapping[str, Any]], Made], *also: str) -> list[Made] | None:
        """What ``make`` makes of the settings at every value; None while it is not there yet.

        Args:
            what: Name of it; ``also`` is what else it depends on.
            make: Called with all decode settings.
        """

        def along(step: Steps) -> list[Made]:
            made = []
            for value in self.values:
                made.append(make({**self.decode, self.control.name: value}))
                step()
            return made

        key = (what, self.looked.key, self.control.name, without(self.decode, self.control.name), *also)
        return tried(key, along, len(self.values), f"Trying values of {self.control.label}")


def surveyed(looked: Looked, chosen: Chosen, decode: Mapping[str, Any]) -> None:
    """What can be said of settings on pictures without labels."""
    st.caption(
        "Nobody labelled these pictures, so nothing here says what is right. It says what a threshold keeps: where a "
        "curve falls steeply, small changes of the threshold matter; in a valley of the scores they do not."
    )
    control = pick_setting("Setting", {one.name: one for one in tunable(looked.survey.model)}, "tune_survey_setting")
    sweep = _Sweep(looked, decode, control, grid(control))
    views: dict[str, Callable[[], None]] = {
        "What it keeps": lambda: _kept(sweep),
        "Another model": lambda: _another_model(sweep, chosen),
    }
    if chosen.clip:
        views["Flicker"] = lambda: _flicker(sweep)
    for tab, view in zip(st.tabs(list(views), on_change="rerun", key="tune_survey_tab"), views.values(), strict=True):
        if tab.open:
            with tab:
                view()


def _kept(sweep: _Sweep) -> None:
    """How many people and joints every value keeps, and which scores there are."""
    survey, decode = sweep.looked.survey, sweep.decode
    shown: list[Shown] | None = sweep.found("shown", survey.shown)
    if shown is not None:
        st.plotly_chart(shown_curves(sweep.control, sweep.values, shown, sweep.now), key="tune_shown")
    scores = tried(
        ("scores", sweep.looked.key, without(decode, "pose_threshold", "keypoint_threshold")),
        lambda step: survey.scores(decode),
        1,
        "Collecting scores",
    )
    if scores is not None:
        for column, values_of, name, noun in zip(
            st.columns(2), scores, ("pose_threshold", "keypoint_threshold"), ("people", "joints"), strict=True
        ):
            column.plotly_chart(score_histogram(values_of, float(decode[name]), noun), key=f"tune_scores_{noun}")


def _another_model(sweep: _Sweep, chosen: Chosen) -> None:
    """How far another model, at its own settings, agrees at every value."""
    looked = sweep.looked
    other = _pick_other(looked.survey.model)
    if other is None:
        st.caption("Choose a second model: it looks at the same pictures once, at its own settings.")
        return
    opinions = tried(
        ("opinions", looked.key, other.weights_id),
        lambda step: opinions_of(chosen, other, step),
        len(looked.fields),
        "The other model looks at the pictures",
        step="pictures",
    )
    if opinions is None:
        return
    known = [(place, view.image.image_id) for place, view in enumerate(looked.fields.views)]

    def at(settings: Mapping[str, Any]) -> Any:
        mine = looked.survey.poses(settings)
        return agreed((mine[place], opinions[number]) for place, number in known if number in opinions)

    found = sweep.found("agreed", at, other.weights_id)
    if found is not None:
        st.plotly_chart(agreement_curves(sweep.control, sweep.values, found, sweep.now), key="tune_agreed")
        st.caption(
            "**Agreement** is OKS on average over everybody whom either model has, 0 for those whom only one has. "
            "Where two models of different kinds agree most, they are seldom wrong in the same way."
        )


def _pick_other(model: PoseModel) -> PoseModel | None:
    here = {name: info for name, info in all_models().items() if info.available and name != model.name}
    name = st.selectbox(
        "Second model",
        list(here),
        index=None,
        placeholder="Choose a model",
        format_func=option_texts({name: info.title for name, info in here.items()}),
        key="tune_other_model",
    )
    if name is None:
        return None
    try:
        return shared_model(here[name], is_own_file(here[name]))
    except PosecoreError as error:
        show_error(error, f"Choose another model than {plain(here[name].title)}.")
        return None


def _flicker(sweep: _Sweep) -> None:
    """What comes and goes from frame to frame at every value."""
    found = sweep.found("flicker", lambda settings: flicker(sweep.looked.survey.poses(settings)))
    if found is not None:
        st.plotly_chart(flicker_curves(sweep.control, sweep.values, found, sweep.now), key="tune_flicker")
        st.caption(
            "Of the people in two neighbouring frames, the part that is in one of them only; the same of the joints of "
            "people in both. Whoever really comes into view or leaves is part of it."
        )
