"""The command that puts models and settings side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.markup import escape
from rich.table import Table

from posecore.cli.console import counting_progress, errors, output
from posecore.cli.images import find_pictures
from posecore.cli.loading import Device, open_model
from posecore.cli.settings import model_controls, parsed
from posecore.drawing.differences import draw_beside
from posecore.drawing.encoded import to_jpeg
from posecore.errors import PosecoreError, SettingsError, UnknownModelError
from posecore.evaluation.comparing import (
    FEWEST,
    LETTERS,
    MOST,
    Column,
    Compared,
    column_table,
    look,
    pair_table,
    parse_column,
)
from posecore.evaluation.comparison_report import report_files
from posecore.imaging import Picture, read_image
from posecore.model import PoseModel
from posecore.storage import replacing, writing
from posecore.video import VIDEO_SUFFIXES, ClipSettings, VideoReader
from posecore.words import unused_name
from posecore.zoo import resolve_name

_CLIP_STRIDE = 10


@dataclass(frozen=True, eq=False)
class _Opened:
    """A column, ready to look at pictures."""

    column: Column
    title: str
    model: PoseModel
    network: dict[str, Any]
    decode: dict[str, Any]


def compare(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL... PICTURES...",
            help="Two to four models, each with settings of its own as in movenet-thunder@keypoint_threshold=0.2, then "
            "pictures, folders, patterns or one clip.",
            show_default=False,
        ),
    ],
    destination: Annotated[Path, typer.Option("--to", help="Folder for report, tables and pictures.")],
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Look into folders inside folders.")] = False,
    every: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Of a clip, use every n-th frame.", show_default=str(_CLIP_STRIDE)),
    ] = None,
    device: Device = "auto",
) -> None:
    """Put two to four models or settings side by side: who is found by which, how far joints are apart.

    Writes report.html, tables, times among them, and each picture as all columns see it. A picture that cannot be used
    is reported and left out; the exit code is then 1.
    """
    models, paths = _sorted(words)
    if every is not None and not any(map(_is_clip, paths)):
        raise SettingsError("--every is about clips, and there is none among the pictures: leave it out.")
    columns = [_open(text, device) for text in models]
    kept, titles = [one.column for one in columns], [one.title for one in columns]
    words_of_each = [f"{letter}  {column}" for letter, column in zip(LETTERS, kept, strict=False)]
    names: set[str] = set()
    sheets: list[Path] = []
    compared: list[Compared] = []
    failures: list[str] = []
    with counting_progress() as progress:
        pictures = _pictures(paths, recursive, every or _CLIP_STRIDE, failures)
        for name, picture in progress.track(pictures, description="Pictures"):
            one = Compared(name, tuple(look(each.model, picture, each.network, each.decode) for each in columns))
            failures += _failed(one)
            stem = unused_name(Path(name).stem, names)
            names.add(stem)
            sheets.append(destination / "pictures" / f"{stem}.jpg")
            _write(sheets[-1], _sheet(picture, one, words_of_each))
            compared.append(one)
    if not compared:
        raise PosecoreError("None of these pictures can be used.")
    for file, data in report_files(kept, titles, compared, lambda place: sheets[place].read_bytes()).items():
        _write(destination / file, data)
    _print(column_table(compared, kept, titles))
    _print(pair_table(compared, kept))
    output.print(f"Report and tables in {escape(str(destination))}/", soft_wrap=True)
    if failures:
        raise typer.Exit(1)


def _sorted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The models, which come first, and the pictures."""
    models: list[str] = []
    for word in words:
        if Path(word).exists() or not _names_model(word):
            break
        models.append(word)
    paths = list(words[len(models) :])
    if not FEWEST <= len(models) <= MOST:
        if paths and len(models) < FEWEST and not Path(paths[0]).exists():
            # Says which names are near.
            resolve_name(parse_column(paths[0])[0])
        raise PosecoreError(
            f"Give {FEWEST} to {MOST} models, then pictures; here the first {len(models)} words are models. “posecore "
            "models” lists all."
        )
    if not paths:
        raise PosecoreError("Give pictures, folders or a clip after the models.")
    return models, paths


def _names_model(word: str) -> bool:
    try:
        resolve_name(parse_column(word)[0])
    except UnknownModelError:
        return False
    return True


def _open(text: str, device: str) -> _Opened:
    name, said = parse_column(text)
    known = model_controls()
    settings = {key: parsed(known[key], value) if key in known else value for key, value in said.items()}
    model = open_model(name, device)
    network, decode = model.split_settings(settings)
    # A wrong value is said once, and not of every picture.
    model.network_settings(**network)
    model.decode_settings(**decode)
    return _Opened(Column(model.name, settings), resolve_name(name).title, model, network, decode)


def _pictures(paths: Sequence[str], recursive: bool, every: int, failures: list[str]) -> Iterator[tuple[str, Picture]]:
    """Names and pictures; what cannot be read is reported and remembered."""
    clips = [path for path in paths if _is_clip(path)]
    for path in clips:
        try:
            with VideoReader(path, ClipSettings(stride=every)) as reader:
                for frame in reader.frames():
                    yield f"{Path(path).stem} {frame.time:.2f} s.png", frame.picture
                for warning in reader.warnings:
                    _say(path, warning)
        except (PosecoreError, OSError) as error:
            failures.append(path)
            _say(path, str(error))
    others = [path for path in paths if path not in clips]
    for file in find_pictures(others, recursive) if others else ():
        try:
            picture = read_image(file)
        except (PosecoreError, OSError) as error:
            failures.append(str(file))
            _say(str(file), str(error))
            continue
        yield str(file), picture


def _is_clip(path: str) -> bool:
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def _failed(one: Compared) -> list[str]:
    said = [f"column {letter}: {each.error}" for letter, each in zip(LETTERS, one.looks, strict=False) if each.error]
    for sentence in said:
        _say(one.name, sentence)
    return said


def _say(what: str, sentence: str) -> None:
    errors.print(f"[red]{escape(what)}:[/red] {escape(sentence)}", soft_wrap=True, highlight=False)


def _sheet(picture: Picture, one: Compared, words: Sequence[str]) -> bytes:
    return to_jpeg(draw_beside(picture, list(zip(words, one.seen, strict=True))))


def _write(path: Path, data: bytes) -> None:
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write_bytes(data)


def _print(table: pd.DataFrame) -> None:
    shown = Table(*map(str, table.columns), box=None, pad_edge=False)
    for row in table.itertuples(index=False):
        shown.add_row(*("–" if pd.isna(value) else str(value) for value in row))
    output.print(shown)
