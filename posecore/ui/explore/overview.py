"""All pictures at the settings of the page: looked at in the background, shown as a contact sheet, saved together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from posecore.drawing import draw_poses
from posecore.drawing.encoded import shrink, to_jpeg
from posecore.errors import PosecoreError
from posecore.evaluation.agreement import agreement
from posecore.model import PoseModel
from posecore.ui.explore.saving import offer_all
from posecore.ui.explore.settings import Settings
from posecore.ui.shared.background import Tasks, tasks
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.engine import analyse, shared_model
from posecore.ui.shared.models.model_picker import all_models, is_own_file
from posecore.ui.shared.pictures.open_picture import Source
from posecore.ui.shared.pictures.source_picker import Selection
from posecore.ui.shared.plain import plain
from posecore.ui.shared.steps import Far, show_steps, start_button
from posecore.ui.shared.widgets.components import filmstrip
from posecore.ui.shared.widgets.options import option_texts
from posecore.words import counted

Order = Literal["as they came", "best score", "people", "disagreement"]
#: Pixels of the longer side of a picture on the sheet, and pictures on it at a time.
_SIDE, _PAGE = 240, 60
_NOBODY = "nothing"


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in one picture.

    Attributes:
        source: The picture.
        people: How many people; None when it failed.
        best: The best score; None without people.
        disagreement: 1 less the agreement with the second model, 0 … 1; None without one.
        thumbnail: A small JPEG with the people drawn; None when it failed.
        error: Why it failed, as a sentence.
    """

    source: Source
    people: int | None = None
    best: float | None = None
    disagreement: float | None = None
    thumbnail: bytes | None = None
    error: str = ""

    @property
    def caption(self) -> str:
        """The same in a few words."""
        if self.people is None:
            return "cannot be used"
        best = "" if self.best is None else f" · {self.best:.2f}"
        differs = "" if self.disagreement is None else f" · differs {self.disagreement:.2f}"
        return f"{self.people}{best}{differs}"


def looks() -> Tasks[list[Found], Far]:
    """Many pictures being looked at."""
    return tasks("overview")


def find_in(source: Source, settings: Settings, second: PoseModel | None = None) -> Found:
    """Look at one picture, also with a second model at its own settings; a failure becomes a sentence."""
    try:
        found = settings.analyse(source)
        poses, opened = found.poses, found.opened
        other = None if second is None else analyse(second, opened, found.fields.provenance.region, {}, {}).poses
    except (PosecoreError, OSError) as error:
        return Found(source, error=str(error))
    drawn = draw_poses(shrink(opened.preview, _SIDE), poses, settings.options)
    return Found(
        source,
        len(poses),
        float(poses.scores.max()) if len(poses) else None,
        None if other is None else 1 - agreement(poses, other).score,
        to_jpeg(drawn, 80),
    )


def in_order(found: Sequence[Found], by: Order) -> list[Found]:
    """The largest first; what has no such figure comes last."""
    values: dict[Order, Callable[[Found], float | None]] = {
        "best score": lambda one: one.best,
        "people": lambda one: one.people,
        "disagreement": lambda one: one.disagreement,
    }
    if by not in values:
        return list(found)
    value = values[by]
    return sorted(found, key=lambda one: 1.0 if (figure := value(one)) is None else -figure)


def show_overview(selection: Selection, settings: Settings) -> None:
    """The contact sheet of all pictures, or what leads to it."""
    second = _pick_second(settings.model)
    weights = "" if second is None else second.weights_id
    key: Hashable = (settings.key, weights, tuple(source.key for source in selection.sources))
    task = looks().get(key)
    if task is None or task.stopping or task.error:
        if task is not None and task.error:
            st.error(task.error, icon=":material/error:")
        _start_button(selection.sources, settings, second, key)
    elif task.active:
        show_steps(looks(), task, "Looking", "pictures", "overview_cancel")
    elif task.result is not None:
        _sheet(task.result, selection, second)
    offer_all(selection.sources, settings)


def _pick_second(model: PoseModel) -> PoseModel | None:
    here = {name: info for name, info in all_models().items() if info.available and name != model.name}
    name = st.selectbox(
        "Compare with",
        [_NOBODY, *here],
        format_func=option_texts({_NOBODY: "Nothing", **{name: info.title for name, info in here.items()}}),
        key="overview_second",
        help="A second model, at its own settings: pictures can then be sorted by how far the two disagree.",
    )
    try:
        return None if name == _NOBODY else shared_model(here[name], is_own_file(here[name]))
    except PosecoreError as error:
        show_error(error, "Choose another model.")
        return None


def _start_button(sources: Sequence[Source], settings: Settings, second: PoseModel | None, key: Hashable) -> None:
    st.markdown("All pictures at the current settings, in the background; then as a sheet that can be sorted.")
    label = f"Look at all {counted(len(sources), 'picture')}"
    start_button(
        looks(),
        key,
        sources,
        lambda source: find_in(source, settings, second),
        label=label,
        button_key="overview_start",
    )


def _sheet(found: Sequence[Found], selection: Selection, second: PoseModel | None) -> None:
    orders: list[Order] = ["as they came", "best score", "people"]
    if second is not None:
        orders.append("disagreement")
    by = st.selectbox("Sorted by", orders, key="overview_order", persist_state="session")
    ordered = in_order(found, by)
    pages = -(-len(ordered) // _PAGE)
    page = 1
    if pages > 1:
        page = int(st.number_input(f"Sheet, of {pages}", 1, pages, key="overview_page"))
    shown = ordered[(page - 1) * _PAGE : page * _PAGE]

    def pick(key: str) -> None:
        source = next((one for one in selection.sources if one.key == key), None)
        if source is not None:
            selection.choose(source)
            st.rerun()

    filmstrip(
        [(one.source.key, one.source.label, one.thumbnail) for one in shown],
        "" if selection.chosen is None else selection.chosen.key,
        title="All pictures with the people found in each",
        on_pick=pick,
        key="contact_sheet",
        captions={one.source.key: f"{one.caption} · {one.source.label}" for one in shown},
    )
    people = sum(one.people or 0 for one in found)
    st.caption(
        f"{counted(people, 'person', 'people')} in {counted(len(found), 'picture')}. Below each: people, best score"
        f"{', how far the two models disagree' if second is not None else ''}. Click one to open it."
    )
    for one in found:
        if one.error:
            st.caption(f":material/error: {plain(one.source.label)}: {plain(one.error)}")
