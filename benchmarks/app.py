"""How the app behaves for its users: ``python benchmarks/app.py``; ``--help`` lists the parts.

Starts a server of its own with a home of its own and, where the reference weights are not at hand, a network with
random weights. The browser parts need Playwright and a Chromium; they say so where there is none. Figures depend on
what else the machine is doing: the load is printed with them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MODEL = "posenet-mobilenet_v1-075.google_quant2"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Runs in the page: time from the press of a key to the frame in which the new picture is shown.
STOPWATCH = """() => {
  const frame = document.querySelector('.frame') ||
    [...document.querySelectorAll('*')].map((e) => e.shadowRoot && e.shadowRoot.querySelector('.frame')).find(Boolean);
  window.pressed = null;
  window.waits = [];
  document.addEventListener('keydown', () => (window.pressed = performance.now()), true);
  new MutationObserver(() => {
    const start = window.pressed;
    if (start === null) return;
    window.pressed = null;
    requestAnimationFrame(() => window.waits.push(performance.now() - start));
  }).observe(frame, { attributes: true, attributeFilter: ['data-shown'] });
}"""


def main() -> None:
    """Run the parts that were asked for and print one JSON line each."""
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "passes": forward_passes,
        "slider": slider_to_picture,
        "sessions": many_sessions,
        "uploads": memory_of_uploads,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help=f"some of {', '.join(parts)}; all by default")
    chosen = parser.parse_args().parts or list(parts)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        prepare(home)
        for name in chosen:
            load = os.getloadavg()[0]
            result = parts[name](home)
            sys.stdout.write(json.dumps({"part": name, **result, "load_before": round(load, 1)}) + "\n")
            sys.stdout.flush()


def prepare(home: Path) -> None:
    """Put a model into ``home``."""
    mirror = Path(os.environ.get("POSECORE_REFERENCE", ROOT.parent / "shared" / "reference"))
    os.environ["POSECORE_HOME"] = str(home)
    if mirror.is_dir():
        os.environ["POSECORE_WEIGHTS_MIRROR"] = str(mirror)
        from posecore.zoo import fetch_model

        fetch_model(MODEL)
        return
    from posecore.families import family_of
    from posecore.zoo import save_weights

    architecture = MODEL.partition(".")[0]
    network = family_of(architecture).build(architecture)
    save_weights(home / "weights" / f"{MODEL}.safetensors", network, name=MODEL, architecture=architecture)


@contextmanager
def server(home: Path) -> Iterator[tuple[str, int]]:
    """A running app: its address and its process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    environment = {**os.environ, "POSECORE_HOME": str(home), "STREAMLIT_SERVER_HEADLESS": "true"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{address}_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.2)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(20)


def forward_passes(home: Path) -> dict[str, Any]:
    """How often the network runs while every decode control and drawing option is moved."""
    from streamlit.testing.v1 import AppTest

    from posecore.drawing import DrawingOptions
    from posecore.settings import controls
    from posecore.ui.shared.models.caches import fields_cache
    from posecore.zoo import load_model

    app = AppTest.from_file(str(ROOT / "posecore/ui/app/router.py"), default_timeout=120)
    # This model by name: another one may be the default.
    app.query_params["model"] = MODEL
    app.run()
    before, moves = fields_cache().counters.computed, 0
    for prefix, settings in (("", load_model(MODEL).decode_settings_class), ("draw_", DrawingOptions)):
        for control in controls(settings):
            for value in _values(control):
                widget: Any = app.get_by_key(prefix + control.name)
                if not widget.disabled:
                    widget.set_value(value)
                    app.run()
                    moves += 1
    return {"moves": moves, "forward_passes": fields_cache().counters.computed - before}


def _values(control: Any) -> list[Any]:
    """Some values for a control, its default last."""
    if control.kind == "choice":
        values = list(control.choices)
    elif control.kind == "flag":
        values = [True, False]
    else:
        kind = int if control.kind == "int" else float
        span = control.maximum - control.minimum
        values = [kind(control.minimum + span * share) for share in (0, 0.25, 0.5, 0.75, 1)]
    return [*values, control.default]


