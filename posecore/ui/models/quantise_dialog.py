"""A dialog that makes a model compute in 8-bit integers: pictures, what it costs and brings, and whether to keep it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from posecore.data.annotations import PoseDataset
from posecore.errors import PosecoreError
from posecore.imaging import ImageSource
from posecore.model import PoseModel
from posecore.quantising import QuantisingError, Worth, keep, quantise
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.extra_needed import extra_is_here
from posecore.ui.shared.models.model_picker import choose_model, is_own_file
from posecore.ui.shared.plain import plain
from posecore.ui.shared.sets.labelled_set import pick_labelled_set
from posecore.ui.shared.visitors import require
from posecore.words import counted
from posecore.zoo import ModelInfo, load_model

_SET, _FILES = "A labelled set", "Pictures of yours"


@dataclass(frozen=True, eq=False)
class Quantised:
    """What came of it, not kept yet."""

    model: PoseModel
    worth: Worth


@dataclass(frozen=True, eq=False)
class _Pictures:
    """Where pictures come from: ``key`` names them, ``read`` gives pictures or a labelled set."""

    key: str
    read: Callable[[], tuple[list[ImageSource], PoseDataset | None]]


def quantisings() -> Tasks[Quantised, str]:
    """Models that are quantised, one after the other: two would measure each other's time."""
    return tasks("quantise", kept=4)


@st.dialog("8-bit integers", width="medium")
def quantise_model(info: ModelInfo) -> None:
    """Quantise one model."""
    st.markdown(
        f"**{plain(info.title)}** computed in 8-bit integers is faster on most processors and slightly less exact. "
        "Pictures like those it will see say how to round; what that costs and brings is shown before it is kept."
    )
    if not extra_is_here("openvino"):
        return
    pictures = _pick()
    wanted = st.button(
        "Quantise", type="primary", key="quantise_start", icon=":material/memory:", disabled=pictures is None
    )
    if pictures is None:
        return
    key = (info.name, pictures.key)
    try:
        if wanted:
            require("use", "Quantising models")
            weights = info.path if is_own_file(info) else None
            quantisings().start(
                key, lambda task: _work(task, info.name, weights, pictures), again=True, ends_with_session=True
            )
    except PosecoreError as error:
        show_error(error)
        return
    task = quantisings().get(key)
    if task is not None:
        _follow(task)
        _show(task, info)


def _pick() -> _Pictures | None:
    """Which pictures; None while there are none."""
    source = st.segmented_control("Pictures", [_SET, _FILES], default=_SET, required=True, key="quantise_source")
    if source == _SET:
        chosen = pick_labelled_set()
        return None if chosen is None else _Pictures(chosen.name, lambda: ([], chosen.read()))
    files = st.file_uploader(
        "A few dozen are enough", accept_multiple_files=True, type=["jpg", "jpeg", "png", "webp"], key="quantise_files"
    )
    if not files:
        return None
    contents = [file.getvalue() for file in files]
    digest = hashlib.sha256(b"".join(hashlib.sha256(data).digest() for data in contents)).hexdigest()
    return _Pictures(digest, lambda: ([*contents], None))


def _work(task: Task[Quantised, str], name: str, weights: Path | None, pictures: _Pictures) -> Quantised:
    def tell(step: str) -> None:
        if task.stopping:
            raise QuantisingError("It was stopped.")
        task.tell(step)

    tell("Reading pictures")
    given, dataset = pictures.read()
    model = load_model(name, weights=weights, device="cpu")
    return Quantised(*quantise(model, given, dataset, tell))


def _follow(task: Task[Quantised, str]) -> None:
    """Say how far it is until it has ended; a dialog that is closed meanwhile leaves it at work."""
    if not task.active:
        return
    with st.status("Waiting …") as status:
        while not task.wait(0.3):
            status.update(label=f"{task.report or 'Waiting'} …")
        done = task.state == "done"
        status.update(label="Measured" if done else "Not quantised", state="complete" if done else "error")


def _show(task: Task[Quantised, str], info: ModelInfo) -> None:
    """What came of it, and the button that keeps it."""
    if task.error:
        st.error(plain(task.error), icon=":material/error:")
    if task.result is None:
        return
    worth = task.result.worth
    with st.container(horizontal=True):
        st.metric(
            "Network",
            f"{worth.milliseconds_after:.1f} ms",
            f"{worth.gain:.1f} × as fast",
            delta_color="normal" if worth.gain > 1 else "inverse",
            delta_arrow="off",
            border=True,
        )
        if worth.ap_before is not None and worth.ap_after is not None:
            change = f"{worth.ap_after - worth.ap_before:+.3f}"
            st.metric(f"AP, {worth.protocol}", f"{worth.ap_after:.3f}", change, border=True)
        st.metric("People found", f"{worth.people_found} of {worth.people_before}", border=True)
        st.metric("Joints where they were", f"{100 * worth.joints_near:.0f} %", border=True)
    st.caption(
        f"Ranges from {counted(worth.pictures, 'view')} of pictures; people and joints compared on {worth.measured}. "
        "A joint is where it was within 5 % of the person's size. Times are this machine's, by each one's fastest way."
    )
    if not st.button("Keep it", type="primary", key="quantise_keep", icon=":material/save:"):
        return
    try:
        require("all", "Keeping models")
        name = keep(task.result.model, worth, info.licence)
    except PosecoreError as error:
        show_error(error)
        return
    choose_model(name)
    st.rerun()
