"""Which set is on the desk, and where one is in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from posecore.data.stored import StoredSet
from posecore.errors import DataError, PosecoreError
from posecore.labelling.desk import ORDERS, LabelDesk, Order
from posecore.labelling.edits import Inbox
from posecore.skeleton import COCO_17
from posecore.ui.label.editor import Neighbours
from posecore.ui.label.pictures import thumbnail
from posecore.ui.shared.address import Parameter, asked, came_back
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.navigation import open_page
from posecore.ui.shared.pictures.open_picture import to_jpeg
from posecore.ui.shared.pictures.sources import samples
from posecore.ui.shared.session import state_of
from posecore.ui.shared.sets.set_library import choose_set, library
from posecore.ui.shared.visitors import require
from posecore.ui.shared.widgets.components import filmstrip

#: Name of the set that one click makes.
PRACTICE = "practice"

#: Thumbnails shown on each side of the chosen one.
_STRIP_REACH = 9
#: Marks of the filmstrip, and what they mean.
MARKS = {"unlabelled": "not labelled", "unconfirmed": "to be confirmed", "done": "done"}


@dataclass
class Place:
    """Where a visitor is in a set.

    Attributes:
        about: Identity of the set.
        order: Numbers of its pictures as they are gone through; it stays while somebody works.
        kind: How they were ordered.
        picture: The one that is shown.
        inbox: Which changes were saved.
        has: Tokens of the pictures that the browser has.
        trouble: Why the last change could not be saved, or empty.
    """

    about: str
    order: list[int]
    kind: Order
    picture: int
    inbox: Inbox = field(default_factory=Inbox)
    has: frozenset[str] = frozenset()
    trouble: str = ""


@dataclass
class Labelling:
    """What the page remembers of a visitor.

    Attributes:
        place: Where they are in which set; None before the first.
        note: What the last request brought, to be said once.
    """

    place: Place | None = None
    note: str = ""


@st.cache_resource(max_entries=16, show_spinner=False)
def _desk(folder: Path, created: float) -> LabelDesk:
    return LabelDesk(library().get(folder.name))


def desk_of(stored: StoredSet) -> LabelDesk:
    """The one desk of all sessions for a set."""
    return _desk(stored.folder, stored.created)


def pick_set() -> LabelDesk | None:
    """The widget for the sidebar; None when there is no set that can be labelled."""
    sets = {stored.name: stored for stored in library().all()}
    if not sets:
        return None
    stored = choose_set(sets)
    if stored.broken:
        show_error(DataError(stored.broken), "Choose another set, or mend or remove this one.")
        return None
    return desk_of(stored)


def pick_order(desk: LabelDesk) -> Place:
    """The widget for the order of the pictures; returns where the visitor is."""
    kind = st.segmented_control(
        "Order of the pictures",
        ORDERS,
        default=ORDERS[0],
        required=True,
        key="label_order",
        width="stretch",
        format_func=lambda order: order.capitalize(),
        help="**Least sure first**: pictures without labels; then those with proposals, the lowest sureness first; "
        "then those that are done. The sureness of a person is the mean score of the joints that the model knows, "
        "0 for one it did not find; that of a picture is the lowest of its people. The order stays while you "
        "work; *Sort again* puts the pictures in order anew.",
    )
    mine = state_of(Labelling)
    place = mine.place
    if place is None or place.about != desk.identity:
        order = desk.order(kind)
        place = mine.place = Place(desk.identity, order, kind, _asked(order) or _first(desk, order))
    elif place.kind != kind:
        sort_again(desk, place, kind)
    elif set(place.order) != {image.image_id for image in desk.images()}:
        # The set has other pictures by now.
        sort_again(desk, place, kind)
    if came_back():
        place.picture = _asked(place.order) or place.picture
    if place.picture not in place.order:
        place.picture = _first(desk, place.order)
    return place


def sort_again(desk: LabelDesk, place: Place, kind: Order | None = None) -> None:
    """Put the pictures in order as they are now."""
    place.kind = kind or place.kind
    place.order = desk.order(place.kind)


def _asked(order: Sequence[int]) -> int | None:
    """The picture that the address names, when the set has it."""
    return next((picture for picture in order if str(picture) == asked(Parameter.PICTURE)), None)


def _first(desk: LabelDesk, order: Sequence[int]) -> int:
    """The first picture that is not done, else the first."""
    statuses = desk.statuses()
    return next((picture for picture in order if statuses.get(picture) != "done"), order[0])


def neighbours(desk: LabelDesk, place: Place) -> Neighbours:
    """Where one can go from the picture that is shown."""
    order, statuses = place.order, desk.statuses()
    index = order.index(place.picture)
    later = [*order[index + 1 :], *order[:index]]
    still_open = next((picture for picture in later if statuses.get(picture) != "done"), None)
    image = desk.stored.image(place.picture)
    width, height = image.size
    return Neighbours(
        order[index - 1] if index else None,
        order[index + 1] if index + 1 < len(order) else None,
        still_open,
        f"{index + 1} of {len(order)} · {image.path.name} · {width} × {height}",
    )


def no_sets() -> None:
    """What the page shows while there is nothing to label."""
    with st.container(border=True, horizontal_alignment="center", height=420, vertical_alignment="center"):
        st.markdown("### :material/draw:", text_alignment="center")
        st.markdown(
            "**There are no pictures to label yet.** Add your own on the Data page, labelled or not, or practise "
            "with the sample pictures.",
            text_alignment="center",
        )
        with st.container(horizontal=True, horizontal_alignment="center", gap="small"):
            practise = st.button("Practise with the samples", icon=":material/imagesmode:", type="primary")
            add = st.button("Add pictures", icon=":material/photo_library:")
        if add:
            open_page("datasets")
        if practise:
            try:
                require("all", "Adding sets")
                _make_practice()
            except PosecoreError as error:
                show_error(error)
            else:
                st.rerun()


def _make_practice() -> None:
    with st.spinner("Drawing the samples …"), tempfile.TemporaryDirectory(prefix="posecore-practice-") as folder:
        paths = []
        for source in samples():
            path = Path(folder) / f"{source.stem}.jpg"
            path.write_bytes(to_jpeg(source.read(), 92))
            paths.append(path)
        library().create(PRACTICE, paths, COCO_17)


def strip(desk: LabelDesk, place: Place, *, on_pick: Callable[[int], None]) -> None:
    """Thumbnails of the pictures around the one that is shown, with signs of how far they are."""
    index = place.order.index(place.picture)
    start = min(max(index - _STRIP_REACH, 0), max(len(place.order) - 2 * _STRIP_REACH - 1, 0))
    images, statuses = {image.image_id: image for image in desk.images()}, desk.statuses()
    around = [images[number] for number in place.order[start : start + 2 * _STRIP_REACH + 1] if number in images]
    filmstrip(
        [
            (str(one.image_id), f"{one.path.name}, {MARKS[statuses[one.image_id]]}", thumbnail(one.path))
            for one in around
        ],
        str(place.picture),
        title="Pictures of the set",
        on_pick=lambda picture: on_pick(int(picture)),
        key="label_strip",
        marks={str(one.image_id): statuses[one.image_id] for one in around},
    )
