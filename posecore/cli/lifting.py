"""People in the room: the part of the video command, and the command that lifts what was saved."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from posecore.cli.console import errors, output, tell_files
from posecore.cli.result_names import free_stem
from posecore.cli.settings import check_belongs, listed, options_of
from posecore.errors import DataError, PosecoreError, SettingsError
from posecore.lifting import lift
from posecore.lifting.files import FORMATS, room_endings, save_room
from posecore.lifting.measures import in_metres, walking
from posecore.lifting.room import room_of
from posecore.lifting.settings import LiftSettings
from posecore.settings import build_settings
from posecore.skeleton import COCO_17, Skeleton
from posecore.video import Measure, PoseSequence, TrackingSettings, parse_measure
from posecore.video.saved import read_saved_poses

USUAL_FORMATS = "csv,bvh"
#: What --lift of a command writes.
SaveRoom = Annotated[
    str | None,
    typer.Option(
        "--save-3d",
        help=f"What --lift writes, separated by commas: {', '.join(FORMATS)}. Default {USUAL_FORMATS}.",
    ),
]


@dataclass(frozen=True)
class Lifting:
    """What shall be done with the people of a clip.

    Attributes:
        settings: How they are lifted.
        formats: Files that are written.
        measures: What is measured in the room.
    """

    settings: LiftSettings
    formats: Sequence[str]
    measures: Sequence[Measure]

    @classmethod
    def asked(cls, settings: LiftSettings, formats: Sequence[str], measures: Sequence[str]) -> Lifting:
        """What was asked for, once it is sure that it can be done: before minutes of work, not after them.

        Raises:
            PosecoreError: When it cannot be done.
        """
        known: list[Measure] = []
        for text in measures:
            with suppress(SettingsError):  # A joint that only the picture has.
                known.append(in_metres(parse_measure(text, COCO_17)))
        room_endings(formats, bool(known))
        return cls(settings, formats, known)

    @property
    def endings(self) -> list[str]:
        """What comes after the stem of its files."""
        return room_endings(self.formats, bool(self.measures))

    def do(self, sequence: PoseSequence, stem: Path) -> list[Path]:
        """Lift people, write files and say what was found; returns the files."""
        room = room_of(sequence, self.settings)
        written, refused = save_room(room.people, stem, self.formats, self.measures)
        for sentence in refused:
            errors.print(f"[yellow]{escape(sentence)}[/yellow]", highlight=False, soft_wrap=True)
        output.print(f"In 3D: {escape(room.basis)}", highlight=False, soft_wrap=True)
        for person in room.people:
            found = walking(person)
            if not isinstance(found, str):
                output.print(f"Person {person.track_id} walks: {found}", highlight=False, soft_wrap=True)
        return written


def wanted_lifting(
    wanted: bool,
    settings: dict[str, Any],
    formats: str | None,
    measures: list[str],
    tracking: TrackingSettings,
    skeleton: Skeleton,
) -> Lifting | None:
    """What ``--lift`` and what belongs to it ask for; None without it.

    Raises:
        typer.BadParameter: When they do not go together.
        PosecoreError: When it cannot be done.
    """
    if not wanted:
        check_belongs([*settings, *(["save_3d"] if formats is not None else [])], "--lift")
        return None
    check_lifting(tracking, skeleton)
    return Lifting.asked(build_settings(LiftSettings, settings), room_formats(formats), measures)


def check_lifting(tracking: TrackingSettings, skeleton: Skeleton) -> None:
    """Be sure that people can be lifted, before minutes of work and not after them.

    Raises:
        typer.BadParameter: When they are not followed.
        PosecoreError: When they cannot be lifted.
    """
    if not tracking.track:
        raise typer.BadParameter("--lift follows people over the frames: switch track on.")
    lift(PoseSequence.collect([], skeleton, (1, 1)))


def room_formats(asked: str | None) -> list[str]:
    """The files that ``--save-3d`` names, or the usual ones."""
    return listed(USUAL_FORMATS if asked is None else asked)


@options_of("lifting", LiftSettings)
def lift_command(
    poses: Annotated[
        list[Path],
        typer.Argument(help="What posecore saved: the .json or .csv of clips, the .json of pictures."),
    ],
    destination: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="What names of files begin with, or a folder; by default the name of the poses, here, numbered when "
            "that is taken.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of these names.")] = False,
    formats: Annotated[
        str, typer.Option("--formats", "--save-3d", help=f"What to write, separated by commas: {', '.join(FORMATS)}.")
    ] = USUAL_FORMATS,
    measures: Annotated[
        str, typer.Option(help="What to measure, separated by commas, such as left_knee or speed:mid_hip.")
    ] = "",
    *,
    lifting: dict[str, Any],
) -> None:
    """Lift saved poses into three dimensions, without running a model again."""
    wanted, measured = listed(formats), [in_metres(parse_measure(text, COCO_17)) for text in listed(measures)]
    asked = Lifting(build_settings(LiftSettings, lifting), wanted, measured)
    endings, place = asked.endings, _without_ending(destination or Path())
    if len(poses) > 1 and not place.is_dir():
        raise typer.BadParameter(f"{place} must be a folder for the results of several files.")
    refused = 0
    for path in poses:
        try:
            sequence = _followed(path)
            tell_files(asked.do(sequence, free_stem(place, path.stem, endings, overwrite)))
        except PosecoreError as error:
            if len(poses) == 1:
                raise
            refused += 1
            errors.print(f"[red]{escape(str(error))}[/red]", highlight=False, soft_wrap=True)
    if refused:
        raise typer.Exit(1)


def _followed(path: Path) -> PoseSequence:
    sequence = read_saved_poses(path)
    if len(sequence.frames) and not sequence.tracks():
        raise DataError(f"{path}: nobody was followed over the frames; run posecore video again with track on.")
    return sequence


def _without_ending(place: Path) -> Path:
    return place.with_suffix("") if place.suffix[1:] in FORMATS and not place.is_dir() else place
