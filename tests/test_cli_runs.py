"""Runs from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from posecore.cli import app
from posecore.runs import Registry
from posecore.training import jobs
from tests.job_support import idle_workers, tiny

pytestmark = pytest.mark.usefixtures("home")


def call(*arguments: str, code: int = 0, answer: str | None = None) -> str:
    result = CliRunner().invoke(app, list(arguments), input=answer)
    assert result.exit_code == code, result.output
    return result.output


def test_a_configuration_is_queued_seen_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "trial.yaml"
    file.write_text(yaml.safe_dump(tiny().model_dump(mode="json")))
    with idle_workers(monkeypatch):
        assert "first has begun" in call("train", str(file), "--name", "first", "--queue")
        assert "second waits" in call("train", str(file), "--name", "second", "--queue")
        call("runs", "note", "second", "with [brackets]")
        listed = json.loads(call("runs", "list", "--json"))
        assert [(run["name"], run["state"], run["note"]) for run in listed] == [
            ("second", "waiting", "with [brackets]"),
            ("first", "running", ""),
        ]
        assert "with [brackets]" in call("runs", "list")
        call("runs", "pause", "first", "second")
        assert "pausing" in call("runs", "show", "first")
        # One that cannot be does not keep the others from it.
        assert "first is running" in call("runs", "delete", "--yes", "first", "second", code=1)
    assert [run.name for run in Registry().all()] == ["first"]
    # Relative paths mean the file's folder, wherever the worker is.
    assert listed[0]["config"]["data"]["root"] == str(tmp_path)


def test_removing_asks_first() -> None:
    jobs.submit(tiny("one"))
    call("runs", "delete", "one", code=1, answer="n\n")
    assert Registry().get("one") is not None
    call("runs", "rename", "one", "two")
    call("runs", "delete", "two", answer="y\n")
    assert Registry().all() == []


def test_a_run_shows_its_curve() -> None:
    jobs.submit(tiny("one"))
    Registry().record("one", 0, {"validation/oks": 0.25})
    Registry().record("one", 1, {"train/loss": 2.0, "validation/oks": 0.5})
    shown = call("runs", "show", "one")
    assert ["before", "–", "–", "0.250", "–"] in [line.split() for line in shown.splitlines()]
    assert ["1", "2.000", "–", "0.500", "–"] in [line.split() for line in shown.splitlines()]
