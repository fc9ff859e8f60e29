"""Decodes the bytes of an event. Pure: no AWS, environment or clock."""

import re
from typing import Any, Final

import msgspec

from ride_scoring.domain import SCHEMA_VERSION, Event, require_scorable
from ride_scoring.errors import UNREADABLE, CannotScore

_HALF: Final = rb"u[dD][89a-fA-F][0-9a-fA-F]{2}"
_PAIR: Final = rb"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPES: Final = re.compile(rb"(\\%b|\\(?!%b).)|\\%b" % (_PAIR, _HALF, _HALF), re.DOTALL)
"""Each escape of a JSON text; group 1 holds those that are not half a surrogate pair."""
_STAND_INS: Final = (rb"\ufffd", rb"\ufffe")
"""Two, so that a text that is read shows itself: it differs between them."""


class _Versioned(msgspec.Struct):
    schema_version: Any = SCHEMA_VERSION


_event_decoder = msgspec.json.Decoder(Event)
_version_decoder = msgspec.json.Decoder(_Versioned)


def decode(data: bytes) -> Event:
    """The event in the bytes of one. Raises `CannotScore`."""
    try:
        event = _event_decoder.decode(data)
    except UnicodeDecodeError as error:
        raise CannotScore("not_utf8", error.reason) from None
    except msgspec.ValidationError as error:
        raise _invalid(data, str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        event = _without_surrogates(data, str(error))
    if event.schema_version != SCHEMA_VERSION:
        raise _other_version(event.schema_version)
    require_scorable(event)
    return event


def _other_version(version: object) -> CannotScore:
    return CannotScore(
        "schema_version", f"schema_version is {version!r:.20}; must be {SCHEMA_VERSION}"
    )


def _invalid(data: bytes, detail: str) -> CannotScore:
    """An event of another schema version probably has another schema: report the version then."""
    try:
        version = _version_decoder.decode(_whole(data, _STAND_INS[0])).schema_version
    except UNREADABLE:
        return CannotScore("schema", detail)
    if type(version) is not int or version != SCHEMA_VERSION:
        return _other_version(version)
    return CannotScore("schema", detail)


def _without_surrogates(data: bytes, detail: str) -> Event:
    """The event, where half a surrogate pair is all that the decoder stumbled over, and it stands
    where nothing is read. Raises `CannotScore`.

    JSON's grammar allows `"\\ud83d"` alone, and it stands for no character, so no text that is
    used, such as an id, may hold one: RFC 8259, section 8.2.
    """
    events = []
    for stand_in in _STAND_INS:
        mended = _whole(data, stand_in)
        if mended == data:
            raise _malformed(data, detail)
        events.append(decode(mended))
    one, other = events
    if one != other:
        raise CannotScore("schema", "a string contains an unpaired surrogate")
    return one


def _whole(data: bytes, stand_in: bytes) -> bytes:
    """The JSON text with a character in the place of each half of a surrogate pair."""
    return _ESCAPES.sub(lambda escape: escape[1] or stand_in, data)


def _malformed(data: bytes, detail: str) -> CannotScore:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return CannotScore("not_utf8", error.reason)
    return CannotScore("not_json", detail)
