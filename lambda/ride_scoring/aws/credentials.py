"""Who signs: keys from the environment, or from the container endpoint that SnapStart uses.

https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
"""

import ipaddress
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Protocol

import msgspec

from ride_scoring.aws.endpoints import Origin, parsed_url
from ride_scoring.aws.http import Http, NoAnswer, Request
from ride_scoring.errors import UNREADABLE, AwsError, SettingsError

FULL_URI: Final = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
RELATIVE_URI: Final = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
TOKEN: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - a variable's name
TOKEN_FILE: Final = f"{TOKEN}_FILE"

# botocore's ContainerMetadataFetcher: the only hosts that are sent the token without TLS.
_CONTAINER_HOST: Final = "169.254.170.2"
_PLAIN_HOSTS: Final = frozenset({_CONTAINER_HOST, "169.254.170.23", "fd00:ec2::23", "localhost"})

EARLY_SECONDS: Final = 300.0
"""Keys are renewed this long before they expire, if the endpoint offers new ones."""
_EARLY_AGAIN_SECONDS: Final = 30.0
_EARLY_FETCH_SECONDS: Final = 1.0
"""Time limit for a renewal that is not yet urgent."""
_FETCH_SECONDS: Final = 2.0
_FETCH_ATTEMPTS: Final = 3
_WAIT_SECONDS: Final = 0.1

logger = logging.getLogger(__name__)


class Credentials(msgspec.Struct, frozen=True):
    """What botocore signs with. `expires_at` is seconds since the epoch."""

    access_key: str
    secret_key: str
    token: str | None
    expires_at: float = math.inf

    def __repr__(self) -> str:
        return "Credentials(...)"


class CredentialSource(Protocol):
    """Where a call gets its credentials from. Deadlines are of `time.monotonic()`."""

    def current(self, deadline: float, /) -> Credentials:
        """Credentials that have not expired. Raises `AwsError`."""

    def renewed(self, refused: Credentials, deadline: float, /) -> Credentials | None:
        """Credentials other than those that AWS reported as expired, or None. Raises `AwsError`."""


class FixedCredentials(msgspec.Struct, frozen=True):
    """Keys that live as long as the process, as those in Lambda's environment."""

    credentials: Credentials

    def current(self, _deadline: float, /) -> Credentials:
        return self.credentials

    def renewed(self, _refused: Credentials, _deadline: float, /) -> Credentials | None:
        return None


class _Fetched(msgspec.Struct, frozen=True, rename="pascal"):
    access_key_id: str
    secret_access_key: str
    token: str
    expiration: Annotated[datetime, msgspec.Meta(tz=True)]


