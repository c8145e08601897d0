"""The list of training runs: one SQLite file under ``POSECORE_HOME`` that the command line and the app share.

Light on imports, because the list of models asks it. SQLite's write-ahead log lets the app read while a run writes.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from posecore.errors import SettingsError
from posecore.home import home

Status = Literal["waiting", "running", "finished", "stopped", "failed"]

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    name TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    config TEXT NOT NULL,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    process INTEGER,
    progress REAL NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '',
    stop INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS epochs (
    run TEXT NOT NULL REFERENCES runs (name) ON DELETE CASCADE,
    epoch INTEGER NOT NULL,
    figures TEXT NOT NULL,
    PRIMARY KEY (run, epoch)
);
"""


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        name: Its name; the model is called ``run:NAME``.
        status: ``waiting``, ``running``, ``finished``, ``stopped`` on request, or ``failed``.
        config: Configuration as JSON values.
        created, updated: Seconds since 1970.
        process: Process id while it runs on this machine, else None.
        progress: Part that is done, 0 … 1.
        message: Why it failed, as a sentence.
        stop: True once somebody asked it to stop.
        folder: Its files.
    """

    name: str
    status: Status
    config: Mapping[str, Any]
    created: float
    updated: float
    process: int | None
    progress: float
    message: str
    stop: bool
    folder: Path

    @property
    def weights(self) -> Path | None:
        """The best weights so far, if there are any yet."""
        path = self.folder / "best.safetensors"
        return path if path.is_file() else None

    @property
    def alive(self) -> bool:
        """True when a running run's process still exists on this machine."""
        if self.status != "running" or self.process is None:
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def runs_folder() -> Path:
    """Folder of all runs."""
    return home() / "runs"


def run_folder(name: str) -> Path:
    """Folder of one run."""
    return runs_folder() / name


class Registry:
    """Reads and writes the list of runs; each call is a transaction of its own.

    Args:
        file: The SQLite file; the one under ``POSECORE_HOME`` unless given.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or runs_folder() / "runs.sqlite"

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.file, timeout=30)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.executescript(_TABLES)
            with connection:
                yield connection
        finally:
            connection.close()

    def add(self, name: str, config: Mapping[str, Any], status: Status = "waiting") -> None:
        """Enter a run; raises ``SettingsError`` when there is one of this name."""
        now = time.time()
        try:
            with self._open() as connection:
                connection.execute(
                    "INSERT INTO runs (name, status, config, created, updated) VALUES (?, ?, ?, ?, ?)",
                    (name, status, json.dumps(config), now, now),
                )
        except sqlite3.IntegrityError as error:
            raise SettingsError(f"There is a run {name!r} already; give --resume to go on, or another name.") from error

    def change(self, name: str, **values: Any) -> None:
        """Set columns of a run, for example ``status="running"``."""
        names = ", ".join(f"{key} = ?" for key in (*values, "updated"))
        with self._open() as connection:
            connection.execute(f"UPDATE runs SET {names} WHERE name = ?", (*values.values(), time.time(), name))

    def record(self, name: str, epoch: int, figures: Mapping[str, float]) -> None:
        """Enter what an epoch brought."""
        with self._open() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO epochs (run, epoch, figures) VALUES (?, ?, ?)",
                (name, epoch, json.dumps(dict(figures))),
            )
            connection.execute(
                "UPDATE runs SET progress = ?, updated = ? WHERE name = ?",
                (figures.get("progress", 0.0), time.time(), name),
            )

    def get(self, name: str) -> Run | None:
        """The run of this name, or None."""
        with self._open() as connection:
            row = connection.execute("SELECT * FROM runs WHERE name = ?", (name,)).fetchone()
        return None if row is None else self._run(row)

    def all(self) -> list[Run]:
        """All runs, newest first."""
        if not self.file.is_file():
            return []
        with self._open() as connection:
            rows = connection.execute("SELECT * FROM runs ORDER BY created DESC").fetchall()
        return [self._run(row) for row in rows]

    def epochs(self, name: str) -> list[tuple[int, dict[str, float]]]:
        """(epoch, figures) of a run in order."""
        with self._open() as connection:
            rows = connection.execute("SELECT epoch, figures FROM epochs WHERE run = ? ORDER BY epoch", (name,))
            return [(int(row["epoch"]), json.loads(row["figures"])) for row in rows]

    def remove(self, name: str) -> None:
        """Forget a run; its files stay."""
        with self._open() as connection:
            connection.execute("DELETE FROM runs WHERE name = ?", (name,))

    def _run(self, row: sqlite3.Row) -> Run:
        values = dict(row)
        values["config"] = json.loads(values["config"])
        values["stop"] = bool(values["stop"])
        return Run(**values, folder=self.file.parent / values["name"])
