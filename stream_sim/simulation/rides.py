"""Bursts in, the records that are sent out, each with what must become of the events in it."""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec
import numpy as np

from ride_scoring import kpl
from ride_scoring.events import RejectReason
from stream_sim import faults
from stream_sim.simulation.models import FAILING_MILES, NAN_MILES
from stream_sim.simulation.schedule import Burst, RideKind
from stream_sim.simulation.stream import Entry

MARK: Final = "marked"
"""In every ride's id, and in nothing that the function may log."""
_HUGE_BYTES: Final = 300_000
_AGGREGATED: Final = range(2, 8)
_AT: Final = "2023-01-14T08:31:00"

_encode: Final = msgspec.json.Encoder().encode


class Event(msgspec.Struct, frozen=True):
    """What must become of one event: a prediction of so many miles, or a reject, with its bytes."""

    ride_id: int | str
    data: bytes
    miles: float = 0.0
    reason: RejectReason | None = None


class Outgoing(msgspec.Struct, frozen=True):
    """One record and the events in it; a record that kills or hangs says so."""

    kind: RideKind
    entry: Entry
    events: tuple[Event, ...]
    aggregated: bool = False


def records(burst: Burst) -> Iterator[Outgoing]:
    """The records of a burst, in order."""
    rng = random.Random(burst.seed)  # noqa: S311 - a history is drawn, and no secret
    for number, kind in enumerate(burst.kinds):
        yield _MAKERS[kind](kind, f"{MARK}-{burst.seed}-{number}", rng)


def _alone(kind: RideKind, event: Event, rng: random.Random) -> Outgoing:
    entry = Entry(event.data, str(event.ride_id))
    if rng.random() < 0.1:
        entry = msgspec.structs.replace(entry, explicit_hash_key=rng.randrange(2**128))
    return Outgoing(kind, entry, (event,))


def _ride(ride_id: int | str, miles: float, *, at: str | None = _AT, padding: int = 0) -> bytes:
    ride: dict[str, object] = {"PULocationID": 130, "DOLocationID": 205, "trip_distance": miles}
    if at is not None:
        ride["pickup_datetime"] = at
    return _encode(
        {"ride_id": ride_id, "ride": ride} | ({"padding": "x" * padding} if padding else {})
    )


def _scorable(
    ride_id: int | str, rng: random.Random, *, at: str | None = _AT, padding: int = 0
) -> Event:
    miles = round(rng.uniform(0.1, 30.0), 2)
    return Event(ride_id, _ride(ride_id, miles, at=at, padding=padding), miles)


def _malformed(ride_id: str, rng: random.Random) -> Event:
    reason, make = faults.MALFORMED[rng.choice(list(faults.MALFORMED))]
    return Event(ride_id, make(ride_id), reason=reason)


def _noise(ride_id: str, rng: random.Random) -> Event:
    """Bytes that begin as no text does."""
    return Event(ride_id, b"\xff" + rng.randbytes(rng.randrange(200)), reason="not_utf8")


def _failing(miles: float) -> Callable[[str, random.Random], Event]:
    return lambda ride_id, _: Event(ride_id, _ride(ride_id, miles), miles, "model_output")


def _aggregated(kind: RideKind, ride_id: str, rng: random.Random) -> Outgoing:
    events = tuple(
        _malformed(f"{ride_id}-{part}", rng)
        if rng.random() < 0.1
        else _scorable(f"{ride_id}-{part}", rng)
        for part in range(rng.choice(_AGGREGATED))
    )
    packed = kpl.pack([(str(event.ride_id), event.data) for event in events], "0")
    return Outgoing(kind, Entry(packed, ride_id), events, aggregated=True)


def _damaged(kind: RideKind, ride_id: str, rng: random.Random) -> Outgoing:
    whole = _aggregated("aggregated", ride_id, rng).entry.data
    data = faults.damaged(whole, np.random.default_rng(rng.randrange(2**32)))
    return Outgoing(kind, Entry(data, ride_id), (Event(ride_id, data, reason="kpl_damaged"),))


def _single(make: Callable[[str, random.Random], Event]) -> "_Maker":
    return lambda kind, ride_id, rng: _alone(kind, make(ride_id, rng), rng)


_Maker = Callable[[RideKind, str, random.Random], Outgoing]
_MAKERS: Final[Mapping[RideKind, _Maker]] = {
    "ride": _single(_scorable),
    "no-time": _single(lambda ride_id, rng: _scorable(ride_id, rng, at=None)),
    "number-id": _single(lambda _, rng: _scorable(rng.randrange(2**53), rng)),
    "aggregated": _aggregated,
    "malformed": _single(_malformed),
    "noise": _single(_noise),
    "huge": _single(lambda ride_id, rng: _scorable(ride_id, rng, padding=_HUGE_BYTES)),
    "damaged-kpl": _damaged,
    "fails-the-model": _single(_failing(FAILING_MILES)),
    "not-a-number": _single(_failing(NAN_MILES)),
    "kills": _single(_scorable),
    "hangs": _single(_scorable),
}
