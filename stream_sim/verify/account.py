"""The result of verifying a run: printed, written to account.json, drawn in the report."""

from datetime import datetime

import msgspec

from stream_sim.ledger import Run
from stream_sim.verify.timeline import LatencyClass, Moments


class Counts(msgspec.Struct, frozen=True):
    """How many rides were sent, and how many of them were predicted, rejected, failed and lost.

    These four add up to `sent`. `repeated` counts predictions that came more than once, `redriven`
    rides that were sent again from the dead letters.
    """

    sent: int
    predicted: int
    rejected: int
    failed: int
    lost: int
    repeated: int
    redriven: int


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds from a ride's arrival in the events stream to its prediction's in the other."""

    p50: float
    p95: float
    p99: float


class Accuracy(msgspec.Struct, frozen=True):
    """How far predictions were from true durations, in minutes, as served.

    Only rides of 1 to 60 minutes count, as models are trained on no others; `left_out` counts the
    rest. `bias_minutes` is above 0 if predictions are too long.
    """

    rides: int
    left_out: int
    rmse_minutes: float
    mae_minutes: float
    bias_minutes: float


class Survived(msgspec.Struct, frozen=True):
    """For one fault: how many rides were sent with it, and how many had the expected outcome."""

    sent: int
    as_expected: int


class Account(msgspec.Struct, frozen=True):
    """The whole account.

    `lost` and `unexpected` list the first thousand such rides, and what is wrong with each;
    `unexpected_count` counts all. `unanswered` rides may not have reached the stream: they were to
    be put, and no response was seen, as when `send` is killed. They have no outcome, so they count
    neither as sent nor as lost.
    `models` counts predictions by name and version; `accuracy` has the same keys.
    """

    rides: Counts
    reasons: dict[str, int]
    models: dict[str, int]
    faults: dict[str, Survived]
    accuracy: dict[str, Accuracy]
    unanswered: int
    latency_ms: Latency | None
    rides_per_second: float | None
    lost: list[str]
    unexpected_count: int
    unexpected: list[str]

    @property
    def clean(self) -> bool:
        """Whether every ride had its expected outcome."""
        return not (self.rides.lost or self.unexpected_count or self.rides.failed)


class Findings(msgspec.Struct, frozen=True):
    """account.json: the account, what was run, and what happened when."""

    runs: list[Run]
    predictions_stream: str
    rejects_bucket: str
    verified_at: datetime
    account: Account
    moments: Moments
    latency_classes: list[LatencyClass]
