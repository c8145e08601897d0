"""*Why is this joint here?*: the evidence behind one joint, chosen by a click or from lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from posecore.evidence import (
    Trial,
    candidate_table,
    candidates_of,
    is_chosen,
    is_taken,
    joint_of,
    limb_labels,
    limb_table,
    limbs_of,
    nearest_candidate,
    nearest_joint,
    step_table,
    tell_candidate,
    tell_joint,
    tell_limb,
    tell_person,
    tell_thresholds,
    try_setting,
)
from posecore.families.trace import Candidate, JointEvidence, LimbEvidence, PersonEvidence, Trace
from posecore.fields import Fields
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.settings import Control, controls
from posecore.ui.fields.marks import marks_of
from posecore.ui.shared.maps.joint_choice import JOINT_KEY, NO_PEAK, PEAK_KEY, PERSON_KEY, choose_joint
from posecore.ui.shared.maps.map_tabs import words
from posecore.ui.shared.plain import plain
from posecore.ui.shared.widgets.components import Mark

_SECTION_KEY = "why_section"
_WAY, _PARTNERS, _PEAKS = "How it was found", "Partners", "Peaks"
_PAIR_KEY = "why_pair"
_TABLE_HEIGHT = 215


@dataclass(frozen=True, eq=False)
class Case:
    """One decoding with its evidence.

    Attributes:
        model: The model.
        fields: What was decoded.
        settings: How.
        poses: Who was found.
        trace: Why.
        who: What the one person is called whom a stage of a joined model looks at; empty where people are numbered.
    """

    model: PoseModel
    fields: Fields
    settings: Mapping[str, Any]
    poses: Poses
    trace: Trace
    who: str = ""

    @property
    def people(self) -> list[str]:
        """What the people are called."""
        return [self.who or f"Person {number}" for number in range(1, len(self.trace.poses) + 1)]

    @property
    def names(self) -> tuple[str, ...]:
        """The joints' names as people write them."""
        return tuple(words(name) for name in self.fields.skeleton.keypoints)

    @property
    def controls(self) -> dict[str, Control]:
        """The decoder's settings by name."""
        return {control.name: control for control in controls(self.model.decode_settings_class)}

    @property
    def labels(self) -> dict[str, str]:
        """Titles of the decoder's settings by name."""
        return {name: control.label for name, control in self.controls.items()}


@dataclass(frozen=True, eq=False)
class Answer:
    """What the picture shows of an explanation: a joint's map, and marks above it."""

    keypoint: int
    marks: tuple[Mark, ...]


def open_case(model: PoseModel, fields: Fields, settings: Mapping[str, Any], who: str = "") -> Case:
    """Decode with evidence."""
    poses, trace = model.decode(fields, trace=True, **settings)
    return Case(model, fields, settings, poses, trace, who)


def explain(case: Case) -> Answer:
    """Choose a joint and tell why it is where it is."""
    person, keypoint = _pick(case)
    joint = joint_of(case.trace, person, keypoint)
    candidates = candidates_of(case.trace, keypoint)
    limbs = (
        [] if joint is None else limbs_of(case.trace, keypoint, (float(joint.path[-1][0]), float(joint.path[-1][1])))
    )
    _summary(case, person, keypoint, joint)
    picked = _sections(case, keypoint, joint, candidates, limbs)
    return Answer(keypoint, tuple(marks_of(joint, candidates, limbs, picked)))


def tell_stage(case: Case, person: PersonEvidence) -> None:
    """How somebody was found and what became of them in a joined model, whose ``case`` it is."""
    st.markdown(tell_person(person, case.labels))
    index = case.trace.people.index(person)
    if person.pose is None:
        _offer_trial(
            case, person.setting, lambda trace: trace.people[index].pose is not None, "taken", "why_try_person"
        )


