"""Letting a model label first: choosing it, one picture or all, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from posecore.errors import PosecoreError
from posecore.labelling.desk import LabelDesk
from posecore.labelling.proposals import check_shared_names
from posecore.labelling.proposing import Proposed, propose_for, propose_for_all
from posecore.model import PoseModel
from posecore.ui.label.sets import Labelling, Place, sort_again
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.decode_controls import decode_controls
from posecore.ui.shared.models.engine import network_slots, shared_model
from posecore.ui.shared.models.model_picker import all_models, is_own_file, suggested
from posecore.ui.shared.models.second_stage import NOTHING, closer_box, closers_for
from posecore.ui.shared.navigation import page_link
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import state_of
from posecore.ui.shared.visitors import require
from posecore.ui.shared.widgets.numbers import number
from posecore.ui.shared.widgets.options import option_texts
from posecore.ui.shared.widgets.watching import watch
from posecore.zoo import ModelInfo
from posecore.zoo.advice import Advice, advise, better_than

#: Before the names of the model's settings in session state and address.
_PREFIX = "label_"
#: Fewest joints of a proposed person, to begin with; no more than the set has.
_FEWEST = 5


#: A model that looks at the pictures of a set. It goes on while nobody looks: what it proposes is kept in the set.
_Proposing = Task[Proposed, Proposed]


def _runs() -> Tasks[Proposed, Proposed]:
    """One for each set, by its folder."""
    return tasks("proposals", at_once=2)


def run_of(desk: LabelDesk) -> _Proposing | None:
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
    info = _pick(here)
    try:
        with st.spinner(f"Loading {plain(info.title)} …", show_time=False):
            model = shared_model(info, is_own_file(info))
        check_shared_names(model, desk.stored.skeleton)
    except PosecoreError as error:
        show_error(error)
        return
    _ask(desk, place, model)


def _pick(here: Mapping[str, ModelInfo]) -> ModelInfo:
    """The model, and what looks closely at everybody it finds; the most exact of this machine to begin with.

    People correct what is proposed: what it costs them counts, not the milliseconds.
    """
    best = advise("several", "exact")
    usable = next((one.info for one in best if one.info.available), suggested(here))
    first, *second = usable.parts
    if st.session_state.get("label_model") not in here:
        st.session_state["label_model"] = first.name
        st.session_state["label_closer"] = second[0].name if second else NOTHING
    name = st.selectbox(
        "Model",
        list(here),
        format_func=option_texts({name: info.title for name, info in here.items()}),
        key="label_model",
        persist_state="session",
        label_visibility="collapsed",
    )
    chosen = here[name]
    if fitting := closers_for(chosen, here):
        if st.session_state.get("label_closer") not in (NOTHING, *fitting):
            st.session_state["label_closer"] = NOTHING
        words = "A model for one person looks again at everybody whom the first one finds: more exact, and slower."
        chosen = closer_box(chosen, fitting, "label_closer", words)
    _say_better(best, chosen)
    return chosen


def _say_better(best: Sequence[Advice], chosen: ModelInfo) -> None:
    """What would have to be corrected less: another model of this machine, or one to fetch."""
    better = better_than(best, chosen.name)
    if better is None:
        return
    words = "is more exact" if better.info.available else "would be more exact; it is not on this machine"
    mine = next(one.ap for one in best if one.info.name == chosen.name)
    st.caption(f"{plain(better.info.title)} {words} (AP {better.ap:.2f}, this one {mine:.2f}).")
    if not better.info.available:
        page_link("models", "Get it on the Models page", "deployed_code")


def _ask(desk: LabelDesk, place: Place, model: PoseModel) -> None:
    controls = decode_controls(model, _PREFIX)
    fewest = _fewest(desk)
    run = run_of(desk)
    busy = run is not None and run.active

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
        _progress(desk, place, run)


def _fewest(desk: LabelDesk) -> int:
    count = len(desk.stored.skeleton)
    if st.session_state.get("label_fewest", 0) > count:
        del st.session_state["label_fewest"]
    return int(st.session_state.get("label_fewest", min(_FEWEST, count)))


def _fewest_slider(count: int) -> None:
    if count < 2:
        return
    number(
        "Fewest joints of a person",
        1,
        count,
        min(_FEWEST, count),
        step=1,
        key="label_fewest",
        help="People of whom the model finds fewer joints are not proposed.",
    )


def _start(desk: LabelDesk, model: PoseModel, settings: dict[str, Any], fewest: int) -> None:
    if not _may_propose():
        return
    statuses = desk.statuses()
    images = [image for image in desk.images() if statuses[image.image_id] == "unlabelled"]
    if not images:
        state_of(Labelling).note = "Every picture has labels or proposals already."
        return

    def work(task: _Proposing) -> Proposed:
        return propose_for_all(desk, model, images, settings, fewest, network_slots(), task.tell, task.stop)

    try:
        _runs().start(str(desk.stored.folder), work, again=True)
    except PosecoreError as error:
        state_of(Labelling).note = str(error)


def _may_propose() -> bool:
    """Whether labels may be changed here; says why not."""
    try:
        require("all", "Changing labels")
    except PosecoreError as error:
        state_of(Labelling).note = str(error)
        return False
    return True


def _one(desk: LabelDesk, place: Place, model: PoseModel, settings: dict[str, Any], fewest: int) -> None:
    if not _may_propose():
        return
    image = desk.stored.image(place.picture)
    try:
        found = propose_for(desk, model, image, settings, fewest, network_slots())
    except (PosecoreError, OSError) as error:
        state_of(Labelling).note = f"{image.path.name}: {error}"
        return
    if not found:
        state_of(Labelling).note = (
            "The model finds nobody here who is not labelled yet. Lower the thresholds under Settings, try another "
            "model, or add people by hand."
        )


def show_note() -> None:
    """Say what the last request brought, once."""
    mine = state_of(Labelling)
    note, mine.note = mine.note, ""
    if note:
        st.toast(plain(note), icon=":material/info:", duration="long")


def _progress(desk: LabelDesk, place: Place, run: _Proposing) -> None:
    if run.active:
        # At the end what was proposed belongs in order.
        watch(run, lambda: _working(run), then=lambda: sort_again(desk, place))
    else:
        _ended(run)


def _working(run: _Proposing) -> None:
    far = run.report
    if far is None:
        st.progress(0.0, text="Starting …" if run.state == "working" else "Waiting for its turn …")
    else:
        text = f"{far.done} of {far.total} pictures, {far.people} people proposed"
        st.progress(far.done / max(far.total, 1), text=text)
    st.button("Stop", on_click=run.cancel, disabled=run.stopping, icon=":material/stop:", key="propose_stop")


def _ended(run: _Proposing) -> None:
    if run.error:
        st.error(f"It ended early: {plain(run.error)}", icon=":material/error:")
    far = run.report or Proposed(0)
    word = "Stopped" if run.stopping else "Done"
    st.caption(f":material/check: {word}: {far.done} of {far.total} pictures, {far.people} people proposed.")
    if far.problems:
        with st.expander(f"{len(far.problems)} pictures could not be used", icon=":material/warning:"):
            st.markdown("\n".join(f"- {plain(problem)}" for problem in far.problems[:50]))


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
        state_of(Labelling).note = str(error)
