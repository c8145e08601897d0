"""Where the command line writes: results to standard output, everything said about them to standard error."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

for _stream in (sys.stdout, sys.stderr):
    # A console of one's country (cp1252) lacks some of the characters: better a question mark than a traceback.
    if isinstance(_stream, io.TextIOWrapper):
        _stream.reconfigure(errors="replace")

output = Console()
errors = Console(stderr=True)


class Warnings:
    """Says what is wrong while it goes on, each sentence once as long as it stays the same."""

    def __init__(self) -> None:
        self._said: str | None = None

    def say(self, sentence: str | None) -> None:
        """Print a sentence unless it was the last one; None says that nothing is wrong."""
        if sentence is not None and sentence != self._said:
            errors.print(f"[yellow]{escape(sentence)}[/yellow]", highlight=False, soft_wrap=True)
        self._said = sentence


def tell_files(files: Sequence[Path]) -> None:
    """Say what was written."""
    output.print(f"Results: {escape(', '.join(map(str, files)) or 'none')}", highlight=False, soft_wrap=True)


def counting_progress() -> Progress:
    """A bar that counts things done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=errors, transient=True)


class DownloadBar:
    """A bar of bytes that the zoo reports to."""

    def __init__(self, progress: Progress, label: str) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=None)

    def update(self, done_bytes: int, total_bytes: int | None) -> None:
        """``done_bytes`` of ``total_bytes`` (None when unknown) have arrived."""
        self._progress.update(self._task, completed=done_bytes, total=total_bytes)

    def say(self, text: str) -> None:
        """Print a sentence above the bar."""
        self._progress.console.print(text, soft_wrap=True, highlight=False)


@contextmanager
def download_bar(label: str) -> Iterator[DownloadBar]:
    """Show a bar while something is fetched; nothing is shown when nothing is."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        yield DownloadBar(progress, label)
