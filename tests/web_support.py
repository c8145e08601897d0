"""A web server from memory, for tests of whatever fetches files."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """Serves bytes from memory with ranges and ETags, and can break off.

    Attributes:
        files: Path → content.
        requests: (path, Range header) in order.
        break_after: Bytes after which the next answers stop, one number per answer.
        tag: The ETag of everything.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.break_after: list[int] = []
        self.tag: str | None = '"1"'
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Silence."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        wanted = to.headers.get("Range")
        self.requests.append((to.path, wanted))
        content = self.files.get(to.path)
        if content is None:
            to.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and to.headers["If-Range"] == self.tag else 0
        if start >= len(content) > 0:
            to.send_response(416)
            to.send_header("Content-Range", f"bytes */{len(content)}")
            to.end_headers()
            return
        to.send_response(206 if start else 200)
        if start:
            to.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.tag:
            to.send_header("ETag", self.tag)
        to.send_header("Content-Length", str(len(content) - start))
        to.end_headers()
        stop = self.break_after.pop(0) if self.break_after else len(content)
        to.wfile.write(content[start : start + stop])
