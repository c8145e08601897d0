"""What is asked of every new set: its name, and what shall be labelled."""

from __future__ import annotations

import streamlit as st

from posecore.skeleton import SKELETONS, Skeleton
from posecore.ui.shared.sets.set_library import library


def name_field(key: str) -> str:
    """The field for the set's name; empty when one is to be chosen."""
    return st.text_input(
        "Name",
        key=key,
        placeholder="chosen for you unless given",
        max_chars=64,
        help="Letters, digits, dots, - and _. Training configurations and commands refer to the set by its folder of "
        "this name; a title in other words can be given later.",
    )


def pick_skeleton(key: str) -> Skeleton:
    """The choice of what shall be labelled: skeletons that are known, and those of the other sets."""
    found = {f"{name}: {len(skeleton)} keypoints": skeleton for name, skeleton in SKELETONS.items()}
    for stored in library().all():
        if not stored.broken and stored.skeleton not in found.values():
            found[f"as in {stored.title}: {len(stored.skeleton)} keypoints"] = stored.skeleton
    chosen = st.selectbox(
        "Keypoints",
        list(found),
        help="What shall be labelled on each person. Names, lines and pairs can be changed afterwards.",
        key=key,
    )
    return found[chosen]
