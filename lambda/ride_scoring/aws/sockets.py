"""Sockets and connections whose every wait is cut to what is left until the deadline of a call.

So a server which sends a byte a second holds nobody for longer. Only a look-up of a host's name can
outlast it: that is the system's, as in every client.
"""

import math
import socket
import ssl
import time
from collections.abc import Buffer

from urllib3.connection import HTTPConnection, HTTPSConnection


class PacedSocket(socket.socket):
    """Waits for its peer no longer than until `deadline`, of `time.monotonic()`."""

    deadline: float = math.inf
    received: int = 0
    """Bytes since a request was begun."""

    def begin(self, deadline: float) -> None:
        self.deadline, self.received = deadline, 0

    def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
        self._cut_wait()
        count = super().recv_into(buffer, nbytes or 0, flags)
        self.received += count
        return count

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        self._cut_wait()  # it counts for the whole of the data
        super().sendall(data, flags)

    def _cut_wait(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the call has passed")
        self.settimeout(None if left == math.inf else left)


class PacedTlsSocket(PacedSocket, ssl.SSLSocket):
    """The same over TLS."""


class PacedConnection(HTTPConnection):
    """A connection of urllib3 with paced sockets."""

    deadline: float
    connect_seconds: float

    def _new_conn(self) -> socket.socket:
        return _dial(self.host, self.port, self.connect_seconds, self.deadline)


class PacedTlsConnection(PacedConnection, HTTPSConnection):
    """The same over TLS."""


def _dial(host: str, port: int, connect_seconds: float, deadline: float) -> socket.socket:
    """Connects to the first of the host's addresses that accepts. Raises `OSError`."""
    failure: OSError = TimeoutError("the deadline of the call has passed")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM
    ):
        if (left := deadline - time.monotonic()) <= 0:
            break
        wire = PacedSocket(family, kind, protocol)
        wire.begin(deadline)
        try:
            wire.settimeout(min(connect_seconds, left))
            wire.connect(address)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            wire.close()
            failure = error
        else:
            return wire
    raise failure
