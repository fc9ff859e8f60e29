"""Resumable HTTP downloads into a `.part` file.

A broken download is resumed with a Range request as long as the ETag shows that the file has not
changed (If-Range, RFC 9110). Otherwise it starts over.
"""

import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import requests
from requests import Response, Session
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema
from requests.utils import get_auth_from_url

from infra.common.console import UserError
from ride_scoring.backoff import full_jitter, system_random
from trips.data import parts
from trips.data.parts import Begun

type Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far, and the total size if the server gives it."""

_ATTEMPTS: Final = 5
_BASE_WAIT_SECONDS: Final = 0.5
_TIMEOUT_SECONDS: Final = (10.0, 60.0)
"""For connecting, and between two chunks of the body."""
_CHUNK_BYTES: Final = 1 << 16
"""Most that is lost when a connection breaks."""
_PASSING: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class NotPublished(UserError):
    """The server has no such file: it responds with 403 or 404."""


class Unreachable(UserError):
    """Several attempts in a row failed; a later one may succeed."""


class _Passing(Exception):
    """A transient error, worth a retry; the message says what went wrong."""


def no_progress(_done: int, _total: int | None) -> None:
    """Ignores progress."""


def download(
    url: str,
    part: Path,
    progress: Progress = no_progress,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Downloads the whole file into `part` and returns its ETag, empty if the server sends none.

    Raises `Unreachable` after several failed attempts, with the bytes received left in `part`;
    `NotPublished`; `UserError` for any other refusal; `OSError` if the part cannot be written.
    A username and password in the URL are used, but neither shown nor stored.
    """
    with Session() as session:
        session.auth, url = _auth(url), bare(url)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return _attempt(session, url, part, progress)
            except _Passing as error:
                if attempt == _ATTEMPTS:
                    raise Unreachable(
                        f"{url} cannot be downloaded: {error} after {_ATTEMPTS} attempts; what "
                        "was received is kept, and fetching again resumes from there"
                    ) from error
            sleep(full_jitter(_BASE_WAIT_SECONDS, attempt, system_random))
    raise AssertionError("the last attempt returns or raises")


def bare(url: str) -> str:
    """The URL without any username and password. Raises `UserError`."""
    try:
        parts_of = urlsplit(url)
    except ValueError as error:
        raise UserError(
            f"a trip data URL cannot be parsed: {error}; is TRIP_DATA_URL right?"
        ) from error
    return urlunsplit(parts_of._replace(netloc=parts_of.netloc.rpartition("@")[2]))


def _auth(url: str) -> tuple[str, str] | None:
    return get_auth_from_url(url) if urlsplit(url).username else None


def _attempt(session: Session, url: str, part: Path, progress: Progress) -> str:
    begun = parts.begun(url, part)
    kept = part.stat().st_size if begun else 0
    if begun and begun.bytes == kept:
        return begun.etag  # an earlier run stopped after the last byte
    headers = {"Accept-Encoding": "identity"}  # so Content-Length counts uncompressed bytes
    if begun:
        headers |= {"Range": f"bytes={kept}-", "If-Range": begun.etag}
    try:
        with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as response:
            _refuse(response, url, part)
            if not (begun and _goes_on(response, begun, kept, part)):
                begun, kept = _begin(response, url, part), 0
            kept = _append(response, part, kept, begun.bytes, progress)
    except (InvalidSchema, InvalidURL, MissingSchema) as error:
        raise UserError(f"{url} cannot be requested: {error}; is TRIP_DATA_URL right?") from error
    except requests.RequestException as error:
        raise _Passing(f"the connection failed ({type(error).__name__})") from error
    if begun.bytes is not None and kept != begun.bytes:
        raise _Passing(f"{kept:,} of {begun.bytes:,} bytes were received")
    return begun.etag


def _refuse(response: Response, url: str, part: Path) -> None:
    status = response.status_code
    if status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        raise NotPublished(f"{url} does not exist: the server answers {status}")
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        parts.forget(part)
        raise _Passing("the file got shorter")
    if status in _PASSING:
        raise _Passing(f"the server answers {status}")
    if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise UserError(f"{url} cannot be downloaded: the server answers {status}")


def _goes_on(response: Response, begun: Begun, kept: int, part: Path) -> bool:
    """Whether the body continues after the bytes kept; False if it is the whole file."""
    if response.status_code == HTTPStatus.OK:
        return False
    same = response.headers.get("ETag", begun.etag) == begun.etag
    if same and response.headers.get("Content-Range", "").startswith(f"bytes {kept}-"):
        return True
    parts.forget(part)
    raise _Passing("the file changed")


def _begin(response: Response, url: str, part: Path) -> Begun:
    length = response.headers.get("Content-Length", "")
    size = int(length) if length.isdecimal() else None
    begun = Begun(url, response.headers.get("ETag", ""), size)
    parts.begin(part, begun)
    return begun


def _append(
    response: Response, part: Path, kept: int, total: int | None, progress: Progress
) -> int:
    """Writes each chunk as it arrives, so that none is lost on interruption; returns the size."""
    progress(kept, total)
    with part.open("ab") as file:
        for chunk in response.iter_content(_CHUNK_BYTES):
            file.write(chunk)
            kept += len(chunk)
            progress(kept, total)
    return kept
