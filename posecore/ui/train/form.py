"""The new run: what it learns from, what it starts from, how, and what is known before it begins."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

import streamlit as st

from posecore.data.library import StoredSet
from posecore.errors import PosecoreError
from posecore.runs import Registry
from posecore.training import jobs
from posecore.training.advice import SetFacts, warnings, what_happens
from posecore.training.card import config_text
from posecore.training.config import RunConfig
from posecore.training.recipe import Recipe, skeleton_of, to_config
from posecore.ui.shared.address import Parameter, say
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.plain import plain
from posecore.ui.shared.runs.train_setup import choose_base, choose_keypoints, choose_recipe, choose_set
from posecore.ui.shared.session import state_of
from posecore.ui.shared.visitors import require
from posecore.ui.train.estimate import show_estimate
from posecore.zoo import ModelInfo


@dataclass
class Plan:
    """What the page remembers of the run that is being set up.

    Attributes:
        suggested_name: The name that was suggested last; an untouched one follows the suggestion.
        show_queue: Whether a run was just started, so that the page shows the queue next.
    """

    suggested_name: str | None = None
    show_queue: bool = False


def new_run() -> None:
    """The form and what it comes to."""
    left, right = st.columns([6, 5], gap="large")
    with left:
        chosen = choose_set()
        if chosen is None:
            return
        stored, facts = chosen
        base = choose_base(facts.skeleton)
        recipe = None
        if base is not None:
            facts = replace(facts, skeleton=choose_keypoints(base, facts.skeleton))
            recipe = choose_recipe(base, facts)
    with right:
        if base is not None and recipe is not None:
            _plan(stored, facts, base, recipe)


def _plan(stored: StoredSet, facts: SetFacts, base: ModelInfo, recipe: Recipe) -> None:
    """Name, warnings, estimate and the button."""
    name = _name(stored, {run.name for run in Registry().all()})
    try:
        config = to_config(recipe, name=name, sources=stored.sources(), skeleton=facts.skeleton)
        known = skeleton_of(base)
    except PosecoreError as error:
        show_error(error)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        start = st.button("Start training", type="primary", icon=":material/play_arrow:", key="start")
        with st.popover("Configuration", icon=":material/description:", width="content"):
            _configuration(config)
    st.caption(what_happens(facts, recipe.epochs, recipe.patience))
    with st.container(border=True):
        show_estimate(config)
    for sentence in warnings(facts, known, recipe.input_side, recipe.batch_size):
        st.markdown(f":orange[:material/warning:] :small[{plain(sentence)}]")
    if start:
        _submit(config)


def _name(stored: StoredSet, taken: Collection[str]) -> str:
    """The widget for the run's name; an untouched one changes with the set."""
    suggested = _unused(stored.name, taken)
    plan = state_of(Plan)
    if st.session_state.get("run_name") in (None, plan.suggested_name):
        st.session_state["run_name"] = suggested
    plan.suggested_name = suggested
    name = st.text_input(
        "Name of the run",
        key="run_name",
        max_chars=100,
        persist_state="session",
        help="The model will be called run:NAME.",
    )
    return name.strip()


def _unused(stem: str, taken: Collection[str]) -> str:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:80] or "run"
    number = 1
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"


def _configuration(config: RunConfig) -> None:
    text = config_text(config.model_dump(mode="json"))
    st.caption("Everything about the run. The same from the command line: `posecore train FILE`.")
    st.download_button(
        "Download YAML",
        text,
        f"{config.name}.yaml",
        "application/yaml",
        icon=":material/download:",
        on_click="ignore",
        key="download_config",
    )
    st.code(text, language="yaml", height=360)


def _submit(config: RunConfig) -> None:
    try:
        require("all", "Training")
        run = jobs.submit(config)
    except PosecoreError as error:
        show_error(error, "Nothing was started.")
        return
    say(Parameter.RUN, run.name)
    # The tabs are drawn already; theirs can be set before the next run draws them.
    state_of(Plan).show_queue = True
    st.rerun()
