"""Models as cards: what each is, and what can be done with it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
import torch

from posecore.errors import PosecoreError
from posecore.families import FAMILIES, family_of
from posecore.settings import controls
from posecore.ui.models.uploaded_weights import remove_own_model
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.export_model import export_button
from posecore.ui.shared.models.model_picker import badges, choose_model, fetch_with_progress, is_own_file, megabytes
from posecore.ui.shared.navigation import open_page
from posecore.ui.shared.plain import plain
from posecore.ui.shared.visitors import require, shown_path
from posecore.zoo import ModelInfo, remove_model, verify_model


def model_card(info: ModelInfo) -> None:
    """One model with its buttons."""
    with st.container(border=True, height="stretch", gap="xsmall", key=f"card_{info.name}"):
        st.markdown(f"**{plain(info.title)}**")
        st.markdown(" ".join(badges(info)))
        st.caption(plain(info.description))
        st.space("stretch")
        with st.container(horizontal=True, gap="xsmall"):
            if info.available:
                if st.button("Try it", key=f"try_{info.name}", type="primary", icon=":material/play_arrow:"):
                    choose_model(info.name)
                    open_page("explore")
                export_button(info, f"export_{info.name}")
                if not is_own_file(info) and st.button("Verify", key=f"verify_{info.name}"):
                    _verify(info)
                if info.origin != "shipped" and st.button("Remove", key=f"remove_{info.name}"):
                    _remove(info)
                wanted = False
            else:
                label = f"Download {megabytes(info.size_bytes)}"
                wanted = st.button(label, key=f"fetch_{info.name}", icon=":material/download:")
            if st.button("Details", key=f"details_{info.name}", type="tertiary"):
                _details(info)
        if wanted and fetch_with_progress(info):
            st.rerun()


@st.dialog("Verify a model")
def _verify(info: ModelInfo) -> None:
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
def _remove(info: ModelInfo) -> None:
    own = is_own_file(info)
    again = "You can upload the file again." if own else "It can be fetched again whenever you like."
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


@dataclass(frozen=True)
class Anatomy:
    """What an architecture is made of."""

    parameters: int
    layers: int


@st.cache_data(max_entries=100, show_spinner=False)
def anatomy(architecture: str) -> Anatomy:
    """Size of a network, counted without giving it any memory."""
    with torch.device("meta"):
        network = family_of(architecture).build(architecture)
    layers = sum(isinstance(module, torch.nn.Conv2d) for module in network.modules())
    return Anatomy(sum(parameter.numel() for parameter in network.parameters()), layers)


@st.dialog("About this model", width="medium")
def _details(info: ModelInfo) -> None:
    family = FAMILIES[info.family]
    architecture = family.architectures[info.architecture]
    size = anatomy(info.architecture)
    st.markdown(f"### {plain(info.title)}")
    st.markdown(" ".join(badges(info)))
    st.markdown(plain(info.description))
    rows = {
        "Name": f"`{info.name}`",
        "Family": family.title,
        "Architecture": architecture.title,
        "Parameters": f"{size.parameters:,}",
        "Convolutions": str(size.layers),
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
