"""Which model should I take? Two questions, and the best by measured figures, with its button."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from posecore.ui.shared.models.downloads import begin_download, is_coming
from posecore.ui.shared.models.model_picker import choose_model, megabytes
from posecore.ui.shared.models.second_stage import choose_closer
from posecore.ui.shared.navigation import open_page
from posecore.ui.shared.plain import plain
from posecore.zoo import ModelInfo
from posecore.zoo.advice import NEEDS, PEOPLE, Advice, advise


def advice_panel() -> None:
    """The questions and the answer."""
    with st.container(border=True, gap="xsmall", key="advice"):
        st.markdown("**Which model should I take?**")
        with st.container(horizontal=True, gap="small"):
            people = st.segmented_control(
                "People",
                list(PEOPLE),
                default="several",
                required=True,
                format_func=PEOPLE.__getitem__,
                key="advice_people",
                label_visibility="collapsed",
            )
            need = st.segmented_control(
                "What matters most",
                list(NEEDS),
                default="exact",
                required=True,
                format_func=NEEDS.__getitem__,
                key="advice_need",
                label_visibility="collapsed",
            )
        found = advise(people, need)
        if not found:
            st.caption("Nothing that suits was measured; look at the cards below.")
            return
        best = found[0]
        _say(best, "advised", "primary")
        here = next((one for one in found if one.info.available), None)
        if here is not None and here is not best:
            st.markdown(":small[:gray[Of those on this machine:]]")
            _say(here, "advised_here", "secondary")


def _say(advice: Advice, key: str, kind: Literal["primary", "secondary"]) -> None:
    """One model, why, and what can be done with it."""
    info = advice.info
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{plain(info.title)}**  \n:small[{plain(advice.why)}]", width="stretch")
        if info.available:
            if st.button("Try it", key=f"try_{key}", type=kind, icon=":material/play_arrow:"):
                _try(info)
        elif is_coming(info):
            st.caption("It is coming: its card below shows how far.", width="content")
        else:
            label = f"Download {megabytes(info.size_bytes)}"
            if st.button(label, key=f"fetch_{key}", type=kind, icon=":material/download:"):
                begin_download(info)


def _try(info: ModelInfo) -> None:
    """Choose the model, and what looks closely where it has two stages, on every page."""
    first, *second = info.parts
    choose_model(first.name)
    choose_closer(second[0].name if second else None)
    open_page("explore")
