"""The address of a page: which parameters there are, what each means, and reading and writing them.

Besides these, every setting stands there under the key of its widget: its name, with the prefix of its group. A
link brings all of it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum, unique
from urllib.parse import parse_qs, urlencode, urlsplit

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx


@unique
class Parameter(StrEnum):
    """What an address may say; each name has one meaning on all pages."""

    MODEL = "model"
    """Name of the model that looks at pictures and videos."""
    CLOSER = "closer"
    """Name of the model that looks closely at everybody whom the first one finds."""
    BOXES = "boxes"
    """That people are in boxes of the visitor's own, and those of the picture that were drawn or typed."""
    REGION = "part"
    """The region of the picture that is looked at: x0,y0,x1,y1 in its pixels."""
    SOURCE = "source"
    """Where the picture comes from; bound to its widget."""
    SAMPLE = "sample"
    """The sample that is shown; bound to its widget."""
    SET = "set"
    """Name of the set of labelled pictures."""
    PICTURE = "picture"
    """Number of the set's picture that is labelled."""
    COLUMNS = "columns"
    """Names of the models of Compare's columns, with ; between them."""
    RUN = "run"
    """Name of the training run that is looked at."""
    VIDEO_RUN = "result"
    """Token of the run over a video whose result is shown."""


#: What a link says: parameters, and values of settings by the keys of their widgets.
Address = Mapping[Parameter, str] | Mapping[str, str]


def asked(parameter: Parameter) -> str | None:
    """What the address says; None when it says nothing."""
    return st.query_params.get(parameter)


def say(parameter: Parameter, value: str | None) -> None:
    """Write a value into the address, or take it out when None."""
    _write(parameter, value)


def came_back() -> bool:
    """Whether the browser's Back or Forward led here: then the address says what was chosen, also by saying nothing."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def restore_address() -> None:
    """After Back or Forward, before the page draws its widgets: take the whole address as it is said.

    On the way from page to page Streamlit leaves out what widgets of the one that is left stand for, also where the
    other page has widgets of the same names.
    """
    context = get_script_run_ctx()
    if context is None or not context.is_history_navigation:
        return
    said = context.query_string
    with context.session_state.query_params() as parameters:
        parameters.set_initial_query_params(said)
    st.query_params.from_dict(parse_qs(said, keep_blank_values=True))


def asked_setting(key: str) -> str | None:
    """What the address says of a setting by the key of its widget; None when it says nothing."""
    return st.query_params.get(key)


def say_setting(key: str, value: str | None) -> None:
    """Write a setting into the address by the key of its widget, or take it out when None."""
    _write(key, value)


def _write(name: str, value: str | None) -> None:
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value


def names_setting(key: str) -> bool:
    """Whether the address says what the widget with this key shall show."""
    return key in st.query_params


def link_to_this(said: Mapping[Parameter, str], left_out: frozenset[Parameter] = frozenset()) -> str:
    """The whole address of what is shown.

    Args:
        said: What it says besides, or in place of, what it says now.
        left_out: What means nothing to others.
    """
    query = st.query_params.to_dict() | dict(said)
    kept = {name: value for name, value in query.items() if name not in left_out}
    parts = urlsplit(st.context.url or "")
    return f"{parts.scheme}://{parts.netloc}{parts.path or '/'}?{urlencode(kept, safe=',')}"
