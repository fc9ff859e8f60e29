"""The schedule of one history: its settings, which rides are sent, and which faults occur when.

A schedule is plain data: drawn from a seed, written as JSON, and shrunk if it violates a property.
Times are seconds from the start of the history.
"""

from typing import Annotated, Final, Literal, get_args

import msgspec

Position = Literal["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class Reading(msgspec.Struct, frozen=True):
    """How AWS's documentation is read where it is ambiguous; each history takes one reading.

    `progress_is_retried`: a batch that made some progress still uses up a retry.
    `halved_at_no_progress`: with bisecting on, a batch whose first record is reported is bisected.
    `longest_wait_seconds`: the longest backoff before a failed batch is retried.
    `window_wait_seconds`: how long a tumbling window waits for late records after its end.
    `shared_numbers`: with enhanced fan-out, user records have the sequence number of their
    aggregate.
    `hash_keys_count`: a user record's shard is determined by its explicit hash key, if it has one,
    and not by its partition key.
    """

    progress_is_retried: bool = False
    halved_at_no_progress: bool = True
    longest_wait_seconds: float = 60.0
    window_wait_seconds: float = 120.0
    shared_numbers: bool = False
    hash_keys_count: bool = False


class MappingSettings(msgspec.Struct, frozen=True):
    """An event source mapping's parameters; `reports` is ReportBatchItemFailures.

    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html
    """

    batch_size: Count = 100
    batching_window_seconds: float = 0.0
    parallelization_factor: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    bisect: bool = True
    reports: bool = True
    retry_attempts: int = -1
    record_age_seconds: float = -1.0
    tumbling_window_seconds: float = 0.0
    enhanced_fan_out: bool = False
    starting_position: Position = "TRIM_HORIZON"
    reading: Reading = Reading()


class FunctionSettings(msgspec.Struct, frozen=True):
    """The function's settings, as deployed by Terraform."""

    timeout_seconds: float = 60.0
    refresh_seconds: float = 30.0
    reserved_seconds: float = 2.0
    aggregation: Literal["none", "kpl"] = "none"


RideKind = Literal[
    "ride",
    "no-time",
    "half-a-character",
    "number-id",
    "same-id",
    "aggregated",
    "malformed",
    "noise",
    "huge",
    "large",
    "damaged-kpl",
    "fails-the-model",
    "not-a-number",
    "infinite",
    "below-zero",
    "kills",
    "hangs",
]
"""What one record of the stream holds; the last two kill or hang the function's process."""


class Burst(msgspec.Struct, frozen=True):
    """Records sent at one time. The seed determines their contents."""

    at: float
    seed: int
    kinds: tuple[RideKind, ...]


FaultKind = Literal[
    "killed-before-call",
    "killed-after-call",
    "killed-at-end",
    "stopped",
    "slow-start",
    "not-invoked",
    "answer-lost",
    "undelivered",
    "put-throttled",
    "put-half-failed",
    "put-error",
    "put-lost",
    "put-slow",
    "put-denied",
    "get-error",
    "get-denied",
    "get-slow",
    "reject-error",
    "reject-lost",
    "reject-slow",
    "clock-jumps",
    "machine-slow",
]
FAULTS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)


class Fault(msgspec.Struct, frozen=True):
    """What goes wrong, in what share of cases and for how long. The seed determines which cases."""

    kind: FaultKind
    at: float
    seconds: float
    share: float
    seed: int


ChangeKind = Literal[
    "split-events", "merge-events", "split-predictions", "merge-predictions", "mapping-restarts"
]


class Change(msgspec.Struct, frozen=True):
    """A change at one moment. `pick` chooses the shard."""

    kind: ChangeKind
    at: float
    pick: int = 0


Damage = Literal[
    "no-pointer",
    "pointer",
    "no-manifest",
    "manifest",
    "no-file",
    "file",
    "golden-row",
    "another-name",
    "another-source",
]


class Move(msgspec.Struct, frozen=True):
    """The alias is pointed at a version, which may be damaged. Before the first move there is no
    alias."""

    at: float
    version: int
    damage: Damage | None = None


class Schedule(msgspec.Struct, frozen=True):
    """The complete plan of one history."""

    seed: int
    mapping: MappingSettings
    function: FunctionSettings
    events_shards: Count
    predictions_shards: Count
    own_numbers: bool
    large_records: bool
    bursts: tuple[Burst, ...]
    faults: tuple[Fault, ...]
    changes: tuple[Change, ...]
    moves: Annotated[tuple[Move, ...], msgspec.Meta(min_length=1)]
