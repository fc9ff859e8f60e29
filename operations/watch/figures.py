"""What a board says: how things stand, how the last minutes went, and where the rides were."""

from datetime import datetime

import msgspec

from ride_scoring.domain.events import Role


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds that half, 95 % and 99 % of the rides were predicted within."""

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
    """How things stand. Totals are those since the watch began.

    `backlog` is rides that were taken in and had no outcome yet; `repeated` is predictions that
    came a second time, `failed` rides that the mapping gave up on. `served` is latest first.
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


class Course(msgspec.Struct, frozen=True):
    """The last five minutes, oldest first: rides of each second, latencies of every five."""

    taken_in: list[int]
    predicted: list[int]
    latency_ms: list[Latency | None]


class Pair(msgspec.Struct, frozen=True):
    """Rides from one taxi zone to another."""

    pickup_zone: int
    dropoff_zone: int
    rides: int


class Places(msgspec.Struct, frozen=True):
    """Where the rides of the last five minutes were: `pickups` has one number for each zone from 0
    on, `boroughs` one for each borough where there were some, most first."""

    pickups: list[int]
    boroughs: dict[str, int]
    busiest: list[Pair]
