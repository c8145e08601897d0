"""The skeleton of a set as tables to edit, with a drawing of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from posecore.data.annotations import PoseDataset
from posecore.data.counts import label_counts
from posecore.data.library import StoredSet
from posecore.data.naming import suggested_names
from posecore.data.skeleton_draft import Rows, SkeletonDraft, edited_rows
from posecore.drawing.diagram import skeleton_layout, skeleton_svg
from posecore.errors import DataError, PosecoreError, SkeletonError
from posecore.labelling.skeletons import change_skeleton
from posecore.skeleton import COCO_17, Skeleton, SkeletonMapping
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import forget_state, state_of
from posecore.ui.shared.visitors import require

_HEIGHT = 426
#: Colour of text in the drawing; the browser chooses, so that it follows a theme that is switched.
_INK = "light-dark(#13212B, #E6EDF3)"


@dataclass
class _Editing:
    """One visitor's edits of one set.

    Attributes:
        name: The set.
        draft: As it is now.
        base: As it was when the tables were last made; their edits count from here.
        versions: Part of the tables' keys: a table is made anew when its number rises.
    """

    name: str
    draft: SkeletonDraft
    base: SkeletonDraft
    versions: dict[str, int] = field(default_factory=lambda: {"names": 0, "lines": 0, "pairs": 0})

    def key(self, table: str) -> str:
        return f"skeleton_{table}_{self.name}_{self.versions[table]}"

    def renew(self, *tables: str) -> None:
        """Make tables anew from the draft."""
        parts = {"names": ("names", "places"), "lines": ("lines",), "pairs": ("pairs",)}
        for table in tables:
            self.versions[table] += 1
            self.base = replace(self.base, **{part: getattr(self.draft, part) for part in parts[table]})


@st.fragment
def edit_skeleton(stored: StoredSet) -> None:
    """The tab."""
    dataset = stored.dataset()
    editing = _editing(stored)
    tables, drawing = st.columns([7, 5], gap="medium")
    with tables:
        left, right = st.columns([5, 6], gap="small")
        with left:
            _names(editing, dataset)
        with right:
            _pairs_of_names(editing, "lines", "Lines", ("From", "To"), 190)
            _pairs_of_names(editing, "pairs", "Left/right pairs", ("Left", "Right"), 190)
        _hints(editing)
        _save(stored, editing, dataset)
    with drawing:
        _drawing(editing.draft, dataset)


def _editing(stored: StoredSet) -> _Editing:
    """The visitor's edits, or none yet; begun anew when the set or its skeleton is another."""

    def begin() -> _Editing:
        draft = SkeletonDraft.of(stored.skeleton)
        return _Editing(stored.name, draft, draft)

    editing = state_of(_Editing, begin)
    if editing.name != stored.name or editing.draft.origin != stored.skeleton:
        forget_state(_Editing)
        editing = state_of(_Editing, begin)
    for table in editing.versions:
        # The page was left and its tables forgotten; the edits were not.
        if editing.key(table) not in st.session_state:
            editing.renew(table)
    return editing


def _names(editing: _Editing, dataset: PoseDataset) -> None:
    st.markdown("**Keypoints**")
    counts = label_counts(dataset)[:, 1:3].sum(1)
    base = editing.base
    labelled = [0 if place is None else int(counts[place]) for place in base.places]
    st.data_editor(
        pd.DataFrame({"Keypoint": list(base.names), "Labelled": labelled}),
        key=editing.key("names"),
        num_rows="dynamic",
        hide_index=True,
        height=_HEIGHT,
        disabled=("Labelled",),
        column_config={
            "Keypoint": st.column_config.TextColumn(required=True, max_chars=60),
            "Labelled": st.column_config.NumberColumn(width="small", default=0, help="People who have it labelled"),
        },
        on_change=_names_changed,
        args=(editing,),
    )


def _names_changed(editing: _Editing) -> None:
    """Take over what was typed; lines and pairs follow, so that their tables are made anew. A callback."""
    base = [{"Keypoint": name} for name in editing.base.names]
    rows = edited_rows(base, st.session_state[editing.key("names")])
    names = [str(row.get("Keypoint") or "").strip() for _, row in rows]
    places = [None if index is None else editing.base.places[index] for index, _ in rows]
    editing.draft = editing.draft.with_names(names, places)
    editing.renew("lines", "pairs")


def _pairs_of_names(editing: _Editing, table: str, title: str, columns: tuple[str, str], height: int) -> None:
    st.markdown(f"**{title}**")
    names = [name for name in editing.draft.names if name]
    rows: Rows = getattr(editing.base, table)
    st.data_editor(
        pd.DataFrame(list(rows), columns=list(columns), dtype=object),
        key=editing.key(table),
        num_rows="dynamic",
        hide_index=True,
        height=height,
        column_config={column: st.column_config.SelectboxColumn(options=names) for column in columns},
        on_change=_rows_changed,
        args=(editing, table, columns),
    )


def _rows_changed(editing: _Editing, table: str, columns: tuple[str, str]) -> None:
    base = [dict(zip(columns, row, strict=True)) for row in getattr(editing.base, table)]
    rows = edited_rows(base, st.session_state[editing.key(table)])
    pairs = tuple((row.get(columns[0]), row.get(columns[1])) for _, row in rows)
    changes: dict[str, Any] = {table: pairs}
    editing.draft = replace(editing.draft, **changes)


