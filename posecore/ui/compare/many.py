"""All pictures, or all frames of a clip, under all columns: one piece of work in the background."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Hashable, Sequence

import streamlit as st

from posecore.drawing import DrawingOptions
from posecore.drawing.differences import draw_beside
from posecore.drawing.encoded import to_jpeg
from posecore.errors import PosecoreError
from posecore.evaluation.comparing import Compared, Look, disagreement, pair_table, picture_table
from posecore.evaluation.comparison_report import most_different, report_files
from posecore.ui.compare.columns import Chosen, titles
from posecore.ui.compare.what import What
from posecore.ui.shared.background import Tasks, tasks
from posecore.ui.shared.models.engine import analyse
from posecore.ui.shared.pictures.downloads import Download
from posecore.ui.shared.pictures.open_picture import OpenPicture, Source, open_picture
from posecore.ui.shared.pictures.posed_picture import download_buttons
from posecore.ui.shared.steps import Far, show_steps, start_button
from posecore.words import counted

#: Pixels of the longer side of each column in a report.
_REPORT_SIDE = 480
_ROWS = "compare_rows"


def comparisons() -> Tasks[list[Compared], Far]:
    """Comparisons over many pictures."""
    return tasks("compare")


def look_at(column: Chosen, opened: OpenPicture) -> Look:
    """What a column says of a picture; a failure becomes a sentence."""
    try:
        found = analyse(column.model, opened, None, column.network, column.decode)
    except PosecoreError as error:
        return Look(None, error=str(error))
    return Look(found.poses, sum(found.fields.timings.values()) + found.decode_ms)


def compare_one(source: Source, columns: Sequence[Chosen]) -> Compared:
    """One picture under all columns."""
    try:
        opened = open_picture(source)
    except (PosecoreError, OSError) as error:
        return Compared(source.name, tuple(Look(None, error=str(error)) for _ in columns))
    return Compared(source.name, tuple(look_at(column, opened) for column in columns))


def show_many(what: What, columns: list[Chosen], options: DrawingOptions) -> None:
    """The button, how far it is, or what came out."""
    key: Hashable = (tuple(one.key for one in columns), tuple(source.key for source in what.sources))
    task = comparisons().get(key)
    if task is None or task.stopping or task.error:
        if task is not None and task.error:
            st.error(task.error, icon=":material/error:")
        _start_button(what, columns, key)
    elif task.active:
        show_steps(comparisons(), task, "Comparing", f"{what.noun}s", "compare_cancel")
    elif task.result is not None:
        _results(task.result, what, columns, options)


def _start_button(what: What, columns: list[Chosen], key: Hashable) -> None:
    st.markdown(
        f"Looks at every {what.noun} with all columns, in the background, and puts those first on which columns differ."
    )
    label = f"Compare on all {counted(len(what.sources), what.noun)}"
    sources = list(what.sources)
    start_button(
        comparisons(), key, sources, lambda source: compare_one(source, columns), label=label, button_key="compare_all"
    )


def _results(compared: list[Compared], what: What, columns: list[Chosen], options: DrawingOptions) -> None:
    order = most_different(compared)
    kept = [one.column for one in columns]

    def pick() -> None:
        rows = st.session_state[_ROWS].selection.rows
        if rows:
            what.choose(what.sources[order[rows[0]]])

    st.dataframe(pair_table(compared, kept), hide_index=True, placeholder="–")
    table = picture_table([compared[place] for place in order], kept)
    table.insert(1, "differs", [disagreement(compared[place]) for place in order])
    st.dataframe(
        table,
        hide_index=True,
        height=min(36 * len(table) + 40, 420),
        selection_mode="single-row",
        on_select=pick,
        key=_ROWS,
        column_config={
            "differs": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.2f", width="small")
        },
        alt="All pictures, those first on which columns differ most",
    )
    st.caption(f"Choose a row to see that {what.noun} above.")
    sources = list(what.sources)
    with st.container(horizontal=True):
        download_buttons(
            (report_download(compared, columns, lambda place: sources[place], options, f"all {what.noun}s"),)
        )


def report_download(
    compared: list[Compared],
    columns: list[Chosen],
    source: Callable[[int], Source],
    options: DrawingOptions,
    what: str,
) -> Download:
    """The report with its tables as a ZIP."""

    def sheet(place: int) -> bytes:
        return sheet_of(source(place), compared[place], columns, options, _REPORT_SIDE)

    def make() -> bytes:
        memory = io.BytesIO()
        files = report_files([one.column for one in columns], titles(columns), compared, sheet)
        with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return memory.getvalue()

    return Download(
        f"Report on {what} (ZIP)",
        "comparison_report.zip",
        "application/zip",
        "folder_zip",
        "A page that needs nothing else, and tables: pictures, people, joints, keypoints.",
        make,
    )


def sheet_of(source: Source, one: Compared, columns: Sequence[Chosen], options: DrawingOptions, longest: int) -> bytes:
    """A picture as all columns see it, beside each other, as a JPEG; nothing where it cannot be read any more."""
    words = [f"{column.letter}  {column.column}" for column in columns]
    try:
        picture = open_picture(source).preview
    except (PosecoreError, OSError):
        return b""
    return to_jpeg(draw_beside(picture, list(zip(words, one.seen, strict=True)), longest, options))
