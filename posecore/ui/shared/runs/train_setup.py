"""What a new training run starts from: the labelled pictures, the base model, and a recipe that can be changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from posecore.data.library import StoredSet
from posecore.errors import PosecoreError
from posecore.families import FAMILIES
from posecore.skeleton import Skeleton, map_skeleton
from posecore.training.advice import SetFacts, facts_of, in_words, obstacle
from posecore.training.recipe import (
    Recipe,
    recipe_class,
    skeleton_of,
    skeleton_to_learn,
    suggest,
    trainable_bases,
)
from posecore.ui.shared.address import names_setting
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.downloads import begin_download, follow_download
from posecore.ui.shared.models.model_picker import badges, megabytes
from posecore.ui.shared.navigation import open_page
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import state_of
from posecore.ui.shared.sets.set_library import library, remember
from posecore.ui.shared.sets.set_picker import pick_set
from posecore.ui.shared.visitors import require
from posecore.ui.shared.widgets.options import option_texts
from posecore.ui.shared.widgets.setting_controls import SettingControls
from posecore.words import counted
from posecore.zoo import ModelInfo, list_models

_BASE = "train_base"
#: Before the names of a recipe's settings in session state.
PREFIX = "recipe_"
#: Settings that are always in sight.
_MAIN = ("epochs", "learning_rate")
#: Pictures and seed of the set that one click draws.
SYNTHETIC_PICTURES, SYNTHETIC_SEED = 60, 1

_PARTS = {"heads": "Heads", "last_blocks": "Last blocks", "all": "Everything"}
_PART_WORDS = {
    "heads": "Only the layers that turn features into heatmaps and vectors learn. Fastest, and enough when people look "
    "much as those the base model knows.",
    "last_blocks": "The heads and the last layers before them learn: a middle way for unusual views or clothes.",
    "all": "Every layer learns, the early ones more slowly than the heads. Best with some dozens of pictures or more.",
}


@dataclass
class _RecipeSoFar:
    """The recipe that was suggested last, and the one that was set last: widgets forget theirs with their page."""

    suggested: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)


def set_base(name: str) -> None:
    """Choose the model to start from, before the Train page is opened."""
    st.session_state[_BASE] = name


def follow_renamed_base(old: str, new: str) -> None:
    """Keep the choice of a base model that is called otherwise now."""
    if st.session_state.get(_BASE) == old:
        set_base(new)


def choose_set() -> tuple[StoredSet, SetFacts] | None:
    """The widget for the labelled pictures; None, with what to do, while there is nothing to learn from."""
    if not library().all():
        _no_set()
        return None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        stored = pick_set()
        if st.button("Data", icon=":material/dataset:", help="Add, look at and split sets."):
            open_page("datasets")
    if stored is None:
        return None
    try:
        facts = facts_of(stored)
    except PosecoreError as error:
        show_error(error, "Choose another set.")
        return None
    st.caption(in_words(facts))
    if reason := obstacle(facts):
        st.warning(reason, icon=":material/warning:")
        return None
    return stored, facts


def _no_set() -> None:
    with st.container(border=True):
        st.markdown(
            "**There are no labelled pictures yet.** Bring a set in a common format (COCO, YOLO-pose, Roboflow, "
            "Dataloop, labelme, CVAT, DeepLabCut) or label your own, or try everything with people that posecore draws."
        )
        with st.container(horizontal=True):
            if st.button("Go to Data", type="primary", icon=":material/dataset:"):
                open_page("datasets")
            drawn = st.button(f"Draw {SYNTHETIC_PICTURES} pictures", icon=":material/draw:", key="draw_set")
        if drawn and _draw_set():
            st.rerun()


def _draw_set() -> bool:
    """Add a synthetic set with a part for validation, while a bar shows how far it is."""
    bar = st.progress(0.0, text="Drawing …")

    def show(done: int, total: int) -> None:
        bar.progress(done / total, text=f"Drawing: {done} of {total} pictures")

    try:
        require("all", "Adding sets")
        stored = library().add_synthetic("synthetic", SYNTHETIC_PICTURES, SYNTHETIC_SEED, progress=show)
        stored.set_split(0.2, SYNTHETIC_SEED)
    except PosecoreError as error:
        show_error(error)
        return False
    finally:
        bar.empty()
    remember(stored.name)
    return True


def choose_base(labels: Skeleton) -> ModelInfo | None:
    """The widget for the model to start from; None, with a way to get it, while it is not on this machine."""
    bases = {info.name: info for info in (*trainable_bases(labels), *_to_be_fetched())}
    if st.session_state.get(_BASE) not in bases:
        st.session_state[_BASE] = next(iter(bases))
    name = st.selectbox(
        "Base model",
        list(bases),
        format_func=option_texts({name: info.title for name, info in bases.items()}),
        key=_BASE,
        persist_state="session",
        help="What it knows is kept; training goes on from there. Your own runs can be continued as well.",
    )
    info = bases[name]
    st.markdown(f"{' '.join(badges(info))}  \n:small[:gray[{plain(info.description)}]]")
    if info.available:
        return info
    if not follow_download(info) and st.button(
        f"Download it ({megabytes(info.size_bytes)})", type="primary", icon=":material/download:", key="fetch_base"
    ):
        begin_download(info)
    return None


def _to_be_fetched() -> list[ModelInfo]:
    """Models that can be trained once they are on this machine; whether they can learn other keypoints shows then."""
    trainable = {name for name, family in FAMILIES.items() if family.trainable}
    return [info for info in list_models() if not info.available and info.family in trainable]


def choose_keypoints(info: ModelInfo, labels: Skeleton) -> Skeleton:
    """What the model will find afterwards; a widget where labels and base model differ and share some keypoints."""
    own = skeleton_of(info)
    usual = skeleton_to_learn(info.name, labels)
    if usual == own or not map_skeleton(labels, own).known.any():
        return usual
    skeletons = {"labels": labels, "base": own}
    words = {"labels": f"As labelled ({len(labels)})", "base": f"As the base model ({len(own)})"}
    chosen = st.segmented_control(
        "Keypoints",
        list(words),
        format_func=words.__getitem__,
        default="labels",
        required=True,
        key="train_keypoints",
        width="stretch",
        help="As labelled: the model learns the keypoints of these labels and forgets others. As the base model: it "
        "keeps its own; what the labels do not say is neither taught nor punished.",
    )
    return skeletons[chosen]


def choose_recipe(info: ModelInfo, facts: SetFacts) -> Recipe:
    """Widgets for the recipe. What nobody has changed follows the suggestion for this set and model."""
    suggestion = suggest(info.name, facts.training, facts.people, facts.skeleton).model_dump()
    _follow(suggestion)
    settings = recipe_class(info.name, facts.skeleton)
    controls = SettingControls(settings, suggestion, PREFIX)
    part = st.segmented_control(
        "Layers to train",
        list(_PARTS),
        format_func=_PARTS.__getitem__,
        default=suggestion["part"],
        required=True,
        key=PREFIX + "part",
        width="stretch",
        bind="query-params",
    )
    st.caption(_PART_WORDS[part])
    controls.draw(_MAIN)
    with st.expander("More settings", icon=":material/tune:"):
        controls.draw(name for name in controls.open if name not in ("base", "part", *_MAIN))
    values = controls.values | {"base": info.name, "part": part}
    state_of(_RecipeSoFar).kept = values
    _reason(suggestion, values, facts)
    return settings(**values)


def _follow(suggestion: Mapping[str, Any]) -> None:
    """Bring back what was set before another page was visited, and move untouched settings to a new suggestion."""
    so_far = state_of(_RecipeSoFar)
    before, kept = so_far.suggested, so_far.kept
    for name, value in suggestion.items():
        key = PREFIX + name
        if key not in st.session_state and not names_setting(key) and name in kept:
            st.session_state[key] = kept[name]
        if key in st.session_state and name in before and st.session_state[key] == before[name]:
            st.session_state[key] = value
    so_far.suggested = dict(suggestion)


def _reason(suggestion: Mapping[str, Any], values: Mapping[str, Any], facts: SetFacts) -> None:
    """Why these defaults, and the way back to them."""
    changed = [name for name in suggestion if values[name] != suggestion[name]]
    words, button = st.columns([5, 2], vertical_alignment="center", gap="small")
    with words:
        st.caption(
            f":material/lightbulb: Suggested for {counted(facts.people, 'labelled person', 'labelled people')}: enough "
            "passes to see each of them often, in steps so small that what the model knows is not lost."
        )
    with button:
        st.button(
            "Reset to suggested",
            icon=":material/restart_alt:",
            type="tertiary",
            disabled=not changed,
            on_click=_reset,
            args=(dict(suggestion),),
            help="Set everything back to the suggestion.",
        )


def _reset(suggestion: Mapping[str, Any]) -> None:
    """A callback."""
    for name, value in suggestion.items():
        st.session_state[PREFIX + name] = value
