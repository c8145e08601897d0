"""The list of training runs: one SQLite file under ``POSECORE_HOME`` that the command line and the app share.

Light on imports, because the list of models asks it. Whoever only looks writes nothing: SQLite keeps no write-ahead log
here, which could not be read where nothing can be written.
Whoever works on a run holds a lock in its folder (:mod:`posecore.run_files`), so that a dead run never looks alive.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from posecore.errors import SettingsError, StorageError
from posecore.home import home
from posecore.run_files import LastWords, RunLock
from posecore.storage import stamp, writing

Status = Literal["waiting", "running", "paused", "cancelled", "finished", "failed"]
Request = Literal["", "pause", "cancel"]
State = Literal["waiting", "running", "pausing", "paused", "cancelling", "cancelled", "finished", "failed", "lost"]

#: File of a run's best weights so far.
BEST = "best.safetensors"
#: What the name of a run may be.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"

#: Seconds to wait for another process that writes the list.
_PATIENCE = 30.0
#: Layout of the file; kept as SQLite's ``user_version``. 0 is the first one, without ``jobs`` and ``steps``.
_VERSION = 1

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
CREATE TABLE IF NOT EXISTS steps (
    run TEXT NOT NULL REFERENCES runs (name) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    loss REAL NOT NULL,
    learning_rate REAL NOT NULL,
    PRIMARY KEY (run, step)
);
"""

