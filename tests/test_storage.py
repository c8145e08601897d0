"""Full disks, folders of others, killed writers: a sentence, the old state, nothing left behind."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from posecore.data.library import Library
from posecore.errors import DataError, PosecoreError, SettingsError, StorageError
from posecore.home import home as posecore_home
from posecore.run_files import LastWords, RunLock
from posecore.runs import BEST, Registry, Request, run_folder
from posecore.storage import DraftFolder, replacing, sentence, sweep, trouble, write_json, writing
from posecore.training import jobs
from posecore.training.watching import Watch
from posecore.zoo import list_models, list_trouble, load_model
from posecore.zoo.weights import read_header
from tests.job_support import tiny
from tests.run_support import write_weights, written_run

pytestmark = pytest.mark.usefixtures("home")

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="only root mounts"
)


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home on a disk of 80 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=80m", "tmpfs", str(place))
    monkeypatch.setenv("POSECORE_HOME", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path) -> Path:
    """Use up a disk to the last byte."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(65536))
    return ballast


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "posecore", *arguments]
    return subprocess.run(program, capture_output=True, text=True, check=False)


# --- a disk that takes no more ---------------------------------------------------------------------------------------


@as_root
@pytest.mark.parametrize("kind", ["full", "read-only"])
def test_what_needs_no_room_works_and_the_rest_says_why(small_disk: Path, kind: str) -> None:
    Registry().add("mine", tiny("mine").model_dump(mode="json"), "paused")
    Library().add_synthetic("people", 2, 1)
    write_weights("mine")
    if kind == "full":
        fill(small_disk)
    else:
        mount("-o", "remount,ro", str(small_disk))
    assert [run.name for run in Registry().all()] == ["mine"]
    assert Registry().get("mine") is not None
    assert Registry().epochs("mine") == []
    assert any(info.name == "run:mine" for info in list_models())
    assert not list_trouble()
    assert load_model("run:mine").name == "run:mine"
    assert jobs.view("mine").state == "paused"
    assert len(Library().get("people").dataset()) == 2
    reason = "the disk is full; free some space" if kind == "full" else "may not be written to; set POSECORE_HOME"
    for change in (
        lambda: Registry().add("other", {}),
        lambda: jobs.submit(tiny("other")),
        lambda: jobs.set_note("mine", "words"),
        lambda: Library().get("people").set_title("other"),
        lambda: Library().add_synthetic("more", 2, 1),
    ):
        with pytest.raises(PosecoreError) as caught:
            change()
        assert reason in str(caught.value) or "MB left; free some space" in str(caught.value)
    assert [run.name for run in Registry().all()] == ["mine"]
    assert Library().get("people").title == "people"


@as_root
def test_commands_say_why_they_cannot_write(small_disk: Path) -> None:
    Registry().add("mine", tiny("mine").model_dump(mode="json"), "paused")
    mount("-o", "remount,ro", str(small_disk))
    assert "mine" in command("runs", "list").stdout
    for arguments in (
        ["runs", "note", "mine", "words"],
        ["runs", "resume", "mine"],
        ["runs", "delete", "mine", "--yes"],
    ):
        done = command(*arguments)
        assert done.returncode == 1
        assert "may not be written to" in done.stderr
        assert "Traceback" not in done.stderr


@as_root
def test_last_words_are_written_where_nothing_else_can_be(small_disk: Path) -> None:
    registry = Registry()
    registry.add("mine", {}, "running")
    LastWords(run_folder("mine")).reserve()
    ballast = fill(small_disk)
    with pytest.raises(StorageError, match="the disk is full"):
        registry.change("mine", status="failed", message="The disk is full.")
    LastWords(run_folder("mine")).say("The disk is full. Free some space.")
    run = registry.get("mine")
    assert run is not None
    assert (run.state, run.message) == ("failed", "The disk is full. Free some space.")
    ballast.unlink()
    jobs.resume("mine")
    run = registry.get("mine")
    assert run is not None
    assert run.state == "waiting"


def test_last_words_of_an_earlier_try_are_forgotten() -> None:
    registry = Registry()
    registry.add("mine", {}, "running")
    words = LastWords(run_folder("mine"))
    words.say("nobody kept room for this")
    assert not words.heard()
    words.reserve()
    words.say("ä" * 5000)
    assert set(words.heard()) == {"ä"}
    words.reserve()
    run = registry.get("mine")
    assert run is not None
    assert run.state == "lost"


# --- the list of runs ------------------------------------------------------------------------------------------------


