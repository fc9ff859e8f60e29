"""Trips in, records to send out: ride events, with malformed ones strewn in."""

import random

import msgspec

from ride_scoring.decode import CannotScore, decode
from ride_scoring.events import RejectReason, RideEvent
from stream_sim import faults
from stream_sim.producer import OutgoingRide
from stream_sim.trips import Trips


def outgoing(trips: Trips, run: str, malformed: float, seed: int) -> list[OutgoingRide]:
    """One record for each trip; a share `malformed` (0 to 1) of them can never be scored."""
    rng = random.Random(seed)  # noqa: S311 - the same seed gives the same faults
    records = []
    for index, ride in enumerate(trips.rides()):
        ride_id = f"{run}-{index}"
        if rng.random() < malformed:
            reason, data = faults.draw(ride_id, rng)
            records.append(OutgoingRide(ride_id, data, reason))
        else:
            data = msgspec.json.encode(RideEvent(ride_id, ride))
            records.append(OutgoingRide(ride_id, data, _reason(data)))
    return records


def _reason(data: bytes) -> RejectReason | None:
    """Real trips hold broken meters and the like: the contract says which must be rejected."""
    try:
        decode(data)
    except CannotScore as cause:
        return cause.reason
    return None
