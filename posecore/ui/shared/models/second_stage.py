"""Looking closely at people: the choice of a second model, made for one person, and of who says where people are."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from posecore.families import family_of
from posecore.model import PoseModel
from posecore.two_stage import JOIN, for_one_person
from posecore.ui.shared.address import Parameter, asked, came_back, say
from posecore.ui.shared.pictures.own_boxes import OWN_BOXES
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import session
from posecore.ui.shared.widgets.options import option_texts
from posecore.zoo import ModelInfo, joined

#: Session state of the choice.
_CLOSER = "closer_choice"
#: Chosen where nothing looks closely.
NOTHING = "nothing"
#: Session state of who says where people are, and what it may be.
_WHERE = "where_choice"
_FOUND, _OWN = "found", "own"


def in_two(linked: str | None, models: Mapping[str, ModelInfo]) -> str | None:
    """The first of the names in a link; the second, if there is one, becomes the choice here."""
    if linked is None or linked in models:
        return linked
    # A plus that was typed into the address bar arrives as a space.
    first, _, second = linked.replace(" ", JOIN).partition(JOIN)
    if second:
        st.session_state.setdefault(_CLOSER, second)
    return first


def choose_closer(name: str | None) -> None:
    """Choose what looks closely at everybody found, or nothing; before the widget is drawn, or in a callback."""
    st.session_state[_CLOSER] = name or NOTHING
    st.session_state[_WHERE] = _FOUND


def pick_closer(info: ModelInfo, models: Mapping[str, ModelInfo]) -> ModelInfo:
    """Offer to look closely at the people of ``info``; returns the joined model where that is wanted."""
    fitting = closers_for(info, models)
    if not fitting:
        say(Parameter.CLOSER, None)
        return info
    linked = asked(Parameter.CLOSER)
    if came_back():
        st.session_state[_CLOSER] = linked or NOTHING
    elif linked is not None:
        st.session_state.setdefault(_CLOSER, linked)
    if st.session_state.get(_CLOSER, NOTHING) not in (NOTHING, *fitting):
        missing = st.session_state[_CLOSER]
        session().refused.append(f"{missing!r}, which was to look closely at everybody, is not a model for one person.")
        st.session_state[_CLOSER] = NOTHING
    picked = closer_box(
        info,
        fitting,
        _CLOSER,
        "A model for one person looks again at everybody whom the first one finds. Much more exact, most of all for "
        "people who are small in the picture; it takes its time once for every person.",
    )
    say(Parameter.CLOSER, picked.parts[-1].name if picked.stages else None)
    return picked


def closer_box(info: ModelInfo, fitting: Mapping[str, ModelInfo], key: str, words: str) -> ModelInfo:
    """The widget itself, without a link to it; returns the joined model where that is wanted.

    Args:
        info: The model that finds people.
        fitting: What can look closely at them, by name.
        key: Of the widget.
        words: What choosing one means.
    """
    name = st.selectbox(
        "Look closely with",
        [NOTHING, *fitting],
        format_func=option_texts({NOTHING: "Nothing", **{name: one.title for name, one in fitting.items()}}),
        key=key,
        persist_state="session",
        help=words,
    )
    return info if name == NOTHING else joined(info, fitting[name])


def pick_where(info: ModelInfo) -> tuple[ModelInfo, bool]:
    """Offer boxes of the visitor's own to a model for one person, alone or behind another.

    Returns:
        The model that looks, and whether it looks at such boxes.
    """
    closer = info.parts[-1]
    if not _one_person(closer):
        say(Parameter.BOXES, None)
        return info, False
    linked = asked(Parameter.BOXES)
    if came_back():
        st.session_state[_WHERE] = _FOUND if linked is None else _OWN
    elif linked is not None:
        st.session_state.setdefault(_WHERE, _OWN)
    found = "Where the first model finds them" if info.stages else "One person, anywhere"
    where = st.selectbox(
        "Where people are",
        [_FOUND, _OWN],
        format_func=option_texts({_FOUND: found, _OWN: "In boxes of my own"}),
        key=_WHERE,
        persist_state="session",
        help="Boxes of your own come from a file, or you draw them on the picture; everybody in one is looked at "
        "closely.",
    )
    if where == _FOUND:
        say(Parameter.BOXES, None)
    elif linked is None:
        say(Parameter.BOXES, OWN_BOXES)
    return (info, False) if where == _FOUND else (closer, True)


def finds_boxes_alone(model: PoseModel) -> bool:
    """Say so where joints are measured and the model finds boxes and no joints; True then."""
    if model.finds_boxes:
        st.info(
            f"{plain(model.name)} finds boxes around people and no joints, so there are no joints to measure. Choose a "
            "model under *Look closely with* to measure both together; *posecore evaluate* measures the boxes.",
            icon=":material/crop_free:",
        )
    return model.finds_boxes


def closers_for(info: ModelInfo, models: Mapping[str, ModelInfo]) -> dict[str, ModelInfo]:
    """Models that can look closely at the people of ``info``, by name, those on this machine first."""
    return {} if _one_person(info) else {one.name: one for one in _closers(models)}


def _closers(models: Mapping[str, ModelInfo]) -> list[ModelInfo]:
    mine = session().own_models
    fitting = [info for info in models.values() if info.name not in mine and _one_person(info)]
    # Larger networks see more.
    return sorted(fitting, key=lambda info: (not info.available, -info.size_bytes))


def _one_person(info: ModelInfo) -> bool:
    return for_one_person(family_of(info.architecture), info.architecture)