def _hints(editing: _Editing) -> None:
    """What names tell: pairs, and which keypoints models of COCO-17 know."""
    draft = editing.draft
    other = suggested_names(draft.names)
    common = len(set(draft.names) & set(COCO_17.keypoints))
    if set(draft.names) >= set(COCO_17.keypoints):
        words = "All 17 keypoints of COCO are here under their names: any model can start from published weights."
    elif not common:
        words = "No keypoint has a name that COCO uses, so models learn all of them anew."
    else:
        words = f"{common} of COCO's 17 keypoints are here under their names; models take those over when they start."
    st.caption(words)
    if not draft.tells_sides:
        st.warning(
            "Which keypoints are left and right is not known: names do not tell it, and nobody has said it. Until then "
            "training mirrors nothing. Fill in *Left/right pairs*, or say that they are right as they are.",
            icon=":material/swap_horiz:",
        )
    with st.container(horizontal=True, gap="small"):
        if not draft.sides_known:
            _action(
                editing,
                "Pairs are right" if draft.pairs else "Nothing is mirrored",
                "done",
                SkeletonDraft.with_sides_known,
                "These pairs are all the mirror images there are."
                if draft.pairs
                else "No keypoint is the mirror image of another, as on a tool or a court.",
            )
        _action(
            editing,
            "Pair by names",
            "swap_horiz",
            SkeletonDraft.paired_by_names,
            "Reads pairs off names such as left_hip and right_hip, LHip and RHip, hip_l and hip_r.",
        )
        if other:
            first = next(iter(other.items()))
            _action(
                editing,
                f"Use COCO's names for {len(other)}",
                "spellcheck",
                SkeletonDraft.with_known_names,
                f"For example {first[1]} instead of {first[0]}.",
            )
        _action(editing, "Undo all", "undo", lambda draft: SkeletonDraft.of(draft.origin), "Back to what is saved.")


def _action(
    editing: _Editing, label: str, icon: str, change: Callable[[SkeletonDraft], SkeletonDraft], help_text: str
) -> None:
    def act() -> None:
        editing.draft = change(editing.draft)
        editing.renew("names", "lines", "pairs")

    st.button(
        label, icon=f":material/{icon}:", on_click=act, help=help_text, disabled=change(editing.draft) == editing.draft
    )


def _save(stored: StoredSet, editing: _Editing, dataset: PoseDataset) -> None:
    """The button, and above it why it cannot be pressed or what it drops."""
    mapping: SkeletonMapping | None = None
    try:
        mapping = editing.draft.mapping()
    except (SkeletonError, DataError) as error:
        show_error(error)
    dropped = {} if mapping is None else _dropped(dataset, mapping)
    for name, count in dropped.items():
        st.warning(f"{count} labels of **{plain(name)}** will be deleted.", icon=":material/warning:")
    label = "Save the skeleton" if not dropped else f"Save and delete {sum(dropped.values())} labels"
    unchanged = mapping is not None and _is_as_saved(mapping)
    if st.button(
        label, type="primary", icon=":material/save:", disabled=mapping is None or unchanged, key="skeleton_save"
    ):
        assert mapping is not None
        try:
            require("all", "Changing sets")
            change_skeleton(stored, mapping)
        except PosecoreError as error:
            show_error(error)
            return
        forget_state(_Editing)
        st.toast("The skeleton is saved.", icon=":material/check:")
        st.rerun()


def _is_as_saved(mapping: SkeletonMapping) -> bool:
    """Whether a draft's skeleton is the one that it began with, and no labels change their place."""
    old, made = mapping.source, mapping.target
    stays = mapping.sources == tuple((place,) for place in range(len(old)))
    return stays and made == old and made.sides_known == old.sides_known


def _dropped(dataset: PoseDataset, mapping: SkeletonMapping) -> Mapping[str, int]:
    """Labels that saving would delete, by keypoint."""
    old = dataset.skeleton
    kept = {index for sources in mapping.sources for index in sources}
    counts: Any = label_counts(dataset)[:, 1:3].sum(1)
    gone = [index for index in range(len(old)) if index not in kept and counts[index]]
    return {old.keypoints[index]: int(counts[index]) for index in gone}


def _drawing(draft: SkeletonDraft, dataset: PoseDataset) -> None:
    """The draft as far as it makes sense already."""
    names = list(dict.fromkeys(name for name in draft.names if name))
    if not names:
        return

    def known(rows: Rows) -> tuple[tuple[int, int], ...]:
        return tuple((names.index(a), names.index(b)) for a, b in rows if a in names and b in names and a != b)

    pairs: list[tuple[int, int]] = []
    for pair in known(draft.pairs):
        if not {index for one in pairs for index in one} & set(pair):
            pairs.append(pair)
    shown = Skeleton(draft.origin.name, tuple(names), known(draft.lines), tuple(pairs))
    drawing = skeleton_svg(shown, skeleton_layout(shown, _moved(draft, names, dataset)), _INK)
    st.image(drawing, width="stretch", alt=f"Drawing of the skeleton: {len(names)} keypoints")
    st.caption(
        ":blue[●] left, :orange[●] right of the person, who faces you; dotted: mirror images, which swap when a "
        "picture is mirrored in training."
    )


def _moved(draft: SkeletonDraft, names: list[str], dataset: PoseDataset) -> list[np.ndarray]:
    """Labelled people with the draft's keypoints; new ones are NaN."""
    place_of = dict(zip(draft.names, draft.places, strict=True))
    places = [place_of[name] for name in names]
    people = (person for image in dataset.images[:200] for person in image.people if person.labelled.any())
    return [
        np.array([person.keypoints[place] if place is not None else (np.nan, np.nan) for place in places])
        for person in people
    ]