class ContainerCredentials:
    """Keys of the container endpoint, renewed before they expire.

    `clock` gives seconds since the epoch, `sleep` waits seconds. Threads may share it: one of them
    fetches, and only those wait for it that have nothing valid.
    """

    def __init__(
        self,
        origin: Origin,
        path: str,
        environment: Mapping[str, str],
        http: Http,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._origin = origin
        self._path = path
        self._environment = environment
        self._http = http
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._held: Credentials | None = None
        self._early_from = -math.inf

    def current(self, deadline: float) -> Credentials:
        """See `CredentialSource`."""
        held, now = self._held, self._clock()
        if held is None or now >= held.expires_at:
            return self._replace(held, deadline)
        if now >= max(held.expires_at - EARLY_SECONDS, self._early_from):
            return self._renew_early(held, deadline)
        return held

    def renewed(self, refused: Credentials, deadline: float) -> Credentials | None:
        """See `CredentialSource`."""
        return self._replace(refused, deadline)

    def _renew_early(self, held: Credentials, deadline: float) -> Credentials:
        if not self._lock.acquire(blocking=False):
            return held
        try:
            self._early_from = self._clock() + _EARLY_AGAIN_SECONDS
            self._held = self._fetch(min(deadline, time.monotonic() + _EARLY_FETCH_SECONDS))
        except AwsError as error:
            logger.warning("credentials not renewed, the current ones are still valid: %s", error)
            return held
        finally:
            self._lock.release()
        return self._held

    def _replace(self, refused: Credentials | None, deadline: float) -> Credentials:
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise NoAnswer("another thread is still waiting for credentials", "ReadTimeoutError")
        try:
            # Another thread may have been here first.
            if self._held is None or self._held is refused:
                self._held = self._fetch_persistently(deadline)
            return self._held
        finally:
            self._lock.release()

    def _fetch_persistently(self, deadline: float) -> Credentials:
        for attempt in range(1, _FETCH_ATTEMPTS):
            try:
                return self._fetch(min(deadline, time.monotonic() + _FETCH_SECONDS))
            except AwsError:
                wait = _WAIT_SECONDS * attempt
                if time.monotonic() + wait >= deadline:
                    raise
                self._sleep(wait)
        return self._fetch(min(deadline, time.monotonic() + _FETCH_SECONDS))

    def _fetch(self, deadline: float) -> Credentials:
        headers = {"Accept": "application/json", "Host": self._origin.authority}
        if token := self._token():
            headers["Authorization"] = token
        reply = self._http.exchange(Request("GET", self._origin, self._path, headers), deadline)
        if reply.status != 200:
            raise self._failure(f"answered {reply.status}")
        try:
            fetched = msgspec.json.decode(reply.body, type=_Fetched)
        except UNREADABLE:
            # Not quoted, not even as a cause: keys may be in what cannot be read.
            raise self._failure("returned something other than credentials") from None
        return self._checked(fetched)

    def _checked(self, fetched: _Fetched) -> Credentials:
        credentials = Credentials(
            fetched.access_key_id,
            fetched.secret_access_key,
            fetched.token,
            fetched.expiration.timestamp(),
        )
        if not _fits_header(credentials.access_key + (credentials.token or "")):
            raise self._failure("returned credentials that are not valid in a header")
        if credentials.expires_at <= self._clock():
            raise self._failure("returned credentials that have already expired")
        return credentials

    def _token(self) -> str | None:
        """Read anew each time, as whoever provides the file replaces it."""
        token = self._environment.get(TOKEN)
        if path := self._environment.get(TOKEN_FILE):
            try:
                token = Path(path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                raise AwsError(
                    f"{TOKEN_FILE} names {path}, which cannot be read", "NoToken"
                ) from None
        if token is not None and not _fits_header(token):
            raise AwsError(
                f"the value of {TOKEN} or its file is not a valid header value", "NoToken"
            )
        return token

    def _failure(self, what: str) -> AwsError:
        return AwsError(
            f"the credentials endpoint {self._origin} {what}", "CredentialRetrievalError"
        )


def source(environment: Mapping[str, str], http: Callable[[Origin], Http]) -> CredentialSource:
    """Environment first, container endpoint next, as with boto3. Raises `SettingsError`.

    `http` makes the connections to the container endpoint, where it is needed.
    """
    if environment.get("AWS_ACCESS_KEY_ID"):
        return FixedCredentials(_from(environment))
    if relative := environment.get(RELATIVE_URI):
        origin, path = Origin("http", _CONTAINER_HOST, 80), f"/{relative.removeprefix('/')}"
    elif full := environment.get(FULL_URI):
        origin, path = parsed_url(FULL_URI, full)
    else:
        raise SettingsError(
            f"the environment has neither AWS_ACCESS_KEY_ID nor {FULL_URI}: Lambda sets one of "
            "them; profiles and credential files are not read"
        )
    _require_safe(origin)
    return ContainerCredentials(origin, path or "/", environment, http(origin))


def _from(environment: Mapping[str, str]) -> Credentials:
    if not (secret_key := environment.get("AWS_SECRET_ACCESS_KEY")):
        raise SettingsError(
            "the environment has AWS_ACCESS_KEY_ID, but lacks AWS_SECRET_ACCESS_KEY"
        )
    access_key, token = environment["AWS_ACCESS_KEY_ID"], environment.get("AWS_SESSION_TOKEN")
    if not _fits_header(access_key + (token or "")):
        raise SettingsError(
            "AWS_ACCESS_KEY_ID or AWS_SESSION_TOKEN is not valid in a header: it must be printable "
            "ASCII without spaces"
        )
    return Credentials(access_key, secret_key, token or None)


def _require_safe(origin: Origin) -> None:
    if origin.scheme == "https" or origin.host in _PLAIN_HOSTS or _is_loopback(origin.host):
        return
    raise SettingsError(
        f"{FULL_URI} names the host {origin.host}: without https, credentials are requested only "
        f"from this machine and {_CONTAINER_HOST}"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _fits_header(value: str) -> bool:
    return value.isascii() and value.isprintable() and " " not in value
