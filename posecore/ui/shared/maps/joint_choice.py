"""The joint whose evidence is looked at: chosen on the Fields page, or by a click on another page's picture."""

from __future__ import annotations

import numpy as np
import streamlit as st

from posecore.poses import Poses
from posecore.ui.shared.maps.map_tabs import words

PERSON_KEY, JOINT_KEY, PEAK_KEY = "why_person", "why_joint", "why_peak"
NO_PEAK = "None"
#: Key of the Fields page's tabs, and the one about a joint.
TAB_KEY, WHY_TAB = "fields_tab", "Why is this joint here?"


def choose_joint(names: tuple[str, ...], person: int, keypoint: int) -> None:
    """Choose a joint of a person; for callbacks."""
    # Where there is one person under another name, that one is fallen back to.
    st.session_state[PERSON_KEY] = f"Person {person + 1}"
    st.session_state[JOINT_KEY] = names[keypoint]
    st.session_state[PEAK_KEY] = NO_PEAK


def choose_joint_at(poses: Poses, x: float, y: float) -> None:
    """Choose the joint nearest to a place, to be explained on the Fields page; for callbacks."""
    found = joint_near(poses, x, y, np.inf)
    if found is not None:
        choose_joint(tuple(words(name) for name in poses.skeleton.keypoints), *found)
        st.session_state[TAB_KEY] = WHY_TAB


def joint_near(poses: Poses, x: float, y: float, reach: float) -> tuple[int, int] | None:
    """Person and keypoint nearest to a place, within ``reach`` pixels."""
    if not poses.present.any():
        return None
    distance = np.hypot(poses.keypoints[..., 0] - x, poses.keypoints[..., 1] - y)
    distance[~poses.present] = np.inf
    person, keypoint = np.unravel_index(int(distance.argmin()), distance.shape)
    return (int(person), int(keypoint)) if distance[person, keypoint] <= reach else None
