"""AWS's Lambda Runtime API for one runtime process: invocations in, what the process says out.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
One server per process: with a shared one, the request that a dead process left waiting would take
the next invocation with it.
"""

import queue
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Final

_BASE: Final = "/2018-06-01/runtime/"


@dataclass(frozen=True)
class Invocation:
    """One event for the process. `deadline_ms` is milliseconds since the epoch."""

    request_id: str
    function_arn: str
    trace_id: str
    deadline_ms: int
    payload: bytes

    def headers(self) -> Mapping[str, str]:
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.function_arn,
            "Lambda-Runtime-Trace-Id": self.trace_id,
        }


@dataclass(frozen=True)
class Ready:
    """The process asks for its next event."""


@dataclass(frozen=True)
class Answered:
    """The function returned or raised."""

    request_id: str
    payload: bytes
    is_error: bool


@dataclass(frozen=True)
class InitFailed:
    """The function could not be imported."""

    payload: bytes


@dataclass(frozen=True)
class Exited:
    """The process ended; `code` is negative for a signal, as in `subprocess`."""

    code: int


Message = Ready | Answered | InitFailed | Exited


class RuntimeApi:
    """A server on a free port of 127.0.0.1. Put into `invocations`, take from `messages`."""

    def __init__(self) -> None:
        self.invocations: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Lets a waiting process go and frees the port."""
        self.invocations.put(None)
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: RuntimeApi

    def handle_error(
        self, request: socket | tuple[bytes, socket], client_address: tuple[str, int]
    ) -> None:
        """Says nothing of a connection that ended with its process, whose exit is reported."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        if self.path == f"{_BASE}restore/next":  # of a snapshot, which is restored at once
            self._answer(200)
            return
        if self.path != f"{_BASE}invocation/next":
            self._answer(404)
            return
        api = self.server.api
        api.messages.put(Ready())
        invocation = api.invocations.get()
        if invocation is None:
            self.close_connection = True
            self._answer(410)
        else:
            self._answer(200, invocation.headers(), invocation.payload)

    def do_POST(self) -> None:
        message = self._message(self._body())
        if message is None:
            self._answer(404)
            return
        self.server.api.messages.put(message)
        self._answer(202, {"Content-Type": "application/json"}, b'{"status":"OK"}')

    def log_message(self, *_: object) -> None:
        """Nothing: a line for each request would drown LocalStack's log."""

    def _message(self, body: bytes) -> Message | None:
        match self.path.removeprefix(_BASE).split("/"):
            case ["init", "error"]:
                return InitFailed(body)
            case ["invocation", request_id, "response"]:
                return Answered(request_id, body, is_error=False)
            case ["invocation", request_id, "error"]:
                return Answered(request_id, body, is_error=True)
        return None

    def _body(self) -> bytes:
        # AWS's client sends a length, or chunks where it streams.
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return bytes(body)

    def _answer(
        self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> None:
        try:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the process is gone; its exit is reported by itself
