"""One line with one button where only the models that come with posecore are here; the page changes over by itself."""

from __future__ import annotations

import streamlit as st

from posecore.errors import PosecoreError
from posecore.families import family_of
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.downloads import downloads, start_download, watch_download
from posecore.ui.shared.models.model_picker import choose_model, chosen_model, megabytes
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import session
from posecore.zoo import ModelInfo, default_model, list_models, recommended_model


def offer_published() -> None:
    """The line, the bar while the weights come, or nothing; call before a model is picked."""
    info = recommended_model()
    if info.name == chosen_model() and not info.available:
        # The page itself offers what is chosen.
        return
    task = downloads().get(info.name)
    if task is not None and task.active:
        shown = _shown_now()
        meanwhile = f"Until it is here, {'nothing' if shown is None else shown.title} shows its people."
        watch_download([task], _network(info), meanwhile, "cancel_published")
    elif info.available:
        _change_over(info)
    elif _is_ours(_shown_now()) and not any(one.available for one in list_models() if one.origin == "official"):
        _offer(info)
        if task is not None and task.error:
            show_error(PosecoreError(task.error))


def _offer(info: ModelInfo) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="published_offer"):
        st.markdown(
            ":small[A small model of posecore's own finds these people; Google's find far more.]",
            width="content",
        )
        label = f"Download {_network(info)} ({megabytes(info.size_bytes)})"
        if not st.button(label, icon=":material/download:", type="primary", key="fetch_published"):
            return
    try:
        start_download(info)
    except PosecoreError as error:
        show_error(error)
        return
    session().before_published = chosen_model()
    st.rerun()


def _change_over(info: ModelInfo) -> None:
    """Show what was waited for, unless another model was chosen meanwhile."""
    mine = session()
    before, mine.before_published = mine.before_published, None
    if before is not None and before == chosen_model():
        choose_model(info.name)
        st.toast(f"{plain(info.title)} is here and shows its people now.", icon=":material/check:")


def _shown_now() -> ModelInfo | None:
    return next((one for one in list_models() if one.name == chosen_model()), None) or default_model()


def _is_ours(info: ModelInfo | None) -> bool:
    return info is not None and info.origin == "shipped"


def _network(info: ModelInfo) -> str:
    return family_of(info.architecture).architectures[info.architecture].title