@contextmanager
def browser_page(address: str, received: list[int]) -> Iterator[Any]:
    """The app in a browser, its picture shown; ``received`` takes the bytes of every message of the server."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
        page.goto(address)
        page.wait_for_selector(".frame[data-shown]", timeout=60_000)
        page.wait_for_timeout(2000)
        yield page
        browser.close()


def slider_to_picture(home: Path, moves: int = 60) -> dict[str, Any]:
    """Milliseconds from a key on a slider to the new picture on the screen, and bytes that the server sends for it.

    Moves a drawing option and the decoder's thresholds take the same way; only that the former changes the picture at
    every move.
    """
    if CHROMIUM is None:
        return {"skipped": "no Chromium here"}
    received: list[int] = []
    with server(home) as (address, _), browser_page(f"{address}?model={MODEL}", received) as page:
        page.get_by_text("Drawing", exact=True).click()
        page.wait_for_timeout(800)
        page.get_by_role("slider", name="Thickness").focus()
        page.evaluate(STOPWATCH)
        received.clear()
        for _ in range(moves):
            seen = page.evaluate("window.waits.length")
            page.keyboard.press("ArrowRight")
            page.wait_for_function(f"window.waits.length > {seen}", timeout=10_000)
            page.wait_for_timeout(100)
        waits = sorted(page.evaluate("window.waits"))
    return {
        "moves": moves,
        "median_ms": round(statistics.median(waits)),
        "p95_ms": round(waits[int(0.95 * moves)]),
        "bytes_per_move": round(sum(received) / moves),
    }


class Visitor:
    """A client that speaks the app's protocol without a browser, so that the server alone is measured."""

    def __init__(self, address: str) -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from websockets.sync.client import connect

        self._message = BackMsg
        url = address.replace("http", "ws") + "_stcore/stream"
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(connect(url, subprotocols=["streamlit"], max_size=None))  # type: ignore[list-item]
        self._slider = self._fragment = ""
        self.run(None)

    def run(self, value: float | None) -> None:
        """Move the slider to ``value`` as a browser does, or run the whole page when None, until that has finished."""
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        back = self._message()
        back.rerun_script.query_string = f"model={MODEL}"
        if value is not None:
            back.rerun_script.fragment_id = self._fragment
            state = back.rerun_script.widget_states.widgets.add()
            state.id = self._slider
            state.double_array_value.data.append(value)
        self._socket.send(back.SerializeToString())
        while True:
            message = ForwardMsg()
            message.ParseFromString(self._socket.recv(timeout=60))
            slider = message.delta.new_element.slider
            if slider.label == "Pose threshold":
                self._slider, self._fragment = slider.id, message.delta.fragment_id
            if message.WhichOneof("type") == "script_finished":
                return

    def close(self) -> None:
        """Leave."""
        self._stack.close()


def many_sessions(home: Path, visitors: int = 8, seconds: float = 10) -> dict[str, Any]:
    """Moves of a slider that the server answers per second while several visitors do so as fast as they can."""
    result: dict[str, Any] = {}
    with server(home) as (address, pid):
        for count in (1, visitors):
            clients = [Visitor(address) for _ in range(count)]
            waits: list[float] = []
            until = time.perf_counter() + seconds

            def move(client: Visitor, until: float = until, waits: list[float] = waits) -> None:
                number = 0
                while time.perf_counter() < until:
                    start = time.perf_counter()
                    client.run(0.1 + 0.01 * (number % 50))
                    waits.append(time.perf_counter() - start)
                    number += 1

            threads = [threading.Thread(target=move, args=(client,)) for client in clients]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for client in clients:
                client.close()
            result |= {
                f"reruns_per_second_{count}": round(len(waits) / seconds, 1),
                f"median_ms_{count}": round(1000 * statistics.median(waits)),
            }
        return result | {"megabytes": memory_of(pid)}


def memory_of_uploads(home: Path, pictures: int = 200) -> dict[str, Any]:
    """Resident memory of the server before and after many pictures of 6 megapixels were uploaded and analysed."""
    if CHROMIUM is None:
        return {"skipped": "no Chromium here"}
    folder = home / "pictures"
    folder.mkdir()
    for number in range(pictures):
        write_picture(folder / f"{number:03d}.jpg", number)
    files = sorted(folder.iterdir())
    with server(home) as (address, pid), browser_page(f"{address}?model={MODEL}", []) as page:
        before = memory_of(pid)
        page.get_by_role("radio", name="Upload").or_(page.get_by_role("button", name="Upload")).first.click()
        page.wait_for_selector("input[type=file]", state="attached")
        page.locator("input[type=file]").first.set_input_files(files)
        page.get_by_role("tab", name="All pictures").click(timeout=300_000)
        page.wait_for_function("document.body.innerText.includes('Save offers everything')", timeout=600_000)
        after = memory_of(pid)
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    shutil.rmtree(folder)
    return {
        "pictures": pictures,
        "uploaded_mb": round(megabytes),
        "decoded_mb": pictures * 18,
        "before_mb": before,
        "after_mb": after,
    }


def write_picture(path: Path, seed: int) -> None:
    """A picture of 3000 × 2000 pixels that does not compress to nothing."""
    import cv2
    import numpy as np

    small = np.random.default_rng(seed).integers(0, 256, (250, 375, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(small, (3000, 2000), interpolation=cv2.INTER_CUBIC))


def memory_of(pid: int) -> int:
    """Resident megabytes of a process, by Linux's account; 0 elsewhere."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return round(int(found.group(1)) / 1000) if found else 0


if __name__ == "__main__":
    main()
