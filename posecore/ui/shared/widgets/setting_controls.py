"""Widgets made from a settings class: a new setting, or a new family, needs no new page code."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st
from pydantic import BaseModel

from posecore.settings import Control, controls
from posecore.ui.shared.address import asked_setting, came_back, say_setting
from posecore.ui.shared.widgets.carried import carry
from posecore.ui.shared.widgets.numbers import number, on_step

#: Settings that matter most, by the names that all families share; others go where there is more room.
MAIN = (
    "output_stride",
    "input_size",
    "finder_input_size",
    "finder_pose_threshold",
    "mode",
    "calibrated",
    "max_poses",
    "pose_threshold",
    "keypoint_threshold",
    "nms_radius",
)
#: Session state: the default of every control as it was drawn last.
_DEFAULTS = "setting_defaults"
#: Session state: what was last written into the address of every choice.
_WRITTEN = "written_choices"
#: Letters that the choices of a row of buttons may have together, in the sidebar's width.
_BUTTON_LETTERS = 11
#: Letters that there is room for in half that width, beside what else is there: on a row of buttons, in a list, and
#: behind a switch.
_HALF_BUTTONS, _HALF_LIST, _HALF_FLAG = 7, 9, 12


class SettingControls:
    """The controls of one settings class, drawn in as many places as the page likes.

    The address says every value but the defaults, under ``prefix`` and the setting's name, so that a link brings them
    back. Streamlit's own way to do that fails where a widget moves on the page, as it does between models.

    Args:
        settings_class: Where ranges, defaults and help come from.
        defaults: Values other than the class's own defaults.
        prefix: Put before the names in session state and address.
        unavailable: Switches that cannot be used now, and why; they count as off and come back as they were.
    """

    def __init__(
        self,
        settings_class: type[BaseModel],
        defaults: Mapping[str, Any] | None = None,
        prefix: str = "",
        unavailable: Mapping[str, str] | None = None,
    ) -> None:
        self._unavailable = dict(unavailable or {})
        # `controls` reads nothing but the fields of the class, whatever its base.
        self._controls = {control.name: control for control in controls(settings_class)}  # type: ignore[arg-type]
        self._defaults = {name: control.default for name, control in self._controls.items()} | dict(defaults or {})
        self._prefix = prefix
        for control in self._controls.values():
            carry(self._key(control.name))
            self._replace_unfit(control)
            self._follow_address(control)

    @property
    def main(self) -> tuple[str, ...]:
        """Names of the settings that matter most, in the order in which a person thinks of them."""
        return tuple(name for name in MAIN if name in self._controls)

    @property
    def others(self) -> tuple[str, ...]:
        """All other names."""
        return tuple(name for name in self._controls if name not in MAIN)

    @property
    def open(self) -> tuple[str, ...]:
        """Names of the settings that leave a choice."""
        return tuple(name for name, control in self._controls.items() if len(control.choices) != 1)

    def draw(self, names: Iterable[str], columns: int = 2) -> None:
        """Widgets for ``names``: switches first, then choices, ``columns`` beside each other where they are short."""
        chosen = [self._controls[name] for name in names]
        for kinds in (("flag",), ("choice",), ("int", "float")):
            group = [control for control in chosen if control.kind in kinds]
            short = [control for control in group if _is_short(control)]
            if len(short) == 1:
                short = []
            for start in range(0, len(short), columns):
                for control, column in zip(short[start : start + columns], _row(columns), strict=False):
                    with column:
                        self._widget(control)
            for control in group:
                if control not in short:
                    self._widget(control)

    @property
    def values(self) -> dict[str, Any]:
        """Values of all settings."""
        return {name: self._value(control) for name, control in self._controls.items()}

    @property
    def defaults(self) -> dict[str, Any]:
        """Values that all settings begin with."""
        return {name: self._defaults[name] for name in self._controls}

    def reset(self) -> None:
        """Back to the defaults; to be used as a callback."""
        self.take(self.defaults)

    def take(self, values: Mapping[str, Any]) -> None:
        """Give some settings other values; in a callback."""
        for name, value in values.items():
            st.session_state[self._key(name)] = value

    def _key(self, name: str) -> str:
        return self._prefix + name

    def _value(self, control: Control) -> Any:
        if control.name in self._unavailable:
            return self._defaults[control.name]
        value = st.session_state.get(self._key(control.name))
        return self._defaults[control.name] if value is None else value

    def _follow_address(self, control: Control) -> None:
        """Take the value that the address says when that is another one than was last written there."""
        key = self._key(control.name)
        said, written = asked_setting(key), st.session_state.setdefault(_WRITTEN, {})
        if came_back() and said is None:
            st.session_state[key] = self._defaults[control.name]
        if said is not None and said != written.get(key):
            asked = _read(control, said)
            if asked is not None:
                st.session_state[key] = asked
            written[key] = said
        st.session_state.setdefault(key, self._defaults[control.name])

    def _write_address(self, control: Control) -> None:
        """Say a value in the address, unless it is the default."""
        key, value = self._key(control.name), self._value(control)
        said = None if value == self._defaults[control.name] else _said(value)
        say_setting(key, said)
        st.session_state[_WRITTEN][key] = said

    def _replace_unfit(self, control: Control) -> None:
        """Replace a value that another model's or page's control of the same name left behind and nobody chose here.

        That is one which this control does not allow, or the other's default: this one has its own. It is set rather
        than dropped, for a widget that stays in the browser goes on showing what it showed unless it is told.
        """
        key = self._key(control.name)
        value = st.session_state.get(key)
        known = st.session_state.setdefault(_DEFAULTS, {})
        before, default = known.get(key), self._defaults[control.name]
        if value is not None and (not _fits(value, control) or (before not in (None, default) and value == before)):
            st.session_state[key] = default
        known[key] = default

    def _widget(self, control: Control) -> None:
        if control.name in self._unavailable:
            self._unusable(control)
            return
        applies = control.applies({name: self._value(self._controls[name]) for name, _ in control.when})
        shared: dict[str, Any] = {
            "key": self._key(control.name),
            "help": control.help if applies else f"{control.help} {self._condition(control)}",
            "disabled": not applies,
            "persist_state": "session",
        }
        if control.kind == "choice":
            _choice(control, shared)
        elif control.kind == "flag":
            st.toggle(control.label, wrap=True, **shared)
        else:
            _number(control, shared)
        self._write_address(control)

    def _unusable(self, control: Control) -> None:
        """A switch that is off for now."""
        key = self._key(control.name)
        if key in st.session_state:
            # What is not drawn is forgotten, unless it is said again.
            st.session_state[key] = st.session_state[key]
        reason = f"{control.help} **Not now:** {self._unavailable[control.name]}"
        st.toggle(control.label, False, key=f"{key}_unavailable", help=reason, disabled=True, wrap=True)

    def _condition(self, control: Control) -> str:
        """Why a setting has no effect now."""
        wanted = []
        for name, values in control.when:
            other = self._controls[name]
            if other.kind == "flag":
                wanted.append(f"*{other.label}* switched {'on' if values[0] else 'off'}")
            else:
                wanted.append(f"*{other.label}* at {' or '.join(other.text(value) for value in values)}")
        return f"**No effect now:** it needs {' and '.join(wanted)}."


def _row(columns: int) -> Sequence[Any]:
    return st.columns(columns, gap="small", vertical_alignment="bottom")


def _fits(value: Any, control: Control) -> bool:
    if control.kind == "choice":
        return value in control.choices
    if control.kind == "flag":
        return isinstance(value, bool)
    if not isinstance(value, (int, float)):
        return False
    low, high = control.minimum, control.maximum
    return (low is None or value >= low) and (high is None or value <= high)


def _as_buttons(control: Control) -> bool:
    return sum(len(control.text(choice)) for choice in control.choices) <= _BUTTON_LETTERS


def _is_short(control: Control) -> bool:
    """Whether half the sidebar's width is enough."""
    if control.kind == "flag":
        return len(control.label) <= _HALF_FLAG
    letters = [len(control.text(choice)) for choice in control.choices]
    if not letters:
        return False
    return sum(letters) <= _HALF_BUTTONS if _as_buttons(control) else max(letters) <= _HALF_LIST


