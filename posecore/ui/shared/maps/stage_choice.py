"""Which stage of a joined model is looked into: the finder, or the closer look at one person or box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from posecore.model import PoseModel
from posecore.two_stage import Stage, stages_of
from posecore.two_stage.close import CloseUpModel
from posecore.ui.shared.models.engine import Analysis

_KEY = "stage_choice"


def pick_stage(model: PoseModel, analysis: Analysis, decode: Mapping[str, Any]) -> Stage:
    """The widget where there is a choice; a model of one stage is its own."""
    found = stages_of(model, analysis.fields, decode) if isinstance(model, CloseUpModel) else []
    if not found:
        return Stage(model.name, model, analysis.fields, decode)
    stages = {stage.title: stage for stage in found}
    if st.session_state.get(_KEY) not in stages:
        st.session_state[_KEY] = next(iter(stages))
    title = st.selectbox(
        "Stage",
        list(stages),
        key=_KEY,
        help="A finder looks at the whole picture, or you say where people are; then a model looks closely at each of "
        "them. Those *left out* were looked at, too.",
    )
    return stages[title]


def at_stage(analysis: Analysis, stage: Stage) -> Analysis:
    """What one stage says, as if it were all."""
    if stage.fields is analysis.fields:
        return analysis
    poses = stage.model.decode(stage.fields, **stage.settings)
    return replace(analysis, fields=stage.fields, poses=poses)
