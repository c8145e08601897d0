"""The label editor in the browser and its messages; what it looks like and does lies in ``frontend/labels``."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from posecore.data.annotations import AnnotatedImage
from posecore.drawing.overlay import SIDE_COLORS
from posecore.errors import PosecoreError
from posecore.labelling.desk import LabelDesk
from posecore.labelling.edits import Inbox, Message, Sheet, read_sheet, to_entry
from posecore.labelling.template import template
from posecore.skeleton import Skeleton
from posecore.ui.label.pictures import Shown
from posecore.ui.shared.visitors import require
from posecore.ui.shared.widgets.frontend import component
from posecore.words import counted

#: Height that the picture may take: the window's, less what stands above and below it.
ROOM = "max(300px, 100vh - 330px)"

_editor = component("labels", styles=("viewer",))
_wake = component("wake")


@dataclass(frozen=True)
class Neighbours:
    """Where one can go from a picture: numbers of pictures, None where there is none.

    Attributes:
        previous: The one before.
        next: The one after.
        open: The next one that is not done.
        where: Where one is, in words.
    """

    previous: int | None
    next: int | None
    open: int | None
    where: str


@dataclass(frozen=True)
class Before:
    """The picture before the one that is shown, whose people can be copied.

    Attributes:
        size: (width, height).
        sheet: What is drawn on it.
    """

    size: tuple[int, int]
    sheet: Sheet

    def data(self) -> dict[str, Any]:
        """As plain data for the browser."""
        people = [to_entry(drawn, self.size) for drawn in self.sheet.people]
        return {"width": self.size[0], "height": self.size[1], "people": people}


def label_editor(
    about: str,
    image: AnnotatedImage,
    shown: Shown,
    sheet: Sheet,
    skeleton: Skeleton,
    neighbours: Neighbours,
    before: Before | None,
    inbox: Inbox,
    *,
    has: bool,
    trouble: str,
    on_message: Callable[[Any], None],
    key: str,
) -> None:
    """Show a picture whose people can be changed.

    Args:
        about: Identity of the set.
        image: The picture.
        shown: Its pixels.
        sheet: What is drawn on it.
        skeleton: Of the set.
        neighbours: Where one can go from here.
        before: What can be copied from the picture before; None where there is none.
        inbox: Which changes are saved.
        has: True when the browser has the pixels already.
        trouble: Why the last changes could not be saved, or empty.
        on_message: Called with what the editor says.
        key: Name of the widget.
    """
    width, height = image.size
    people = [drawn.person for drawn in sheet.people]
    data = {
        "about": about,
        "picture": str(image.image_id),
        "name": image.path.name,
        "alt": f"{image.path.name}, {width} × {height}, {len(people)} people drawn",
        "token": shown.token,
        "image": None if has else "data:image/jpeg;base64," + base64.b64encode(shown.jpeg).decode("ascii"),
        "width": width,
        "height": height,
        "room": ROOM,
        "skeleton": _skeleton(skeleton),
        "colors": {side: "rgb({}, {}, {})".format(*color) for side, color in SIDE_COLORS.items()},
        "people": [to_entry(drawn, image.size) for drawn in sheet.people],
        "done": sheet.done,
        "regions": [list(person.box) for person in image.people if person.crowd],
        "before": None if before is None else before.data(),
        "previous": _text(neighbours.previous),
        "next": _text(neighbours.next),
        "open": _text(neighbours.open),
        "where": neighbours.where,
        "seen": {"tab": inbox.tab, "attempt": inbox.attempt, "revisions": inbox.revisions()},
        "trouble": trouble or None,
    }
    _editor(key=key, data=data, on_event_change=lambda: on_message(st.session_state[key].event))


def wakeable() -> None:
    """Let the editor have the whole page run again when the server was started anew and does not know it.

    To be called outside of all fragments.
    """
    _wake(key="wake", data={}, on_wake_change=lambda: None)


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _skeleton(skeleton: Skeleton) -> dict[str, Any]:
    return {
        "names": list(skeleton.keypoints),
        "edges": [list(edge) for edge in skeleton.edges],
        "sides": [skeleton.side(index) for index in range(len(skeleton))],
        "template": template(skeleton).round(4).tolist(),
    }


def save_edits(desk: LabelDesk, message: Message, inbox: Inbox) -> str:
    """Keep all new changes of a message; returns why some could not be saved, or nothing.

    What could be saved is saved, whatever happens to the rest. What others changed meanwhile stays; the inbox's
    ``notice`` says where both changed the same.
    """
    inbox.hear(message.tab, message.attempt, message.edits.keys())
    trouble, twice = "", 0
    for picture, (revision, edit) in message.edits.items():
        if not inbox.is_new(picture, revision):
            continue
        try:
            require("all", "Changing labels")
            size, skeleton = desk.stored.image(picture).size, desk.stored.skeleton
            began = inbox.base_of(picture, edit)
            base = None if began is None else read_sheet(began, skeleton, size)
            twice += desk.save(picture, read_sheet(edit, skeleton, size), base).twice
        except PosecoreError as error:
            trouble = str(error)
        else:
            inbox.saved(picture, revision, edit)
    if twice:
        inbox.notice = (
            f"Somebody else changed {counted(twice, 'person', 'people')} at the same time and place as you. Both "
            "versions are on the picture: delete the one that is wrong."
        )
    return trouble
