"""Choosing a model, and getting one that is not on this machine yet."""

from __future__ import annotations

import time
from collections.abc import Mapping

import streamlit as st

from posecore.errors import PosecoreError
from posecore.families import FAMILIES
from posecore.ui.shared.address import Parameter, asked, came_back, say
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.second_stage import in_two, pick_closer
from posecore.ui.shared.navigation import open_page
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import session
from posecore.ui.shared.visitors import require
from posecore.ui.shared.widgets.options import option_texts
from posecore.zoo import ModelInfo, default_model, fetch_model, list_models
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


class FetchBar:
    """Shows a download's progress; see ``posecore.zoo.Progress``."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar = st.progress(0.0, text=f"Downloading {plain(title)} …")
        self._last = 0.0

    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        """Called for every piece; the browser is told ten times a second at most."""
        now = time.monotonic()
        if now - self._last < 0.1 and done_bytes != total_bytes:
            return
        self._last = now
        share = min(done_bytes / total_bytes, 1.0) if total_bytes else 0.0
        of = f" of {megabytes(total_bytes)}" if total_bytes else ""
        self._bar.progress(share, text=f"Downloading {self._title}: {megabytes(done_bytes)}{of}")

    def say(self, text: str) -> None:
        """Put a sentence beside the bar."""
        self._bar.progress(0.0, text=plain(text))

    def close(self) -> None:
        """Take the bar away."""
        self._bar.empty()


def fetch_with_progress(info: ModelInfo, agreed: bool = False) -> bool:
    """Fetch a model while a bar shows how far it is; False, with the reason shown, when that fails.

    ``agreed`` says whether the visitor agrees to the terms that its weights are under.
    """
    bar = FetchBar(info.title)
    try:
        require("use", "Downloading models")
        for one in info.stages or (info,):
            fetch_model(one.name, bar, agreed)
    except PosecoreError as error:
        bar.close()
        show_error(error)
        _ways_without_network(info)
        return False
    bar.close()
    st.toast(f"{plain(info.title)} is on this machine now.", icon=":material/check:")
    return True


def fetch_panel(info: ModelInfo) -> None:
    """Offer to fetch a model that is not on this machine, and what else can be done."""
    others = [other for other in all_models().values() if other.available]
    with st.container(border=True):
        if others:
            st.markdown(
                f"**{plain(info.title)} is not on this machine yet.** Download it once; from then on it works offline."
            )
        else:
            st.markdown(
                "**No model is on this machine yet,** so nothing can be found in the picture. Download one once; from "
                "then on everything works offline. Pictures never leave the machine that runs this app."
            )
        st.markdown(f"{plain(info.title)}  \n:small[:gray[{plain(info.description)}]]")
        st.markdown(" ".join(badges(info)))
        agreed = not info.terms or st.checkbox(plain(info.terms) + " I agree.", key="agree")
        with st.container(horizontal=True):
            wanted = st.button(
                f"Download it ({megabytes(info.size_bytes)})",
                type="primary",
                icon=":material/download:",
                key="fetch",
                disabled=not agreed,
            )
            if others:
                st.button(f"Use {plain(others[0].title)} instead", on_click=choose_model, args=(others[0].name,))
            if st.button("Your own weights", icon=":material/upload_file:"):
                open_page("models")
        if wanted and fetch_with_progress(info, agreed):
            st.rerun()


def _ways_without_network(info: ModelInfo) -> None:
    here = [other.title for other in all_models().values() if other.available]
    use = f"- Use a model that is here already: {', '.join(here)}.\n" if here else ""
    st.markdown(
        f"What works without this download:\n{use}"
        "- Copy the model's file from another machine and give it on the Models page, under *Your own weights*.\n"
        "- Start the app with `POSECORE_WEIGHTS_MIRROR` set to a folder or server that has the publisher's files."
    )
