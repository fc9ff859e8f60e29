"""A file over HTTP, resumable: an address goes in, bytes in a `.part` file come out.

What a broken download left is gone on from with a Range request, as long as the ETag says that the
file is the same (If-Range, RFC 9110). Otherwise it starts anew.
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
"""Is told the bytes that are there, and those of the whole file where the server says so."""

_ATTEMPTS: Final = 5
_BASE_WAIT_SECONDS: Final = 0.5
_TIMEOUT_SECONDS: Final = (10.0, 60.0)
"""To connect, and between two pieces of the body."""
_CHUNK_BYTES: Final = 1 << 16
"""What a connection that breaks loses at most."""
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
    """The server has no such file: it answers 403 or 404."""


class Unreachable(UserError):
    """Several attempts failed one after the other; one that is made later may not."""


class _Passing(Exception):
    """Trying again can help; the message says what went wrong."""


def no_progress(_done: int, _total: int | None) -> None:
    """Shows nothing."""


def download(
    url: str,
    part: Path,
    progress: Progress = no_progress,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Brings the whole file into `part`, and gives its ETag, empty where the server names none.

    Raises `Unreachable` once several attempts failed, and leaves in `part` what came;
    `NotPublished`; `UserError` for any other refusal; `OSError` where the part cannot be written.
    A name and password in the address are used, and neither told nor kept.
    """
    with Session() as session:
        session.auth, url = _auth(url), bare(url)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return _attempt(session, url, part, progress)
            except _Passing as error:
                if attempt == _ATTEMPTS:
                    raise Unreachable(
                        f"{url} cannot be downloaded: {error} at {_ATTEMPTS} attempts; what came "
                        "is kept, and fetching again goes on from there"
                    ) from error
            sleep(full_jitter(_BASE_WAIT_SECONDS, attempt, system_random))
    raise AssertionError("the last attempt returns or raises")


def bare(url: str) -> str:
    """The address without the name and password that it may carry. Raises `UserError`."""
    try:
        parts_of = urlsplit(url)
    except ValueError as error:
        raise UserError(
            f"an address of trips cannot be read: {error}; is TRIP_DATA_URL right?"
        ) from error
    return urlunsplit(parts_of._replace(netloc=parts_of.netloc.rpartition("@")[2]))


def _auth(url: str) -> tuple[str, str] | None:
    return get_auth_from_url(url) if urlsplit(url).username else None


def _attempt(session: Session, url: str, part: Path, progress: Progress) -> str:
    begun = parts.begun(url, part)
    kept = part.stat().st_size if begun else 0
    if begun and begun.bytes == kept:
        return begun.etag  # an earlier run was stopped after the last byte
    headers = {"Accept-Encoding": "identity"}  # or Content-Length would count other bytes
    if begun:
        headers |= {"Range": f"bytes={kept}-", "If-Range": begun.etag}
    try:
        with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as response:
            _refuse(response, url, part)
            if not (begun and _goes_on(response, begun, kept, part)):
                begun, kept = _begin(response, url, part), 0
            kept = _append(response, part, kept, begun.bytes, progress)
    except (InvalidSchema, InvalidURL, MissingSchema) as error:
        raise UserError(f"{url} cannot be asked for: {error}; is TRIP_DATA_URL right?") from error
    except requests.RequestException as error:
        raise _Passing(f"the connection failed ({type(error).__name__})") from error
    if begun.bytes is not None and kept != begun.bytes:
        raise _Passing(f"{kept:,} of {begun.bytes:,} bytes came")
    return begun.etag


def _refuse(response: Response, url: str, part: Path) -> None:
    status = response.status_code
    if status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        raise NotPublished(f"{url} is not there: the server answers {status}")
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        parts.forget(part)
        raise _Passing("the file got shorter")
    if status in _PASSING:
        raise _Passing(f"the server answers {status}")
    if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise UserError(f"{url} cannot be downloaded: the server answers {status}")


def _goes_on(response: Response, begun: Begun, kept: int, part: Path) -> bool:
    """Whether the body starts behind the bytes that are kept; False where it is the whole file."""
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
    """Writes each piece as it comes, so that whatever stops it loses none; bytes in the end."""
    progress(kept, total)
    with part.open("ab") as file:
        for chunk in response.iter_content(_CHUNK_BYTES):
            file.write(chunk)
            kept += len(chunk)
            progress(kept, total)
    return kept
