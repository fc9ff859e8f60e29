"""A server on this machine that stands for AWS: it keeps what it was asked, and misbehaves if told.

Each behaviour answers one request; where none is left, the last is used again.
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

HOST = "127.0.0.1"


class Asked(NamedTuple):
    """A request as it came, the names of its headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


type Behaviour = Callable[[socket.socket], bool]
"""Answers on the connection; tells whether it stays open."""


def answer(
    status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Behaviour:
    lines = {"Content-Length": str(len(body)), "ETag": '"e"', **(headers or {})}
    head = f"HTTP/1.1 {status} Said\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    return raw(head.encode() + b"\r\n" + body, stay=True)


def raw(data: bytes, *, stay: bool = False) -> Behaviour:
    def behave(connection: socket.socket) -> bool:
        connection.sendall(data)
        return stay

    return behave


def then_close(behaviour: Behaviour) -> Behaviour:
    """Answers as if the connection stayed open, and closes it."""

    def behave(connection: socket.socket) -> bool:
        behaviour(connection)
        return False

    return behave


def close(connection: socket.socket) -> bool:  # noqa: ARG001 - says nothing
    return False


def reset(connection: socket.socket) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def drip(data: bytes, seconds: float) -> Behaviour:
    """A byte at a time, so that no single wait is long."""

    def behave(connection: socket.socket) -> bool:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(seconds)
        return False

    return behave


def silence(seconds: float) -> Behaviour:
    def behave(connection: socket.socket) -> bool:  # noqa: ARG001 - says and reads nothing
        time.sleep(seconds)
        return False

    return behave


class Server:
    """Listens on a free port until it is stopped; use it in a `with`."""

    def __init__(
        self,
        *behaviours: Behaviour,
        wrap: Callable[[socket.socket], socket.socket] | None = None,
        read_bodies: bool = True,
    ) -> None:
        self.asked: list[Asked] = []
        self.connections = 0
        self._behaviours = list(behaviours) or [answer()]
        self._wrap = wrap
        self._read_bodies = read_bodies
        self._listener = socket.create_server((HOST, 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def will(self, *behaviours: Behaviour) -> None:
        """What it does from now on."""
        self._behaviours = list(behaviours)

    def __enter__(self) -> "Server":
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_connections()
        for thread in self._threads:
            thread.join(5)
        for connection in self._open:
            connection.close()

    def close_connections(self) -> None:
        """As a server does with those that have been idle for long."""
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            wrapped = self._wrap(connection) if self._wrap else connection
            with wrapped, wrapped.makefile("rb") as stream:
                while (request := self._read(stream.readline, stream.read, wrapped)) is not None:
                    self.asked.append(request)
                    if not self._next()(wrapped):
                        return

    def _next(self) -> Behaviour:
        return self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]

    def _read(
        self,
        line: Callable[[], bytes],
        read: Callable[[int], bytes],
        connection: socket.socket,
    ) -> Asked | None:
        if not (first := line().decode("ascii").split(" ")) or len(first) < 3:
            return None
        headers: dict[str, str] = {}
        while (header := line().decode("latin-1").strip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        if "expect" in headers:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(headers.get("content-length", 0)) if self._read_bodies else 0
        return Asked(first[0], first[1], headers, read(length))
