"""Evaluations that are kept under ``POSECORE_HOME/evaluations``: listed, read, renamed, removed.

Each is a folder: ``head.json`` is what lists show, ``summary.json`` all that is drawn, ``values.npz`` the arrays that
comparisons draw from. Those that nobody gave a name go when there are more than :data:`UNNAMED`, or when all together
take more than ``POSECORE_EVALUATIONS_GB`` (1 unless set), the oldest first. One that cannot be read here stays: it may
have a name, and a newer posecore may read it.
"""

from __future__ import annotations

import re
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from posecore.errors import DataError, StorageError
from posecore.evaluation.matching import OKS_THRESHOLDS
from posecore.evaluation.summary import SCHEMA, Figure, Measured, Provenance, Summary
from posecore.evaluation.values import Values
from posecore.home import home
from posecore.parsing import read_json
from posecore.storage import DraftFolder, gigabytes, last_use, make_room, sweep, write_json, writing
from posecore.words import meant, unused_name

_HEAD, _SUMMARY, _VALUES = "head.json", "summary.json", "values.npz"
_DRAFT, _GONE = ".saving-", ".removed-"
_LIMIT, _USUAL_LIMIT = "POSECORE_EVALUATIONS_GB", 1.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,95}")
#: Evaluations without a name of somebody's choice that are kept.
UNNAMED = 50


@dataclass(frozen=True)
class Head:
    """What a list shows.

    Attributes:
        schema: Layout of the files.
        named: Whether somebody chose the name.
        provenance: What was measured.
        pictures, people: How many.
        figures: The main figures.
    """

    schema: int
    named: bool
    provenance: Provenance
    pictures: int
    people: int
    figures: Mapping[str, Figure]


_ADAPTER = TypeAdapter(Head)


class SavedEvaluation:
    """One kept evaluation.

    Args:
        folder: Where it is; its name is the evaluation's.

    Attributes:
        name: Its name.
        folder: Its folder.
        head: What lists show; None when it cannot be read.
        broken: Why it cannot be read, as a sentence; empty when it can.
    """

    def __init__(self, folder: Path) -> None:
        self.name, self.folder = folder.name, folder
        self.head: Head | None = None
        self.broken = ""
        try:
            self.head = _ADAPTER.validate_python(_read(folder / _HEAD, self.name))
        except ValidationError as error:
            self.broken = _damaged(self.name, error.errors()[0]["msg"].lower())
        except DataError as error:
            self.broken = str(error)

    @property
    def created(self) -> float:
        """Seconds since 1970."""
        return last_use(self.folder) if self.head is None else self.head.provenance.created

    def summary(self) -> Summary:
        """All that is shown; raises ``DataError`` when it cannot be read."""
        if self.broken:
            raise DataError(self.broken)
        try:
            return Summary.from_dict(_read(self.folder / _SUMMARY, self.name))
        except DataError as error:
            raise error if str(error).startswith("The evaluation") else DataError(_damaged(self.name, error)) from None

    def measured(self) -> Measured:
        """Summary and arrays; raises ``DataError`` when they cannot be read."""
        return Measured(self.summary(), _read_values(self.folder / _VALUES, self.name))


