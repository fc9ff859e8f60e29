"""The records of a burst, each with the required outcome of its events."""

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

import msgspec
import numpy as np

from ride_scoring.domain.events import Ride
from ride_scoring.errors import RejectReason
from ride_scoring.streams import kpl
from stream_sim.simulation.schedule import Burst, RideKind
from stream_sim.simulation.world.models import (
    FAILING_MILES,
    INFINITE_MILES,
    NAN_MILES,
    NEGATIVE_MILES,
)
from stream_sim.simulation.world.stream import HASH_KEYS, Entry
from stream_sim.traffic import faults

MARK: Final = "marked"
"""Part of every ride id, and of nothing the function may log."""
MARKS: Final = (MARK, "bWFya2Vk", "1hcmtlZ", "tYXJrZW")
"""The mark, and its recognizable part in base64 at each of the three byte alignments."""
_HUGE_BYTES: Final = 300_000
_LARGE_BYTES: Final = (1_000_000, 4_000_000, 5_000_000)
"""For streams that accept large records; the last exceeds what an event can carry."""
_HALF_A_CHARACTER: Final = b'{"note": "\\ud83d", '
_AGGREGATED: Final = range(2, 8)
_PICKUP: Final = datetime(2023, 1, 14, 8, 31)  # noqa: DTZ001 - New York time, as riders send it
_ELSEWHERE: Final = 0.1
_MALFORMED_PARTS: Final = 0.1

_encode: Final = msgspec.json.Encoder().encode


class Event(msgspec.Struct, frozen=True):
    """An event's bytes and its required outcome: a prediction of its ride, or a reject.

    `partition_key` is that of its record, or of its user record in an aggregate.
    """

    ride_id: int | str
    data: bytes
    partition_key: str
    ride: Ride | None = None
    reason: RejectReason | None = None


class Outgoing(msgspec.Struct, frozen=True):
    """One record and the events in it; `kind` marks a record that kills or hangs the function."""

    kind: RideKind
    entry: Entry
    events: tuple[Event, ...]
    aggregated: bool = False


def records(burst: Burst) -> Iterator[Outgoing]:
    """The records of a burst, in order."""
    rng = random.Random(burst.seed)
    for number, kind in enumerate(burst.kinds):
        yield _MAKERS[kind](kind, f"{MARK}-{burst.seed}-{number}", rng)


def _alone(kind: RideKind, event: Event, rng: random.Random) -> Outgoing:
    entry = Entry(event.data, event.partition_key)
    if rng.random() < _ELSEWHERE:
        entry = msgspec.structs.replace(entry, explicit_hash_key=rng.randrange(HASH_KEYS))
    return Outgoing(kind, entry, (event,))


def _ridden(
    ride_id: int | str,
    miles: float,
    *,
    reason: RejectReason | None = None,
    pickup: datetime | None = _PICKUP,
    padding: int = 0,
) -> Event:
    ride = Ride(130, 205, miles, pickup)
    said = {"ride_id": ride_id, "ride": ride} | ({"padding": "x" * padding} if padding else {})
    return Event(ride_id, _encode(said), str(ride_id), ride, reason)


def _scorable(
    ride_id: int | str,
    rng: random.Random,
    *,
    pickup: datetime | None = _PICKUP,
    padding: int = 0,
) -> Event:
    return _ridden(ride_id, round(rng.uniform(0.1, 30.0), 2), pickup=pickup, padding=padding)


def _half_a_character(ride_id: str, rng: random.Random) -> Event:
    """An unknown field holds half a surrogate pair: JSON allows it, and it is never read."""
    event = _scorable(ride_id, rng)
    return msgspec.structs.replace(event, data=_HALF_A_CHARACTER + event.data[1:])


def _malformed(ride_id: str, rng: random.Random) -> Event:
    reason, make = faults.MALFORMED[rng.choice(list(faults.MALFORMED))]
    return Event(ride_id, make(ride_id), ride_id, reason=reason)


def _noise(ride_id: str, rng: random.Random) -> Event:
    """Bytes that begin as no UTF-8 text can."""
    data = b"\xff" + rng.randbytes(rng.randrange(200))
    return Event(ride_id, data, ride_id, reason="not_utf8")


def _failing(miles: float) -> Callable[[str, random.Random], Event]:
    return lambda ride_id, _: _ridden(ride_id, miles, reason="model_output")


def _aggregated(kind: RideKind, ride_id: str, rng: random.Random) -> Outgoing:
    events = tuple(
        _malformed(f"{ride_id}-{part}", rng)
        if rng.random() < _MALFORMED_PARTS
        else _scorable(f"{ride_id}-{part}", rng)
        for part in range(rng.choice(_AGGREGATED))
    )
    packed = kpl.pack([(event.partition_key, event.data) for event in events], "0")
    return Outgoing(kind, Entry(packed, ride_id), events, aggregated=True)


def _damaged(kind: RideKind, ride_id: str, rng: random.Random) -> Outgoing:
    whole = _aggregated("aggregated", ride_id, rng).entry.data
    data = faults.damaged(whole, np.random.default_rng(rng.randrange(2**32)))
    event = Event(ride_id, data, ride_id, reason="kpl_damaged")
    return Outgoing(kind, Entry(data, ride_id), (event,))


def _single(make: Callable[[str, random.Random], Event]) -> "_Maker":
    return lambda kind, ride_id, rng: _alone(kind, make(ride_id, rng), rng)


_Maker = Callable[[RideKind, str, random.Random], Outgoing]
_MAKERS: Final[Mapping[RideKind, _Maker]] = {
    "ride": _single(_scorable),
    "no-time": _single(lambda ride_id, rng: _scorable(ride_id, rng, pickup=None)),
    "half-a-character": _single(_half_a_character),
    "number-id": _single(lambda _, rng: _scorable(rng.randrange(2**53), rng)),
    "same-id": _single(lambda _, rng: _scorable(f"{MARK}-same", rng)),
    "aggregated": _aggregated,
    "malformed": _single(_malformed),
    "noise": _single(_noise),
    "huge": _single(lambda ride_id, rng: _scorable(ride_id, rng, padding=_HUGE_BYTES)),
    "large": _single(
        lambda ride_id, rng: _scorable(ride_id, rng, padding=rng.choice(_LARGE_BYTES))
    ),
    "damaged-kpl": _damaged,
    "fails-the-model": _single(_failing(FAILING_MILES)),
    "not-a-number": _single(_failing(NAN_MILES)),
    "infinite": _single(_failing(INFINITE_MILES)),
    "below-zero": _single(lambda ride_id, _: _ridden(ride_id, NEGATIVE_MILES)),
    "kills": _single(_scorable),
    "hangs": _single(_scorable),
}
