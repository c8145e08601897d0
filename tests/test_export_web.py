"""The page that runs a model in the browser: what lies in its folder, and how it is served."""

import shutil
import subprocess
import threading
from http.client import HTTPConnection
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from posecore.errors import ExportError
from posecore.export import Exported, Plan, web
from posecore.export.parity import Parity
from posecore.export.web import copy_runtime, export_page, server_of
from tests.test_export import random_model


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """What models were exported with; nothing is converted."""
    made: list[Plan] = []

    def export_model(model: Any, folder: Path, plan: Plan, pictures: Any, **_: object) -> Exported:
        made.append(plan)
        Path(folder).mkdir(parents=True)
        return Exported(Path(folder), Path(folder) / "model.onnx", {}, cast(Parity, None))

    monkeypatch.setattr(web, "export_model", export_model)
    monkeypatch.setattr(web, "copy_runtime", lambda _: False)
    return made


def modules_of(folder: Path) -> set[str]:
    """Files that the page names."""
    texts = [path.read_text("utf-8") for path in folder.iterdir() if path.suffix in (".html", ".js")]
    names = {path.name for path in folder.iterdir()}
    assert all(f'"{name}"' in " ".join(texts) or f'"./{name}"' in " ".join(texts) for name in names - {"index.html"})
    return names


def test_the_page_has_all_its_files_and_loads_the_runtime_from_its_public_address_without_npm(
    plans: Any, tmp_path: Path
) -> None:
    made = export_page(random_model("movenet-shufflenet_v2-050"), tmp_path / "page", Plan("web"))
    assert made.file == tmp_path / "page" / "index.html"
    assert {"main.js", "model.js", "fit.js", "draw.js", "runtime.js", "style.css"} <= modules_of(tmp_path / "page")
    assert "https://cdn.jsdelivr.net/npm/onnxruntime-web@" in (tmp_path / "page" / "runtime.js").read_text("utf-8")
    assert plans[0].format == "onnx"


def test_people_are_decoded_in_the_graph_where_that_is_possible(plans: Any, tmp_path: Path) -> None:
    for index, name in enumerate(("movenet-multipose", "posenet-mobilenet_v1-050", "openpose-mobilenet_thin")):
        export_page(random_model(name), tmp_path / str(index), Plan("web"))
    assert [plan.output for plan in plans] == ["auto", "single", "maps"]
    with pytest.raises(ExportError, match="one size with channels last"):
        export_page(random_model("movenet-multipose"), tmp_path / "other", Plan("web", layout="nchw"))


@pytest.mark.parametrize(("returned", "files", "copied"), [(0, True, True), (1, False, False), (0, False, False)])
def test_the_runtime_is_copied_when_npm_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, returned: Any, files: Any, copied: Any
) -> None:
    def install(command: list[str], **_: object) -> SimpleNamespace:
        package = Path(command[command.index("--prefix") + 1]) / "node_modules" / "onnxruntime-web"
        if files:
            (package / "dist").mkdir(parents=True)
            for name in (*(f"dist/{needed}" for needed in web._NEEDED), "package.json"):
                (package / name).write_text(name)
        return SimpleNamespace(returncode=returned)

    monkeypatch.setattr(shutil, "which", lambda _: "npm")
    monkeypatch.setattr(subprocess, "run", install)
    assert copy_runtime(tmp_path / "ort") is copied
    assert (tmp_path / "ort").exists() is copied
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(subprocess.TimeoutExpired("npm", 1)))
    assert not copy_runtime(tmp_path / "other")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert not copy_runtime(tmp_path / "other")


def test_the_server_says_what_the_runtime_needs(tmp_path: Path) -> None:
    (tmp_path / "a.mjs").write_text("1")
    with server_of(tmp_path) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        connection = HTTPConnection("127.0.0.1", server.server_port)
        connection.request("GET", "/a.mjs")
        answer = connection.getresponse()
        connection.close()
        server.shutdown()
        thread.join()
    assert answer.headers["Content-Type"] == "text/javascript"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
