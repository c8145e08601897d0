"""A page on this machine that shows live pictures, without a library for windows: a web server for one kind of visitor.

It listens on the loopback address only. Neither other users of the machine nor pages of other sites must look through
the camera, so the address holds a secret, and requests without it, that name another host, or that a browser says come
from another site are refused.
"""

from __future__ import annotations

import errno
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2

from posecore.cli.preview_page import preview_page
from posecore.errors import PosecoreError
from posecore.imaging import Picture
from posecore.lifting.live_figure import LiveFigure
from posecore.shipped import browser_modules

ADDRESS = "127.0.0.1"
_HOSTS = (ADDRESS, "localhost")
_BOUNDARY = "picture"
_JPEG_QUALITY = 85
_MODULES = "/modules/"
#: Seconds without a new picture after which the last one is sent again, which finds out whether anybody still looks.
_REPEAT = 2.0
_POLICY = (
    "default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'"
)


class Preview:
    """Serves the newest picture to every browser that looks; use it in a ``with`` block.

    Args:
        port: On ``127.0.0.1``; 0 takes a free one.
        status: Called for the line below the picture.
        figure: The people in space, to be shown beside the picture.

    Attributes:
        url: Address of the page, with the secret that it asks for.

    Raises:
        PosecoreError: When the port is taken.
    """

    def __init__(self, port: int, status: Callable[[], str], figure: LiveFigure | None = None) -> None:
        self.status = status
        self.figure = figure
        self.token = secrets.token_urlsafe(24)
        self._changed = threading.Condition()
        self._jpeg = b""
        self._number = 0
        self._closed = False
        try:
            self._server = _Server((ADDRESS, port), self)
        except OSError as error:
            raise PosecoreError(_why_not(port, error)) from error
        self.port = int(self._server.server_address[1])
        self.url = f"http://{ADDRESS}:{self.port}/?token={self.token}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="posecore-preview", daemon=True)
        self._thread.start()

    def __enter__(self) -> Preview:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def show(self, picture: Picture) -> None:
        """Show ``(H, W, 3)`` uint8 RGB from now on."""
        done, data = cv2.imencode(
            ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        )
        if not done:
            return
        with self._changed:
            self._jpeg, self._number = data.tobytes(), self._number + 1
            self._changed.notify_all()

    def newer(self, number: int) -> tuple[int, bytes] | None:
        """The newest picture as (number, JPEG), one after ``number`` if it comes soon; None when the preview closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > number, _REPEAT)
            return None if self._closed else (self._number, self._jpeg)

    def close(self) -> None:
        """Stop serving; the port is free when this returns."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _why_not(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program; choose another one with --port, or 0 for any that is free."
    return f"Port {port} cannot be used: {error.strerror or error}; choose another one with --port."


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A browser that still looks keeps its connection; closing must not wait for it.
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], preview: Preview) -> None:
        self.preview = preview
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no error worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "posecore"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one request."""
        path = urlsplit(self.path).path
        module = browser_modules().get(path.removeprefix(_MODULES)) if path.startswith(_MODULES) else None
        if not self._welcome():
            self._say(HTTPStatus.FORBIDDEN, "Only pages of this machine may look here.")
        elif module is not None and self.server.preview.figure is not None:
            # Whoever has posecore has these; browsers ask for them without the secret.
            self._send(HTTPStatus.OK, "text/javascript; charset=utf-8", module.read_bytes())
        elif not self._knows_token():
            self._say(HTTPStatus.FORBIDDEN, "Open the whole address that posecore printed.")
        else:
            answers = {"/": self._page, "/status": self._status, "/stream": self._stream, "/figure": self._figure}
            answers.get(path, self._nothing)()

    def _nothing(self) -> None:
        self._say(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def _page(self) -> None:
        preview = self.server.preview
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", preview_page(preview.token, preview.figure).encode())

    def _status(self) -> None:
        self._send_json({"line": self.server.preview.status()})

    def _figure(self) -> None:
        """The people of the newest picture in space; no content when none comes soon."""
        figure = self.server.preview.figure
        if figure is None:
            self._nothing()
        elif (told := figure.newest()) is None:
            self._head(HTTPStatus.NO_CONTENT, {})
        else:
            self._send_json(told)

    def _welcome(self) -> bool:
        """True for requests that were meant for this server and that no other site asked for."""
        port = self.server.server_address[1]
        host = self.headers.get("Host", "")
        asked_by = self.headers.get("Sec-Fetch-Site", "none")
        return host in [f"{name}:{port}" for name in _HOSTS] and asked_by in ("none", "same-origin")

    def _knows_token(self) -> bool:
        """True for requests with the secret of the printed address; how long this takes tells nothing about it."""
        given = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        return secrets.compare_digest(given.encode(), self.server.preview.token.encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self._head(status, {"Content-Type": kind, "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _say(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, "text/plain; charset=utf-8", f"{sentence}\n".encode())

    def _send_json(self, data: Mapping[str, Any]) -> None:
        self._send(HTTPStatus.OK, "application/json", json.dumps(data).encode())

    def _head(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        always = {
            "Cache-Control": "no-store",
            "Content-Security-Policy": _POLICY,
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }
        for name, value in {**headers, **always}.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self) -> None:
        """Pictures for as long as somebody looks (multipart/x-mixed-replace)."""
        self._head(HTTPStatus.OK, {"Content-Type": f"multipart/x-mixed-replace; boundary={_BOUNDARY}"})
        number = 0
        while (newest := self.server.preview.newer(number)) is not None:
            number, jpeg = newest
            if not jpeg:
                continue
            head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

    def log_message(self, format: str, *values: Any) -> None:
        """Keep the terminal free of requests."""