def test_a_list_of_a_newer_posecore_is_refused_with_a_sentence() -> None:
    Registry().add("mine", {})
    with sqlite3.connect(Registry().file) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match="newer posecore; update"):
        Registry().all()
    with pytest.raises(StorageError, match="newer posecore; update"):
        Registry().add("other", {})


def test_columns_that_nobody_knows_are_passed_over() -> None:
    Registry().add("mine", {})
    with sqlite3.connect(Registry().file) as connection:
        connection.execute("ALTER TABLE runs ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'")
    assert [run.name for run in Registry().all()] == ["mine"]


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be taken for one" * 40, b"\0" * 5000])
def test_models_are_listed_without_the_list_of_runs(content: bytes) -> None:
    write_weights("mine")
    Registry().file.parent.mkdir(parents=True, exist_ok=True)
    Registry().file.write_bytes(content)
    with pytest.raises(StorageError, match=r"is damaged .* move it away"):
        Registry().all()
    assert {info.origin for info in list_models()} == {"shipped", "official", "yours"}
    assert "is damaged" in list_trouble()
    assert load_model("run:mine").name == "run:mine"


def test_looking_makes_nothing() -> None:
    assert Registry().all() == []
    assert Registry().get("mine") is None
    assert not posecore_home().exists()


def test_a_write_ahead_log_of_an_older_posecore_is_read_and_left() -> None:
    registry = Registry()
    registry.add("mine", {})
    connection = sqlite3.connect(registry.file)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("UPDATE runs SET note = 'kept'")
    connection.commit()
    # Still open elsewhere: works, with the log.
    assert [run.note for run in registry.all()] == ["kept"]
    registry.change("mine", progress=0.5)
    connection.close()
    registry.change("mine", progress=0.6)
    with sqlite3.connect(registry.file) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    assert [(run.note, run.progress) for run in registry.all()] == [("kept", 0.6)]


def test_a_lock_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="could not be written"):
        RunLock(tmp_path / "file" / "lock").acquire()


# --- files and drafts ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    mask = os.umask(0o022)
    try:
        write_json(path, {})
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        path.chmod(0o660)
        write_json(path, {"a": 1})
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert path.read_text() == '{"a": 1}'


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_set_stays_readable_by_others() -> None:
    mask = os.umask(0o022)
    try:
        stored = Library().add_synthetic("people", 2, 1)
        stored.set_title("other")
        stored.set_split(0.5, 1)
    finally:
        os.umask(mask)
    assert {stat.S_IMODE(path.stat().st_mode) for path in stored.folder.rglob("*") if path.is_file()} == {0o644}
    assert stat.S_IMODE(stored.folder.stat().st_mode) == 0o755


def test_a_failure_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(FileNotFoundError), replacing(path) as temporary:
        shutil.copy(tmp_path / "none", temporary)
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    assert path.read_text() == '{"old": 1}'


