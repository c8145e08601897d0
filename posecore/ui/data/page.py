"""Data: the sets of labelled pictures to fine-tune on, what they hold, and what training will make of them."""

import streamlit as st

from posecore.data.library import StoredSet
from posecore.ui.data.browser import browse
from posecore.ui.data.figures import show_labels, show_split
from posecore.ui.data.skeleton import edit_skeleton
from posecore.ui.data.target_preview import show_targets
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import session
from posecore.ui.shared.sets.add_frames import show_taking, tell_taken
from posecore.ui.shared.sets.add_set import add_set
from posecore.ui.shared.sets.set_picker import add_button, next_steps, pick_set, set_actions, set_facts


def main() -> None:
    """The page."""
    tell_taken()
    with st.sidebar:
        stored = pick_set()
        if stored is not None:
            broken = stored.broken
            if not broken:
                set_facts(stored)
            set_actions(stored)
            add_button()
            if not broken:
                next_steps(stored)
    if stored is None or session().adding_set:
        add_set(first=stored is None)
    elif broken:
        st.error(f"**{plain(stored.title)}** cannot be read: {plain(broken)}", icon=":material/error:")
        st.caption(f"Its files are in {plain(stored.folder)}. Mend them there, or delete the set on the left.")
    else:
        show_taking()
        look_at(stored)


def look_at(stored: StoredSet) -> None:
    """Tabs about the set; only the open one is made."""
    views = {
        "Pictures": browse,
        "Labels": show_labels,
        "Skeleton": edit_skeleton,
        "Split": show_split,
        "Training targets": show_targets,
    }
    tabs = st.tabs(list(views), on_change="rerun", key="dataset_tab")
    for tab, show in zip(tabs, views.values(), strict=True):
        if tab.open:
            with tab:
                show(stored)
