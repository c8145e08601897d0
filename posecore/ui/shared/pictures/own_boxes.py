"""Boxes around people that a visitor gives: in a file, drawn on the picture, or typed. Each belongs to one picture."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePath

import pandas as pd
import streamlit as st

from posecore.boxes import full_region
from posecore.data.box_files import BOX_SUFFIXES, Box, GivenBoxes, PlacedBoxes, boxes_inside, read_boxes, region_of
from posecore.data.checks import EntryError, number_of
from posecore.errors import DataError, PosecoreError
from posecore.imaging import Region
from posecore.results import safe_table
from posecore.ui.shared.address import Parameter, asked, say
from posecore.ui.shared.pictures.open_picture import OpenPicture, Source
from posecore.ui.shared.pictures.uploads import take_over
from posecore.ui.shared.plain import plain
from posecore.ui.shared.session import session, state_of
from posecore.ui.shared.visitor_files import visitor_folders
from posecore.ui.shared.visitors import require
from posecore.words import counted

#: What the address says while a picture has no boxes but those of the file; none at all where they were removed.
OWN_BOXES = "own"
_NONE = "none"
#: Boxes of a picture that an address has room for.
_MOST_IN_ADDRESS = 30
#: Sentences about a file that are shown.
_LISTED = 3
#: Rows of the table that are shown in full, and pixels that more are shown in.
_ROWS, _TABLE_HEIGHT = 6, 250
_COLUMNS = ("Left", "Top", "Width", "Height", "Score")
#: What a table to take away calls them.
_HEAD = ("picture", "x", "y", "w", "h", "score")


@dataclass
class OwnBoxes:
    """The boxes of one visitor.

    Attributes:
        file: What their file says, under the name it had.
        drawn: Boxes that were drawn or typed, in place of the file's, by the pictures' keys.
        said: What the address was made to say of them last.
    """

    file: GivenBoxes | None = None
    drawn: dict[str, tuple[Box, ...]] = field(default_factory=dict)
    said: str | None = None

    def take(self, name: str, data: bytes, sources: Sequence[Source]) -> None:
        """Read a file; it counts for the pictures that it names, whatever was drawn on them.

        Raises:
            DataError: When it cannot be read or has no box that can be used; what there was stays.
            StorageError: When visitors' files leave no room.
            NotAllowedError: When visitors may not give files.
        """
        require("use", "Giving files")
        visitor_folders.check_room()
        name = PurePath(name.replace("\\", "/")).name
        with tempfile.TemporaryDirectory(dir=session().folder.path) as folder:
            path = Path(folder) / f"boxes{PurePath(name).suffix}"
            path.write_bytes(data)
            try:
                given = read_boxes(path)
            except DataError as error:
                raise DataError(str(error).replace(str(path), name)) from error
        self.file = replace(given, file=Path(name))
        for key, boxes in self._in_file(sources).items():
            if boxes:
                self.drawn.pop(key, None)

    def forget_file(self) -> None:
        """Only what was drawn or typed counts from now on; a callback."""
        self.file = None

    def placed(self, sources: Sequence[Source]) -> PlacedBoxes | None:
        """Which pictures the file's boxes are of; None without one. Raises ``DataError`` when they are of none."""
        return None if self.file is None else _placed(self.file, _paths(sources))

    def of(self, sources: Sequence[Source]) -> dict[str, tuple[Box, ...]]:
        """The boxes of pictures, by their keys."""
        return self._in_file(sources) | {one.key: self.drawn[one.key] for one in sources if one.key in self.drawn}

    def _in_file(self, sources: Sequence[Source]) -> dict[str, tuple[Box, ...]]:
        try:
            placed = self.placed(sources)
        except DataError:
            placed = None
        known: Mapping[Path, Sequence[Box]] = {} if placed is None else placed.boxes
        return {one.key: tuple(known.get(path, ())) for one, path in zip(sources, _paths(sources), strict=True)}


def _paths(sources: Sequence[Source]) -> tuple[Path, ...]:
    """The pictures' names as paths; those of equal names are in folders of their own, lest they share their boxes."""
    counts = Counter(source.name for source in sources)
    return tuple(
        Path(one.name if counts[one.name] == 1 else f"{number}/{one.name}") for number, one in enumerate(sources, 1)
    )


