"""What the tests of the app share: a model of their own, and runs of the pages without a browser."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from posecore.families import family_of
from posecore.ui.shared.background import Task, close_all_tasks
from posecore.ui.shared.models.caches import drawings_cache, fields_cache
from posecore.ui.shared.models.downloads import Arrived, downloads
from posecore.ui.shared.models.engine import _boxed, _joined, _loaded
from posecore.zoo import save_weights

State = TypeVar("State")

ROOT = Path(__file__).resolve().parent.parent
ROUTER = ROOT / "posecore" / "ui" / "app" / "router.py"
MODEL = "posenet-mobilenet_v1-050.google_quant2"


def forget_everything() -> None:
    """Start without models, fields and tasks, as a new server does. Samples that were read stay: they are the same."""
    close_all_tasks()
    for cached in (fields_cache, drawings_cache, _loaded, _joined, _boxed):
        cached.clear()


def wait_for_download(name: str) -> Task[Path, Arrived]:
    """The download of a model, once it has ended."""
    task = downloads().get(name)
    assert task is not None
    assert task.wait(60)
    return task


def without_shipped_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if nothing came with posecore, so that a test decides what is on the machine."""
    monkeypatch.setattr("posecore.zoo.listing.shipped_folder", lambda: tmp_path / "nothing shipped")


def install_model(home: Path, name: str = MODEL, seed: int = 0) -> Path:
    """Put a model with random weights where a fetched one would lie."""
    path = home / "weights" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_random_model(name, seed))
    return path


@cache
def _random_model(name: str, seed: int) -> bytes:
    torch.manual_seed(seed)
    architecture = name.partition(".")[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        network = family_of(architecture).build(architecture)
        save_weights(path, network, name=name, architecture=architecture, title="Random", licence="none")
        return path.read_bytes()


def kept(app: AppTest, kind: type[State]) -> State:
    """What a page remembers of its visitor."""
    found: State = app.session_state["posecore"].pages[kind]
    return found


def open_app(page: str = "explore", query: Mapping[str, str] | None = None, **state: object) -> AppTest:
    """One visitor opens a page."""
    app = AppTest.from_file(str(ROUTER), default_timeout=60)
    for name, value in (query or {}).items():
        app.query_params[name] = value
    for name, kept_value in state.items():
        app.session_state[name] = kept_value
    app.run()
    if page != "explore":
        app.switch_page(f"../../../pages/{page}.py").run()
    assert not app.exception, app.exception
    return app


def words(app: AppTest) -> str:
    """All text on the page."""
    kinds = (app.markdown, app.caption, app.error, app.info, app.success, app.warning, app.subheader, app.header)
    text = "\n".join(str(element.value) for kind in kinds for element in kind)
    return as_read(text)


def as_read(text: object) -> str:
    """Markdown as a reader sees it: without the marks that keep words of others from being read as Markdown."""
    return re.sub(r"\\([^A-Za-z0-9\s])", r"\1", str(text))


def forward_passes() -> int:
    """How often the network ran for pictures."""
    return fields_cache().counters.computed


def jpeg(width: int, height: int) -> bytes:
    """A picture of a colour gradient."""
    column = np.linspace(0, 255, height, dtype=np.uint8)[:, None, None]
    return encoded(Image.fromarray(np.broadcast_to(column, (height, width, 3)).copy()), "JPEG")


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """A picture as the bytes of a file."""
    memory = io.BytesIO()
    image.save(memory, kind, **options)
    return memory.getvalue()


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    """Choose the upload field and drop files into it."""
    if app.segmented_control(key="source").value != "Upload":
        app.segmented_control(key="source").set_value("Upload").run()
    field = app.file_uploader[0]
    for name, data in files:
        field.upload(name, data)
    return app.run()
