"""Choosing a set in the sidebar, and what can be done to it as a whole: title, export, removal."""

from __future__ import annotations

import streamlit as st

from posecore.data.counts import lost_in
from posecore.data.library import StoredSet
from posecore.errors import DataError, PosecoreError
from posecore.ui.shared.address import Parameter
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.navigation import page_link
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import session
from posecore.ui.shared.sets.export_set import export_button, forget_packed, pick_format
from posecore.ui.shared.sets.set_library import choose_set, library
from posecore.ui.shared.visitors import require, shown_path
from posecore.words import counted


def pick_set() -> StoredSet | None:
    """The widgets for the sidebar; None when there is no set yet."""
    sets = {stored.name: stored for stored in library().all()}
    if not sets:
        return None
    return choose_set(sets)


def set_facts(stored: StoredSet) -> None:
    """Where the set came from and how large it is."""
    dataset = stored.dataset()
    st.caption(f"{plain(stored.origin)} · kept in {plain(shown_path(stored.folder))}")
    figures = {
        "Pictures": len(dataset),
        "Labelled": stored.labelled(),
        "People": dataset.people,
        "Problems": len(stored.problems),
    }
    for pair in (("Pictures", "Labelled"), ("People", "Problems")):
        for column, label in zip(st.columns(2, gap="small"), pair, strict=True):
            column.metric(label, f"{figures[label]:,}".replace(",", " "))


def set_actions(stored: StoredSet) -> None:
    """Buttons for the whole set."""
    with st.container(horizontal=True, gap="small"):
        rename = st.popover("Rename", key="dataset_title_menu", on_change="rerun")
        export = st.popover("Export", key="dataset_export_menu", on_change="rerun")
        delete = st.popover("Delete", key="dataset_delete_menu", on_change="rerun")
    if rename.open:
        with rename:
            _title(stored)
    if export.open:
        with export:
            _export(stored)
    if delete.open:
        with delete:
            _delete(stored)


def _title(stored: StoredSet) -> None:
    with st.form("dataset_title_form", border=False):
        title = st.text_input("Title", stored.title, max_chars=200, key=f"dataset_title_{stored.name}")
        st.caption(f"The folder and the name in configurations stay *{plain(stored.name)}*.")
        if not st.form_submit_button("Save", type="primary"):
            return
    try:
        require("all", "Renaming sets")
        stored.set_title(title)
    except PosecoreError as error:
        show_error(error)
        return
    st.rerun()


def _export(stored: StoredSet) -> None:
    try:
        dataset = stored.dataset()
    except DataError as error:
        show_error(error)
        return
    format = pick_format("dataset_export_format")
    for sentence in lost_in(dataset, format):
        st.caption(f":material/info: {plain(sentence)}")
    export_button(stored, format, "dataset_export")


def _delete(stored: StoredSet) -> None:
    st.markdown(
        f"Delete **{plain(stored.title)}** with its pictures and labels? This cannot be undone. Models trained on it "
        "stay."
    )
    sure = st.checkbox("Yes, delete it", key=f"dataset_sure_{stored.name}")
    if st.button("Delete", disabled=not sure, type="primary", icon=":material/delete:", key="dataset_delete"):
        try:
            require("all", "Deleting sets")
            library().remove(stored.name)
            forget_packed(stored)
        except PosecoreError as error:
            show_error(error)
            return
        st.toast(f"{plain(stored.title)} was deleted.", icon=":material/delete:")
        st.rerun()


def next_steps(stored: StoredSet) -> None:
    """Ways to the pages where the set is worked with."""
    waiting = len(stored.dataset()) - stored.labelled()
    label = (
        f"Label the {counted(waiting, 'picture')} that {'waits' if waiting == 1 else 'wait'}"
        if waiting
        else "Review labels"
    )
    page_link("label", label, "draw", address={Parameter.SET: stored.name})
    if any(person.labelled.any() for image in stored.dataset() for person in image.people):
        page_link("train", "Train on this set", "model_training", address={Parameter.SET: stored.name})


def add_button() -> None:
    """Leads to adding a set."""
    st.button("Add a set", icon=":material/add:", width="stretch", on_click=_open_adding, key="dataset_add")


def _open_adding() -> None:
    session().adding_set = True
