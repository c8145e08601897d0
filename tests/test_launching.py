"""One run in several processes, started by torchrun."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from posecore.errors import SettingsError
from posecore.runs import Registry, run_folder
from posecore.training.config import make_config
from posecore.training.failures import sentence
from posecore.training.launching import as_launched, began, is_first_process, sign, was_restarted
from posecore.training.recording import RESUME
from posecore.training.run import train
from tests.test_training_engine import config_values

VARIABLES = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        # torchrun on the second machine says nothing of NODE_RANK.
        ({"LOCAL_RANK": "0", "RANK": "2"}, False),
        ({"LOCAL_RANK": "0", "RANK": "0"}, True),
    ],
)
def test_one_process_leads(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], first: bool) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() == first


def test_torchrun_says_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(config_values())
    assert as_launched(config) is config
    assert not was_restarted()
    for name, value in {"TORCHELASTIC_RUN_ID": "a", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "6"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    training = as_launched(config).training
    assert (training.devices, training.nodes, was_restarted()) == (2, 3, True)


def test_a_restart_goes_on_with_its_own_run_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(config_values())
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"):
        monkeypatch.setenv(name, "1")
    Registry().add("trial", config.model_dump(mode="json"))
    folder = run_folder("trial")
    folder.mkdir(parents=True)
    (folder / RESUME).write_bytes(b"of somebody else's run")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    with pytest.raises(SettingsError, match="There is a run 'trial' already"):
        train(config, Path.cwd())
    assert not began(folder)
    sign(folder)
    assert began(folder)


def test_the_end_of_another_process_is_told_as_that() -> None:
    error = RuntimeError("[../transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:40522")
    values = config_values()
    assert "Unexpected" in sentence(error, make_config(values), "a")
    values["training"] = {**values["training"], "devices": 2}
    assert "--resume" in sentence(error, make_config(values), "a")


def _second_process(launcher: int) -> int | None:
    """The process of rank 1 below torchrun."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            ranks = (place / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == launcher and b"RANK=1" in ranks:
            return int(place.name)
    return None


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_a_run_of_two_processes_goes_on_when_one_is_killed(home: Path, tmp_path: Path) -> None:
    values = config_values(name="pair")
    values["schedule"] = {"epochs": 4}
    values["training"] |= {"batch_size": 2, "overlays": 0}
    (tmp_path / "pair.yaml").write_text(yaml.safe_dump(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = [f"--rdzv-endpoint=127.0.0.1:{port}", "--rdzv-backend=c10d", "--local-addr=127.0.0.1"]
    processes = ["--nnodes=1", "--nproc-per-node=2", "--max-restarts=1"]
    launcher = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            *meeting,
            *processes,
            "-m",
            "posecore",
            "train",
            str(tmp_path / "pair.yaml"),
        ],
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while launcher.poll() is None and not (run_folder("pair") / RESUME).is_file():
            time.sleep(0.05)
        killed = _second_process(launcher.pid)
        assert killed is not None, launcher.communicate()[0]
        os.kill(killed, signal.SIGKILL)
        output, _ = launcher.communicate(timeout=1500)
    finally:
        launcher.kill()
    assert launcher.returncode == 0, output
    run = Registry().get("pair")
    assert run is not None
    assert run.status == "finished"
    epochs = dict(Registry().epochs("pair"))
    assert [number for number in epochs if number > 0] == [1, 2, 3, 4]
    # Not begun again: the steps of all epochs are counted, each of them once, by both processes together.
    per_epoch = epochs[1]["steps"]
    assert [epochs[number]["steps"] for number in range(1, 5)] == [per_epoch * number for number in range(1, 5)]
    log = (run_folder("pair") / "log.txt").read_text()
    assert log.count("pictures per epoch") == 2
