"""How the command line starts: quickly, on every system, and on every console."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

import posecore
from posecore.cli import COMMANDS, app, load_command

pytestmark = pytest.mark.usefixtures("home")

#: Heavy packages that nothing may load before it is needed.
HEAVY = ("torch", "cv2", "scipy", "pandas", "lightning", "streamlit", "av", "numpy")


def python(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["runs", "list"], ["runs", "--help"]])
def test_light_commands_load_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom posecore.cli import app\ntry: app()\nexcept SystemExit as end: assert not end.code\n"
        f"print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = python(program, *arguments)
    assert done.stdout.splitlines()[-1] == "LOADED []", done.stderr


def test_the_package_loads_its_parts_when_they_are_asked_for() -> None:
    done = python(f"import sys, posecore; print([name for name in {HEAVY} if name in sys.modules])")
    assert done.stdout.strip() == "[]"
    for name in posecore.__all__:
        assert getattr(posecore, name).__module__.startswith("posecore.")
    assert set(posecore.__all__) <= set(dir(posecore))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = posecore.nothing


@pytest.mark.parametrize("name", COMMANDS)
def test_helps_are_those_of_the_commands(name: str) -> None:
    said = " ".join((load_command(name).help or "").split())
    assert said.startswith(COMMANDS[name][2])


def test_every_module_can_be_imported_where_posix_is_missing() -> None:
    program = (
        "import importlib, pkgutil, sys\n"
        "for name in ('fcntl', 'resource', 'termios', 'pwd', 'grp'): sys.modules[name] = None\n"
        "import posecore\n"
        "for module in pkgutil.walk_packages(posecore.__path__, 'posecore.'):\n"
        "    if module.name not in ('posecore.__main__', 'posecore.ui.router'): importlib.import_module(module.name)\n"
        "from posecore.runs import Registry\n"
        "Registry().add('mine', {}); print([run.state for run in Registry().all()])"
    )
    done = python(program)
    assert done.stdout.strip().endswith("['waiting']"), done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_no_console_is_too_small_for_the_output(encoding: str) -> None:
    done = python("from posecore.cli import main; main()", "runs", "show", "n\N{SNOWMAN}", PYTHONIOENCODING=encoding)
    assert done.returncode == 1
    assert "There is no run" in done.stderr
    done = python("from posecore.cli import main; main()", "--help", PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert "webcam" in done.stdout


def test_about_says_what_is_here_and_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_ICE_CREDENTIAL", "hush")
    monkeypatch.setattr("posecore.installation.installed", lambda extra: extra != "c3d")
    facts = json.loads(CliRunner().invoke(app, ["about", "--json"]).stdout)
    assert facts["posecore"] == version("posecore")
    assert facts["libraries"]["torch"] == facts["torch"]
    assert (facts["missing"], facts["POSECORE_ICE_CREDENTIAL"]) == (["c3d"], "set")
    said = CliRunner().invoke(app, ["about"]).stdout
    assert "pip install 'posecore[c3d]'" in said
    assert "hush" not in said