def test_what_a_killed_process_left_is_swept_and_what_is_held_stays(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from posecore.storage import DraftFolder, replacing\n"
        "with DraftFolder('.draft-', Path(sys.argv[1])) as folder, replacing(Path(sys.argv[1]) / 'a') as part:\n"
        "    (folder / 'b').touch(); part.touch(); print('ready', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert sweep(tmp_path, ".draft-") == 0
    assert len(list(tmp_path.iterdir())) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "other").touch()
    assert sweep(tmp_path, ".draft-") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_a_draft_may_move_away(tmp_path: Path) -> None:
    with DraftFolder(".draft-", tmp_path) as folder:
        folder.rename(tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


# --- sentences -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_in_words(number: int, tmp_path: Path) -> None:
    words = r"the disk is full; free some space, or choose a folder .* Nothing was done\."
    with pytest.raises(DataError, match=words), writing(tmp_path / "a", DataError, "Nothing was done."):
        raise OSError(number, "as the system says")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_of_others_in_words(number: int) -> None:
    place = posecore_home() / "a"
    words = r"may not be written to; set POSECORE_HOME to a folder of your own\.$"
    with pytest.raises(StorageError, match=words), writing(place):
        raise OSError(number, "as the system says", str(place / "b"))


def test_another_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    error = PermissionError(errno.EACCES, "Permission denied", "/elsewhere/x")
    assert sentence(error, tmp_path / "a").startswith("/elsewhere/x cannot be read or written: Permission denied")


def test_errors_of_another_kind_stay_what_they_are(tmp_path: Path) -> None:
    assert trouble(ValueError("words")) is None
    with pytest.raises(DataError, match=r"^as it was$"), writing(tmp_path):
        raise DataError("as it was")


def test_best_weights_have_one_name() -> None:
    assert write_weights("mine").name == BEST


# --- what is remembered ----------------------------------------------------------------------------------------------


def test_models_are_read_once_until_something_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    written_run("mine", epochs=0)
    read: list[Path] = []
    real = read_header

    def reading(path: Path) -> object:
        read.append(path)
        return real(path)

    monkeypatch.setattr("posecore.zoo.listing.read_header", reading)
    list_models()
    read.clear()
    assert "run:mine" in {info.name for info in list_models()}
    assert read == []
    path = write_weights("mine", seed=1)
    list_models()
    assert read == [path]


def test_models_follow_changes_of_other_processes() -> None:
    written_run("mine", epochs=0)
    assert "run:mine" in {info.name for info in list_models()}
    program = "from posecore.training import jobs; jobs.rename('mine', 'better')"
    subprocess.run([sys.executable, "-c", program], check=True)
    names = {info.name for info in list_models()}
    assert "run:better" in names
    assert "run:mine" not in names


def test_two_changes_in_one_tick_of_the_clock_differ() -> None:
    registry = Registry()
    registry.add("mine", {})
    seen = set()
    for number in range(50):
        registry.change("mine", progress=number % 2)
        seen.add(registry.stamp())
    assert len(seen) == 50


def test_looking_for_requests_leaves_the_list_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecore.training.watching._INTERVAL", 0.001)
    looks = threading.Semaphore(0)

    class Counting(Registry):
        def asked(self, name: str) -> Request:
            looks.release()
            return super().asked(name)

    registry = Counting()
    registry.add("mine", {}, "running")
    before = registry.stamp()
    with Watch(registry, "mine").running() as watch:
        for _ in range(5):
            assert looks.acquire(timeout=60)
        assert registry.stamp() == before
        registry.ask("mine", "pause")
        for _ in range(2):
            assert looks.acquire(timeout=60)
        while not watch.request:
            assert looks.acquire(timeout=60)
    assert watch.request == "pause"
    run = registry.get("mine")
    assert run is not None
    assert run.seconds > 0
    assert registry.asked("gone") == "cancel"


# --- names -----------------------------------------------------------------------------------------------------------


def test_runs_that_start_from_a_renamed_one_follow() -> None:
    written_run("mine", epochs=0)
    config = tiny("other").model_dump(mode="json")
    config["model"]["start"] = "run:mine"
    Registry().add("other", config, "paused")
    jobs.rename("mine", "better")
    other = Registry().get("other")
    assert other is not None
    assert other.config["model"]["start"] == "run:better"
    assert load_model("run:better").name == "run:better"


def test_a_run_that_cannot_be_renamed_in_the_list_keeps_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(sqlite3.Connection):
        def commit(self) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    written_run("mine", epochs=0)
    with monkeypatch.context() as full:
        full.setattr("posecore.runs.sqlite3.connect", partial(sqlite3.connect, factory=Full))
        with pytest.raises(StorageError):
            jobs.rename("mine", "better")
    assert Registry().names() == ["mine"]
    assert (run_folder("mine") / BEST).is_file()
    assert not run_folder("better").exists()


def test_files_of_a_run_that_is_not_listed_are_not_taken_for_a_new_ones(tmp_path: Path) -> None:
    from posecore.training.run import train

    folder = run_folder("trial")
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    Registry().check_new("trial")
    (folder / "resume.ckpt").write_bytes(b"of another")
    for begin in (lambda: train(tiny(), tmp_path), lambda: jobs.submit(tiny())):
        with pytest.raises(SettingsError, match=r"There are files in .* choose another name"):
            begin()
    assert Registry().all() == []


# --- upkeep ----------------------------------------------------------------------------------------------------------


def test_a_server_that_starts_tidies_up() -> None:
    from posecore.training.upkeep import tidy_home

    tidy_home()
    stored = Library().add_synthetic("people", 2, 1)
    left = [
        stored.folder / ".annotations.json.abc.part",
        posecore_home() / "weights" / ".a.safetensors.1.part",
        run_folder("mine") / ".resume.ckpt.1.part",
        posecore_home() / "training" / "packs" / ".making-1",
        posecore_home() / "datasets" / ".adding-1",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch() if path.suffix == ".part" else path.mkdir()
    tidy_home()
    assert not [path for path in left if path.exists()]
    assert len(Library().get("people").dataset()) == 2
