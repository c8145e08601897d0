"""Models: what there is, what is on this machine, and how to get more."""

from dataclasses import dataclass
from itertools import groupby

import streamlit as st

from posecore.errors import PosecoreError
from posecore.families import FAMILIES
from posecore.home import home
from posecore.ui.models.advice import advice_panel
from posecore.ui.models.cards import network_card
from posecore.ui.models.uploaded_weights import ENDINGS, add_own_model
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.model_picker import all_models, choose_model, megabytes
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import state_of
from posecore.ui.shared.visitors import rights, shown_path
from posecore.zoo import ModelInfo, list_trouble
from posecore.zoo.guide import guide


@dataclass
class _Added:
    """Title of a model that was added by the last run of the page."""

    title: str = ""


def main() -> None:
    """The page."""
    models = list(all_models().values())
    here = [info for info in models if info.available]
    say_added()
    summary(models, here)
    if trouble := list_trouble():
        st.warning(plain(trouble), icon=":material/warning:")
    advice_panel()
    shown = pick(models, here)
    if not shown:
        st.caption("No model is on this machine yet. Download one below *All*; the smallest takes a second.")
    for _, members in groupby(sorted(shown, key=_family), key=_family):
        networks: dict[str, list[ModelInfo]] = {}
        for info in members:
            family = FAMILIES[info.family]
            networks.setdefault(info.architecture, []).append(info)
        st.subheader(family.title)
        with st.grid(min_column_width=330, gap="small"):
            for architecture in sorted(networks, key=_starts_late):
                network_card(networks[architecture])
    if shown:
        st.caption(
            f"AP and PCK: `{guide().command}`, of every person cut out (crops) or of whole pictures (full). "
            f"{guide().sets} Time: one picture of 640 × 480 pixels."
        )
    own_file()


def summary(models: list[ModelInfo], here: list[ModelInfo]) -> None:
    """How much there is, and where it lies."""
    disk = megabytes(sum(info.size_bytes for info in here))
    st.markdown(
        f"**{len(here)} of {len(models)} models are on this machine** and take {disk} in `{shown_path(home())}`.  \n"
        ":small[:gray[The rest are downloaded once from their publishers, checked, and work offline from then on.]]"
    )


def pick(models: list[ModelInfo], here: list[ModelInfo]) -> list[ModelInfo]:
    """The models that are asked for."""
    families = [FAMILIES[name].title for name in FAMILIES if any(info.family == name for info in models)]
    choices = ["All", "On this machine", *(families if len(families) > 1 else [])]
    wanted = st.pills(
        "Show", choices, default="All", required=True, key="shown", bind="query-params", label_visibility="collapsed"
    )
    if wanted == "On this machine":
        return here
    return [info for info in models if wanted in ("All", FAMILIES[info.family].title)]


def _starts_late(architecture: str) -> bool:
    """Networks to begin with come first."""
    described = guide().networks.get(architecture)
    return described is None or not described.start


def _family(info: ModelInfo) -> tuple[bool, int]:
    """The family with a network to begin with comes first."""
    return all(map(_starts_late, FAMILIES[info.family].architectures)), list(FAMILIES).index(info.family)


def own_file() -> None:
    """Use weights from a file of the visitor's own."""
    st.subheader("Your own weights")
    with st.form("own_file", border=True):
        titles = {name: one.title for family in FAMILIES.values() for name, one in family.architectures.items()}
        architecture = st.selectbox("Architecture", list(titles), format_func=lambda name: titles[name])
        files = st.file_uploader(
            "Weights",
            accept_multiple_files=True,
            type=[ending.lstrip(".") for ending in ENDINGS],
            help="A .safetensors, .pt or .pth file, the zip of an export, or a TensorFlow.js model.json together with "
            "its .bin files. Nothing in a file is ever executed.",
        )
        keep = rights() == "all" and st.checkbox(
            "Keep it on this machine", key="keep_own", help="Otherwise it is forgotten when you close the page."
        )
        if not st.form_submit_button("Use it", icon=":material/upload_file:"):
            return
    if not files:
        st.error("Choose a file first.", icon=":material/error:")
        return
    try:
        info = add_own_model(architecture, {file.name: file.getvalue() for file in files}, keep)
    except PosecoreError as error:
        show_error(error)
        return
    choose_model(info.name)
    state_of(_Added).title = info.title
    st.rerun()


def say_added() -> None:
    """What became of a file: the card of its model is far above the form."""
    added = state_of(_Added)
    if added.title:
        st.success(f"**{plain(added.title)}** is chosen on every page now. Its card is below.", icon=":material/check:")
        added.title = ""
