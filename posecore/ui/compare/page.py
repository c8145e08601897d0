"""Compare: two to four models or settings side by side, on a picture, many pictures or a clip."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pandas as pd
import streamlit as st

from posecore.drawing import DrawingOptions
from posecore.drawing.differences import draw_seen
from posecore.drawing.encoded import to_jpeg
from posecore.errors import ImageError
from posecore.evaluation.comparing import LETTERS, Compared, joint_table, person_table
from posecore.ui.compare.columns import Chosen, pick_columns, titles
from posecore.ui.compare.many import look_at, report_download, sheet_of, show_many
from posecore.ui.compare.what import What, pick_what
from posecore.ui.shared.address import Parameter, link_to_this
from posecore.ui.shared.models.downloads import fetch_panel
from posecore.ui.shared.models.engine import analyse
from posecore.ui.shared.models.model_picker import all_models, suggested
from posecore.ui.shared.pictures.downloads import Download
from posecore.ui.shared.pictures.open_picture import OpenPicture, open_picture
from posecore.ui.shared.pictures.posed_picture import download_buttons, people
from posecore.ui.shared.plain import plain
from posecore.ui.shared.sidebar import popover
from posecore.ui.shared.widgets.components import ComparedPicture, compare_view
from posecore.ui.shared.widgets.setting_controls import SettingControls

#: CSS pixels of the window's height that stand above and below the pictures.
_RESERVED = 300
_SHEET_SIDE = 1200
#: Agreement that is shown as much.
_MUCH = 0.75


def main() -> None:
    """The page."""
    with st.sidebar:
        what = pick_what()
        columns = pick_columns()
        with st.expander("Drawing", icon=":material/palette:"):
            controls = SettingControls(DrawingOptions, prefix="drawn_")
            controls.draw(controls.others)
        options = DrawingOptions(**controls.values)
    if not columns:
        fetch_panel(suggested(all_models()))
        return
    source = what.above()
    if source is None:
        return
    try:
        opened = open_picture(source)
    except (ImageError, OSError) as error:
        st.error(f"**{plain(source.label)}**: {plain(error)} Choose another one.", icon=":material/error:")
        what.below()
        return
    compared = Compared(source.name, tuple(look_at(column, opened) for column in columns))
    _above(compared, columns, opened, options, what)
    _view(compared, columns, opened, options)
    what.below()
    _below(compared, columns, opened, options, what)


def _above(compared: Compared, columns: list[Chosen], opened: OpenPicture, options: DrawingOptions, what: What) -> None:
    """How far columns agree, and menus to take things away."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(agreement_badges(compared), width="stretch")
        if (menu := popover("Save", "download", "Download pictures and tables")).open:
            with menu:
                download_buttons(_downloads(compared, columns, opened, options))
        if (menu := popover("Link", "link", "A link that shows the same")).open:
            with menu:
                st.markdown("Anyone opening this link sees the same columns:")
                said = {Parameter.SAMPLE: what.sample} if what.sample else {}
                gone = frozenset() if what.sample else frozenset({Parameter.SOURCE})
                st.code(link_to_this(said, left_out=gone), language=None, wrap_lines=True)


def agreement_badges(compared: Compared) -> str:
    """How far every two columns agree, and how many people not all have, as Markdown."""
    badges = [
        f":{'green' if one.score >= _MUCH else 'orange'}-badge[{LETTERS[first]}–{LETTERS[second]} **{one.score:.2f}**]"
        for (first, second), one in compared.agreements.items()
    ]
    everybody = {
        number for seen in compared.seen if not isinstance(seen, str) for number in seen.numbers[seen.alone].tolist()
    }
    if everybody:
        badges.append(f":orange-badge[{people(len(everybody))} not found by all]")
    return " ".join(["Agreement", *badges] if compared.agreements else badges) or ":gray-badge[nothing to compare]"


