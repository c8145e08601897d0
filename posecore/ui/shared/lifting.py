"""People in three dimensions: whether they can be had here, how tall they are, and the room that clips make."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import streamlit as st

from posecore.errors import PosecoreError
from posecore.lifting import Poses3D, lift
from posecore.lifting.room import Room, make_room
from posecore.lifting.settings import LiftSettings
from posecore.skeleton import Skeleton
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import state_of
from posecore.ui.shared.widgets.setting_controls import SettingControls
from posecore.ui.shared.widgets.watching import watch
from posecore.video import PoseSequence

LIFT_PREFIX = "lift_"


@dataclass(eq=False)
class _Seen:
    """The room that was looked at last, and what it was made of."""

    made_of: tuple[list[Poses3D], LiftSettings] | None = None
    room: Room | None = None


@st.cache_data(ttl=60, show_spinner=False)
def can_lift(names: tuple[str, ...]) -> bool:
    """Whether people of such joints can be lifted: the network's weights are there, and all limbs are known."""
    try:
        lift(PoseSequence.collect([], Skeleton("asked", names), (1, 1)))
    except PosecoreError:
        return False
    return True


def lift_controls(prefix: str = LIFT_PREFIX) -> SettingControls:
    """What :func:`lift_settings` draws, so that it can be put back."""
    return SettingControls(LiftSettings, prefix=prefix)


def lift_settings(*names: str, prefix: str = LIFT_PREFIX) -> LiftSettings:
    """Widgets for some of the settings, beside each other; the others are as they are usually.

    Args:
        names: Of the settings.
        prefix: Before their names. Any but the usual one is for a second place on a page, and begins with what is
            chosen in the first.
    """
    controls = lift_controls()
    if prefix != LIFT_PREFIX:
        controls = SettingControls(LiftSettings, controls.values, prefix)
    columns = st.columns([3, 2][: len(names)], gap="medium", vertical_alignment="bottom")
    for name, column in zip(names, columns, strict=True):
        with column:
            controls.draw([name], columns=1)
    # A height that nobody touched is assumed.
    usual = LiftSettings().model_dump()
    return LiftSettings(**{name: controls.values[name] for name in names if controls.values[name] != usual[name]})


def lifts() -> Tasks[list[Poses3D], float]:
    """Clips whose people are being lifted."""
    return tasks("lift")


def lifted_room(key: Hashable, sequence: PoseSequence, settings: LiftSettings) -> Room | None:
    """The people of a clip in a room. They are lifted in the background; until then how far that is is shown.

    Args:
        key: What is the same clip with the same people, among those of all visitors.
        sequence: Its people where the camera saw them.
        settings: How tall they are, and whether feet are held; they act at once.

    Returns:
        The room; None, with the reason shown, while there is none.
    """
    try:
        task = lifts().start(key, lambda task: lift(sequence, tell=task.tell), ends_with_session=True)
    except PosecoreError as error:
        show_error(error)
        return None
    if task.active:
        watch(task, lambda: _lifting(task))
        return None
    if task.result is None:
        st.error(plain(task.error), icon=":material/error:")
        return None
    seen = state_of(_Seen)
    if seen.room is None or seen.made_of is None or seen.made_of[0] is not task.result or seen.made_of[1] != settings:
        seen.room = make_room(task.result, settings, sequence.numbers)
        seen.made_of = (task.result, settings)
    return seen.room


def _lifting(task: Task[list[Poses3D], float]) -> None:
    st.caption(":material/hourglass_top: Lifting people into three dimensions …")
    st.progress(task.report or 0.0)