def _choice(control: Control, shared: dict[str, Any]) -> None:
    shared = {"format_func": control.text, **shared}
    if _as_buttons(control):
        st.segmented_control(control.label, control.choices, required=True, width="stretch", **shared)
    else:
        st.selectbox(control.label, control.choices, **shared)


def _number(control: Control, shared: dict[str, Any]) -> None:
    """A slider and a field between two ends, else a field."""
    low, high, step = _range(control)
    if low is None or high is None or step is None:
        st.number_input(control.label, low, high, step=step, **shared)
    else:
        number(control.label, low, high, step=step, **shared)


def _range(control: Control) -> tuple[Any, Any, Any]:
    """Least and largest value and the step of a number, of its type; None for what is not said."""
    kind = int if control.kind == "int" else float
    low, high = (None if side is None else kind(side) for side in (control.minimum, control.maximum))
    step = control.step or (1 if kind is int else None)
    if step is None and low is not None and high is not None:
        step = _round_step((high - low) / 100)
    return low, high, None if step is None else kind(step)


def _read(control: Control, said: str) -> Any:
    """A value from an address; None for what is none. Numbers are taken at the nearest one that is allowed."""
    if control.kind == "choice":
        return next((choice for choice in control.choices if said in (str(choice), control.text(choice))), None)
    if control.kind == "flag":
        return {"true": True, "false": False}.get(said.lower())
    low, high, step = _range(control)
    try:
        value = float(said)
        if not math.isfinite(value):
            return None
    except ValueError:
        return None
    if low is not None and high is not None:
        return on_step(value, low, high, step)
    value = value if low is None else max(value, low)
    value = value if high is None else min(value, high)
    return round(value) if control.kind == "int" else value


def _said(value: Any) -> str:
    """A value as addresses say it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _round_step(step: float) -> float:
    """The nearest of 1, 2, 5, 10 … times a power of ten that is not smaller."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)
