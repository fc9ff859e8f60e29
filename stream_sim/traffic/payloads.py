"""The bytes to send for a ride, its id and fault, and the reason they must be rejected."""

from typing import Final

import msgspec
import numpy as np

from ride_scoring.decode import decode
from ride_scoring.domain.events import Ride, RideEvent
from ride_scoring.errors import CannotScore, RejectReason
from ride_scoring.streams import kpl
from stream_sim.kinesis.outgoing import RECORD_BYTES
from stream_sim.traffic import faults

_encode: Final = msgspec.json.Encoder().encode


def event(ride_id: str, ride: Ride) -> bytes:
    """The ride event, as riders send it."""
    return _encode(RideEvent(ride_id, ride))


def faulty(
    fault: str, ride_id: str, data: bytes, rng: np.random.Generator
) -> tuple[bytes, RejectReason | None]:
    """What is sent instead of the ride event `data`; and its required reject reason, if the fault
    is the reason."""
    if fault in faults.MALFORMED:
        cause, malformed = faults.MALFORMED[fault]
        return malformed(ride_id), cause
    if fault == faults.HUGE:
        return _padded(data, RECORD_BYTES - len(ride_id)), None
    if fault == faults.DAMAGED_KPL:
        inside = [(ride_id, data)] * int(rng.integers(faults.GROUP.start, faults.GROUP.stop))
        return faults.damaged(kpl.pack(inside, "0"), rng), "kpl_damaged"
    return data, None


def reason(data: bytes) -> RejectReason | None:
    """Why the function must reject an event: real trips contain broken meters and the like."""
    try:
        decode(data)
    except CannotScore as cause:
        return cause.reason
    return None


def _padded(data: bytes, size_bytes: int) -> bytes:
    """The event padded with an unknown field to `size_bytes`."""
    before, after = b'{"padding":"', b'",'
    padding = b"x" * (size_bytes - len(before) - len(after) - len(data) + 1)
    return before + padding + after + data[1:]
