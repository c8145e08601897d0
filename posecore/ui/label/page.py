"""Label: people on your own pictures, proposed by a model and corrected by hand."""

from typing import Any

import streamlit as st

from posecore.errors import DataError, ImageError
from posecore.labelling.desk import LabelDesk
from posecore.labelling.edits import Message
from posecore.ui.label.editor import Before, label_editor, save_edits, wakeable
from posecore.ui.label.export import export_panel
from posecore.ui.label.pictures import editor_picture, prepare
from posecore.ui.label.proposals import proposal_panel, show_note, unconfirmed_panel
from posecore.ui.label.sets import Place, neighbours, no_sets, pick_order, pick_set, sort_again, strip
from posecore.ui.shared.address import Parameter, say
from posecore.ui.shared.plain import plain
from posecore.ui.shared.sidebar import popover


def main() -> None:
    """The page."""
    with st.sidebar:
        desk = pick_set()
        if desk is not None:
            place = pick_order(desk)
            st.button("Sort again", on_click=sort_again, args=(desk, place), icon=":material/sort:", type="tertiary")
            models = st.container()
    show_note()
    if desk is None:
        no_sets()
    else:
        work(desk, place)
        wakeable()
        # Last: loading a model takes longer than showing the picture.
        with models:
            proposal_panel(desk, place)


@st.fragment
def work(desk: LabelDesk, place: Place) -> None:
    """The editor and what stands around it; runs without the rest of the page at every change."""
    header(desk)
    say(Parameter.PICTURE, str(place.picture))
    image = desk.stored.image(place.picture)
    around = neighbours(desk, place)
    try:
        shown = editor_picture(image)
    except ImageError as error:
        st.error(f"{plain(error)} Choose another picture below; the others are not affected.", icon=":material/error:")
    else:
        label_editor(
            desk.identity,
            image,
            shown,
            desk.sheet(image),
            desk.stored.skeleton,
            around,
            before(desk, around.previous),
            place.inbox,
            has=shown.token in place.has,
            trouble=place.trouble,
            on_message=lambda values: hear(desk, place, values),
            key=f"label_editor {desk.identity}",
        )
        place.has |= {shown.token}
    if around.next is not None:
        prepare(desk.stored.image(around.next))
    strip(desk, place, on_pick=lambda picture: setattr(place, "picture", picture))


def before(desk: LabelDesk, picture: int | None) -> Before | None:
    """What the editor needs of the picture before."""
    if picture is None:
        return None
    image = desk.stored.image(picture)
    return Before(image.size, desk.sheet(image))


def header(desk: LabelDesk) -> None:
    """How far the set is, and taking it away."""
    progress = desk.progress()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        color = "green" if progress.done == progress.pictures else "gray"
        words = [f":{color}-badge[**{progress.done} of {progress.pictures} done**]"]
        if progress.unconfirmed:
            words.append(f":orange-badge[{progress.unconfirmed} to confirm]")
        st.markdown(" ".join(words), width="stretch")
        if progress.proposals and (menu := popover("Proposals", "fact_check", "What a model proposed")).open:
            with menu:
                unconfirmed_panel(desk)
        if (menu := popover("Export", "download", "Download the labelled set")).open:
            with menu:
                export_panel(desk)


def hear(desk: LabelDesk, place: Place, values: Any) -> None:
    """Save what the editor says and go where it wants to."""
    try:
        message = Message.read(values)
    except DataError as error:
        place.trouble = str(error)
        return
    if message.about != desk.identity:
        # Said before another set was chosen, and heard by then.
        return
    place.has = message.has
    place.trouble = save_edits(desk, message, place.inbox)
    if place.inbox.notice:
        st.toast(place.inbox.notice, icon=":material/group:", duration="long")
        place.inbox.notice = ""
    if message.go is not None and message.go in place.order:
        place.picture = message.go
