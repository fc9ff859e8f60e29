"""What was sent and what came of it in, the account out: no ride is left unexplained. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec
import numpy as np

from ride_scoring.events import Prediction, Reject
from stream_sim.ledger import SentRide
from stream_sim.set_aside import FailedRecord


class Rides(msgspec.Struct, frozen=True):
    """How many rides were sent, and of them predicted, rejected, failed and lost."""

    sent: int
    predicted: int
    rejected: int
    failed: int
    lost: int
    repeated: int


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds from a ride's arrival in the events stream to its prediction's in the other."""

    p50: float
    p95: float
    p99: float


class Account(msgspec.Struct, frozen=True):
    """The whole account. `lost` and `unexpected` say which rides, and what is wrong with each.

    `unanswered` rides were put without an answer, and nothing came of them: the stream most likely
    never took them, so they count neither as sent nor as lost.
    """

    rides: Rides
    reasons: dict[str, int]
    models: dict[str, int]
    unanswered: int
    latency_ms: Latency | None
    rides_per_second: float | None
    lost: list[str]
    unexpected: list[str]

    @property
    def clean(self) -> bool:
        """Whether every ride came to what it had to come to."""
        return not self.lost and not self.unexpected and self.rides.failed == 0


class Reconciliation:
    """Takes outcomes as they arrive. Rides of other runs, told by their ids, are passed over."""

    def __init__(self, sent: Mapping[str, SentRide]) -> None:
        self._sent = sent
        self._by_event = {ride.event_id: ride for ride in sent.values() if ride.event_id}
        self._predicted: dict[str, tuple[Prediction, datetime]] = {}
        self._rejected: dict[str, Reject] = {}
        self._failed: set[str] = set()
        self._mistaken: dict[str, str] = {}
        self._repeats: Counter[str] = Counter()

    def predicted(self, prediction: Prediction, arrived_at: datetime) -> None:
        """A prediction came out at `arrived_at`. What a shadow says is no answer to a ride."""
        if prediction.role == "shadow":
            return
        ride = self._ride(prediction.event_id, str(prediction.prediction.ride_id))
        if ride is None:
            return
        if str(prediction.prediction.ride_id) != ride.ride_id:
            self._mistaken[ride.ride_id] = str(prediction.prediction.ride_id)
        if ride.ride_id in self._predicted:
            self._repeats[ride.ride_id] += 1
        else:
            self._predicted[ride.ride_id] = prediction, arrived_at

    def rejected(self, reject: Reject) -> None:
        """A reject was set aside."""
        ride = self._ride(reject.event_id, reject.partition_key)
        if ride is None:
            return
        known = self._rejected.setdefault(ride.ride_id, reject)
        if known.event_id != reject.event_id:
            self._repeats[ride.ride_id] += 1

    def failed(self, record: FailedRecord) -> None:
        """Lambda gave up on a record."""
        ride = self._ride(record.event_id, record.partition_key)
        if ride is not None:
            self._failed.add(ride.ride_id)

    @property
    def open(self) -> int:
        """How many rides that the stream took have come to nothing yet."""
        return sum(1 for ride in self._taken() if not self._has_outcome(ride.ride_id))

    def account(self) -> Account:
        lost = [ride.ride_id for ride in self._taken() if not self._has_outcome(ride.ride_id)]
        sent = sum(1 for _ in self._counted())
        only_failed = self._failed - self._predicted.keys() - self._rejected.keys()
        return Account(
            rides=Rides(
                sent=sent,
                predicted=len(self._predicted),
                rejected=len(self._rejected.keys() - self._predicted.keys()),
                failed=len(only_failed),
                lost=len(lost),
                repeated=self._repeats.total(),
            ),
            reasons=dict(Counter(reject.reason for reject in self._rejected.values())),
            models=dict(Counter(f"{p.model} {p.version}" for p, _ in self._predicted.values())),
            unanswered=len(self._sent) - sent,
            latency_ms=self._latency(),
            rides_per_second=self._rides_per_second(sent),
            lost=lost,
            unexpected=list(self._unexpected()),
        )

    def _ride(self, event_id: str, partition_key: str) -> SentRide | None:
        # A put whose answer was lost left no event id in the ledger: then the ride's own id tells.
        return self._by_event.get(event_id) or self._sent.get(partition_key)

    def _taken(self) -> Iterator[SentRide]:
        return (ride for ride in self._sent.values() if ride.event_id is not None)

    def _counted(self) -> Iterator[SentRide]:
        """What counts as sent: what the stream is known to have taken, by its word or by ours."""
        return (
            ride
            for ride in self._sent.values()
            if ride.event_id is not None or self._has_outcome(ride.ride_id)
        )

    def _has_outcome(self, ride_id: str) -> bool:
        return ride_id in self._predicted or ride_id in self._rejected or ride_id in self._failed

    def _unexpected(self) -> Iterator[str]:
        for ride in self._sent.values():
            reject = self._rejected.get(ride.ride_id)
            predicted = ride.ride_id in self._predicted
            if predicted and reject:
                yield f"{ride.ride_id}: both predicted and rejected"
            elif ride.ride_id in self._failed and (predicted or reject):
                yield f"{ride.ride_id}: given up on, and {'predicted' if predicted else 'rejected'}"
            elif ride.ride_id in self._mistaken:
                yield f"{ride.ride_id}: its prediction is for ride {self._mistaken[ride.ride_id]}"
            elif predicted and ride.reason:
                yield f"{ride.ride_id}: predicted, though it had to be rejected as {ride.reason}"
            elif reject and reject.reason != ride.reason:
                wanted = f"rejected as {ride.reason}" if ride.reason else "predicted"
                yield f"{ride.ride_id}: rejected as {reject.reason}, though it had to be {wanted}"

    def _latency(self) -> Latency | None:
        if not self._predicted:
            return None
        milliseconds = [
            (arrived_at - prediction.arrived_at).total_seconds() * 1000
            for prediction, arrived_at in self._predicted.values()
        ]
        p50, p95, p99 = np.percentile(milliseconds, [50, 95, 99]).round(1).tolist()
        return Latency(p50, p95, p99)

    def _rides_per_second(self, sent: int) -> float | None:
        """From the first put to the last prediction."""
        first = min((ride.sent_at for ride in self._sent.values() if ride.sent_at), default=None)
        if first is None or not self._predicted:
            return None
        last = max(arrived_at.timestamp() for _, arrived_at in self._predicted.values())
        return round(sent / max(last - first, 1e-3), 1)
