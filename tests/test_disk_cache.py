"""What can be made again is kept within bounds, and goes with the pictures it was made from."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from posecore.data.disk_cache import cache_folder, forget, note, prune
from posecore.data.library import Library
from posecore.errors import SettingsError
from posecore.skeleton import COCO_17
from posecore.training.data import pack_sources

pytestmark = pytest.mark.usefixtures("home")


def packs() -> set[str]:
    place = cache_folder() / "packs"
    return {path.name for path in place.iterdir() if path.is_dir()} if place.is_dir() else set()


def entry(name: str, source: Path, size: int = 1000, hours: float = 0.0) -> Path:
    """Cut-outs that were last used some hours ago."""
    folder = cache_folder() / "packs" / name
    folder.mkdir(parents=True)
    (folder / "pixels.npy").write_bytes(bytes(size))
    note(folder, [source])
    then = time.time() - 3600 * hours
    os.utime(folder, (then, then))
    return folder


def pack_set(name: str) -> None:
    pack_sources(Library().get(name).sources().train, COCO_17, Path(), cache_folder())


def test_cut_outs_go_with_their_set() -> None:
    for number, name in enumerate(("one", "two")):
        Library().add_synthetic(name, 2, number)
        pack_set(name)
    assert len(packs()) == 2
    kept = packs()
    Library().remove("one")
    assert len(packs()) == 1
    assert packs() < kept
    pack_set("two")
    assert len(packs()) == 1
    Library().remove("two")
    assert packs() == set()


def test_a_set_whose_name_begins_alike_keeps_its_cut_outs(tmp_path: Path) -> None:
    for name in ("people", "people-2"):
        (tmp_path / name).mkdir()
        entry(name, tmp_path / name)
    forget(tmp_path / "people")
    assert packs() == {"people-2"}


def test_cut_outs_without_a_set_are_swept(tmp_path: Path) -> None:
    entry("kept", tmp_path)
    entry("gone", tmp_path / "none")
    (cache_folder() / "packs" / "older").mkdir()
    (cache_folder() / "packs" / ".making-1").mkdir()
    prune()
    assert packs() == {"kept"}


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for hours in (0, 2, 3, 4):
        entry(f"{hours}", tmp_path, 100_000, hours)
    monkeypatch.setenv("POSECORE_DISK_CACHE_GB", "0.00035")
    prune()
    assert packs() == {"0", "2", "3"}
    monkeypatch.setenv("POSECORE_DISK_CACHE_GB", "0")
    prune()
    assert packs() == {"0"}, "somebody may be training with these"


def test_drawn_scenes_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    old = cache_folder() / "synthetic-1-2"
    old.mkdir(parents=True)
    (old / "a").write_bytes(bytes(1000))
    os.utime(old, (0, 0))
    prune()
    assert old.is_dir()
    monkeypatch.setenv("POSECORE_DISK_CACHE_GB", "0.0000001")
    prune()
    assert not old.exists()


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf"])
def test_a_limit_that_is_none(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_DISK_CACHE_GB", text)
    with pytest.raises(SettingsError, match=r"POSECORE_DISK_CACHE_GB is .* number of gigabytes"):
        prune()