@lru_cache(maxsize=8)
def _placed(file: GivenBoxes, paths: tuple[Path, ...]) -> PlacedBoxes:
    return file.placed(paths)


def pick_boxes(sources: Sequence[Source]) -> None:
    """The widgets for the sidebar: a file of boxes, and what is to be said about it."""
    mine = state_of(OwnBoxes)
    key = f"boxes_file_{session().uploader}"
    st.file_uploader(
        "File of boxes",
        type=[suffix.lstrip(".") for suffix in BOX_SUFFIXES],
        max_upload_size=200,
        key=key,
        on_change=_take_file,
        args=(key, sources),
        help="COCO annotations or detection results, or rows of picture, x, y, w, h and perhaps score (CSV, Parquet, "
        "JSON): what “posecore image --person-boxes” reads. Boxes belong to the picture they name. Without a file, "
        "drag a box around each person in the picture.",
    )
    if mine.file is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        count = counted(len(mine.file), "box", "boxes")
        st.caption(f":material/description: {plain(mine.file.file)} · {count}", width="stretch")
        st.button("", on_click=mine.forget_file, icon=":material/delete:", help="Forget this file", key="boxes_forget")
    try:
        placed = mine.placed(sources) if sources else None
    except DataError as error:
        st.warning(plain(error), icon=":material/info:")
        return
    for sentence in () if placed is None else sentences_about(placed):
        st.caption(f":material/info: {plain(sentence)}")


def sentences_about(placed: PlacedBoxes) -> list[str]:
    """What was left out of a file, and what was odd in it."""
    left_out = [f"{problem.place}: {problem.reason}" for problem in placed.problems]
    more = [f"{len(left_out) - _LISTED} more boxes were left out."] if len(left_out) > _LISTED else []
    return [*left_out[:_LISTED], *more, *map(str, placed.odd)]


def _take_file(key: str, sources: Sequence[Source]) -> None:
    visitor = session()
    visitor.refused.clear()
    file = st.session_state[key]
    if file is None:
        return
    try:
        state_of(OwnBoxes).take(file.name, take_over(file), sources)
    except PosecoreError as error:
        visitor.refused.append(str(error))
    visitor.uploader += 1


def boxes_here(sources: Sequence[Source], opened: OpenPicture) -> dict[str, tuple[Box, ...]]:
    """The boxes of all pictures, by their keys; the address brings those of the open one and says them."""
    mine = state_of(OwnBoxes)
    key = opened.source.key
    said = asked(Parameter.BOXES)
    if said is not None and said != mine.said:
        linked = from_address(said)
        if linked is not None:
            mine.drawn[key] = linked
    mine.said = to_address(mine.drawn.get(key))
    say(Parameter.BOXES, mine.said)
    return mine.of(sources)


def to_address(boxes: Sequence[Box] | None) -> str:
    """Boxes of a picture as an address says them; None for those of the file."""
    if boxes is None or len(boxes) > _MOST_IN_ADDRESS:
        return OWN_BOXES
    rows = [_row(box)[: 4 if box.score == 1 else 5] for box in boxes]
    return ";".join(",".join(f"{number:.10g}" for number in row) for row in rows) or _NONE


def from_address(said: str) -> tuple[Box, ...] | None:
    """What :func:`to_address` wrote; None for what says no boxes of this picture."""
    if said == _NONE:
        return ()
    try:
        return tuple(_box(one.split(",")) for one in said.split(";"))
    except EntryError:
        return None


def _row(box: Box) -> tuple[float, ...]:
    """Left, top, width, height and score."""
    x0, y0, x1, y1 = box.region
    return x0, y0, x1 - x0, y1 - y0, box.score


def _box(row: Sequence[object]) -> Box:
    """What :func:`_row` said; a score that is not given counts as 1. Raises ``EntryError`` for what is none."""
    score = number_of(row[4]) if len(row) > 4 else None
    return Box(region_of(list(row[:4])), 1.0 if score is None else min(max(score, 0.0), 1.0))


