"""A page that runs an exported model in the visitor's browser: static files for any host."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from posecore.errors import ExportError
from posecore.export.folder import Exported, Progress, export_model
from posecore.export.plan import Plan, check
from posecore.imaging import Picture
from posecore.model import PoseModel
from posecore.storage import write_text, writing

#: The release of onnxruntime-web that pages are made for, and what of it they need.
RELEASE = "1.30.0"
_NEEDED = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
_CDN = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{RELEASE}/dist/"
#: Where the runtime lies in the folder.
_BESIDE = "ort"


def export_page(
    model: PoseModel,
    folder: Path | str,
    plan: Plan,
    pictures: Mapping[str, Picture] | None = None,
    *,
    licence: str = "",
    progress: Progress = lambda _: None,
) -> Exported:
    """Write a page with the model as ONNX; arguments and errors as of :func:`export_model`.

    The runtime is copied in where npm can fetch it, else the page loads it from its public address. People are decoded
    in the graph where that is possible; of other models the page shows one person, the best place of every keypoint.
    """
    if plan.dynamic or plan.layout != "nhwc":
        raise ExportError("A page has an input of one size with channels last; leave size and layout as they are.")
    plan = replace(plan, format="onnx")
    if plan.output == "auto" and check(model, plan).decoder is None:
        plan = replace(plan, output=_with_decoder(model, plan))
    made = export_model(model, folder, plan, pictures, licence=licence, progress=progress)
    progress("Fetching the browser's runtime")
    with writing(made.folder):
        with as_file(files("posecore.export") / "page") as page:
            shutil.copytree(page, made.folder, dirs_exist_ok=True)
        place = f"./{_BESIDE}/" if copy_runtime(made.folder / _BESIDE) else _CDN
        write_text(made.folder / "runtime.js", f"export const RUNTIME = {json.dumps(place)};\n")
    return replace(made, file=made.folder / "index.html")


def _with_decoder(model: PoseModel, plan: Plan) -> Any:
    """``single`` where one person can be decoded in the graph, else ``maps``."""
    try:
        check(model, replace(plan, output="single"))
    except ExportError:
        return "maps"
    return "single"


def copy_runtime(folder: Path) -> bool:
    """Copy onnxruntime-web into a folder; False where npm is missing or reaches no registry."""
    npm = shutil.which("npm")
    if npm is None:
        return False
    with tempfile.TemporaryDirectory(prefix="posecore-npm-") as temporary:
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", temporary]
        try:
            ran = subprocess.run(
                [*command, f"onnxruntime-web@{RELEASE}"], capture_output=True, timeout=300, check=False, cwd=temporary
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        package = Path(temporary) / "node_modules" / "onnxruntime-web"
        wanted = [package / "dist" / name for name in _NEEDED]
        if ran.returncode or not all(path.is_file() for path in wanted):
            return False
        folder.mkdir(parents=True, exist_ok=True)
        # The last says whose it is and under which licence.
        for path in (*wanted, package / "package.json"):
            shutil.copy(path, folder / path.name)
    return True


class _Handler(SimpleHTTPRequestHandler):
    """Static files, and what a browser needs to be told so that the runtime may use threads."""

    extensions_map = {  # noqa: RUF012 - the base class's own attribute
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "credentialless")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of single files."""


def server_of(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """A web server of the folder on 127.0.0.1; port 0 takes any that is free."""
    return ThreadingHTTPServer(("127.0.0.1", port), functools.partial(_Handler, directory=str(folder)))
