"""What the people before a visitor's camera measure: choosing it, and an address at which the browser asks for it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from posecore.skeleton import Skeleton
from posecore.ui.shared.measure_words import in_words
from posecore.ui.shared.widgets.gauges import gauges_view
from posecore.ui.shared.widgets.setting_controls import SettingControls
from posecore.ui.webcam.serving import offer
from posecore.video import LiveSession, RepetitionSettings, joint_angles
from posecore.video.live_measures import LiveMeasures

#: Joints whose angles are shown before anything is chosen: those that most exercises are about.
_USUAL = ("elbow", "knee")
_NOTHING = ""


class OfferedMeasures(LiveMeasures):
    """Measures that the visitor's browser may ask for.

    Args:
        running: As of :class:`LiveMeasures`.

    Attributes:
        address: Where the browser asks, relative to the app's pages.
    """

    def __init__(self, running: Callable[[], LiveSession | None]) -> None:
        super().__init__(running)
        self.address = offer(self)


def show_measures(measuring: OfferedMeasures, skeleton: Skeleton, counting: SettingControls) -> None:
    """A switch, and behind it angles as they change and repetitions as they are counted.

    Args:
        measuring: What is measured.
        skeleton: Whose joints have angles.
        counting: The controls for what counts as a repetition.
    """
    known = {measure.text: measure for measure in joint_angles(skeleton)}
    wanted = st.toggle(
        "Measure",
        key="live_measures_wanted",
        persist_state="session",
        disabled=not known,
        help="Joint angles as you move, as the picture shows them, and repetitions as they are counted."
        if known
        else "This model does not find the joints that angles lie between.",
    )
    if not (wanted and known):
        return
    usual = [text for text, measure in known.items() if measure.names[1].endswith(_USUAL)]
    chosen = st.multiselect(
        "Joint angles",
        list(known),
        default=usual,
        format_func=lambda text: in_words(known[text]) if text in known else text,
        key=f"live_measures_{skeleton.name}",
        persist_state="session",
        placeholder="Choose what to measure",
    )
    measuring.measures = tuple(known[text] for text in chosen)
    measuring.counting = RepetitionSettings(**counting.values)
    key = f"live_counted_{skeleton.name}"
    if st.session_state.get(key) not in (_NOTHING, *chosen):
        likely = measuring.likely(measuring.measures)
        st.session_state[key] = _NOTHING if likely is None else likely.text
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        counted = st.selectbox(
            "Count repetitions of",
            [*chosen, _NOTHING],
            format_func=lambda text: in_words(known[text]) if text in known else "nothing",
            key=key,
            persist_state="session",
        )
        with st.popover("", icon=":material/tune:", help="What counts as a repetition"):
            counting.draw(("min_amplitude", "min_share", "min_seconds"), columns=1)
        st.button("", icon=":material/restart_alt:", help="Count from nought", on_click=measuring.begin_anew)
    measuring.counted = known.get(counted)
    if chosen:
        words = [in_words(measure).removesuffix(" angle") for measure in measuring.measures]
        gauges_view(measuring.address, words, label="What is measured", key="live_gauges")
