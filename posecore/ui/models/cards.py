"""Networks as cards: what each is for, how good its weights are, and what can be done with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
import torch

from posecore.families import family_of
from posecore.ui.models.dialogs import about, ask_to_remove, verify
from posecore.ui.models.quantise_dialog import quantise_model
from posecore.ui.models.speed import show_speed
from posecore.ui.shared.models.downloads import begin_download, follow_download
from posecore.ui.shared.models.export_model import export_button
from posecore.ui.shared.models.model_picker import ORIGINS, choose_model, is_own_file, megabytes
from posecore.ui.shared.navigation import open_page
from posecore.ui.shared.plain import plain
from posecore.zoo import ModelInfo, is_kept
from posecore.zoo.guide import Figures, guide

#: Figures of weights: (name of the attribute, words).
_FIGURES = (("crops", "crops AP"), ("full", "pictures AP"), ("lsp", "sports PCK"))


def network_card(variants: Sequence[ModelInfo]) -> None:
    """One network with all weights that there are for it."""
    architecture = variants[0].architecture
    described = guide().networks.get(architecture)
    title = family_of(architecture).architectures[architecture].title
    with st.container(border=True, height="stretch", gap="xsmall", key=f"network_{architecture}"):
        st.markdown(f"**{plain(title)}**")
        marks = [f":gray-badge[{_millions(anatomy(architecture).parameters)}]"]
        if described is not None:
            several = described.people == "several"
            marks.insert(0, ":blue-badge[several people]" if several else ":gray-badge[one person]")
            if described.start:
                marks.insert(0, ":green-badge[:material/star: start here]")
        st.markdown(" ".join(marks))
        if described is not None:
            st.caption(plain(described.purpose))
        for info in variants:
            _variant(info)
        st.space("stretch")
        here = [info for info in variants if info.available and not is_own_file(info)]
        if here:
            show_speed(here[0])


def _variant(info: ModelInfo) -> None:
    """One set of weights: where from, how good, and its buttons."""
    word, color = ORIGINS[info.origin]
    with st.container(border=True, gap="xsmall", key=f"card_{info.name}"):
        here = "  :green[:material/check: on this machine]" if info.available else ""
        st.markdown(f":{color}-badge[{word}] **{plain(_called(info))}** :small[{megabytes(info.size_bytes)}{here}]")
        figures = _figures(guide().figures.get(info.name))
        if figures:
            st.markdown(f":small[{figures}]")
        limits = guide().limits.get(info.name)
        st.caption(plain(limits or info.terms or info.description))
        coming = not info.available and follow_download(info)
        settled = info.available or coming or not info.terms
        agreed = settled or st.checkbox("I agree to these terms", key=f"agree_{info.name}")
        with st.container(horizontal=True, gap="xsmall"):
            wanted = _buttons(info, agreed, coming)
        if wanted:
            begin_download(info, agreed)


def _buttons(info: ModelInfo, agreed: bool, coming: bool) -> bool:
    """Draw a variant's buttons; True when it is to be fetched."""
    wanted = False
    if info.available:
        if st.button("Try it", key=f"try_{info.name}", type="primary", icon=":material/play_arrow:"):
            choose_model(info.name)
            open_page("explore")
        export_button(info, f"export_{info.name}")
        if not info.name.endswith(".int8") and st.button(
            "8 bits", key=f"quantise_{info.name}", help="Compute in 8-bit integers: faster, slightly less exact."
        ):
            quantise_model(info)
        if not is_own_file(info) and st.button("Verify", key=f"verify_{info.name}"):
            verify(info)
        removable = info.origin == "official" or is_own_file(info) or is_kept(info)
        if removable and st.button("Remove", key=f"remove_{info.name}"):
            ask_to_remove(info)
    elif not coming:
        label = f"Download {megabytes(info.size_bytes)}"
        wanted = st.button(label, key=f"fetch_{info.name}", icon=":material/download:", disabled=not agreed)
    if st.button("Details", key=f"details_{info.name}", type="tertiary"):
        size = anatomy(info.architecture)
        about(info, size.parameters, size.layers)
    return wanted


def _called(info: ModelInfo) -> str:
    """What tells a variant from the others of its network."""
    architecture = family_of(info.architecture).architectures[info.architecture].title
    rest = info.title.removeprefix(architecture).strip()
    return rest.removeprefix("(").removesuffix(")") or info.tag


def _figures(figures: Figures | None) -> str:
    found = [(words, getattr(figures, name, None)) for name, words in _FIGURES]
    return " · ".join(f"{words} **{value:.3f}**".replace("0.", ".") for words, value in found if value is not None)


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} million parameters"


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
