"""The outputs of a board: current figures, recent time series, and locations of rides."""

from datetime import datetime

import msgspec

from ride_scoring.identity import Role


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds within which 50 %, 95 % and 99 % of the rides were predicted."""

    p50: float
    p95: float
    p99: float


class Served(msgspec.Struct, frozen=True):
    """A model that made predictions since the watch began, the latest at `last_at`."""

    model: str
    version: str
    role: Role
    predictions: int
    last_at: datetime


class Figures(msgspec.Struct, frozen=True):
    """Current figures. Totals are since the watch began.

    `backlog` counts rides received that have no outcome yet, `repeated` duplicate predictions,
    `failed` rides that the mapping gave up on. `served` is in order of latest first.
    """

    at: datetime
    in_per_second: float
    out_per_second: float
    backlog: int
    latency_ms: Latency | None
    taken_in: int
    predicted: int
    repeated: int
    rejects: dict[str, int]
    failed: int
    served: list[Served]


class Trend(msgspec.Struct, frozen=True):
    """The last five minutes, oldest first: rides per second, latencies per five seconds."""

    taken_in: list[int]
    predicted: list[int]
    latency_ms: list[Latency | None]


class Pair(msgspec.Struct, frozen=True):
    """Rides from one taxi zone to another."""

    pickup_zone: int
    dropoff_zone: int
    rides: int


class Places(msgspec.Struct, frozen=True):
    """Locations of the rides in the last five minutes: `pickups` has one count per zone from 0 on,
    `boroughs` one per borough with any, most first."""

    pickups: list[int]
    boroughs: dict[str, int]
    busiest: list[Pair]
