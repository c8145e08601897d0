"""What all tests share: the reference files, where they are present, and a home of their own for every test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web_support import Server

# Tests compare numbers: what is left to `auto` is computed by PyTorch in float32, and nothing goes on beside them.
os.environ["POSECORE_RUNTIME"] = "torch"
# Tables are as wide whichever test comes first: what prints them asks once.
os.environ["COLUMNS"] = "200"

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """A page that a test runs takes the place of the main module, which processes that are spawned later begin with."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tensors are small in tests: threads that wait for each other cost more than they bring, and change last bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of published weights and outputs that are not part of the project."""
    folder = Path(os.environ.get("POSECORE_REFERENCE", ROOT.parent / "shared" / "reference"))
    if not folder.is_dir():
        pytest.skip(f"no reference files at {folder}; set POSECORE_REFERENCE to their folder")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty POSECORE_HOME."""
    folder = tmp_path / "home"
    monkeypatch.setenv("POSECORE_HOME", str(folder))
    monkeypatch.delenv("POSECORE_WEIGHTS_MIRROR", raising=False)
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server of files, asked again at once where a transfer broke."""
    monkeypatch.setattr("posecore.transfer.time.sleep", lambda seconds: None)
    one = Server()
    yield one
    one.http.shutdown()
    one.http.server_close()
