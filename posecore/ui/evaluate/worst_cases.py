"""The worst cases as thumbnails, each a click away from Explore and from the evidence behind its joints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from posecore.errors import DataError, PosecoreError
from posecore.evaluation.report import case_jpeg, case_words
from posecore.evaluation.summary import Provenance, Summary
from posecore.evaluation.worst import WorstCase
from posecore.storage import stamp
from posecore.two_stage import JOIN
from posecore.ui.shared.address import Parameter
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.maps.joint_choice import TAB_KEY, WHY_TAB, choose_joint
from posecore.ui.shared.maps.map_tabs import words
from posecore.ui.shared.models.model_picker import all_models, choose_model
from posecore.ui.shared.models.second_stage import choose_closer
from posecore.ui.shared.navigation import open_page
from posecore.ui.shared.pictures.source_picker import look_at_upload
from posecore.ui.shared.session import session, state_of

#: Cases that are shown at a time.
_AT_A_TIME = 6
_ALL = "All"
_KINDS = {"poor": "Poor poses", "not found": "Not found", "nobody": "Nobody there"}
#: Page → icon and help of the button that leads there.
_WAYS = {
    "explore": ("person_search", None),
    "fields": ("blur_on", "Why is this joint here? The evidence behind the joint that is furthest off."),
}
#: Pixels of a thumbnail's squares, and the width of a case on the page.
_SIDE, _WIDTH = 200, 268


@dataclass
class _Looked:
    """What is looked at.

    Attributes:
        of: When the evaluation was made whose cases are shown.
        shown: How many of them are.
        address: Of the page that a case was opened on.
        trouble: Why one could not be opened.
    """

    of: float = 0.0
    shown: int = _AT_A_TIME
    address: dict[str, str] = field(default_factory=dict)
    trouble: PosecoreError | None = None


@st.fragment
def worst_cases(summary: Summary) -> None:
    """The gallery."""
    if not summary.worst:
        st.caption("There is nobody in these pictures, and nobody was found.")
        return
    looked = _looked(summary)
    kinds = [kind for kind in _KINDS if any(case.what == kind for case in summary.worst)]
    kind = _ALL
    if len(kinds) > 1:
        kind = st.segmented_control(
            "Kind",
            (_ALL, *kinds),
            default=_ALL,
            required=True,
            key="evaluate_worst_kind",
            format_func=lambda one: _KINDS.get(one, one),
            label_visibility="collapsed",
        )
    cases = [(place, case) for place, case in enumerate(summary.worst) if kind in (_ALL, case.what)]
    known = _models(summary.provenance)
    if not known and not summary.provenance.results:
        st.caption("The model of this evaluation is not here any more, so its evidence cannot be shown.")
    with st.container(horizontal=True, gap="medium"):
        for place, case in cases[: looked.shown]:
            with st.container(width=_WIDTH, gap="xsmall"):
                _case(place, case, summary, known)
    if len(cases) > looked.shown and st.button("Show more", icon=":material/expand_more:", key="evaluate_worst_more"):
        looked.shown += _AT_A_TIME
        st.rerun(scope="fragment")


def _looked(summary: Summary) -> _Looked:
    """How many cases are shown; another evaluation begins anew."""
    looked = state_of(_Looked)
    if looked.of != summary.provenance.created:
        looked.of, looked.shown = summary.provenance.created, _AT_A_TIME
    return looked


def _models(about: Provenance) -> bool:
    """Whether the evaluation's model is here."""
    models = all_models()
    return not about.results and all(name in models and models[name].available for name in about.model.split(JOIN))


def _case(place: int, case: WorstCase, summary: Summary, model_known: bool) -> None:
    said = case_words(case)
    st.image(
        _tile(case.path, stamp(Path(case.path)), summary.provenance.created, place, case),
        width="stretch",
        output_format="JPEG",
        alt=f"Picture {case.image_id}: labelled on the left, found on the right; {said}",
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown(f":small[**#{case.image_id}** {said}]", width="stretch")
        _way("explore", "Open in Explore", place, case, summary, model_known)
        if model_known:
            _way("fields", "Why?", place, case, summary, model_known)


def _way(
    page: Literal["explore", "fields"], label: str, place: int, case: WorstCase, summary: Summary, model_known: bool
) -> None:
    """A button that leads to a page with the case's picture."""
    icon, help_text = _WAYS[page]
    # What widgets show can be changed before they are drawn, in a callback, alone.
    pressed = st.button(
        label,
        icon=f":material/{icon}:",
        on_click=_prepare,
        args=(page, case, summary.provenance, model_known),
        key=f"evaluate_{page}_{place}",
        type="tertiary",
        help=help_text,
    )
    mine = state_of(_Looked)
    if pressed and mine.trouble is not None:
        show_error(mine.trouble)
    elif pressed:
        open_page(page, mine.address)


@st.cache_data(max_entries=300, show_spinner=False)
def _tile(path: str, changed: object, evaluation: float, place: int, _case: WorstCase) -> bytes:
    """A case's thumbnail; the picture as it is on the disk now."""
    return case_jpeg(_case, _SIDE)


def _prepare(page: Literal["explore", "fields"], case: WorstCase, about: Provenance, model_known: bool) -> None:
    """Choose the case's picture, and the model and settings that were measured, for other pages; a callback."""
    mine, path = state_of(_Looked), Path(case.path)
    mine.trouble = None
    try:
        key = session().uploads.add(path.name, _bytes(path))
    except PosecoreError as error:
        mine.trouble = error
        return
    look_at_upload(key)
    session().region = None if case.looked is None else (key, case.looked)
    mine.address = {Parameter.SOURCE: "Upload", **(_use(about) if model_known else {})}
    if page == "fields":
        st.session_state[TAB_KEY] = WHY_TAB
        if case.joint is not None and case.pose is not None:
            choose_joint((words(case.joint),), case.pose, 0)


def _use(about: Provenance) -> Mapping[str, str]:
    """Choose the evaluation's model and settings; what the address says of them."""
    first, _, second = about.model.partition(JOIN)
    choose_model(first)
    choose_closer(second or None)
    session().address_read = True
    for name, value in about.settings.items():
        st.session_state[name] = value
    said = {name: str(value) for name, value in about.settings.items() if _in_address(value)}
    return {Parameter.MODEL: first, **({Parameter.CLOSER: second} if second else {}), **said}


def _in_address(value: Any) -> bool:
    if isinstance(value, str):
        return value != "auto"
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"The picture {path.name} is not where it was when this was measured.") from error
