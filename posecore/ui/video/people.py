"""The people of a finished run: who they are, how long each was seen, and which of them are shown."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from posecore.drawing.overlay import color_of
from posecore.video import PoseSequence, Track

#: People whose lines are shown at once, unless a visitor chooses more.
_SHOWN_FIRST = 3
#: People offered to choose from; a crowd has many who are seen for a moment only.
_OFFERED = 30


@dataclass(frozen=True, eq=False)
class Followed:
    """Somebody who was followed.

    Attributes:
        track: Where they were.
        seen: Frames in which they were seen.
        seconds: How long that is.
        score: Mean score of their keypoints.
    """

    track: Track
    seen: int
    seconds: float
    score: float

    @property
    def number(self) -> int:
        """Their identity."""
        return self.track.track_id


def followed(sequence: PoseSequence) -> list[Followed]:
    """Everybody who was followed, those seen longest first."""
    times = sequence.times
    frame = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0
    people = []
    for track in sequence.tracks().values():
        there = track.present
        seen = int(there.any(1).sum())
        score = float(track.scores[there].mean()) if there.any() else 0.0
        people.append(Followed(track, seen, seen * frame, score))
    return sorted(people, key=lambda one: (-one.seen, one.number))


def choose_people(people: list[Followed], key: str) -> list[Followed]:
    """Buttons for those seen longest; returns the chosen ones."""
    offered = {one.number: one for one in people[:_OFFERED]}
    if len(offered) == 1:
        return list(offered.values())
    chosen = st.pills(
        "People",
        list(offered),
        selection_mode="multi",
        default=list(offered)[:_SHOWN_FIRST],
        format_func=lambda number: f"{number} · {offered[number].seconds:.1f} s" if number in offered else str(number),
        key=key,
        help="Each person's number, and how long they were seen.",
        persist_state="session",
    )
    return [offered[number] for number in chosen if number in offered]


def choose_person(people: list[Followed], label: str, key: str) -> Followed:
    """A list to choose one person from, the one seen longest first; ``people`` must not be empty."""
    numbers = {one.number: one for one in people}
    number = st.selectbox(
        label,
        list(numbers),
        format_func=lambda number: f"Person {number} · {numbers[number].seconds:.1f} s" if number in numbers else "",
        key=key,
        persist_state="session",
    )
    return numbers[number]


def people_table(people: list[Followed]) -> None:
    """Everybody, with when and how well they were seen."""
    table = pd.DataFrame(
        {
            "Person": [one.number for one in people],
            "Seen": [one.seconds for one in people],
            "From": [one.track.times[0] for one in people],
            "To": [one.track.times[-1] for one in people],
            "Score": [one.score for one in people],
        }
    )
    seconds = {name: st.column_config.NumberColumn(name, format="%.1f s", width="small") for name in ("From", "To")}
    st.dataframe(
        table.style.map(lambda number: f"color: {color_of(int(number))}; font-weight: 700", subset=["Person"]),
        hide_index=True,
        height=min(38 * (len(people) + 1), 430),
        column_config={
            "Person": st.column_config.NumberColumn("Person", width="small", help="The number in the clip"),
            "Seen": st.column_config.ProgressColumn(
                "Seen",
                format="%.1f s",
                min_value=0,
                max_value=max(one.seconds for one in people) or 1.0,
                width="small",
            ),
            **seconds,
            "Score": st.column_config.NumberColumn("Score", format="%.2f", width="small", help="Mean over all joints"),
        },
        alt="People who were followed",
    )
