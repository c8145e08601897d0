"""The columns: how many there are, and each one's model and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from posecore.errors import PosecoreError
from posecore.evaluation.comparing import FEWEST, LETTERS, MOST, Column
from posecore.model import PoseModel
from posecore.two_stage import JOIN
from posecore.ui.shared.address import Parameter, asked, say
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.engine import shared_model
from posecore.ui.shared.models.model_picker import all_models, is_own_file, suggested
from posecore.ui.shared.models.second_stage import closers_for
from posecore.ui.shared.session import session, state_of
from posecore.ui.shared.widgets.options import option_texts
from posecore.ui.shared.widgets.setting_controls import SettingControls
from posecore.zoo import ModelInfo, joined

#: Stands between the models of columns in an address.
BETWEEN = ";"
_NOTHING = "nothing"
_COUNT = "compare_count"


@dataclass
class Written:
    """What this visitor's address was last made to say of the columns."""

    columns: str | None = None


@dataclass(frozen=True, eq=False)
class Chosen:
    """A column that was chosen, and its loaded model.

    Attributes:
        letter: Its name.
        info: Its model.
        model: The same, loaded.
        network: Network settings.
        decode: Decode settings.
    """

    letter: str
    info: ModelInfo
    model: PoseModel
    network: Mapping[str, Any]
    decode: Mapping[str, Any]

    @property
    def column(self) -> Column:
        """Its model, and the settings that are not the model's own."""
        own = {**self.model.network_defaults.model_dump(), **self.model.decode_settings().model_dump()}
        said = {**self.network, **self.decode}
        return Column(self.info.name, {name: value for name, value in said.items() if value != own.get(name)})

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Equal for columns that see the same."""
        return self.info.name, self.model.weights_id, repr(self.network), repr(self.decode)


def model_key(letter: str) -> str:
    """Key of the widget that chooses a column's model."""
    return f"compare_model_{letter}"


def _closer_key(letter: str) -> str:
    return f"compare_closer_{letter}"


def prefix_of(letter: str) -> str:
    """What stands before the names of a column's settings, in the address too."""
    return f"{letter.lower()}_"


def pick_columns() -> list[Chosen]:
    """The widgets for the sidebar; the columns that can be used."""
    here = {name: info for name, info in all_models().items() if info.available}
    if not here:
        return []
    _follow_address(here)
    count = st.segmented_control(
        "Columns", range(FEWEST, MOST + 1), default=FEWEST, required=True, key=_COUNT, width="stretch",
        persist_state="session",
    )  # fmt: skip
    chosen, names = [], []
    for letter in LETTERS[:count]:
        info, one = _pick(letter, here)
        names.append(info.name)
        if one is not None:
            chosen.append(one)
    said = BETWEEN.join(names)
    say(Parameter.COLUMNS, said)
    state_of(Written).columns = said
    return chosen


def _follow_address(here: Mapping[str, ModelInfo]) -> None:
    """Take the columns from an address that says others than were last written there; begin with some that differ."""
    written, linked = state_of(Written), asked(Parameter.COLUMNS)
    if linked is not None and linked != written.columns:
        # A plus that was typed into the address bar arrives as a space.
        names = [name.strip().replace(" ", JOIN) for name in linked.split(BETWEEN) if name.strip()][:MOST]
        st.session_state[_COUNT] = max(len(names), FEWEST)
        for letter, name in zip(LETTERS, names, strict=False):
            _take(letter, name, here)
    for letter, name in zip(LETTERS, first_columns(here, suggested(here)), strict=True):
        if st.session_state.get(model_key(letter)) not in here:
            st.session_state[model_key(letter)] = name


def _take(letter: str, name: str, here: Mapping[str, ModelInfo]) -> None:
    """Put a linked model into a column, or say that it is not here."""
    first, _, second = (name, "", "") if name in here else name.partition(JOIN)
    if first not in here or (second and second not in closers_for(here[first], here)):
        session().refused.append(f"The link asks for {name!r} in column {letter}, which is not on this machine.")
        return
    st.session_state[model_key(letter)] = first
    st.session_state[_closer_key(letter)] = second or _NOTHING


def first_columns(here: Mapping[str, ModelInfo], best: ModelInfo) -> list[str]:
    """Models to begin with: the best one, then others, of other families first; fewer models come again."""
    families = {best.family}
    names = [best.name]
    for info in here.values():
        if info.family not in families:
            families.add(info.family)
            names.append(info.name)
    names += [name for name in here if name not in names]
    return [names[place % len(names)] for place in range(MOST)]


def _pick(letter: str, here: Mapping[str, ModelInfo]) -> tuple[ModelInfo, Chosen | None]:
    name = st.selectbox(
        f"Model of column {letter}",
        list(here),
        format_func=option_texts({name: info.title for name, info in here.items()}),
        key=model_key(letter),
        persist_state="session",
    )
    with st.expander(f"Settings of {letter}", icon=":material/tune:"):
        info = _pick_closer(letter, here[name], here)
        try:
            model = shared_model(info, is_own_file(info))
        except PosecoreError as error:
            show_error(error, "Choose another model, or download this one again on the Models page.")
            return info, None
        network = SettingControls(
            model.network_settings_class, model.network_defaults.model_dump(), prefix=prefix_of(letter)
        )
        decode = SettingControls(model.decode_settings_class, prefix=prefix_of(letter))
        for words, controls in (("Network", network), ("Decoder", decode)):
            st.markdown(f"**{words}**")
            controls.draw((*controls.main, *controls.others))

        def reset() -> None:
            network.reset()
            decode.reset()

        st.button(f"Reset {letter}", on_click=reset, icon=":material/restart_alt:", width="stretch")
    return info, Chosen(letter, info, model, network.values, decode.values)


def _pick_closer(letter: str, info: ModelInfo, here: Mapping[str, ModelInfo]) -> ModelInfo:
    fitting = closers_for(info, here)
    if not fitting:
        return info
    key = _closer_key(letter)
    if st.session_state.get(key) not in fitting:
        st.session_state[key] = _NOTHING
    name = st.selectbox(
        "Look closely with",
        [_NOTHING, *fitting],
        format_func=option_texts({_NOTHING: "Nothing", **{name: one.title for name, one in fitting.items()}}),
        key=key,
        persist_state="session",
        help="A model for one person looks again at everybody whom the first one finds.",
    )
    return info if name == _NOTHING else joined(info, fitting[name])


def titles(columns: list[Chosen]) -> list[str]:
    """Words for each column: its model, and its settings where two columns have the same model."""
    names = [one.info.name for one in columns]
    return [
        f"{one.column.said or 'defaults'} · {one.info.title}" if names.count(one.info.name) > 1 else one.info.title
        for one in columns
    ]
