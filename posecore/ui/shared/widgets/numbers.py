"""A number that can be slid and typed: a slider with a field beside it that shows the same value."""

from __future__ import annotations

from typing import Literal, TypeVar

import streamlit as st

from posecore.ui.shared.widgets.carried import carry

_Number = TypeVar("_Number", int, float)
#: Letters that a value may have in the field.
_FINEST = 6


def number(
    label: str,
    low: _Number,
    high: _Number,
    value: _Number | None = None,
    *,
    step: _Number,
    key: str,
    help: str | None = None,
    disabled: bool = False,
    persist_state: Literal["session"] | None = None,
    decimals: int | None = None,
    width: int | None = None,
) -> _Number:
    """Draw the slider and the field; returns the number.

    The slider's value is the one that counts, under ``key`` in session state; the field follows it. What is typed is
    taken at the nearest step.

    Args:
        label: Of both.
        low, high: Ends of the range.
        value: To begin with; by default what session state has under ``key``.
        step: From one value to the next.
        key, help, disabled, persist_state: As Streamlit's widgets have them.
        decimals: Shown of a fraction; by default as many as tell two steps apart.
        width: Pixels; by default all there are.
    """
    # Streamlit tells whole numbers by their type.
    kind = type(step)
    pattern = "%d" if kind is int else f"%.{_decimals(step) if decimals is None else decimals}f"
    typed = f"{key}_typed"
    carry(typed)
    if persist_state is not None:
        carry(key)
    with st.container(key=f"number_{key}", gap=None, width=width or "stretch"):
        chosen: _Number = st.slider(
            label,
            kind(low),
            kind(high),
            None if value is None else kind(value),
            step,
            pattern,
            key=key,
            help=help,
            disabled=disabled,
            persist_state=persist_state,
        )
        if st.session_state.get(typed) != chosen:
            st.session_state[typed] = chosen
        st.number_input(
            label,
            kind(low),
            kind(high),
            step=step,
            format=pattern,
            key=typed,
            disabled=disabled,
            label_visibility="collapsed",
            on_change=_take,
            args=(key, typed, low, high, step),
        )
    return chosen


def on_step(value: float, low: _Number, high: _Number, step: _Number) -> _Number:
    """The value of a slider nearest to ``value``: a whole number of steps above ``low``, at most ``high``."""
    near = low + round((value - low) / step) * step
    return type(step)(min(max(round(near, _FINEST), low), high))


def _take(key: str, typed: str, low: _Number, high: _Number, step: _Number) -> None:
    """Give the slider what was typed; a callback."""
    st.session_state[key] = on_step(st.session_state[typed], low, high, step)


def _decimals(step: float) -> int:
    """Decimals that tell neighbouring values apart."""
    return next(digits for digits in range(_FINEST + 1) if digits == _FINEST or abs(round(step, digits) - step) < 1e-9)
