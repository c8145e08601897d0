"""Dialogs about one model: is its file intact, remove it, what is known of it."""

from __future__ import annotations

import streamlit as st

from posecore.errors import PosecoreError
from posecore.families import FAMILIES
from posecore.settings import controls
from posecore.ui.models.uploaded_weights import remove_own_model
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.model_picker import badges, is_own_file, megabytes
from posecore.ui.shared.plain import plain
from posecore.ui.shared.visitors import require, shown_path
from posecore.zoo import ModelInfo, remove_model, verify_model


@st.dialog("Verify a model")
def verify(info: ModelInfo) -> None:
    """Read a model's file afresh and say what was found."""
    st.markdown(f"**{plain(info.title)}**")
    try:
        with st.spinner("Reading the file and computing its checksum …"):
            found = verify_model(info.name)
    except PosecoreError as error:
        show_error(error, "Remove it and download it again.")
        return
    st.success("File intact: weights match the recorded checksum.", icon=":material/verified:")
    st.markdown(f"{found.tensors} tensors, {found.parameters:,} parameters")
    st.caption("SHA-256 of the tensors")
    st.code(found.sha256, language=None, wrap_lines=True)
    if found.originals:
        st.caption("Published files that it was converted from")
        st.json(found.originals, expanded=False)


@st.dialog("Remove a model")
def ask_to_remove(info: ModelInfo) -> None:
    """Remove a model once that is confirmed."""
    own = is_own_file(info)
    again = "It can be fetched again whenever you like." if info.origin == "official" else "Its file is deleted."
    st.markdown(f"Remove **{plain(info.title)}** from this machine? This frees {megabytes(info.size_bytes)}. {again}")
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it"):
            st.rerun()
        if not st.button("Remove", type="primary", key="remove_surely"):
            return
    if own:
        remove_own_model(info)
    else:
        try:
            require("all", "Removing models")
            remove_model(info.name)
        except PosecoreError as error:
            show_error(error)
            return
    st.rerun()


@st.dialog("About this model", width="medium")
def about(info: ModelInfo, parameters: int, convolutions: int) -> None:
    """All that is known of a model."""
    family = FAMILIES[info.family]
    architecture = family.architectures[info.architecture]
    st.markdown(f"### {plain(info.title)}")
    st.markdown(" ".join(badges(info)))
    st.markdown(plain(info.description))
    rows = {
        "Name": f"`{info.name}`",
        "Family": family.title,
        "Architecture": architecture.title,
        "Parameters": f"{parameters:,}",
        "Convolutions": str(convolutions),
        "Output strides": ", ".join(str(stride) for stride in architecture.output_strides) or "fixed",
        "Licence": info.licence or "not stated",
        "Source": f"[{info.source}]({info.source})" if info.source else "–",
        "File": f"`{shown_path(info.path)}`" if info.path is not None else "not on this machine",
    }
    st.table({"": list(rows), " ": list(rows.values())}, hide_index=True, hide_header=True, border="horizontal")
    st.caption("What can be set")
    names = [control.label for control in controls(family.network_settings(info.architecture))]
    names += [control.label for control in controls(family.decode_settings)]
    st.markdown(" ".join(f":gray-badge[{word}]" for word in names))
