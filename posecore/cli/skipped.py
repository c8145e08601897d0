"""What commands say about entries that were skipped, and about what was odd and read all the same."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from posecore.cli.console import errors
from posecore.data.annotations import Problem, Remark
from posecore.data.naming import ASK_FOR_SIDES
from posecore.skeleton import Skeleton
from posecore.words import counted

#: Problems that are listed one by one; the rest is counted.
LISTED = 20


def report_skipped(problems: Sequence[Problem], remarks: Sequence[Remark], most: int = LISTED) -> None:
    """Say what was skipped, how many people in it became ignore regions, and what was odd."""
    for problem in problems[:most]:
        say("skipped", str(problem))
    if len(problems) > most:
        say("skipped", f"{len(problems) - most} more; “posecore data inspect --problems {len(problems)}” lists them.")
    if ignored := sum(problem.ignored for problem in problems):
        who = counted(ignored, "person who is", "people who are")
        say("note", f"the places of {who} left out are ignore regions, not learnt as background.")
    for remark in remarks:
        say("note", str(remark))


def report_sides(skeleton: Skeleton) -> None:
    """Say so when nobody has told which keypoints are left and right."""
    if not skeleton.sides_known:
        say(
            "note", f"left and right of the keypoints are not known, so that training mirrors nothing; {ASK_FOR_SIDES}."
        )


def say(what: str, text: str) -> None:
    """One line about something that was skipped or odd."""
    errors.print(f"[yellow]{what}:[/yellow] {escape(text)}", soft_wrap=True, highlight=False)
