"""Before and after training, on pictures that were not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from posecore.drawing import DrawingOptions, draw_poses
from posecore.errors import ImageError
from posecore.imaging import Picture, read_image
from posecore.poses import Poses
from posecore.runs import Run
from posecore.training.comparison import NOTHING_LEARNT, Comparison, PictureChange, compare
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.pictures.open_picture import OpenPicture, Source, open_picture, shrink, to_jpeg
from posecore.ui.shared.plain import plain
from posecore.ui.shared.runs.run_curves import keypoint_bars
from posecore.ui.shared.runs.run_words import ACTIVE
from posecore.ui.shared.session import state_of
from posecore.ui.shared.visitors import require
from posecore.ui.shared.widgets.components import filmstrip
from posecore.ui.shared.widgets.watching import watch
from posecore.words import counted

#: Pictures that can be looked at, from either end of the order.
_SHOWN = 24
#: Longer side of a shown picture in pixels.
_SIDE = 640
_ORDERS = {"Most improved first": False, "Largest regressions first": True}


@dataclass
class _Looked:
    """The validation picture that is looked at, and the order in which it was chosen."""

    picture: str = ""
    order: str = ""


def comparisons() -> Tasks[Comparison, float]:
    """Those that were made since the server started."""
    return tasks("comparison")


def before_and_after(run: Run) -> None:
    """The comparison of a run with what it started from, made in the background when it is asked for first."""
    if run.weights is None:
        active = run.state in ACTIVE
        st.info(
            "There is nothing to compare yet: weights come with the first finished epoch."
            if active
            else "This run ended before its first epoch was done, so there is nothing to compare.",
            icon=":material/info:",
        )
        return
    task = comparisons().get(_key(run))
    if task is not None and task.state == "cancelled":
        task = None
    if task is None and run.state in ACTIVE:
        st.info("This run is still at work. Its best weights so far can be compared.", icon=":material/info:")
        if not st.button("Compare now", icon=":material/compare:", key="compare_now"):
            return
    if task is None:
        task = _start(run)
    if task.active:
        watch(task, lambda: _working(task))
    else:
        _ended(run, task)


def measured(run: Run) -> Comparison | None:
    """The comparison, when it has been made."""
    task = None if run.weights is None else comparisons().get(_key(run))
    return None if task is None else task.result


def _key(run: Run) -> tuple[str, int]:
    """New weights are another comparison."""
    assert run.weights is not None
    return run.name, run.weights.stat().st_mtime_ns


def _start(run: Run) -> Task[Comparison, float]:
    return comparisons().start(_key(run), lambda task: _compare(run, task), ends_with_session=True)


def _compare(run: Run, task: Task[Comparison, float]) -> Comparison:
    require("use", "Comparing models")
    return compare(run, lambda done, total: task.tell(done / total), task.stop)


def _working(task: Task[Comparison, float]) -> None:
    st.progress(task.report or 0.0, text="Measuring the model before and after on the validation pictures …")


@st.fragment
def _ended(run: Run, task: Task[Comparison, float]) -> None:
    if task.error:
        st.error(plain(task.error), icon=":material/error:")
        if st.button("Try again", icon=":material/refresh:", key="compare_again"):
            _start(run)
            st.rerun()
        return
    if task.result is not None:
        _comparison(task.result)


def _comparison(found: Comparison) -> None:
    """Figures, keypoints and pictures."""
    if not found.learnt:
        st.info(NOTHING_LEARNT, icon=":material/info:")
    with st.container(horizontal=True, gap="small"):
        for label, name, words in (
            ("Average precision (AP)", "ap", "By similarity (OKS) from 0.5 to 0.95, as COCO counts; 1 is best."),
            ("Average recall (AR)", "ar", "Part of the people that are found, averaged over the same similarities."),
            ("Correct joints (PCK@0.2)", "pck", "Limb joints closer to the label than 0.2 of the trunk's length."),
        ):
            _metric(label, found, name, words)
    side = f" at an input of {found.side} pixels" if found.side else ""
    st.caption(
        f"On {counted(len(found.pictures), 'validation picture')}{side}, {counted(len(found.keypoints), 'keypoint')}"
        + (f"; before: {plain(found.base)}. " if found.base else ". ")
        + " ".join(plain(sentence) for sentence in found.sentences if sentence != NOTHING_LEARNT)
    )
    left, right = st.columns([5, 6], gap="medium")
    with left:
        _keypoints(found)
    with right:
        _pictures(found.pictures)


def _metric(label: str, found: Comparison, name: str, help_text: str) -> None:
    """One figure and how it changed; grey where nothing changed or the change may be chance."""
    before = None if found.before is None else getattr(found.before, name)
    after = getattr(found.after, name)
    grey, delta = not found.learnt, None
    if found.learnt and before is not None and after is not None:
        same = abs(after - before) < 0.0005
        grey = same or found.may_be_chance(name)
        delta = f"as before ({before:.3f})" if same else f"{after - before:+.3f} from {before:.3f}"
        if grey and not same:
            delta += ", within chance"
    interval = found.intervals.get(name)
    st.metric(
        label,
        "–" if after is None else f"{after:.3f}",
        delta,
        help=help_text if interval is None else f"{help_text} Change with 95 % confidence: {interval}.",
        border=True,
        delta_color="off" if grey else "normal",
        delta_arrow="off" if grey else "auto",
    )


def _keypoints(found: Comparison) -> None:
    # Keypoints that nobody has labelled on these pictures have no figure.
    names = [name for name in found.keypoints if found.after.per_keypoint.get(name) is not None]
    before = None if found.before is None else [found.before.per_keypoint.get(name) for name in names]
    after = [found.after.per_keypoint.get(name) for name in names]
    st.plotly_chart(
        keypoint_bars(names, before, after),
        key="keypoint_bars",
        config={"displayModeBar": False},
        alt="Similarity of every keypoint before and after training",
    )


def _pictures(pictures: Sequence[PictureChange]) -> None:
    """Side by side what was found before and after, in the order of how much it changed."""
    if not pictures:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        order = st.segmented_control(
            "Order",
            list(_ORDERS),
            default=next(iter(_ORDERS)),
            required=True,
            key="change_order",
            label_visibility="collapsed",
        )
        labels = st.toggle("Labels", key="change_labels", help="Show what was labelled as well.")
    ordered = list(pictures)[::-1] if _ORDERS[order] else list(pictures)
    ordered = ordered[:_SHOWN]
    opened = {str(one.path): _opened(one.path) for one in ordered}
    keys = list(opened)
    looked = state_of(_Looked)
    if looked.picture not in opened or looked.order != order:
        looked.picture = keys[0]
    looked.order = order
    one = ordered[keys.index(looked.picture)]
    _pair(one, opened[str(one.path)], labels)
    filmstrip(
        [
            (str(other.path), f"{other.change:+.2f}", None if picture is None else picture.contents.thumbnail)
            for other, picture in ((other, opened[str(other.path)]) for other in ordered)
        ],
        str(one.path),
        title="Validation pictures",
        on_pick=lambda key: setattr(looked, "picture", key),
        key="changes",
    )


def _pair(one: PictureChange, opened: OpenPicture | None, labels: bool) -> None:
    if opened is None:
        st.warning(f"{plain(one.path)} cannot be read any more.", icon=":material/broken_image:")
        return
    views: list[tuple[str, Poses]] = []
    if one.poses_before is not None:
        views.append((f"before · {one.before:.2f}" if one.before is not None else "before", one.poses_before))
    views.append((f"after · {one.after:.2f}", one.poses_after))
    if labels:
        views.append(("labelled", one.labels))
    for (caption, poses), column in zip(views, st.columns(len(views), gap="small"), strict=True):
        with column:
            drawn = draw_poses(shrink(opened.preview, _SIDE), poses, DrawingOptions())
            st.image(to_jpeg(drawn), width="stretch", output_format="JPEG", alt=f"{one.path.name}, {caption}")
            st.caption(caption)


def _opened(path: Path) -> OpenPicture | None:
    try:
        stamp = path.stat().st_mtime_ns
        return open_picture(Source(f"{path}:{stamp}", path.name, path.name, partial(_read, path)))
    except (OSError, ImageError):
        return None


def _read(path: Path) -> Picture:
    return read_image(path)
