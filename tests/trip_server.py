"""A server of trip files on this machine, with ETag and Range, that misbehaves if told."""

import hashlib
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

HOST = "127.0.0.1"


class TripServer(ThreadingHTTPServer):
    """Serves `files` by name; use it in a `with`. `asked` holds the headers of each request."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__((HOST, 0), _Handler)
        self.files = dict(files)
        self.asked: list[Mapping[str, str]] = []
        self.statuses: list[int] = []
        """Answered first, one a request."""
        self.cuts: list[int] = []
        """Bytes of a body after which the connection closes, one a request."""
        self.longer_by = 0
        """What Content-Length says too much, or too little."""
        self.knows_ranges = True
        self.heeds_if_range = True
        self.etag_form: str | None = '"{}"'
        self.starts_early_by = 0
        """Bytes that the answer to a Range request begins before what was asked for."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: Any) -> None:
        """Says nothing: a client that goes away is what many of the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: TripServer

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        content = self.server.files.get(self.path.removeprefix("/"))
        if self.server.statuses or content is None:
            self.send_error(self.server.statuses.pop(0) if self.server.statuses else 404)
            return
        etag = (self.server.etag_form or "").format(hashlib.sha256(content).hexdigest()[:16])
        first = self._first_byte(etag)
        if first is not None and first >= len(content):
            self.send_error(416)
            return
        self.send_response(200 if first is None else 206)
        if first is not None:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        if etag:
            self.send_header("ETag", etag)
        body = content[first or 0 :]
        self.send_header("Content-Length", str(len(body) + self.server.longer_by))
        self.end_headers()
        self.wfile.write(body[: self.server.cuts.pop(0)] if self.server.cuts else body)

    def _first_byte(self, etag: str) -> int | None:
        wanted = self.headers.get("Range")
        changed = self.server.heeds_if_range and self.headers.get("If-Range") != etag
        if wanted is None or changed or not self.server.knows_ranges:
            return None
        return int(wanted.removeprefix("bytes=").rstrip("-")) - self.server.starts_early_by

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