def choose_spot(case: Case, x: float, y: float, reach: float) -> None:
    """Choose the joint at a place of the picture, else the peak there; a callback."""
    joint = nearest_joint(case.trace, (x, y), reach)
    if joint is not None:
        choose_joint(case.names, *joint)
        return
    candidate = nearest_candidate(case.trace.candidates, (x, y), reach)
    if candidate is None:
        st.toast("Neither a joint nor a peak is there. Click nearer to one.", icon=":material/touch_app:")
        return
    peaks = candidates_of(case.trace, candidate.keypoint)
    st.session_state[JOINT_KEY] = case.names[candidate.keypoint]
    st.session_state[PEAK_KEY] = _peak_labels(peaks)[peaks.index(candidate)]
    st.session_state[_SECTION_KEY] = _PEAKS


def _pick(case: Case) -> tuple[int | None, int]:
    left, right = st.columns(2, gap="small")
    people = case.people
    person = None
    if people:
        _fit(PERSON_KEY, people)
        person = people.index(left.selectbox("Person", people, key=PERSON_KEY))
    else:
        left.markdown(":orange-badge[nobody found]")
    _fit(JOINT_KEY, case.names)
    name = right.selectbox("Joint", case.names, key=JOINT_KEY, help="Or click on a joint or a peak in the picture.")
    return person, case.names.index(name)


