"""Taking a model out of posecore: a dialog with what can be chosen, progress, a zip and the parity figures."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from posecore.errors import ExportError, PosecoreError
from posecore.export.formats import FORMAT_NAMES, FORMATS, PUBLISHED, WEB, usable_format
from posecore.ui.shared.background import Task, Tasks, tasks
from posecore.ui.shared.error_messages import show_error
from posecore.ui.shared.models.model_picker import is_own_file
from posecore.ui.shared.plain import plain
from posecore.ui.shared.visitors import require
from posecore.zoo import ModelInfo

#: Formats in words.
_TITLES = {
    **{name: one.title for name, one in FORMATS.items()},
    "tfjs-graph": "Google's TensorFlow.js graph, with these weights",
    "tflite": "Google's TensorFlow Lite file, with these weights",
    WEB: "A web page",
}
_OUTPUTS = {
    "auto": "As the model does",
    "single": "One person",
    "multi": "Several people",
    "maps": "Maps, not decoded",
}


@dataclass(frozen=True)
class Archive:
    """An exported folder as a zip, and its parity figures."""

    data: bytes
    figures: dict[str, Any]


def exports() -> Tasks[Archive, str]:
    """Exports, one after the other: each takes all of a processor."""
    return tasks("export", kept=2)


def export_button(info: ModelInfo | None, key: str, **options: Any) -> None:
    """The button that opens the dialog.

    Args:
        info: The model; None for one that is not there yet.
        key: Of the button.
        **options: Of ``st.button``.
    """
    pressed = st.button(
        "Export",
        key=key,
        icon=":material/output:",
        disabled=info is None,
        help="Take the model to another runtime: ONNX, OpenVINO, LiteRT, PyTorch, Google's own files, or a web page.",
        **options,
    )
    if pressed and info is not None:
        export_dialog(info)


@st.dialog("Export a model", width="medium", icon=":material/output:")
def export_dialog(info: ModelInfo) -> None:
    """The dialog."""
    export_form(info)


def export_form(info: ModelInfo) -> None:
    """What can be chosen, and what comes of it."""
    st.markdown(f"**{plain(info.title)}**")
    format = st.selectbox("Format", FORMAT_NAMES, format_func=lambda name: _TITLES[name], key="export_format")
    published: Sequence[Any] = ()
    arguments = ["--format", format]
    if format in PUBLISHED:
        published = st.file_uploader(
            "The published graph, if you have it; it is fetched otherwise",
            accept_multiple_files=True,
            help=f"Name {PUBLISHED[format][2]}.",
            key="export_published",
        )
    else:
        arguments += _options(format)
    try:
        if format not in PUBLISHED:
            usable_format("onnx" if format == WEB else format)
        wanted = st.button("Export", type="primary", key="export_start", icon=":material/output:")
        task = _task(info, arguments, published, wanted)
    except PosecoreError as error:
        show_error(error)
        return
    if task is not None:
        _follow(task)
        _show(task, f"{info.name.replace(':', '-')}-{format}.zip")


def _options(format: str) -> list[str]:
    """The controls of a format that converts the network; what they say as arguments of the command."""
    left, right = st.columns(2)
    size = left.text_input(
        "Input size, pixels",
        placeholder="the model's own",
        key="export_size",
        help="One side, WIDTHxHEIGHT, or dynamic where the size shall be left open.",
    )
    output = right.selectbox(
        "Answer",
        list(_OUTPUTS),
        format_func=lambda name: _OUTPUTS[name],
        key="export_output",
        help="Whether people are decoded inside the graph. OpenPose and several people of PoseNet come as maps.",
    )
    precision = left.segmented_control(
        "Weights", ["float32", "float16"], default="float32", required=True, key="export_precision"
    )
    arguments = ["--output", output, "--precision", precision]
    if format != WEB:
        layout = right.segmented_control("Axes", ["nhwc", "nchw"], default="nhwc", required=True, key="export_layout")
        arguments += ["--layout", layout]
    return [*arguments, "--size", size.strip()] if size.strip() else arguments


def _task(info: ModelInfo, arguments: list[str], published: Sequence[Any], wanted: bool) -> Task[Archive, str] | None:
    """The export of these choices, begun when it is ``wanted``; None while nobody has asked for it."""
    given = {file.name: file.getvalue() for file in published}
    digest = hashlib.sha256(b"".join(name.encode() + data for name, data in sorted(given.items()))).hexdigest()
    model = [info.architecture, "--weights", str(info.path)] if is_own_file(info) else [info.name]
    key = (*model, *arguments, digest)
    if not wanted:
        return exports().get(key)
    require("use", "Exporting models")
    return exports().start(key, lambda task: export(task, [*model, *arguments], given), ends_with_session=True)


def export(task: Task[Archive, str], arguments: list[str], published: dict[str, bytes]) -> Archive:
    """Run the command in a process of its own, whose converters then take no memory of the server's.

    Raises:
        ExportError: Saying what the command said.
    """
    with tempfile.TemporaryDirectory(prefix="posecore-export-") as temporary:
        folder, given = Path(temporary) / "exported", Path(temporary) / "published"
        command = [sys.executable, "-m", "posecore", "export", *arguments, "--to", str(folder), "--json"]
        if published:
            given.mkdir()
            for name, data in published.items():
                (given / Path(name).name).write_bytes(data)
            first = next((name for name in published if name.endswith((".json", ".tflite"))), next(iter(published)))
            command += ["--published", str(given / Path(first).name)]
        said = Path(temporary) / "said"
        with (
            said.open("w") as file,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, encoding="utf-8") as process,
        ):
            while process.poll() is None:
                if task.stop.wait(0.3):
                    process.terminate()
                lines = _lines(said)
                task.tell(next((line for line in reversed(lines) if line.endswith("…")), "Loading the model …"))
            figures = process.stdout.read() if process.stdout else ""
        if process.returncode:
            reasons = [line for line in _lines(said) if line.startswith("posecore: ")]
            raise ExportError(reasons[-1].removeprefix("posecore: ") if reasons else "The export was stopped.")
        return Archive(_zipped(folder), json.loads(figures))


def _lines(said: Path) -> list[str]:
    return said.read_text("utf-8", errors="replace").splitlines()


def _zipped(folder: Path) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    return memory.getvalue()


def _follow(task: Task[Archive, str]) -> None:
    """Say how far it is until it has ended; a dialog that is closed meanwhile leaves it at work."""
    if not task.active:
        return
    with st.status("Waiting …") as status:
        while not task.wait(0.3):
            status.update(label=task.report or "Waiting …")
        done = task.state == "done"
        status.update(label="Exported" if done else "Not exported", state="complete" if done else "error")


def _show(task: Task[Archive, str], name: str) -> None:
    """What came of an export."""
    if task.error:
        st.error(plain(task.error), icon=":material/error:")
    if task.result is None:
        return
    figures = task.result.figures
    st.download_button(
        f"Download the folder ({len(task.result.data) / 1e6:.1f} MB)",
        task.result.data,
        name,
        "application/zip",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )
    with st.container(horizontal=True):
        st.metric("Keypoints apart at most", f"{figures['largest_pixels']:.2g} px", border=True)
        st.metric("Scores apart at most", f"{figures['largest_score']:.2g}", border=True)
        more = f" and {figures['extra']} more" if figures["extra"] else ""
        st.metric("People found", f"{figures['people'] - figures['missed']} of {figures['people']}{more}", border=True)
    st.caption(
        f"Beside posecore on {len(figures['pictures'])} rendered pictures, in pixels of the network's input. The "
        "folder holds the model, what it takes and gives, a program that runs it, and this report keypoint by keypoint."
    )
