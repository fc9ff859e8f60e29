"""Plan everything to send from the options, and check it before anything starts."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from infra.common import spec
from infra.common.console import UserError
from stream_sim.send.options import Request
from stream_sim.traffic import faults, shapes
from stream_sim.traffic.arrivals import Arrivals, Times, in_blocks, until
from stream_sim.traffic.faults import Rates
from stream_sim.traffic.shapes import Diurnal, Shape
from stream_sim.traffic.sources import Replay, RideSource, Synthetic, event_times
from trips import profile, tlc
from trips.columns import Trips
from trips.drift import DRIFTS, Drift
from trips.profile import RideProfile

_COUNT: Final = 5_000
_RATE: Final = 500.0
_A_PROCESS: Final = 15_000.0
_A_PROCESS_AGGREGATED: Final = 60_000.0
"""The most rides a second assigned to one process, well below what a core can do."""


@dataclass(frozen=True)
class SendPlan:
    """What a run sends: `count` rides, or those of `duration` seconds.

    `times` are the arrival times of a file's rides, in seconds since the first, by event time,
    shape (n,); None if rides arrive at `rate` a second times the shapes.
    """

    count: int | None
    duration: float | None
    rate: float
    shapes: Sequence[Shape]
    rates: Rates
    drifts: Sequence[Drift]
    profile: RideProfile
    trips: Trips | None
    times: Times | None

    def source(self, part: int, parts: int, seed: int) -> RideSource:
        """The rides of one part."""
        if self.trips is not None:
            return Replay(self.trips, part, parts)
        days = [shape.day_seconds for shape in self.shapes if isinstance(shape, Diurnal)]
        return Synthetic(self.profile, seed, days[0] if days else None)

    def arrivals(self, part: int, parts: int, rng: np.random.Generator) -> Iterator[Times]:
        """The arrival times of one part."""
        if self.times is not None:
            blocks = in_blocks(self.times[part::parts])
        else:
            phase = (part + 0.5) / parts
            every = Arrivals(self.rate / parts, self.shapes, self.profile.rides_by_hour, phase)
            blocks = every.blocks(rng)
        count = None if self.count is None else len(range(part, self.count, parts))
        return until(blocks, count, self.duration)

    def peak(self) -> float:
        """The peak rate in rides a second."""
        if self.times is not None:
            return float(np.unique(self.times // 1.0, return_counts=True)[1].max())
        return self.rate * shapes.most(self.shapes, self.profile.rides_by_hour)


def made(request: Request) -> SendPlan:
    """The plan for a request. Raises `UserError`."""
    _check(request)
    asked_shapes = shapes.parse(request.shapes)
    rates = faults.parse(request.faults, request.malformed)
    _require_whole_aggregates(request, rates)
    drifts = [spec.parse(text, DRIFTS, "--drift") for text in request.drifts]
    ridden = tlc.read(request.trips) if request.trips else None
    return SendPlan(
        count=_count(request, ridden),
        duration=request.duration,
        rate=request.rate or _RATE,
        shapes=asked_shapes,
        rates=rates,
        drifts=drifts,
        profile=profile.read(request.profile) if request.profile else profile.load(),
        trips=ridden,
        times=event_times(ridden, request.speed_up) if ridden and request.speed_up else None,
    )


def processes(plan: SendPlan, request: Request) -> int:
    """The requested number, or as many as the peak rate needs, up to one per core; never more than
    there are rides."""
    most = _A_PROCESS_AGGREGATED if request.aggregate else _A_PROCESS
    needed = min(math.ceil(plan.peak() / most), os.cpu_count() or 1)
    number = request.processes or needed
    return number if plan.count is None else min(number, plan.count)


def asked(request: Request) -> int | None:
    """How many rides are requested; None if the run ends by duration, or at the end of a file sent
    by event time."""
    if request.count is None and (request.duration is not None or request.speed_up is not None):
        return None
    return request.count or _COUNT


def _check(request: Request) -> None:
    """Checks that the options' types do not cover."""
    if request.count is not None and request.duration is not None:
        raise UserError("--count and --duration exclude each other: give one")
    numbers = {
        "--count": request.count,
        "--rate": request.rate,
        "--duration": request.duration,
        "--speed-up": request.speed_up,
    }
    for option, number in numbers.items():
        if number is not None and not 0 < number < math.inf:
            raise UserError(f"{option} {number:g}: give a number above 0")
    if not 0 <= request.malformed <= 1:
        raise UserError(f"--malformed {request.malformed:g}: give a share from 0 to 1")
    if request.speed_up is not None:
        if request.trips is None:
            raise UserError("--speed-up replays a file by its pickup times: name it with --trips")
        if request.rate is not None or request.shapes:
            raise UserError(
                "--speed-up takes the arrivals from the file: leave out --rate and --shape"
            )


def _require_whole_aggregates(request: Request, rates: Rates) -> None:
    """With enhanced fan-out Lambda unpacks aggregates itself and drops the rides whose partition
    keys belong to other shards: they would be lost silently.

    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
    """
    packing = ["--aggregate"] if request.aggregate else []
    packing += [
        f"--fault {kind}" for kind in (faults.AGGREGATED, faults.DAMAGED_KPL) if kind in rates
    ]
    if request.fan_out and packing:
        raise UserError(
            f"{' and '.join(packing)} would lose rides: the function reads {request.stream} with "
            "enhanced fan-out, where Lambda drops the rides of a packed record whose partition "
            "keys belong to other shards; send each ride in a record of its own, or set "
            "enhanced_fan_out = false in Terraform"
        )


def _count(request: Request, ridden: Trips | None) -> int | None:
    count = asked(request)
    if ridden is None or request.duration is not None:
        return count
    return len(ridden) if count is None else min(count, len(ridden))
