"""Choosing a model."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from posecore.families import FAMILIES
from posecore.ui.shared.address import Parameter, asked, came_back, say
from posecore.ui.shared.models.second_stage import in_two, pick_closer
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import session
from posecore.ui.shared.widgets.options import option_texts
from posecore.zoo import ModelInfo, default_model, list_models
from posecore.zoo.guide import guide

_CHOICE = "model_choice"

#: Words and colours for where models come from.
ORIGINS = {
    "shipped": ("shipped", "green"),
    "official": ("official", "blue"),
    "yours": ("yours", "violet"),
}


def all_models() -> dict[str, ModelInfo]:
    """Every model by name: those of the zoo, then the visitor's own files."""
    return {info.name: info for info in (*list_models(), *session().own_models.values())}


def is_own_file(info: ModelInfo) -> bool:
    """True for a model from a file that this visitor gave."""
    return info.name in session().own_models


def suggested(models: Mapping[str, ModelInfo]) -> ModelInfo:
    """The model to begin with: the best one on this machine, else the smallest download."""
    best = default_model()
    return best if best is not None else min(models.values(), key=lambda info: info.size_bytes)


def pick_model() -> ModelInfo:
    """The widget for the sidebar, with a line about the chosen model."""
    models = all_models()
    mine = session()
    first = suggested(models).name
    if came_back() or not mine.address_read:
        mine.address_read = True
        linked = in_two(asked(Parameter.MODEL), models)
        if linked is not None and linked not in models:
            mine.refused.append(f"The link asks for a model {linked!r}, which is not known here; {first} is used.")
        if came_back() or _CHOICE not in st.session_state:
            st.session_state[_CHOICE] = linked if linked in models else first
    gone = st.session_state.get(_CHOICE, first)
    if gone not in models:
        st.session_state[_CHOICE] = first
        mine.model_gone = (
            f"{plain(gone)} is not here any more: it was renamed or removed. {plain(models[first].title)} is used."
        )
    order = sorted(models.values(), key=lambda info: (not info.available, list(FAMILIES).index(info.family)))
    name = st.selectbox(
        "Model",
        [info.name for info in order],
        format_func=option_texts({name: info.title for name, info in models.items()}),
        key=_CHOICE,
        persist_state="session",
        on_change=lambda: setattr(mine, "model_gone", ""),
        help="Those on this machine come first. All models, with a description of each, are on the Models page.",
    )
    if mine.model_gone:
        st.warning(mine.model_gone, icon=":material/info:")
    info = models[name]
    licence = info.licence.partition(",")[0] or "licence not stated"
    here = ":green[:material/check: downloaded]" if info.available else ":orange[not downloaded]"
    st.caption(f"{ORIGINS[info.origin][0]} · {here} · {megabytes(info.size_bytes)} · {plain(licence)}")
    if info.name in guide().limits:
        st.caption(plain(guide().limits[info.name]))
    say(Parameter.MODEL, None if name == first else name)
    return pick_closer(info, models)


def chosen_model() -> str | None:
    """Name of the model that is chosen; None before anybody has looked."""
    name = st.session_state.get(_CHOICE)
    return None if name is None else str(name)


def choose_model(name: str) -> None:
    """Choose a model on every page; before the widget is drawn, or in a callback."""
    st.session_state[_CHOICE] = name


def follow_renamed(old: str, new: str) -> None:
    """Keep the choice of a model that is called otherwise now."""
    if st.session_state.get(_CHOICE) == old:
        choose_model(new)


def badges(info: ModelInfo) -> list[str]:
    """Origin, whether it is here, size and licence, as badges in Markdown."""
    word, color = ORIGINS[info.origin]
    here = [":green-badge[:material/check: on this machine]"] if info.available else []
    licence = info.licence or "licence not stated"
    return [
        f":{color}-badge[{word}]",
        *here,
        f":gray-badge[{megabytes(info.size_bytes)}]",
        f":gray-badge[{plain(licence)}]",
    ]


def megabytes(count: int) -> str:
    """A number of bytes in words."""
    return f"{count / 1e6:.1f} MB" if count < 100e6 else f"{count / 1e6:.0f} MB"
