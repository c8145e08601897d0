"""The Models and About pages, without a browser."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from posecore.ui.models import uploaded_weights
from posecore.ui.shared.models.downloads import start_download
from posecore.zoo import Progress, model_info
from tests.app_support import (
    MODEL,
    forget_everything,
    forward_passes,
    install_model,
    open_app,
    wait_for_download,
    without_shipped_models,
    words,
)

FETCH = "posecore.ui.shared.models.downloads.fetch_model"
OTHER = "posenet-mobilenet_v1-075.google_quant2"


@pytest.fixture(autouse=True)
def _fresh(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    without_shipped_models(monkeypatch, tmp_path)
    forget_everything()


def press(app: AppTest, key: str) -> AppTest:
    """Press a button; nothing may break."""
    app.button(key=key).click().run()
    assert not app.exception
    return app


def keys(app: AppTest) -> list[str]:
    return [button.key for button in app.button if button.key]


def test_without_any_model() -> None:
    app = open_app("models")
    assert "**0 of " in words(app)
    assert app.button(key=f"fetch_{MODEL}").label == "Download 1.2 MB"
    app.pills(key="shown").set_value("On this machine").run()
    assert "No model is on this machine yet" in words(app)


def test_fetch(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FETCH, lambda name, progress, agreed: install_model(home, name))
    app = press(open_app("models"), f"fetch_{OTHER}")
    wait_for_download(OTHER)
    app.run()
    assert "**1 of " in words(app)
    assert app.button(key=f"try_{OTHER}").label == "Try it"


def test_a_download_goes_on_without_its_page_and_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, fetched = threading.Event(), []

    def fetch(name: str, progress: Progress, agreed: bool) -> Path:
        fetched.append(name)
        while True:
            progress.update(1_000_000, 9_000_000)
            begun.set()
            time.sleep(0.01)

    monkeypatch.setattr(FETCH, fetch)
    press(open_app("models"), f"fetch_{OTHER}")
    assert begun.wait(30)
    # Another tab, or the same one after a reload.
    app = open_app("models")
    assert {key for key in keys(app) if key.endswith(OTHER)} == {f"details_{OTHER}", f"cancel_download_{OTHER}"}
    start_download(model_info(OTHER))
    assert fetched == [OTHER]
    press(app, f"cancel_download_{OTHER}")
    assert wait_for_download(OTHER).state == "cancelled"
    app.run()
    assert f"fetch_{OTHER}" in keys(app)
    assert not app.error


def test_a_failed_fetch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POSECORE_WEIGHTS_MIRROR", str(tmp_path))
    app = press(open_app("models"), f"fetch_{OTHER}")
    wait_for_download(OTHER)
    app.run()
    assert len(app.error) == 1
    assert f"fetch_{OTHER}" in keys(app)


def test_try_it_goes_to_explore_with_the_model(home: Path) -> None:
    install_model(home)
    install_model(home, OTHER, seed=1)
    app = press(open_app("models"), f"try_{OTHER}")
    assert app.selectbox(key="model_choice").value == OTHER
    assert forward_passes() == 2
    assert app.query_params["model"] == OTHER


def test_verify_a_whole_and_a_damaged_file(home: Path) -> None:
    path = install_model(home)
    app = press(open_app("models"), f"verify_{MODEL}")
    assert "File intact" in words(app)
    path.write_bytes(path.read_bytes()[:-50])
    app = press(open_app("models"), f"verify_{MODEL}")
    assert "download it again" in app.error[0].value


def test_removing_asks_first(home: Path) -> None:
    path = install_model(home)
    app = press(open_app("models"), f"remove_{MODEL}")
    assert "from this machine?" in words(app)
    assert path.exists()


def test_details(home: Path) -> None:
    install_model(home)
    app = press(open_app("models"), f"details_{MODEL}")
    table = app.table[0].value
    assert "Parameters" in table.to_string()
    assert "Output strides" in table.to_string()


def give(app: AppTest, name: str, data: bytes) -> AppTest:
    """Give a file of one's own for the smallest architecture."""
    app.selectbox[0].select("posenet-mobilenet_v1-050")
    app.file_uploader[0].upload(name, data)
    next(button for button in app.button if button.label == "Use it").click()
    return app.run()


