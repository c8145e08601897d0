"""The command that holds one movement against another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from posecore.cli.console import output, tell_files
from posecore.cli.settings import listed
from posecore.errors import DataError, SettingsError
from posecore.results import safe_table
from posecore.skeleton import Skeleton
from posecore.storage import replacing, writing
from posecore.video.motion import compare_motion
from posecore.video.saved import read_saved_poses
from posecore.video.sequence import Track

Saved = Annotated[Path, typer.Argument(help="What “posecore video” saved of a clip: its .json or .csv.")]


def motion(
    reference: Saved,
    other: Saved,
    measures: Annotated[
        str,
        typer.Option(help="Angles to compare, separated by commas, such as left_knee or tilt:mid_hip-neck; else all."),
    ] = "",
    person: Annotated[int | None, typer.Option(help="Who of the reference; the one seen longest unless said.")] = None,
    other_person: Annotated[int | None, typer.Option(help="Who of the other clip, likewise.")] = None,
    mirrored: Annotated[bool, typer.Option("--mirrored", help="Left in the one is right in the other.")] = False,
    table: Annotated[Path | None, typer.Option("--table", help="Write all angles at common times here (CSV).")] = None,
) -> None:
    """Hold a movement against a reference: which joint angles differ, by how much, and when.

    Whoever is faster or slower is brought along. Film both from the same side.
    """
    one, skeleton = _whose(reference, person)
    two, other_skeleton = _whose(other, other_person)
    found = compare_motion(one, skeleton, two, other_skeleton, listed(measures), mirrored=mirrored)
    shown = Table("Angle", "Mean", "9 of 10 below", "Farthest at", "there at", box=None, pad_edge=False)
    for joint in found.joints():
        degrees = (f"{joint.mean:.0f}°", f"{joint.most:.0f}°")
        shown.add_row(escape(joint.measure.text), *degrees, f"{joint.time:.1f} s", f"{joint.other_time:.1f} s")
    output.print(shown)
    output.print(f"Angles differ by {found.mean:.0f}° in the mean.", highlight=False)
    if table is not None:
        with writing(table), replacing(table) as part:
            safe_table(found.table()).to_csv(part, index=False)
        tell_files([table])


def _whose(path: Path, person: int | None) -> tuple[Track, Skeleton]:
    """One person of a clip."""
    sequence = read_saved_poses(path)
    tracks = {number: track for number, track in sequence.tracks().items() if len(track) > 1}
    if not tracks:
        raise DataError(f"{path}: nobody was followed over the frames; run posecore video again with track on.")
    if person is None:
        return max(tracks.values(), key=lambda track: int(track.present.any(1).sum())), sequence.skeleton
    if person not in tracks:
        raise SettingsError(f"{path} has no person {person}; there are {', '.join(map(str, tracks))}.")
    return tracks[person], sequence.skeleton