class SavedEvaluations:
    """The evaluations in one folder.

    Args:
        folder: Where they are; ``POSECORE_HOME/evaluations`` unless given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or home() / "evaluations"

    def all(self) -> list[SavedEvaluation]:
        """All of them, newest first; those that cannot be read are among them and say so in ``broken``."""
        if not self.folder.is_dir():
            return []
        found = [SavedEvaluation(one) for one in self.folder.iterdir() if one.is_dir() and _NAME.fullmatch(one.name)]
        return sorted(found, key=lambda one: (-one.created, one.name))

    def get(self, name: str) -> SavedEvaluation:
        """The one of this name; raises ``DataError`` saying which there are."""
        if not _NAME.fullmatch(name) or not (self.folder / name).is_dir():
            known = [one.name for one in self.all()]
            raise DataError(
                f"There is no evaluation {name!r}; {meant(name, known)}" if known else "No evaluation is kept yet."
            )
        return SavedEvaluation(self.folder / name)

    def save(self, measured: Measured, name: str = "") -> SavedEvaluation:
        """Keep an evaluation.

        Args:
            measured: The evaluation.
            name: What to call it; without one, a name is made from model and set.

        Raises:
            DataError: When the name is taken or cannot be one.
            StorageError: When there is no room.
        """
        if name:
            self.check_name(name)
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep(self.folder, _DRAFT, _GONE)
            with DraftFolder(_DRAFT, self.folder) as draft:
                _write(draft, measured, bool(name))
                self._make_room(sum(file.stat().st_size for file in draft.iterdir()))
                chosen = name or self.unused_name(measured.summary.provenance)
                self.check_name(chosen)
                draft.rename(self.folder / chosen)
        return SavedEvaluation(self.folder / chosen)

    def rename(self, name: str, new: str) -> SavedEvaluation:
        """Give an evaluation another name, under which it stays until somebody removes it."""
        saved = self.get(name)
        if saved.head is None:
            raise DataError(saved.broken)
        if new != name:
            self.check_name(new)
        with writing(self.folder):
            write_json(saved.folder / _HEAD, {**asdict(saved.head), "named": True})
            if new != name:
                saved.folder.rename(self.folder / new)
        return SavedEvaluation(self.folder / new)

    def remove(self, name: str) -> None:
        """Delete an evaluation; raises ``DataError`` when there is none of this name."""
        folder = self.get(name).folder
        gone = self.folder / f"{_GONE}{name}"
        with writing(folder):
            shutil.rmtree(gone, ignore_errors=True)
            folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def unused_name(self, about: Provenance) -> str:
        """A name made from what was measured, no other one's."""
        words = re.sub(r"[^A-Za-z0-9._+-]+", "-", f"{about.model}-on-{about.set_title}").strip("-._+")
        return unused_name(words[:80] or "evaluation", {one.name for one in self.all()})

    def check_name(self, name: str) -> None:
        """Raise ``DataError`` for a name that is taken or cannot be one."""
        if not _NAME.fullmatch(name):
            raise DataError(
                f"An evaluation cannot be called {name!r:.80}; use letters, digits, dots, -, + and _, a letter or "
                "digit first, at most 96 in all."
            )
        if any(name.lower() == one.name.lower() for one in self.all()):
            raise DataError(f"There is an evaluation {name!r} already; choose another name, or remove it first.")

    def _make_room(self, needed: int) -> None:
        """Remove what nobody named until another one fits."""
        limit = gigabytes(_LIMIT, _USUAL_LIMIT) - needed
        everything = self.all()
        staying = [one for one in everything if one.head is None or one.head.named]
        held = sum(file.stat().st_size for one in staying for file in one.folder.iterdir())
        if held > limit:
            raise StorageError(
                f"The evaluations that were given names, or cannot be read, take {held / 1e6:.0f} MB, which leaves no "
                f"room for another; remove some, or set {_LIMIT} higher."
            )
        others = sorted((one.folder for one in everything if one not in staying), key=last_use, reverse=True)
        for folder in others[UNNAMED - 1 :]:
            shutil.rmtree(folder, ignore_errors=True)
        make_room(others[: UNNAMED - 1], limit - held, _removed)


def _removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _write(folder: Path, measured: Measured, named: bool) -> None:
    summary, values = measured.summary, measured.values
    head = Head(SCHEMA, named, summary.provenance, summary.pictures, summary.people, summary.figures)
    write_json(folder / _HEAD, asdict(head))
    write_json(folder / _SUMMARY, summary.to_dict())
    arrays = {one.name: np.asarray(getattr(values, one.name)) for one in fields(values)}
    for flags in ("right", "wrong"):
        arrays[flags] = np.packbits(arrays[flags], axis=-1)
    arrays["similarity"] = arrays["similarity"].astype(np.float32)
    np.savez_compressed(folder / _VALUES, allow_pickle=False, **arrays)


def _read_values(file: Path, name: str) -> Values:
    try:
        # Opened here: NumPy leaves files that it cannot read open.
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as kept:
            arrays: dict[str, Any] = {one.name: kept[one.name] for one in fields(Values)}
        poses = len(arrays["scores"])
        arrays["sizes"] = tuple(str(size) for size in arrays["sizes"])
        arrays["similarity"] = arrays["similarity"].astype(np.float64)
        for flags in ("right", "wrong"):
            arrays[flags] = np.unpackbits(arrays[flags], axis=-1, count=poses).astype(bool)
        values = Values(**arrays)
        _check(values)
    except (OSError, EOFError, KeyError, ValueError, IndexError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(_damaged(name, error)) from error
    return values


def _check(values: Values) -> None:
    """Raise ``ValueError`` when arrays do not fit together."""
    pictures, poses, people, sizes = (len(one) for one in (values.pictures, values.scores, values.oks, values.sizes))
    fit = (
        values.keys.shape == (pictures,)
        and values.wanted.shape == (sizes, pictures)
        and values.right.shape == values.wrong.shape == (sizes, len(OKS_THRESHOLDS), poses)
        and values.owners.shape == (people,)
        and values.pose_owners.shape == (poses,)
        and values.joints.shape == (people, 2)
        and len(values.similarity) == people
        and all(not len(one) or 0 <= one.min() <= one.max() < pictures for one in (values.owners, values.pose_owners))
    )
    if not fit:
        raise ValueError("its arrays do not fit together")


def _read(file: Path, name: str) -> Any:
    """A JSON file of an evaluation; one of a newer layout is refused in words of its own."""
    try:
        data = read_json(file, "evaluation", DataError)
    except DataError as error:
        raise DataError(_damaged(name, error)) from error
    schema = data.get("schema") if isinstance(data, Mapping) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise DataError(
            f"The evaluation {name!r} was saved by a newer posecore (layout {schema}; this one reads {SCHEMA}): update "
            "posecore to look at it."
        )
    if schema != SCHEMA:
        raise DataError(_damaged(name, "it is not an evaluation"))
    return data


def _damaged(name: str, reason: object) -> str:
    why = str(reason).rstrip(".")
    return f"The evaluation {name!r} is damaged and cannot be read: remove it and measure again ({why})."