def boxes_form(sources: Sequence[Source], opened: OpenPicture) -> None:
    """The boxes of the open picture as a table, for those who do not drag, and all boxes to take away."""
    mine = state_of(OwnBoxes)
    key = opened.source.key
    everywhere = mine.of(sources)
    boxes = everywhere[key]
    st.markdown("Drag a box around each person in the picture, or type boxes in its pixels.")
    # New names when boxes were changed elsewhere, so that the table shows them.
    stamp = f"{key}:{hash(boxes)}"
    with st.form("boxes", border=False):
        typed = st.data_editor(
            pd.DataFrame([_row(box) for box in boxes], columns=list(_COLUMNS), dtype=float),
            num_rows="dynamic",
            hide_index=True,
            height="content" if len(boxes) < _ROWS else _TABLE_HEIGHT,
            column_config={
                **{name: st.column_config.NumberColumn(name, format="%.0f") for name in _COLUMNS[:4]},
                "Score": st.column_config.NumberColumn("Score", min_value=0, max_value=1, default=1.0, format="%.2f"),
            },
            key=f"boxes_{stamp}",
        )
        if st.form_submit_button("Look at these boxes", type="primary", width="stretch"):
            _submit(key, typed)
    with st.container(horizontal=True, gap="small"):
        st.button("Remove the last", on_click=_draw, args=(key, boxes[:-1]), disabled=not boxes, key="boxes_undo")
        st.button("Remove all", on_click=_draw, args=(key, ()), disabled=not boxes, key="boxes_clear")
        if mine.file is not None and key in mine.drawn:
            st.button("As in the file", on_click=_as_in_file, args=(key,), key="boxes_as_in_file")
    count = sum(map(len, everywhere.values()))
    if count:
        st.download_button(
            f"Save {counted(count, 'box', 'boxes')} (CSV)",
            lambda: boxes_csv(sources, everywhere),
            "boxes.csv",
            "text/csv",
            icon=":material/table:",
            help="Boxes of all pictures, as “posecore image --person-boxes” reads them.",
            on_click="ignore",
            width="stretch",
            key="boxes_download",
        )


def _submit(key: str, typed: pd.DataFrame) -> None:
    try:
        boxes = typed_boxes(typed)
    except DataError as error:
        st.error(plain(error))
        return
    _draw(key, boxes)
    st.rerun()


def typed_boxes(table: pd.DataFrame) -> tuple[Box, ...]:
    """The boxes of a table of left, top, width, height and score; raises ``DataError`` naming a row that is none."""
    boxes = []
    for number, row in enumerate(table[list(_COLUMNS)].itertuples(index=False), 1):
        if all(pd.isna(side) for side in row[:4]):
            continue
        try:
            boxes.append(_box([None if pd.isna(side) else side for side in row[:4]] + [row[4]]))
        except EntryError as error:
            raise DataError(f"Row {number} is no box: {error}.") from error
    return tuple(boxes)


def boxes_csv(sources: Sequence[Source], boxes: Mapping[str, Sequence[Box]]) -> bytes:
    """Boxes of pictures as a table that :func:`read_boxes` reads."""
    rows = [(source.name, *_row(box)) for source in sources for box in boxes[source.key]]
    return safe_table(pd.DataFrame(rows, columns=list(_HEAD))).to_csv(index=False, float_format="%.10g").encode()


def add_box(sources: Sequence[Source], opened: OpenPicture, region: Region) -> None:
    """One box more in the open picture; a callback."""
    key = opened.source.key
    _draw(key, (*state_of(OwnBoxes).of(sources)[key], Box(region)))


def _draw(key: str, boxes: Sequence[Box]) -> None:
    state_of(OwnBoxes).drawn[key] = tuple(boxes)


def _as_in_file(key: str) -> None:
    state_of(OwnBoxes).drawn.pop(key, None)


def hint_about(boxes: Sequence[Box], opened: OpenPicture) -> str:
    """What to do while nobody is found in boxes."""
    seen, outside = boxes_inside(boxes, opened.size)
    if seen:
        return "Nobody was found in the boxes. Lower the pose threshold, or leave more room around a box."
    if outside:
        width, height = (f"{side:g}" for side in full_region(opened.size)[2:])
        return f"The boxes lie outside the picture, which is {width} × {height} pixels: draw or type others."
    return "No boxes on this picture yet. Drag one around each person in it, type some, or give a file."
