"""Fetching files: complete and right, or not there at all."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from posecore.errors import TransferError
from posecore.transfer import Expected, checksum, discard, fetch_file
from tests.web_support import Server

#: What arrives in whole pieces is kept when a transfer breaks off.
PIECE = 1 << 15


def test_a_broken_transfer_goes_on(server: Server, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4000
    server.files["/x.zip"] = content
    server.break_after = [10 * PIECE, 3 * PIECE]
    seen: list[tuple[int, int | None]] = []
    path = fetch_file(f"{server.url}/x.zip", tmp_path / "x.zip", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == content
    assert [wanted for _, wanted in server.requests] == [None, f"bytes={10 * PIECE}-", f"bytes={13 * PIECE}-"]
    assert seen[-1] == (len(content), len(content))
    assert [p.name for p in tmp_path.iterdir()] == ["x.zip"]


def test_an_interrupted_run_goes_on_later(server: Server, tmp_path: Path) -> None:
    server.files["/x.zip"] = b"0123456789" * 20_000
    server.break_after = [PIECE, PIECE, PIECE]
    with pytest.raises(TransferError, match="the connection failed"):
        fetch_file(f"{server.url}/x.zip", tmp_path / "x.zip")
    assert (tmp_path / "x.zip.part").stat().st_size == 3 * PIECE
    assert not (tmp_path / "x.zip").exists()
    fetch_file(f"{server.url}/x.zip", tmp_path / "x.zip")
    assert server.requests[-1][1] == f"bytes={3 * PIECE}-"
    assert (tmp_path / "x.zip").read_bytes() == server.files["/x.zip"]


def test_another_version_is_fetched_from_its_start(server: Server, tmp_path: Path) -> None:
    server.files["/x"] = b"old" * 1000
    server.break_after = [5, 5, 5]
    with pytest.raises(TransferError):
        fetch_file(f"{server.url}/x", tmp_path / "x")
    server.files["/x"], server.tag = b"new" * 1000, '"2"'
    assert fetch_file(f"{server.url}/x", tmp_path / "x").read_bytes() == b"new" * 1000
    # Without anything that tells versions apart nothing is continued.
    server.tag, server.break_after = None, [5]
    assert fetch_file(f"{server.url}/x", tmp_path / "y").read_bytes() == b"new" * 1000
    assert server.requests[-1][1] is None


def test_a_complete_part_is_taken(server: Server, tmp_path: Path) -> None:
    server.files["/x"] = b"all"
    (tmp_path / "x.part").write_bytes(b"all")
    (tmp_path / "x.part.json").write_text('{"version": "\\"1\\""}')
    assert fetch_file(f"{server.url}/x", tmp_path / "x").read_bytes() == b"all"


def test_refusals_are_sentences(server: Server, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="the server answered 404"):
        fetch_file(f"{server.url}/none", tmp_path / "x")
    with pytest.raises(TransferError, match="no connection"):
        fetch_file("http://127.0.0.1:9/none", tmp_path / "x")


def test_what_is_not_as_expected_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    server.files["/x"] = content = b"published" * 1000
    wanted = {"sha256": hashlib.sha256(content).hexdigest(), "md5": hashlib.md5(content).hexdigest()}
    good = Expected(len(content), checksums=wanted)
    assert fetch_file(f"{server.url}/x", tmp_path / "x", expected=good).read_bytes() == content
    cases = [
        (Expected(len(content) + 1), "has 9000 bytes instead of 9001"),
        (Expected(len(content) - 1), "is longer than the 8999 bytes expected of it"),
        (Expected(limit=100), "is longer than the 100 bytes expected of it"),
        (Expected(checksums={"sha256": "0" * 64}), "instead of 000000000000…: it is damaged, or not the file"),
    ]
    for expected, message in cases:
        for source in (f"{server.url}/x", tmp_path / "x"):
            with pytest.raises(TransferError, match=message):
                fetch_file(source, tmp_path / "out" / "y", expected=expected)
            discard(tmp_path / "out" / "y")
            assert not list((tmp_path / "out").iterdir())


def test_gits_checksum_is_gits(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"what git counts\n" * 999)
    said = subprocess.run(["git", "hash-object", tmp_path / "x"], capture_output=True, text=True, check=True)
    assert checksum(tmp_path / "x", "git") == said.stdout.strip()


def test_a_folder_stands_for_a_server(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    seen: list[tuple[int, int | None]] = []
    fetch_file(tmp_path / "x", tmp_path / "a" / "y", lambda done, total: seen.append((done, total)))
    assert seen == [(5, 5)]
    with pytest.raises(TransferError, match="nothing cannot be read"):
        fetch_file(tmp_path / "nothing", tmp_path / "a" / "z")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["y"]
