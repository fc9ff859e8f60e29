"""Malformed ride events, each kind with the reason for which the function must reject it."""

import random
from collections.abc import Callable, Mapping
from typing import Final

from ride_scoring.events import RejectReason

Fault = Callable[[str], bytes]
"""A ride's id in, a record that can never be scored out."""

FAULTS: Final[Mapping[str, tuple[RejectReason, Fault]]] = {
    "cut off": ("not_json", lambda ride_id: _event(ride_id)[:-9]),
    "empty": ("not_json", lambda _: b""),
    "not a number": ("not_json", lambda ride_id: _event(ride_id, distance="NaN")),
    "latin-1": (
        "not_utf8",
        lambda ride_id: _event(f"caf\u00e9-{ride_id}").decode().encode("latin-1"),
    ),
    "no distance": ("schema", lambda ride_id: _event(ride_id).replace(b"trip_distance", b"miles")),
    "zone as text": ("schema", lambda ride_id: _event(ride_id, zone='"130"')),
    "newer schema": ("schema_version", lambda ride_id: _event(ride_id, version="2")),
    "zone 0": ("out_of_range", lambda ride_id: _event(ride_id, zone="0")),
    "broken meter": ("out_of_range", lambda ride_id: _event(ride_id, distance="260000.0")),
}


def draw(ride_id: str, rng: random.Random) -> tuple[RejectReason, bytes]:
    """A malformed event of some kind, and the reason for which it must be rejected."""
    reason, fault = FAULTS[rng.choice(sorted(FAULTS))]
    return reason, fault(ride_id)


def _event(ride_id: str, zone: str = "130", distance: str = "3.66", version: str = "1") -> bytes:
    return (
        f'{{"schema_version": {version}, "ride_id": "{ride_id}", "ride": {{"PULocationID": {zone}, '
        f'"DOLocationID": 205, "trip_distance": {distance}}}}}'
    ).encode()
