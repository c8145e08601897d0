"""Damaged files through every entry point, and that the run which tries them sees what it is for."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from benchmarks import mutation
from benchmarks.mutation import Target, attempts, inputs, pictures, run
from posecore.errors import ImageError


def test_every_way_to_end_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path) -> None:
        match path.read_text():
            case "refused":
                raise ImageError("No.")
            case "exception":
                raise KeyError("odd")
            case "long":
                raise ImageError("x" * 5000)
            case "crash":
                os._exit(3)
            case "hang":
                time.sleep(600)
            case "memory":
                bytearray(b"x") * 80_000_000

    monkeypatch.setattr(mutation, "SECONDS", 3.0)
    monkeypatch.setattr(mutation, "TOO_MUCH", 50_000_000)
    expected = ["fine", "refused", "exception", "long", "crash", "fine", "hang", "memory", "fine"]
    paths = [tmp_path / str(number) for number in range(len(expected))]
    for path, kind in zip(paths, expected, strict=True):
        path.write_text(kind)
    found = list(attempts(read, paths))
    kinds = [outcome.kind if outcome.above < mutation.TOO_MUCH else "memory" for outcome in found]
    assert kinds == [kind if kind != "long" else "exception" for kind in expected]


def test_the_same_seed_damages_the_same_way() -> None:
    target = Target(pictures()[:3], print, 1.0)
    first, again, other = (list(inputs(target, 30, random.Random(seed))) for seed in (1, 1, 2))
    assert first == again != other
    assert all(data not in {seed for _, seed in target.seeds} for _, data in first[:10]) or len({*first}) > 20


@pytest.mark.slow
def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    for name, tally in run(2000, 0, tmp_path).items():
        assert tally["fine"] + tally["refused"] > 50, name
        assert not {kind for kind in ("exception", "crash", "hang", "memory") if tally[kind]}, name
