"""What can be measured on the people of a video, in words, and the widgets to choose from it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from posecore.errors import SettingsError
from posecore.skeleton import Skeleton
from posecore.ui.shared.maps.map_tabs import words
from posecore.ui.shared.measure_words import COUNT_PREFIX, in_words
from posecore.ui.shared.widgets.setting_controls import SettingControls
from posecore.video import KINDS, Measure, RepetitionSettings, Track, count_track, joint_angles, parse_measure
from posecore.video.measures import most_changing

_CHOSEN = "video_measures"
_ADDED = "video_measures_added"
_SUGGESTED = "video_measures_suggested"
_COUNTED = "video_counted"
_NOTHING = ""
#: How far the trunk leans.
_TRUNK = "tilt:mid_hip-neck"
#: Kind → words for it, for one's own measures.
_KIND_WORDS = {
    "angle": "Angle at a joint",
    "rate": "How fast an angle changes",
    "tilt": "How far a line leans from upright",
    "length": "Distance between two joints",
    "distance": "Way that a joint has gone",
    "speed": "Speed of a joint",
    "x": "Place of a joint, x",
    "y": "Place of a joint, y",
}
#: Labels of the fields in which the keypoints of a measure are chosen.
_PLACES = {1: ("Joint",), 2: ("From", "To"), 3: ("From", "At", "To")}


@dataclass(frozen=True)
class Measuring:
    """What a visitor wants to have measured.

    Attributes:
        measures: What to show and to save.
        counted: The one whose repetitions are counted, or None.
        counting: What counts as a repetition.
    """

    measures: tuple[Measure, ...]
    counted: Measure | None
    counting: RepetitionSettings


def usual_measures(skeleton: Skeleton) -> list[str]:
    """Measures that most people ask for, as far as the skeleton allows: joint angles, the trunk's tilt, then speeds."""
    speeds = [f"speed:{name}" for name in skeleton.keypoints]
    return [*(measure.text for measure in joint_angles(skeleton)), _TRUNK, *speeds]


def choose_measures(skeleton: Skeleton, example: Track | None) -> Measuring:
    """The widgets.

    Args:
        skeleton: Whose keypoints can be measured.
        example: Somebody whose movement decides what is measured before anything is chosen.
    """
    added: list[str] = st.session_state.setdefault(_ADDED, [])
    known = _named([*usual_measures(skeleton), *added], skeleton)
    chosen = st.session_state.get(_CHOSEN)
    if chosen is None or chosen == st.session_state.get(_SUGGESTED):
        # Until somebody chooses, every result is measured by what moves most in it.
        chosen = st.session_state[_SUGGESTED] = _most_moving(known, skeleton, example)
    # Another model's skeleton may lack some keypoints.
    st.session_state[_CHOSEN] = [text for text in chosen if text in known]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        texts = st.multiselect(
            "Measurements",
            list(known),
            format_func=lambda text: known.get(text, text),
            key=_CHOSEN,
            persist_state="session",
            placeholder="Choose what to measure",
        )
        with st.popover("", icon=":material/add:", help="Measure something that is not in the list"):
            _own_measure(skeleton)
    return _counting(skeleton, texts, example)


def _named(texts: Iterable[str], skeleton: Skeleton) -> dict[str, str]:
    """Those measures that this skeleton has the keypoints for, in words."""
    known: dict[str, str] = {}
    for text in texts:
        with suppress(SettingsError):
            known[text] = in_words(parse_measure(text, skeleton))
    return known


def _most_moving(known: Iterable[str], skeleton: Skeleton, example: Track | None) -> list[str]:
    """The joint angle that ``example`` moves most; none without one."""
    if example is None:
        return []
    angles = [parse_measure(text, skeleton) for text in known if text.startswith("angle:")]
    found = most_changing(angles, example)
    return [] if found is None else [found.text]


def _counting(skeleton: Skeleton, texts: list[str], example: Track | None) -> Measuring:
    counted_key = st.session_state.get(_COUNTED)
    if counted_key not in (None, _NOTHING, *texts):
        del st.session_state[_COUNTED]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        counted = st.selectbox(
            "Count repetitions of",
            [*texts, _NOTHING],
            index=0 if texts and _repeats(texts[0], skeleton, example) else len(texts),
            format_func=lambda text: in_words(parse_measure(text, skeleton)) if text else "nothing",
            key=_COUNTED,
            persist_state="session",
        )
        controls = SettingControls(RepetitionSettings, prefix=COUNT_PREFIX)
        with st.popover("", icon=":material/tune:", help="What counts as a repetition"):
            controls.draw(controls.others, columns=1)
    measures = tuple(parse_measure(text, skeleton) for text in texts)
    one = next((measure for measure in measures if measure.text == counted), None)
    return Measuring(measures, one, RepetitionSettings(**controls.values))


def _repeats(text: str, skeleton: Skeleton, example: Track | None) -> bool:
    """Whether ``example`` does something over and over, so that it is counted without being asked for."""
    return example is not None and count_track(example, parse_measure(text, skeleton)).regular


def _own_measure(skeleton: Skeleton) -> None:
    kind = st.selectbox("Kind", list(_KIND_WORDS), format_func=_KIND_WORDS.__getitem__, key="video_own_kind")
    names = list(skeleton.keypoints)
    count, unit = KINDS[kind]
    places = [
        st.selectbox(
            label, names, index=min(5 + 6 * place, len(names) - 1), format_func=words, key=f"video_own_{place}"
        )
        for place, label in enumerate(_PLACES[count])
    ]
    st.caption(f"In {unit}.")
    st.button(
        "Measure this",
        type="primary",
        on_click=_add,
        args=(kind, tuple(places)),
        disabled=len(set(places)) < len(places),
        help="Choose different joints." if len(set(places)) < len(places) else None,
        width="stretch",
    )


def _add(kind: str, names: tuple[str, ...]) -> None:
    text = f"{kind}:{'-'.join(names)}"
    added: list[str] = st.session_state[_ADDED]
    if text not in added:
        added.append(text)
    chosen = st.session_state.get(_CHOSEN) or []
    st.session_state[_CHOSEN] = list(dict.fromkeys([*chosen, text]))
