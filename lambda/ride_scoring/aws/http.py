"""One signed request in, one whole answer out, over connections that are kept open."""

import contextlib
import ssl
import time
import weakref
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import TYPE_CHECKING, Final, NamedTuple

from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as BodyTimeoutError

from ride_scoring.aws.endpoints import Origin
from ride_scoring.aws.route import Proxy
from ride_scoring.aws.sockets import PacedConnection, PacedSocket, PacedTlsConnection
from ride_scoring.errors import AwsError

if TYPE_CHECKING:
    from urllib3 import HTTPResponse

CONNECT_SECONDS: Final = 1.5
"""Timeout for connecting to one of a host's addresses, without TLS."""
IDLE_SECONDS: Final = 60.0
"""Connections idle for longer are not reused: gateways drop them without notifying either end."""
_MAX_IDLE: Final = 4

_TRANSPORT_ERRORS: Final = (OSError, HTTPException, HTTPError)


class PassingError(AwsError):
    """A transient failure: a retry may succeed."""


class NoAnswer(PassingError):
    """No response, or an incomplete one. `code` says at which stage."""


class Request(NamedTuple):
    """What is sent, headers as they go out. `path` is percent-encoded, with its query if any."""

    method: str
    origin: Origin
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None


class Reply(NamedTuple):
    """An answer, whatever its status. The names of `headers` are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """Connections to any number of servers. `clock` gives seconds since the epoch.

    Safe to be used by several threads: each takes a connection for itself.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None,
        proxy: Proxy | None = None,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tls = tls
        self._proxy = proxy
        self._connect_seconds = connect_seconds
        self._clock = clock
        self._idle: dict[Origin, list[tuple[PacedConnection, float]]] = {}
        weakref.finalize(self, _close_all, self._idle)

    def exchange(self, request: Request, deadline: float) -> Reply:
        """Sends one request; redirects are answers. Raises `NoAnswer`.

        A kept connection that its server has closed meanwhile is no failure: Lambda freezes the
        function between calls. Where it brought not one byte, a fresh one is tried at once.
        """
        connection = self._kept(request.origin)
        if connection is not None:
            with contextlib.suppress(_Stale):
                return self._exchange_on(connection, request, deadline)
        return self._exchange_on(self._fresh(request.origin), request, deadline)

    def _kept(self, origin: Origin) -> PacedConnection | None:
        kept = self._idle.setdefault(origin, [])
        while True:
            try:
                connection, since = kept.pop()
            except IndexError:
                return None
            if 0 <= self._clock() - since < IDLE_SECONDS and connection.is_connected:
                return connection
            connection.close()

    def _fresh(self, origin: Origin) -> PacedConnection:
        if self._proxy is None:
            return self._connection(origin, origin)
        connection = self._connection(self._proxy.origin, origin)
        if origin.scheme == "https":
            connection.set_tunnel(origin.host, origin.port, self._proxy.headers)
        return connection

    def _connection(self, server: Origin, target: Origin) -> PacedConnection:
        if target.scheme == "https":
            connection: PacedConnection = PacedTlsConnection(
                server.host, server.port, ssl_context=self._tls
            )
        else:
            connection = PacedConnection(server.host, server.port)
        connection.connect_seconds = connection.timeout = self._connect_seconds
        return connection

    def _exchange_on(self, connection: PacedConnection, request: Request, deadline: float) -> Reply:
        kept = connection.sock is not None
        wire: PacedSocket | None = None
        try:
            wire = _begin(connection, deadline)
            reply = _converse(connection, self._forwarded(request))
        except _TRANSPORT_ERRORS as error:
            connection.close()
            timed_out = isinstance(error, TimeoutError | BodyTimeoutError)
            if kept and not timed_out and wire and not wire.received:
                raise _Stale from error
            code = _timeout_code(wire) if timed_out else type(error).__name__
            raise NoAnswer(f"{request.origin} gave no complete response: {code}", code) from error
        self._keep(connection, request.origin)
        return reply

    def _forwarded(self, request: Request) -> Request:
        """As a proxy wants it that speaks for us; one that tunnels never sees the request."""
        if self._proxy is None or request.origin.scheme == "https":
            return request
        return request._replace(
            path=f"{request.origin}{request.path}",
            headers={**request.headers, **self._proxy.headers},
        )

    def _keep(self, connection: PacedConnection, origin: Origin) -> None:
        kept = self._idle.setdefault(origin, [])
        if connection.sock is None or len(kept) >= _MAX_IDLE:
            connection.close()
        else:
            kept.append((connection, self._clock()))


class _Stale(Exception):
    """A reused connection was closed before any response arrived."""


def _begin(connection: PacedConnection, deadline: float) -> PacedSocket:
    connection.deadline = deadline
    if connection.sock is None:
        connection.connect()
    wire = connection.sock
    assert isinstance(wire, PacedSocket)  # noqa: S101 - for the type checker
    wire.begin(deadline)
    return wire


def _converse(connection: PacedConnection, request: Request) -> Reply:
    # A server that refuses a request may close before it has read all of it, and still have said
    # why: what it said is read in any case.
    with contextlib.suppress(BrokenPipeError):
        connection.request(
            request.method,
            request.path,
            body=request.body,
            headers=request.headers,
            preload_content=False,
            decode_content=False,
        )
    response = connection.getresponse()
    if not _shows_its_end(response):
        connection.close()
        response.close()
        raise HTTPException("a response without a length cannot be told from a truncated one")
    return Reply(response.status, response.headers, response.read())


def _shows_its_end(response: "HTTPResponse") -> bool:
    return (
        response.status in {204, 304}
        or "content-length" in response.headers
        or response.headers.get("transfer-encoding", "").lower() == "chunked"
    )


def _timeout_code(wire: PacedSocket | None) -> str:
    return "ReadTimeoutError" if wire else "ConnectTimeoutError"


def _close_all(idle: dict[Origin, list[tuple[PacedConnection, float]]]) -> None:
    for kept in idle.values():
        for connection, _ in kept:
            connection.close()