def _view(compared: Compared, columns: list[Chosen], opened: OpenPicture, options: DrawingOptions) -> None:
    shown = []
    for column, title, look, seen in zip(columns, titles(columns), compared.looks, compared.seen, strict=True):
        drawn = opened.preview if isinstance(seen, str) else draw_seen(opened.preview, seen, options)
        found = "failed" if look.poses is None else f"{people(len(look.poses))} · {look.milliseconds:.0f} ms"
        shown.append(
            ComparedPicture(
                column.letter,
                title,
                found,
                to_jpeg(drawn),
                f"{opened.source.label} as column {column.letter} sees it: {found}",
                look.poses,
                [] if isinstance(seen, str) else seen.numbers.tolist(),
                look.error,
            )
        )
    compare_view(shown, picture=opened.contents.identity, size=opened.size, reserved=_RESERVED, key="compare_view")


def _below(compared: Compared, columns: list[Chosen], opened: OpenPicture, options: DrawingOptions, what: What) -> None:
    several = len(what.sources) > 1
    names = ["People", "Joints", "Times", *([f"All {what.noun}s"] if several else [])]
    tabs = st.tabs(names, on_change="rerun", key="compare_tab")
    views: list[Callable[[], None]] = [
        lambda: _people(compared),
        lambda: _joints(compared),
        lambda: _times(compared, columns, opened),
        lambda: show_many(what, columns, options),
    ]
    for tab, view in zip(tabs, views, strict=False):
        if tab.open:
            with tab:
                view()


def _people(compared: Compared) -> None:
    table = person_table(compared)
    if table.empty:
        st.caption("No column finds anybody.")
        return
    st.dataframe(
        table, hide_index=True, placeholder="–", alt="People, with the score of each column and OKS between every two"
    )
    st.caption(
        "A person has the same number and colour in all columns; empty means not found. A full frame stands around "
        "people whom another column lacks, a dashed one where this column lacks somebody. Scores of different models "
        "mean different things; OKS is 1 for the same pose and 0 for nothing in common."
    )


def _joints(compared: Compared) -> None:
    pairs = {
        f"{LETTERS[first]}–{LETTERS[second]}": (first, second)
        for first, second in itertools.combinations(sorted(compared.results), 2)
    }
    if not pairs:
        st.caption("Fewer than two columns have a result.")
        return
    name = next(iter(pairs))
    if len(pairs) > 1:
        name = st.segmented_control("Columns to compare", list(pairs), default=name, required=True, key="compare_pair")
    table = joint_table([compared], *pairs[name])
    if table.empty or not table["both"].sum():
        st.caption("These two columns have nobody in common.")
        return
    st.dataframe(
        table, hide_index=True, height=300, placeholder="–", alt="Distance between two columns, joint by joint"
    )
    st.caption(f"Pixels of the picture between {name.replace('–', ' and ')}, over the people whom both have.")


def _times(compared: Compared, columns: list[Chosen], opened: OpenPicture) -> None:
    rows = []
    for column, look in zip(columns, compared.looks, strict=True):
        if look.poses is None:
            continue
        found = analyse(column.model, opened, None, column.network, column.decode)
        width, height = found.fields.transform.input_size
        rows.append(
            {
                "column": column.letter,
                "model": column.info.title,
                "input": f"{width} × {height}",
                "computed by": found.fields.provenance.computed,
                **{f"{stage} ms": round(spent, 1) for stage, spent in found.fields.timings.items()},
                "decode ms": round(found.decode_ms, 1),
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Milliseconds of each stage and column")
    st.caption(
        "One pass each, as it was computed for this picture; the first one at a new size takes longer. The Benchmark "
        "page measures many."
    )


def _downloads(
    compared: Compared, columns: list[Chosen], opened: OpenPicture, options: DrawingOptions
) -> tuple[Download, ...]:
    return (
        Download(
            "Side by side (JPEG)",
            f"{opened.source.stem}_compared.jpg",
            "image/jpeg",
            "image",
            "The picture as all columns see it, beside each other.",
            lambda: sheet_of(opened.source, compared, columns, options, _SHEET_SIDE),
        ),
        report_download([compared], columns, lambda place: opened.source, options, "this picture"),
    )
