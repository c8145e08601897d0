"""Models and settings side by side on the same pictures, without labels: what each finds, where they differ, how long.

A column is a model with its settings, written ``MODEL`` or ``MODEL@setting=value,setting=value``.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from posecore.drawing.differences import Seen, seen_by_each
from posecore.errors import PosecoreError, SettingsError
from posecore.evaluation.agreement import Agreement, agreement, joint_differences, same_people
from posecore.imaging import Picture
from posecore.model import PoseModel
from posecore.poses import Poses
from posecore.results import safe_table

#: Columns that can be compared at once.
FEWEST, MOST = 2, 4
#: Names of columns.
LETTERS = "ABCD"
_AT = "@"


@dataclass(frozen=True)
class Column:
    """What one column shows.

    Attributes:
        model: Name of the model, of a run (``run:NAME``), or of two joined models.
        settings: Network and decode settings that differ from the model's own.
    """

    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """Its settings as text; empty when they are the model's own."""
        return ",".join(f"{name}={value}" for name, value in self.settings.items())

    def __str__(self) -> str:
        return f"{self.model}{_AT}{self.said}" if self.settings else self.model


def parse_column(text: str) -> tuple[str, dict[str, str]]:
    """Model and settings, as texts, of ``MODEL@setting=value,setting=value``; raises ``SettingsError``."""
    model, at, listed = text.partition(_AT)
    settings: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in listed.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise SettingsError(f"{text!r}: {part!r} is no setting; write it as {model}{_AT}pose_threshold=0.3.")
        settings[name.strip().replace("-", "_")] = value.strip()
    if not model.strip() or (at and not settings):
        raise SettingsError(f"{text!r} names no model with settings; write it as MODEL{_AT}pose_threshold=0.3.")
    return model.strip(), settings


@dataclass(frozen=True, eq=False)
class Look:
    """What a column says of a picture.

    Attributes:
        poses: The people; None when it failed.
        milliseconds: Preprocessing, network and decoding together.
        error: Why it failed, as a sentence.
    """

    poses: Poses | None
    milliseconds: float = 0.0
    error: str = ""


@dataclass(frozen=True, eq=False)
class Compared:
    """One picture as all columns see it.

    Attributes:
        name: Of the picture.
        looks: One per column.
    """

    name: str
    looks: tuple[Look, ...]

    @property
    def results(self) -> dict[int, Poses]:
        """The people by column, of the columns that did not fail."""
        return {place: look.poses for place, look in enumerate(self.looks) if look.poses is not None}

    @cached_property
    def agreements(self) -> dict[tuple[int, int], Agreement]:
        """Of every two columns that did not fail."""
        return {
            (one, other): agreement(first, second)
            for (one, first), (other, second) in itertools.combinations(self.results.items(), 2)
        }

    @cached_property
    def seen(self) -> list[Seen | str]:
        """What is drawn of each column: its people, or why it has none."""
        results = self.results
        seen = dict(
            zip(results, seen_by_each(list(results.values()), same_people(list(results.values()))), strict=True)
        )
        return [seen.get(place, look.error) for place, look in enumerate(self.looks)]


def look(model: PoseModel, picture: Picture, network: Mapping[str, Any], decode: Mapping[str, Any]) -> Look:
    """What a model with settings says of a picture; a failure becomes a sentence."""
    try:
        fields = model.fields(picture, **network)
        start = time.perf_counter()
        poses = model.decode(fields, **decode)
    except PosecoreError as error:
        return Look(None, error=str(error))
    return Look(poses, sum(fields.timings.values()) + 1000 * (time.perf_counter() - start))


def disagreement(compared: Compared) -> float | None:
    """1 less the lowest agreement of two columns, 0 … 1; None when fewer than two have a result."""
    scores = [one.score for one in compared.agreements.values()]
    return 1 - min(scores) if scores else None


def picture_table(compared: Iterable[Compared], columns: Sequence[Column]) -> pd.DataFrame:
    """A row per picture: people and milliseconds of each column, people not all have, agreement of every two."""
    return safe_table(pd.DataFrame([_picture_row(one, len(columns)) for one in compared]))


