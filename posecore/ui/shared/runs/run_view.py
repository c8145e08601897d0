"""One training run as it goes: how far it is, its curves, what it finds in the same pictures, its log."""

from __future__ import annotations

import streamlit as st

from posecore.runs import best_epoch
from posecore.training.card import config_text
from posecore.training.config import AnyConfig, LifterConfig, any_config
from posecore.training.jobs import JobView
from posecore.ui.shared.plain import plain
from posecore.ui.shared.runs.run_curves import SECOND, TRAINING, VALIDATION, Line, curves, line_of, over_epochs
from posecore.ui.shared.runs.run_words import ACTIVE, duration, state_badge

#: Lines of the log that are shown.
LOG_LINES = 60
#: Figures that are shown as curves of their own: name → words, what they are.
_SCORES = {"validation/oks": "similarity (OKS)", "validation/pck": "correct joints (PCK)"}
_LIFTER_SCORES = {"validation/knee": "knees", "validation/elbow": "elbows"}


def headline(view: JobView) -> str:
    """State, epoch, time left and the best result so far, as Markdown."""
    planned = view.run.config.get("schedule", {}).get("epochs", 0)
    done = max((epoch for epoch, _ in view.epochs), default=0)
    parts = [state_badge(view.state)]
    if planned:
        parts.append(f":gray-badge[epoch {done} of {planned}]")
    if view.state == "running" and view.eta_seconds is not None:
        parts.append(f":gray-badge[{duration(view.eta_seconds)} left]")
    best = best_epoch(view.epochs)
    if best is not None and done:
        before = dict(view.epochs).get(0, {}).get("validation/oks")
        if best[0] == 0:
            parts.append(f":orange-badge[no epoch better than before: OKS {best[1]:.3f}]")
        else:
            parts.append(f":violet-badge[best OKS {best[1]:.3f}{'' if before is None else f', before {before:.3f}'}]")
    return " ".join(parts)


def show_run(view: JobView) -> None:
    """Everything about a run; called again and again while it is active."""
    if view.state in ("failed", "lost") and view.message:
        st.error(plain(view.message), icon=":material/error:")
    elif view.message:
        st.caption(plain(view.message))
    config = any_config(view.run.config)
    left, right = st.columns([6, 5], gap="medium")
    with left:
        _charts(view, config)
    with right:
        _details(view, config)


def _charts(view: JobView, config: AnyConfig) -> None:
    planned = config.schedule.epochs
    if not view.epochs and not view.steps:
        with st.container(border=True, height=240, vertical_alignment="center", horizontal_alignment="center"):
            waiting = view.state in ACTIVE
            st.caption("Curves appear with the first steps." if waiting else "This run ended before its first step.")
        return
    losses = [_training_loss(view, planned), line_of("validation", "validation/loss", VALIDATION, view.epochs)]
    st.plotly_chart(
        curves(losses, planned, title="Loss"),
        key="run_loss",
        config={"displayModeBar": False},
        alt="Loss on training and validation pictures over epochs",
    )
    lifts = isinstance(config, LifterConfig)
    wanted = _LIFTER_SCORES if lifts else _SCORES
    scores = [
        line_of(words, figure, color, view.epochs)
        for (figure, words), color in zip(wanted.items(), (VALIDATION, SECOND), strict=True)
    ]
    title, alt = "On validation pictures", "Similarity and share of correct joints on validation pictures over epochs"
    if lifts:
        title, alt = "Degrees off on motions held out", "Median errors of knees and elbows over epochs, in degrees"
    if any(line.points for line in scores):
        st.plotly_chart(
            curves(scores, planned, title=title),
            key="run_scores",
            config={"displayModeBar": False},
            alt=alt,
        )
    elif lifts:
        st.caption("No motions to measure on: data.held_out names none.")
    else:
        st.caption("No pictures to measure on: the set has no validation part and is too small to hold some back.")


def _training_loss(view: JobView, planned: int) -> Line:
    """Means of epochs, and of the present one so far: single steps jump too much to be read."""
    points = list(line_of("", "train/loss", "", view.epochs).points)
    fine = over_epochs(view.steps, view.epochs, view.progress, planned)
    points += [(x, loss) for x, loss, _ in fine[-1:] if x > max((epoch for epoch, _ in points), default=0)]
    return Line("training", points, TRAINING)


def _details(view: JobView, config: AnyConfig) -> None:
    looks = not isinstance(config, LifterConfig)
    names = (*(["Pictures"] if looks else []), "Log", "Learning rate", "Configuration")
    # What went wrong stands in the log.
    first = "Pictures" if looks and view.state not in ("failed", "lost") else "Log"
    tabs = st.tabs(names, default=first, on_change="rerun", key=f"run_tab_{view.run.name}")
    for name, tab in zip(names, tabs, strict=True):
        if not tab.open:
            continue
        with tab:
            if name == "Pictures":
                _pictures(view)
            elif name == "Log":
                _log(view)
            elif name == "Learning rate":
                _rate(view, config)
            else:
                st.code(config_text(view.run.config), language="yaml", height=380)


def _pictures(view: JobView) -> None:
    """The same validation pictures after every epoch."""
    sheets = {int(path.stem.rpartition("-")[2]): path for path in view.overlays}
    if not sheets:
        st.caption("The same validation pictures appear here after every epoch, with what is found in them.")
        return
    epochs = sorted(sheets)
    chosen = epochs[-1]
    if len(epochs) > 1:
        chosen = _chosen_epoch(f"run_epoch_{view.run.name}", epochs)
    st.image(
        str(sheets[chosen]),
        width="stretch",
        alt="Validation pictures with the poses found " + (f"after epoch {chosen}" if chosen else "before training"),
    )
    st.caption("Cut-outs of validation pictures, always the same ones, with the best pose found in each.")


def _chosen_epoch(key: str, epochs: list[int]) -> int:
    """A slider that follows the newest epoch until somebody moves it back."""
    newest = f"{key}_newest"
    if st.session_state.get(key) not in epochs or st.session_state.get(key) == st.session_state.get(newest):
        st.session_state[key] = epochs[-1]
    st.session_state[newest] = epochs[-1]
    return st.select_slider(
        "After epoch", epochs, key=key, format_func=lambda epoch: str(epoch) if epoch else "before training"
    )


def _log(view: JobView) -> None:
    if view.log_tail:
        st.code("\n".join(view.log_tail), language=None, height=380)
    else:
        st.caption("Nothing has been written yet.")


def _rate(view: JobView, config: AnyConfig) -> None:
    """What was used so far."""
    fine = over_epochs(view.steps, view.epochs, view.progress, config.schedule.epochs)
    if not fine:
        st.caption("The learning rate appears with the first steps.")
        return
    st.plotly_chart(
        curves(
            [Line("learning rate", [(x, rate) for x, _, rate in fine], VALIDATION)],
            config.schedule.epochs,
            title="Learning rate",
            height=260,
        ),
        key="run_rate",
        config={"displayModeBar": False},
        alt="Learning rate over epochs",
    )
    st.caption(f"Highest {config.optimizer.learning_rate:g}, {config.schedule.kind} schedule.")