#: Columns of ``runs`` that came with version 1.
_NEW_COLUMNS = {
    "note": "TEXT NOT NULL DEFAULT ''",
    "queued": "REAL NOT NULL DEFAULT 0",
    "heartbeat": "REAL NOT NULL DEFAULT 0",
    "seconds": "REAL NOT NULL DEFAULT 0",
}
#: What is read of ``runs``.
_COLUMNS = "name, status, config, created, updated, process, progress, message, stop, note, queued, heartbeat, seconds"
_STOP: dict[Request, int] = {"": 0, "pause": 1, "cancel": 2}


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        name: Its name; the model is called ``run:NAME``.
        status: As it was last written down: ``waiting``, ``running``, ``paused``, ``cancelled``, ``finished`` or
            ``failed``. :attr:`state` says what is true now.
        config: Configuration as JSON values.
        created, updated: Seconds since 1970.
        process: Process id while it runs on this machine, else None.
        progress: Part that is done, 0 … 1.
        message: Why it failed or ended, as a sentence.
        request: What somebody asked of it while it runs: ``pause``, ``cancel`` or nothing.
        folder: Its files.
        note: Words of its owner.
        queued: When it began to wait, in seconds since 1970; the order of waiting runs.
        heartbeat: Last sign of life, in seconds since 1970.
        seconds: Time spent on it, without pauses.
    """

    name: str
    status: Status
    config: Mapping[str, Any]
    created: float
    updated: float
    process: int | None
    progress: float
    message: str
    request: Request
    folder: Path
    note: str = ""
    queued: float = 0.0
    heartbeat: float = 0.0
    seconds: float = 0.0

    @property
    def weights(self) -> Path | None:
        """The best weights so far, if there are any yet."""
        path = self.folder / BEST
        return path if path.is_file() else None

    @property
    def lock(self) -> RunLock:
        """Held by the process that works on this run."""
        return RunLock(self.folder / "lock")

    @property
    def alive(self) -> bool:
        """True when a process works on this run now."""
        return self.status == "running" and self.lock.held

    @property
    def state(self) -> State:
        """What is true now: the status, but ``lost`` for a run whose process is gone, and what it is about to do."""
        if self.status != "running":
            return self.status
        if not self.lock.held:
            return "lost"
        return {"": "running", "pause": "pausing", "cancel": "cancelling"}[self.request]  # type: ignore[return-value]


def best_epoch(epochs: Sequence[tuple[int, Mapping[str, float]]]) -> tuple[int, float] | None:
    """(number, similarity) of the epoch whose weights a run keeps; number 0 is the model before training.

    The first of equals, as epochs come; None when nothing was measured.
    """
    scores = [(number, figures["validation/oks"]) for number, figures in epochs if "validation/oks" in figures]
    return max(scores, key=lambda score: score[1]) if scores else None


def runs_folder() -> Path:
    """Folder of all runs."""
    return home() / "runs"


def run_folder(name: str) -> Path:
    """Folder of one run."""
    return runs_folder() / name


class Registry:
    """Reads and writes the list of runs; each call is a transaction of its own.

    All of it raises ``StorageError`` when the list cannot be read or written.

    Args:
        file: The SQLite file; the one under ``POSECORE_HOME`` unless given.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or runs_folder() / "runs.sqlite"

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that may write; the file is made, or brought to the present layout, when needed."""
        with self._explained():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with closing(_connected(self.file.absolute().as_uri())) as connection:
                connection.execute("PRAGMA foreign_keys = ON")
                if self._version(connection) < _VERSION:
                    _migrate(connection)
                _leave_log(connection)
                with connection:
                    yield connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A look that writes nothing, so that neither a full disk nor a folder of others keeps anybody from it."""
        with self._explained(), closing(self._opened()) as connection:
            if self._version(connection) < _VERSION:
                # None yet, or one of an older layout.
                with closing(_connected(":memory:")) as copy:
                    connection.backup(copy)
                    _migrate(copy)
                    yield copy
            else:
                yield connection

    def _opened(self) -> sqlite3.Connection:
        if not self.file.is_file():
            return _connected(":memory:")
        address = self.file.absolute().as_uri()
        connection = _connected(f"{address}?mode=rw")
        try:
            self._version(connection)
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorname.startswith("SQLITE_BUSY") or self._unsettled():
                raise
            # An older posecore's write-ahead log, which cannot even be read where nothing can be written.
            return _connected(f"{address}?mode=ro&immutable=1")
        except StorageError:
            connection.close()
            raise
        return connection

    def _unsettled(self) -> bool:
        """True when a transaction lies beside the file that it does not hold yet."""
        beside = (self.file.with_name(f"{self.file.name}-{kind}") for kind in ("wal", "journal"))
        return any(file.is_file() and file.stat().st_size > 0 for file in beside)

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > _VERSION:
            raise StorageError(
                f"The list of runs {self.file} was written by a newer posecore; update this one, or set POSECORE_HOME "
                "to another folder."
            )
        return version

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Failures become sentences."""
        try:
            with writing(self.file):
                yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.DatabaseError as error:
            raise StorageError(
                f"The list of runs {self.file} is damaged ({error}); move it away to begin a new one. The files of the "
                f"runs in {self.file.parent} stay, their models among them."
            ) from error

    @contextmanager
    def queue(self, patience: float = 10.0) -> Iterator[bool]:
        """Held while the list is rearranged: runs started, renamed, deleted. False when somebody else has it."""
        lock = RunLock(self.file.parent / "queue.lock")
        free = lock.acquire(patience)
        try:
            yield free
        finally:
            lock.release()

    def add(self, name: str, config: Mapping[str, Any], status: Status = "waiting", note: str = "") -> None:
        """Enter a run; raises ``SettingsError`` when there is one of this name."""
        now = time.time()
        try:
            with self._changing() as connection:
                connection.execute(
                    "INSERT INTO runs (name, status, config, created, updated, queued, note)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (name, status, json.dumps(config), now, now, now, note),
                )
        except sqlite3.IntegrityError as error:
            raise SettingsError(f"There is a run {name!r} already; give --resume to go on, or another name.") from error

    def change(self, name: str, **values: Any) -> None:
        """Set columns of a run, for example ``status="running"``."""
        self.change_if(name, None, **values)

    def change_if(self, name: str, status: Status | None, /, **values: Any) -> bool:
        """Set columns of a run that has this ``status`` (None: any); False, and nothing is changed, when it has not."""
        names = ", ".join(f"{key} = ?" for key in (*values, "updated"))
        condition = "" if status is None else " AND status = ?"
        parameters = (*values.values(), time.time(), name, *(() if status is None else (status,)))
        with self._changing() as connection:
            done = connection.execute(f"UPDATE runs SET {names} WHERE name = ?{condition}", parameters)
            return done.rowcount == 1

    def ask(self, name: str, request: Request) -> None:
        """Ask a running run for something; an empty request takes it back."""
        self.change(name, stop=_STOP[request])

    def beat(self, name: str, seconds: float) -> None:
        """Give a sign of life and add to the time spent."""
        with self._changing() as connection:
            connection.execute(
                "UPDATE runs SET heartbeat = ?, seconds = seconds + ? WHERE name = ?", (time.time(), seconds, name)
            )

    def asked(self, name: str) -> Request:
        """What is asked of a run; one that is no longer in the list is asked to cancel."""
        with self._reading() as connection:
            row = connection.execute("SELECT stop FROM runs WHERE name = ?", (name,)).fetchone()
        return "cancel" if row is None else _request(row["stop"])

    def record(self, name: str, epoch: int, figures: Mapping[str, float]) -> None:
        """Enter what an epoch brought."""
        with self._changing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO epochs (run, epoch, figures) VALUES (?, ?, ?)",
                (name, epoch, json.dumps(dict(figures))),
            )
            connection.execute(
                "UPDATE runs SET progress = ?, updated = ? WHERE name = ?",
                (figures.get("progress", 0.0), time.time(), name),
            )

    def record_step(self, name: str, step: int, loss: float, learning_rate: float, progress: float) -> None:
        """Enter how training goes between epochs."""
        with self._changing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO steps (run, step, loss, learning_rate) VALUES (?, ?, ?, ?)",
                (name, step, loss, learning_rate),
            )
            connection.execute(
                "UPDATE runs SET progress = ?, updated = ? WHERE name = ?", (progress, time.time(), name)
            )

    def rewind(self, name: str, epoch: int, step: int) -> None:
        """Forget what came after ``epoch`` and ``step``: a resumed run goes through it again."""
        with self._changing() as connection:
            connection.execute("DELETE FROM epochs WHERE run = ? AND epoch > ?", (name, epoch))
            connection.execute("DELETE FROM steps WHERE run = ? AND step > ?", (name, step))

    def get(self, name: str) -> Run | None:
        """The run of this name, or None."""
        with self._reading() as connection:
            row = connection.execute(f"SELECT {_COLUMNS} FROM runs WHERE name = ?", (name,)).fetchone()
        return None if row is None else self._run(row)

    def stamp(self) -> object:
        """Changes whenever the list does, whoever changes it; quickly looked at."""
        try:
            with self.file.open("rb") as file:
                # SQLite counts its transactions there: two in one tick of the clock differ too.
                counter = file.read(28)[24:]
        except OSError:
            counter = b""
        return counter, stamp(self.file), stamp(self.file.with_name(f"{self.file.name}-wal"))

    def names(self) -> list[str]:
        """Names of all runs, newest first."""
        with self._reading() as connection:
            return [row["name"] for row in connection.execute("SELECT name FROM runs ORDER BY created DESC")]

    def all(self) -> list[Run]:
        """All runs, newest first."""
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM runs ORDER BY created DESC").fetchall()
        return [self._run(row) for row in rows]

    def epochs(self, name: str) -> list[tuple[int, dict[str, float]]]:
        """(epoch, figures) of a run in order."""
        with self._reading() as connection:
            rows = connection.execute("SELECT epoch, figures FROM epochs WHERE run = ? ORDER BY epoch", (name,))
            return [(int(row["epoch"]), json.loads(row["figures"])) for row in rows]

    def steps(self, name: str, most: int = 1000) -> list[tuple[int, float, float]]:
        """(step, loss, learning rate) in order, evenly thinned to about ``most``; the last one is always there."""
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT step, loss, learning_rate FROM steps WHERE run = ? ORDER BY step", (name,)
            ).fetchall()
        every = max(len(rows) // most, 1)
        kept = rows[::-1][::every][::-1]
        return [(int(row["step"]), float(row["loss"]), float(row["learning_rate"])) for row in kept]

    def check_new(self, name: str) -> None:
        """Raise ``SettingsError`` when there is a run of this name, or files of one that is not in the list."""
        if self.get(name) is not None:
            raise SettingsError(f"There is a run {name!r} already; give --resume to go on, or another name.")
        folder = self.file.parent / name
        # A checkpoint that lies there must not be taken for this run's. A lock alone is of one that did not begin.
        if folder.exists() and [path.name for path in folder.iterdir()] != ["lock"]:
            raise SettingsError(f"There are files in {folder} already; choose another name.")

    def rename(self, name: str, new: str) -> None:
        """Give a run and its folder another name, and so its model; raises ``SettingsError`` when that is taken.

        Where it fails, the list and the folder both stay as they were.
        """
        folder, target = self.file.parent / name, self.file.parent / new
        try:
            with ExitStack() as on_failure, self._changing() as connection:
                connection.execute("BEGIN")
                connection.execute("PRAGMA defer_foreign_keys = ON")
                connection.execute("UPDATE runs SET name = ?, updated = ? WHERE name = ?", (new, time.time(), name))
                for table in ("epochs", "steps"):
                    connection.execute(f"UPDATE {table} SET run = ? WHERE run = ?", (new, name))
                # Runs that start from this one's weights, or learn from its model.
                for row in connection.execute("SELECT name, config FROM runs").fetchall():
                    before = json.loads(row["config"])
                    after = _renamed(before, f"run:{name}", f"run:{new}")
                    if after != before:
                        values = (json.dumps(after), row["name"])
                        connection.execute("UPDATE runs SET config = ? WHERE name = ?", values)
                if folder.is_dir():
                    with writing(folder):
                        folder.rename(target)
                    on_failure.callback(target.rename, folder)
                connection.commit()
                on_failure.pop_all()
        except sqlite3.IntegrityError as error:
            raise SettingsError(f"There is a run {new!r} already; choose another name.") from error

    def remove(self, name: str, files: bool = False) -> None:
        """Forget a run; its files stay unless ``files``."""
        with self._changing() as connection:
            connection.execute("DELETE FROM runs WHERE name = ?", (name,))
        if files:
            shutil.rmtree(self.file.parent / name, ignore_errors=True)

    def _run(self, row: sqlite3.Row) -> Run:
        values = dict(row)
        stop = values.pop("stop")
        # The first layout had one word for every end on request.
        values["status"] = "paused" if values["status"] == "stopped" else values["status"]
        values["config"] = json.loads(values["config"])
        run = Run(**values, request=_request(stop), folder=self.file.parent / values["name"])
        if run.state == "lost" and (reason := LastWords(run.folder).heard()):
            return replace(run, status="failed", process=None, message=reason)
        return run


def _renamed(value: Any, old: str, new: str) -> Any:
    """JSON values in which the text ``old`` is ``new``."""
    if isinstance(value, dict):
        return {key: _renamed(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, old, new) for item in value]
    return new if value == old else value


def _request(stop: int) -> Request:
    return next((request for request, value in _STOP.items() if value == stop), "pause")


def _connected(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, timeout=_PATIENCE, uri=address.startswith("file:"))
    connection.row_factory = sqlite3.Row
    return connection


def _leave_log(connection: sqlite3.Connection) -> None:
    """Do without the write-ahead log that an older posecore began, as soon as nobody else has the file open."""
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        connection.execute("PRAGMA busy_timeout = 0")
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * _PATIENCE)}")


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring a new or older file to the present layout; what it holds stays."""
    with connection:
        # Taken before looking, so that two processes do not both add the columns.
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        present = {row["name"] for row in connection.execute("PRAGMA table_info(runs)")}
        for column, kind in _NEW_COLUMNS.items():
            if column not in present:
                connection.execute(f"ALTER TABLE runs ADD COLUMN {column} {kind}")
        connection.execute("UPDATE runs SET queued = created WHERE queued = 0")
        connection.execute(f"PRAGMA user_version = {_VERSION}")