def _picture_row(one: Compared, columns: int) -> dict[str, Any]:
    row: dict[str, Any] = {"picture": one.name}
    for letter, look in zip(LETTERS, one.looks, strict=False):
        row[f"people {letter}"] = None if look.poses is None else len(look.poses)
    seen = [each for each in one.seen if not isinstance(each, str)]
    lonely = {number for each in seen for number in each.numbers[each.alone].tolist()}
    row["not found by all"] = len(lonely)
    known = one.agreements
    for pair in itertools.combinations(range(columns), 2):
        row[f"agreement {_pair(pair)}"] = round(known[pair].score, 4) if pair in known else None
    for letter, look in zip(LETTERS, one.looks, strict=False):
        row[f"ms {letter}"] = None if look.poses is None else round(look.milliseconds, 1)
    row["problem"] = " ".join(
        f"{letter}: {look.error}" for letter, look in zip(LETTERS, one.looks, strict=False) if look.error
    )
    return row


def person_table(one: Compared) -> pd.DataFrame:
    """A row per person of one picture: the score each column gives, and OKS between every two that have the person."""
    numbers = dict(zip(one.results, same_people(list(one.results.values())), strict=True))
    rows = []
    for number in range(1 + max((int(own.max(initial=-1)) for own in numbers.values()), default=-1)):
        row: dict[str, Any] = {"person": number + 1}
        for place, own in numbers.items():
            found = np.flatnonzero(own == number)
            scores = one.results[place].scores
            row[f"score {LETTERS[place]}"] = round(float(scores[found[0]]), 3) if len(found) else None
        for pair, each in one.agreements.items():
            same = [numbers[pair[side]][each.pairs[:, side]] == number for side in (0, 1)]
            both = np.flatnonzero(same[0] & same[1])
            row[f"OKS {_pair(pair)}"] = round(float(each.similarity[both[0]]), 3) if len(both) else None
        rows.append(row)
    return pd.DataFrame(rows)


def joint_table(compared: Iterable[Compared], first: int, second: int) -> pd.DataFrame:
    """A row per joint: how far apart two columns are, in pixels, over the people whom both have."""
    every = [known[first, second] for one in compared if (first, second) in (known := one.agreements)]
    one, other = LETTERS[first], LETTERS[second]
    rows = [
        {
            "joint": each.joint.replace("_", " "),
            "both": each.both,
            "median px": None if each.median is None else round(each.median, 1),
            "90 % px": None if each.p90 is None else round(each.p90, 1),
            f"only {one}": each.only_first,
            f"only {other}": each.only_second,
        }
        for each in joint_differences(every)
    ]
    return pd.DataFrame(rows)


def pair_table(compared: Iterable[Compared], columns: Sequence[Column]) -> pd.DataFrame:
    """A row per two columns: pictures, people of both or of one alone, OKS of pairs and agreement on average."""
    rows = []
    for pair in itertools.combinations(range(len(columns)), 2):
        every = [known[pair] for one in compared if pair in (known := one.agreements)]
        similarity = np.concatenate([each.similarity for each in every]) if every else np.zeros(0)
        rows.append(
            {
                "columns": _pair(pair),
                "pictures": len(every),
                "people of both": len(similarity),
                "only the first": sum(len(each.only_first) for each in every),
                "only the second": sum(len(each.only_second) for each in every),
                "OKS of pairs": round(float(similarity.mean()), 4) if len(similarity) else None,
                "agreement": round(float(np.mean([each.score for each in every])), 4) if every else None,
            }
        )
    return pd.DataFrame(rows)


def _pair(pair: tuple[int, int]) -> str:
    return f"{LETTERS[pair[0]]}–{LETTERS[pair[1]]}"


def column_table(compared: Sequence[Compared], columns: Sequence[Column], titles: Sequence[str]) -> pd.DataFrame:
    """A row per column: model, settings, pictures, people, and the median of its time."""
    rows = []
    for place, (column, title) in enumerate(zip(columns, titles, strict=True)):
        done = [one.looks[place] for one in compared if one.looks[place].poses is not None]
        rows.append(
            {
                "column": LETTERS[place],
                "model": title,
                "settings": column.said or "the model's own",
                "pictures": len(done),
                "people": sum(len(look.poses) for look in done if look.poses is not None),
                "median ms": round(float(np.median([look.milliseconds for look in done])), 1) if done else None,
            }
        )
    return safe_table(pd.DataFrame(rows))
