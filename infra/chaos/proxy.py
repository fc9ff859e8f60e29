"""An HTTP proxy between the function and LocalStack that injects faults."""

import contextlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Final

import msgspec

from infra.chaos.faults import (
    NO_RESULTS,
    Answer,
    Dealt,
    Deck,
    Service,
    error_body,
    service_of,
    with_refusals,
    without_some,
)
from infra.common.ports import HOST

_UPSTREAM_SECONDS: Final = 60.0
_TYPES: Final = {Service.S3: "application/xml", Service.KINESIS: "application/x-amz-json-1.1"}
_OF_ONE_CONNECTION: Final = frozenset({"connection", "keep-alive", "transfer-encoding"})
_WITHOUT_BODY: Final = frozenset({204, 304})

Headers = list[tuple[str, str]]


class Call(msgspec.Struct, frozen=True):
    """A request, with path and headers unchanged."""

    method: str
    path: str
    headers: Headers
    body: bytes


class Reply(msgspec.Struct, frozen=True):
    """A complete response."""

    status: int
    reason: str
    headers: Headers
    body: bytes

    def head(self) -> bytes:
        """Status line and headers to send; the body is not chunked."""
        kept = [pair for pair in self.headers if pair[0].lower() not in _OF_ONE_CONNECTION]
        if self.status not in _WITHOUT_BODY:
            kept = [pair for pair in kept if pair[0].lower() != "content-length"]
            kept.append(("Content-Length", str(len(self.body))))
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{a}: {b}" for a, b in kept)]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


class Proxy:
    """Listens on a free port while its context is active; injects faults within `biting`."""

    def __init__(self, upstream_port: int, deck: Deck) -> None:
        self._server = _Server(upstream_port, deck)
        self.url = f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.ended.set()
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def biting(self) -> Iterator[None]:
        """Injects faults while the context is active."""
        self._server.bites = True
        try:
            yield
        finally:
            self._server.bites = False


class _Server(ThreadingHTTPServer):
    def __init__(self, upstream_port: int, deck: Deck) -> None:
        super().__init__((HOST, 0), _Handler)
        self.upstream_port = upstream_port
        self.deck = deck
        self.bites = False
        self.ended = threading.Event()

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Ignores dropped connections: functions killed in mid-call and a LocalStack that exits are
        expected."""
        if not isinstance(sys.exception(), (OSError, HTTPException)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Logs nothing: the deck counts faults."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        call = Call(self.command, self.path, self.headers.items(), self.rfile.read(length))
        service = service_of(self.headers.get("X-Amz-Target"))
        dealt = self.server.deck.deal(service) if service and self.server.bites else None
        if service is None or dealt is None:
            self._answer(self._passed_on(call))
        else:
            self._answer_wrongly(call, service, dealt)

    do_GET = do_PUT = do_POST = _serve  # noqa: N815 - names required by the library

    def _answer_wrongly(self, call: Call, service: Service, dealt: Dealt) -> None:
        fault = dealt.fault
        if fault.answer is Answer.PARTLY_REFUSED:
            self._answer(self._partly_refused(call, dealt.seed))
            return
        reply = self._passed_on(call) if fault.passed_on else None
        self.server.ended.wait(dealt.seconds)
        if fault.answer is Answer.ERROR:
            self._answer(_error(service, fault.status, fault.code))
        elif fault.answer is Answer.HALF and reply:
            whole = reply.head() + reply.body
            cut_off = (len(reply.body) or len(whole)) // 2 + 1
            self.wfile.write(whole[:-cut_off])
            self.close_connection = True
        elif fault.answer is Answer.TRUE and reply:
            self._answer(reply)
        else:
            self.close_connection = True

    def _partly_refused(self, call: Call, seed: int) -> Reply:
        part = without_some(call.body, seed)
        if part.body is None:
            kind = ("Content-Type", _TYPES[Service.KINESIS])
            reply = Reply(200, "OK", [kind], NO_RESULTS)
        else:
            reply = self._passed_on(msgspec.structs.replace(call, body=part.body))
        if reply.status != 200:
            return reply
        return msgspec.structs.replace(reply, body=with_refusals(reply.body, part.refused))

    def _passed_on(self, call: Call) -> Reply:
        """LocalStack's own answer. It does not check signatures, so the body may differ from the
        signed one."""
        upstream = HTTPConnection(HOST, self.server.upstream_port, timeout=_UPSTREAM_SECONDS)
        with contextlib.closing(upstream):
            upstream.putrequest(call.method, call.path, skip_host=True, skip_accept_encoding=True)
            for name, value in call.headers:
                if name.lower() != "content-length":
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(call.body)))
            upstream.endheaders(call.body)
            answer = upstream.getresponse()
            return Reply(answer.status, answer.reason, answer.getheaders(), answer.read())

    def _answer(self, reply: Reply) -> None:
        self.wfile.write(reply.head() + reply.body)


def _error(service: Service, status: int, code: str) -> Reply:
    kind = ("Content-Type", _TYPES[service])
    return Reply(status, code, [kind], error_body(service, code))
