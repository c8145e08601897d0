"""Letting a model label first: choosing it, one picture or all, and how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import streamlit as st

from posecore.errors import PosecoreError
from posecore.labelling.desk import LabelDesk
from posecore.labelling.proposals import check_shared_names
from posecore.labelling.proposing import ProposalRun, propose_for
from posecore.model import PoseModel
from posecore.ui.label.sets import Place, sort_again
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.engine import network_slots, shared_model
from posecore.ui.shared.models.model_picker import all_models, is_own_file, suggested
from posecore.ui.shared.navigation import page_link
from posecore.ui.shared.plain import plain
from posecore.ui.shared.visitors import require
from posecore.ui.shared.widgets.options import option_texts
from posecore.ui.shared.widgets.setting_controls import SettingControls

#: Before the names of the model's settings in session state and address.
_PREFIX = "label_"
#: Fewest joints of a proposed person, to begin with; no more than the set has.
_FEWEST = 5
#: Held while a run is started, so that a set never has two.
_STARTING = threading.Lock()


@st.cache_resource(show_spinner=False)
def _runs() -> dict[str, ProposalRun]:
    """The run of each set, by its folder; shared by all sessions."""
    return {}


def run_of(desk: LabelDesk) -> ProposalRun | None:
    """The set's run, if there was one."""
    return _runs().get(str(desk.stored.folder))


def proposal_panel(desk: LabelDesk, place: Place) -> None:
    """The part of the sidebar in which a model is asked to label."""
    st.markdown("**Let a model label first**")
    here = {info.name: info for info in all_models().values() if info.available}
    if not here:
        st.caption("No model is on this machine yet.")
        page_link("models", "Get one on the Models page", "deployed_code")
        return
    first = suggested(here).name
    if st.session_state.get("label_model") not in here:
        st.session_state["label_model"] = first
    name = st.selectbox(
        "Model",
        list(here),
        format_func=option_texts({name: info.title for name, info in here.items()}),
        key="label_model",
        persist_state="session",
        label_visibility="collapsed",
    )
    try:
        with st.spinner(f"Loading {plain(here[name].title)} …", show_time=False):
            model = shared_model(here[name], is_own_file(here[name]))
        check_shared_names(model, desk.stored.skeleton)
    except PosecoreError as error:
        show_error(error)
        return
    _ask(desk, place, model)


def _ask(desk: LabelDesk, place: Place, model: PoseModel) -> None:
    controls = SettingControls(model.decode_settings_class, prefix=_PREFIX)
    fewest = _fewest(desk)
    run = run_of(desk)
    busy = run is not None and run.running

    def start() -> None:
        _start(desk, model, controls.values, fewest)

    def one() -> None:
        _one(desk, place, model, controls.values, fewest)

    with st.container(horizontal=True):
        st.button("This picture", on_click=one, icon=":material/auto_fix_high:", width="stretch", key="propose_one")
        st.button(
            "All unlabelled",
            on_click=start,
            disabled=busy,
            icon=":material/auto_awesome_motion:",
            width="stretch",
            key="propose_all",
            help="The model looks at every picture without labels, in the background; you can go on labelling.",
        )
    with st.expander("Settings", icon=":material/tune:"):
        controls.draw(controls.main, columns=1)
        _fewest_slider(len(desk.stored.skeleton))
    if run is not None:
        _progress(desk, place)


def _fewest(desk: LabelDesk) -> int:
    count = len(desk.stored.skeleton)
    if st.session_state.get("label_fewest", 0) > count:
        del st.session_state["label_fewest"]
    return int(st.session_state.get("label_fewest", min(_FEWEST, count)))


def _fewest_slider(count: int) -> None:
    if count < 2:
        return
    st.slider(
        "Fewest joints of a person",
        1,
        count,
        min(_FEWEST, count),
        key="label_fewest",
        help="People of whom the model finds fewer joints are not proposed.",
    )