def _fit(key: str, options: Sequence[str]) -> None:
    """Fall back to the first option where there is no such choice any more."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0]


def _summary(case: Case, person: int | None, keypoint: int, joint: JointEvidence | None) -> None:
    name = case.names[keypoint]
    if joint is not None and person is not None:
        whose = f"{plain(name.capitalize())} of {case.people[person].lower()}"
        st.markdown(tell_joint(joint, whose, plain_names(case)))
        score = float(case.poses.scores[person]) if person < len(case.poses) else None
        st.caption(" ".join(tell_thresholds(joint, score, case.settings)))
    elif person is not None:
        st.markdown(f"**{case.people[person]} has no {plain(name)}.** *Peaks* lists every candidate that was seen.")
    else:
        st.markdown(
            "**Nobody was found, so no joint has a place.** *Peaks* tells which ones were seen and what they lacked."
        )


def _sections(
    case: Case,
    keypoint: int,
    joint: JointEvidence | None,
    candidates: list[Candidate],
    limbs: list[LimbEvidence],
) -> Candidate | None:
    """The parts of the explanation, one at a time; returns the peak that is looked at."""
    sections = [_WAY] * (joint is not None) + [_PARTNERS] * bool(case.trace.limbs and joint is not None) + [_PEAKS]
    _fit(_SECTION_KEY, sections)
    section = st.segmented_control("Evidence", sections, required=True, key=_SECTION_KEY, label_visibility="collapsed")
    if section == _WAY and joint is not None:
        _show_way(case, joint)
    elif section == _PARTNERS:
        _show_partners(case, keypoint, limbs)
    elif section == _PEAKS:
        return _show_peaks(case, keypoint, candidates)
    return None


def _show_way(case: Case, joint: JointEvidence) -> None:
    st.dataframe(
        step_table(joint, case.fields, case.names),
        hide_index=True,
        height="content",
        column_config={
            "step": st.column_config.TextColumn("Step", width=135),
            "place": st.column_config.TextColumn("x, y", width=75, help="Pixels of the picture"),
            "moved": st.column_config.NumberColumn("Moved", format="%.0f px", width=60),
            "map": st.column_config.NumberColumn(
                "Map", format="%.2f", width=50, help="What the joint's heatmap says at this place."
            ),
        },
        alt="Steps of the search",
    )
    st.caption("The white line in the picture, from the first step to the last.")


def _show_partners(case: Case, keypoint: int, limbs: list[LimbEvidence]) -> None:
    if not limbs:
        st.caption("This joint was compared with no other.")
        return
    st.dataframe(
        limb_table(limbs, keypoint, case.names),
        hide_index=True,
        height=min(_TABLE_HEIGHT + 60, 38 + 35 * len(limbs)),
        column_config={
            "partner": st.column_config.TextColumn("Partner", width=80),
            "score": st.column_config.NumberColumn("Score", format="%.2f", width=50),
            "samples": st.column_config.BarChartColumn(
                "On the way", y_min=0, y_max=1, width=75, help="What the fields say from one end to the other."
            ),
            "outcome": st.column_config.TextColumn("Outcome", width="medium"),
            "place": st.column_config.TextColumn("x, y", width=75, help="Where that partner is, in pixels"),
        },
        alt="Partners that this joint was compared with",
    )
    labels = limb_labels(limbs, keypoint, case.names)
    _fit(_PAIR_KEY, [NO_PEAK, *labels])
    label = st.selectbox("Look closer at", [NO_PEAK, *labels], key=_PAIR_KEY)
    if label == NO_PEAK:
        st.caption("Lines in the picture: green was chosen, dashed orange was not.")
        return
    limb = limbs[labels.index(label)]
    st.markdown(tell_limb(limb, keypoint, plain_names(case), case.labels))
    _offer_trial(case, limb.setting, lambda trace: is_chosen(trace, limb), "chosen")


def _show_peaks(case: Case, keypoint: int, candidates: list[Candidate]) -> Candidate | None:
    if not candidates:
        st.caption("No peak of this joint was seen in the picture. Its heatmap shows how little there is.")
        return None
    st.dataframe(
        candidate_table(candidates, case.labels),
        hide_index=True,
        height=min(_TABLE_HEIGHT, 38 + 35 * len(candidates)),
        column_config={
            "peak": st.column_config.NumberColumn("Peak", width=40),
            "place": st.column_config.TextColumn("x, y", width=75, help="Pixels of the picture"),
            "height": st.column_config.ProgressColumn("Height", min_value=0, max_value=1, format="%.2f", width=80),
            "outcome": st.column_config.TextColumn("Outcome", width="medium"),
            "setting": st.column_config.TextColumn("Decided by", width="small"),
        },
        alt="Peaks of this joint's map",
    )
    labels = _peak_labels(candidates)
    _fit(PEAK_KEY, [NO_PEAK, *labels])
    label = st.selectbox("Look closer at", [NO_PEAK, *labels], key=PEAK_KEY)
    if label == NO_PEAK:
        st.caption("Rings in the picture: green: this person's; orange: other peaks.")
        return None
    picked = candidates[labels.index(label)]
    st.markdown(tell_candidate(picked, plain(case.names[keypoint]), case.labels))
    _offer_trial(case, picked.setting, lambda trace: is_taken(trace, picked), "taken")
    return picked


def _peak_labels(candidates: list[Candidate]) -> list[str]:
    return [f"Peak {n} · {c.score:.2f} · {c.outcome}" for n, c in enumerate(candidates, 1)]


def _offer_trial(
    case: Case, setting: str | None, hoped: Callable[[Trace], bool], wanted: str, key: str = "why_try"
) -> None:
    """Let the decoder say which other value of the setting that decided would have changed the outcome."""
    control = case.controls.get(setting or "")
    if control is None:
        return
    if not st.button(
        f"What would “{control.label}” have to be?",
        icon=":material/science:",
        help=f"Decodes again with other values until this one is {wanted}.",
        key=key,
    ):
        return

    def decode(changed: Mapping[str, Any]) -> Trace:
        return case.model.decode(case.fields, trace=True, **{**case.settings, **changed})[1]

    def attempt(other: Control) -> Trial:
        return try_setting(decode, hoped, other, case.settings.get(other.name, other.default), wanted)

    with st.spinner("Decoding with other values …"):
        trials = [attempt(control)]
        if trials[0].value is None:
            # What decided first may not be all that stands in the way.
            others = (attempt(other) for other in case.controls.values() if other.name != control.name)
            trials += [trial for trial in others if trial.value is not None]
    st.markdown("  \n".join(str(trial) for trial in trials))
    if trials[-1].value is None:
        st.caption("Nor did any other setting of the decoder alone, with the values that were tried.")


def plain_names(case: Case) -> tuple[str, ...]:
    """The keypoints' names as they may stand in Markdown."""
    return tuple(plain(name) for name in case.names)