def test_a_file_of_ones_own(home: Path, tmp_path: Path) -> None:
    data = install_model(tmp_path, MODEL).read_bytes()
    app = give(open_app("models"), "mine.safetensors", data)
    assert not app.exception
    assert not app.error
    name = "posenet-mobilenet_v1-050.mine"
    press(app, f"try_{name}")
    assert app.selectbox(key="model_choice").value == name
    assert forward_passes() == 1
    assert "people**" in words(app)


def test_a_wrong_file_of_ones_own() -> None:
    app = give(open_app("models"), "mine.safetensors", b"nonsense")
    assert not app.exception
    assert len(app.error) == 1
    app = give(open_app("models"), "../../mine.bin", b"nonsense")
    assert "One model at a time" in app.error[0].value


def test_no_file_of_ones_own() -> None:
    app = open_app("models")
    next(button for button in app.button if button.label == "Use it").click().run()
    assert "Choose a file first" in app.error[0].value


def test_about() -> None:
    app = open_app("about")
    assert "Libraries" in words(app)
    assert "torch" in app.dataframe[0].value["Library"].tolist()
    assert "SIL Open Font License" in words(app)


def test_files_of_ones_own_never_take_each_others_place(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two is removed before a third of the same name comes; the second stays what it was."""
    first, second, third = (install_model(tmp_path / str(seed), MODEL, seed).read_bytes() for seed in (1, 2, 3))
    app = give(open_app("models"), "a.safetensors", first)
    app = give(app, "b.safetensors", second)
    models = app.session_state["posecore"].own_models
    a, b = (models[f"posenet-mobilenet_v1-050.{name}"] for name in "ab")
    # A dialog's buttons do not answer without a browser.
    with monkeypatch.context() as patched:
        patched.setattr(uploaded_weights, "session", lambda: app.session_state["posecore"])
        uploaded_weights.remove_own_model(a)
    assert not a.path.exists()
    app = give(app, "b.safetensors", third)
    assert b.path.read_bytes() == second
    assert sorted(info.path.read_bytes() == third for info in models.values()) == [False, True]


def test_a_refused_file_leaves_nothing_behind(home: Path) -> None:
    app = give(open_app("models"), "mine.safetensors", b"nonsense")
    assert not list(app.session_state["posecore"].folder.path.iterdir())


def test_a_file_that_names_its_architecture_is_not_asked_for_it(home: Path, tmp_path: Path) -> None:
    data = install_model(tmp_path, OTHER).read_bytes()
    app = give(open_app("models"), "mine.safetensors", data)
    assert not app.error
    assert app.session_state["model_choice"] == "posenet-mobilenet_v1-075.mine"


def test_a_model_that_goes_is_missed(home: Path) -> None:
    install_model(home, OTHER)
    app = open_app(model_choice="run:gone")
    assert "run:gone is not here any more" in words(app)


def test_the_zip_of_an_export_is_kept(home: Path, tmp_path: Path) -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        archive.writestr("model.onnx", b"a graph")
        archive.write(install_model(tmp_path, MODEL), "weights.safetensors")
    app = open_app("models")
    app.checkbox(key="keep_own").check()
    app = give(app, "yoga.zip", memory.getvalue())
    assert not app.error
    assert app.session_state["model_choice"] == "posenet-mobilenet_v1-050.yoga"
    assert (home / "models" / "posenet-mobilenet_v1-050.yoga.safetensors").is_file()
    app = give(open_app("models"), "other.zip", memory.getvalue()[:-40])
    assert "cannot be unpacked" in app.error[0].value
