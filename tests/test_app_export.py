"""The Export dialog: what it asks the command for, and what it shows of the answer."""

import io
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from posecore.errors import ExportError
from posecore.ui.shared.background import Task
from posecore.ui.shared.models import export_model
from posecore.ui.shared.models.export_model import Archive, exports
from tests.app_support import open_app, words

PYTHON = sys.executable
FIGURES = {
    "largest_pixels": 0.25,
    "largest_score": 0.003,
    "people": 5,
    "missed": 1,
    "extra": 2,
    "pictures": {"a": {}, "b": {}},
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Arguments of the commands that were run; nothing is converted."""
    found: list[list[str]] = []

    def export(task: Task[Any, Any], arguments: list[str], published: dict[str, bytes]) -> Archive:
        found.append(arguments)
        return Archive(b"zip", FIGURES)

    monkeypatch.setattr(export_model, "export", export)
    monkeypatch.setattr("posecore.extras.find_spec", lambda _: True)
    return found


def open_form() -> AppTest:
    """What is in the dialog: AppTest keeps no dialog open."""

    def page() -> None:
        from posecore.ui.shared.models.export_model import export_form
        from posecore.zoo import model_info

        export_form(model_info("movenet-lightning.posecore"))

    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    return app


def test_every_card_of_a_model_that_is_here_opens_the_dialog(asked: Any) -> None:
    app = open_app("models").button(key="export_movenet-lightning.posecore").click().run()
    assert not app.exception
    assert app.button(key="export_start").label == "Export"
    assert not asked


def test_a_model_is_exported_as_chosen(asked: Any) -> None:
    app = open_form()
    assert not asked
    app.selectbox(key="export_format").set_value("openvino").run()
    app.text_input(key="export_size").set_value(" 256x192 ").run()
    app.button(key="export_start").click().run()
    assert asked == [
        ["movenet-lightning.posecore", "--format", "openvino", "--output", "auto", "--precision", "float32",
         "--layout", "nhwc", "--size", "256x192"],
    ]  # fmt: skip
    assert [metric.value for metric in app.metric] == ["0.25 px", "0.003", "4 of 5 and 2 more"]
    app.selectbox(key="export_format").set_value("web").run()
    assert not app.metric


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posecore.extras.find_spec", lambda _: None)
    app = open_form()
    app.selectbox(key="export_format").set_value("litert").run()
    assert "posecore[litert]" in words(app)
    assert not [one for one in app.button if one.key == "export_start"]


def test_visitors_who_may_only_look_start_nothing(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSECORE_VISITORS", "view")
    app = open_form()
    app.button(key="export_start").click().run()
    assert not asked
    assert "Exporting models" in words(app)


def fake_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> None:
    """Stand in for the command: a script that is given its arguments."""
    script = tmp_path / "command.sh"
    script.write_text(f"#!{PYTHON}\nimport json, pathlib, sys, time\n"
                      f"to = pathlib.Path(sys.argv[sys.argv.index('--to') + 1])\n{body}\n")  # fmt: skip
    script.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(script))


def test_the_folder_comes_back_as_a_zip_with_its_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    body = (
        "assert pathlib.Path(sys.argv[sys.argv.index('--published') + 1]).name == 'model.json'\n"
        "(to / 'ort').mkdir(parents=True); (to / 'ort' / 'a').write_text('b')\n"
        "print('Writing it …', file=sys.stderr); print(json.dumps({'people': 3}))"
    )
    fake_command(monkeypatch, tmp_path, body)
    task: Task[Any, Any] = Task("a")
    made = export_model.export(task, ["x"], {"weights.bin": b"1", "model.json": b"{}"})
    assert made.figures == {"people": 3}
    assert zipfile.ZipFile(io.BytesIO(made.data)).read("ort/a") == b"b"


def test_what_the_command_says_is_the_reason_and_a_stopped_one_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_command(monkeypatch, tmp_path, "print('noise\\nposecore: Take 192.\\n', file=sys.stderr); sys.exit(1)")
    with pytest.raises(ExportError, match=r"^Take 192\.$"):
        export_model.export(Task("a"), ["x"], {})
    fake_command(monkeypatch, tmp_path, "time.sleep(120)")
    task = exports().start("waits", lambda task: export_model.export(task, ["x"], {}))
    time.sleep(0.5)
    task.cancel()
    assert task.wait(60)
    assert task.state == "cancelled"
