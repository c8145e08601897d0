"""The part of the video command that is about people in the room."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape

from posecore.cli.console import errors, output
from posecore.errors import SettingsError
from posecore.lifting import lift
from posecore.lifting.files import room_endings, save_room
from posecore.lifting.measures import in_metres, walking
from posecore.lifting.room import room_of
from posecore.lifting.settings import LiftSettings
from posecore.skeleton import COCO_17, Skeleton
from posecore.video import Measure, PoseSequence, parse_measure


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
    def asked(
        cls, settings: LiftSettings, formats: Sequence[str], measures: Sequence[str], skeleton: Skeleton
    ) -> Lifting:
        """What was asked for, once it is sure that it can be done: before minutes of work, not after them.

        Raises:
            PosecoreError: When it cannot be done.
        """
        known: list[Measure] = []
        for text in measures:
            with suppress(SettingsError):  # A joint that only the picture has.
                known.append(in_metres(parse_measure(text, COCO_17)))
        room_endings(formats, bool(known))
        lift(PoseSequence.collect([], skeleton, (1, 1)))
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