def _start(desk: LabelDesk, model: PoseModel, settings: dict[str, Any], fewest: int) -> None:
    if not _may_propose():
        return
    statuses = desk.statuses()
    images = [image for image in desk.images() if statuses[image.image_id] == "unlabelled"]
    if not images:
        st.session_state["label_note"] = "Every picture has labels or proposals already."
        return
    with _STARTING:
        known = run_of(desk)
        if known is not None and known.running:
            # From another tab; this one shows how far it is.
            return
        run = ProposalRun(desk, model, images, settings, fewest, network_slots())
        _runs()[str(desk.stored.folder)] = run.start()


def _may_propose() -> bool:
    """Whether labels may be changed here; says why not."""
    try:
        require("all", "Changing labels")
    except PosecoreError as error:
        st.session_state["label_note"] = str(error)
        return False
    return True


def _one(desk: LabelDesk, place: Place, model: PoseModel, settings: dict[str, Any], fewest: int) -> None:
    if not _may_propose():
        return
    image = desk.stored.image(place.picture)
    try:
        found = propose_for(desk, model, image, settings, fewest, network_slots())
    except (PosecoreError, OSError) as error:
        st.session_state["label_note"] = f"{image.path.name}: {error}"
        return
    if not found:
        st.session_state["label_note"] = (
            "The model finds nobody here who is not labelled yet. Lower the thresholds under Settings, try another "
            "model, or add people by hand."
        )


def show_note() -> None:
    """Say what the last request brought, once."""
    note = st.session_state.pop("label_note", "")
    if note:
        st.toast(plain(note), icon=":material/info:", duration="long")


def _progress(desk: LabelDesk, place: Place) -> None:
    run = run_of(desk)
    if run is None:
        return
    if run.running:
        _watch(desk, place)
        return
    _ended(run)


@st.fragment(run_every=1.0)
def _watch(desk: LabelDesk, place: Place) -> None:
    run = run_of(desk)
    if run is None or not run.running:
        # Once more for the whole page: what was proposed belongs in order.
        sort_again(desk, place)
        st.rerun()
    st.progress(run.done / max(run.total, 1), text=f"{run.done} of {run.total} pictures, {run.people} people proposed")
    st.button("Stop", on_click=run.cancel, disabled=run.cancelled, icon=":material/stop:", key="propose_stop")


def _ended(run: ProposalRun) -> None:
    if run.trouble:
        st.error(f"It ended early: {run.trouble}", icon=":material/error:")
    word = "Stopped" if run.cancelled else "Done"
    st.caption(f":material/check: {word}: {run.done} of {run.total} pictures, {run.people} people proposed.")
    if run.problems:
        with st.expander(f"{len(run.problems)} pictures could not be used", icon=":material/warning:"):
            st.markdown("\n".join(f"- {problem}" for problem in run.problems[:50]))


def unconfirmed_panel(desk: LabelDesk) -> None:
    """How many people are only proposed, and what can be done with all of them at once."""
    progress = desk.progress()
    people = "1 person" if progress.proposals == 1 else f"{progress.proposals} people"
    pictures = "1 picture" if progress.unconfirmed == 1 else f"{progress.unconfirmed} pictures"
    st.markdown(
        f"**{people} on {pictures} {'is' if progress.proposals == 1 else 'are'} not confirmed.** Training and exports "
        "leave them out until somebody has looked at them."
    )
    for label, icon, act, sentence in (
        ("Confirm all", "done_all", desk.confirm, "They become labels as they are, without another look."),
        ("Discard all", "delete_sweep", desk.discard, "What nobody confirmed is thrown away."),
    ):
        st.button(
            label,
            icon=f":material/{icon}:",
            key=f"label_{icon}",
            on_click=_do,
            args=(act,),
            width="stretch",
            help=sentence,
        )


def _do(act: Callable[[], int]) -> None:
    try:
        require("all", "Changing labels")
        act()
    except PosecoreError as error:
        st.session_state["label_note"] = str(error)
