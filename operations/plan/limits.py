"""The rates, in rides per second, at which a deployment reaches each of its limits."""

import math
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from operations.plan import quotas
from operations.plan.basis import Basis
from operations.plan.needs import on_demand_full_shards
from operations.plan.variables import Deployment
from operations.plan.workload import Load, Workload, workload

MOST_RIDES_A_SECOND: Final = 1_000_000.0
"""Highest rate that can be planned."""

_SOUGHT: Final = (1e-3, 1e9)
"""Search range for limits, in rides per second."""
_HALVINGS: Final = 60


class Limit(msgspec.Struct, frozen=True):
    """A limit, the rate at which it is reached, and how to raise it."""

    name: str
    rides_per_second: float
    remedy: str


class Bound(msgspec.Struct, frozen=True):
    """A resource that can be exhausted, and the share a workload uses, which grows with the rate.

    `remedy` may have a placeholder for the rate that each of `count` units carries.
    """

    name: str
    used: Callable[[Workload], float]
    remedy: str
    count: int = 1


def limits(deployment: Deployment, basis: Basis) -> list[Limit]:
    """All limits that the deployment can reach, in the order in which they are reached."""
    found = [_limit(bound, deployment, basis) for bound in bounds(deployment, basis)]
    return sorted(filter(None, found), key=lambda limit: limit.rides_per_second)


def carried(work: Workload, deployment: Deployment, basis: Basis) -> bool:
    """Whether the deployment carries the workload without exceeding a limit."""
    return all(bound.used(work) <= 1 for bound in bounds(deployment, basis))


def bounds(deployment: Deployment, basis: Basis) -> Iterator[Bound]:
    """All bounds. A shadow's stream equals the predictions stream, so it adds none of its own."""
    yield from _stream_bounds("events", deployment.events_shards, lambda work: work.events)
    yield from _stream_bounds(
        "predictions", deployment.predictions_shards, lambda work: work.predictions
    )
    yield _mapping_bound(deployment, basis)
    if (reserved := deployment.reserved_concurrency) is not None:
        yield Bound(
            "reserved_concurrency",
            lambda work: work.rides / work.batches.ride_capacity / reserved,
            "raise reserved_concurrency: one for every {:,.0f} rides/s",
            reserved,
        )
    yield Bound(
        "the account's concurrency",
        lambda work: work.rides / work.batches.ride_capacity / deployment.most_concurrency,
        "raise batch_size, or ask AWS to raise the account's concurrent executions, which may be "
        f"fewer than {quotas.CONCURRENCY_AN_ACCOUNT:,} in a new account, "
        f"{quotas.UNRESERVED_CONCURRENCY} of them for functions that reserve none",
    )
    yield Bound(
        "the account's shards",
        lambda work: _provisioned_shards(work, deployment) / quotas.SHARDS_AN_ACCOUNT,
        "ask AWS to raise the account's shards, or set shards to null for on-demand",
    )


def _limit(bound: Bound, deployment: Deployment, basis: Basis) -> Limit | None:
    """Finds a limit by bisection on a logarithmic scale; None if it is never reached."""
    below, above = map(math.log, _SOUGHT)
    if bound.used(workload(math.exp(above), deployment, basis)) <= 1:
        return None
    for _ in range(_HALVINGS):
        middle = (below + above) / 2
        if bound.used(workload(math.exp(middle), deployment, basis)) <= 1:
            below = middle
        else:
            above = middle
    rate = float(f"{math.exp(below):.9g}")  # drops the bisection error
    return Limit(bound.name, rate, bound.remedy.format(rate / bound.count))


def _stream_bounds(
    name: str, shards: int | None, load: Callable[[Workload], Load]
) -> Iterator[Bound]:
    if shards is None:
        count, kind = 1, f"the on-demand {name} stream"
        records, size = quotas.ON_DEMAND_RECORDS_A_SECOND, quotas.ON_DEMAND_BYTES_A_SECOND
        remedy = "ask AWS to raise the stream's quota"
    else:
        count, kind = shards, f"the {name} stream's shards"
        records = shards * quotas.SHARD_RECORDS_A_SECOND
        size = shards * quotas.SHARD_BYTES_A_SECOND
        remedy = f"raise {name}_shards: one for every {{:,.0f}} rides/s"
    yield Bound(f"records into {kind}", lambda work: load(work).records / records, remedy, count)
    yield Bound(f"bytes into {kind}", lambda work: load(work).bytes / size, remedy, count)


def _mapping_bound(deployment: Deployment, basis: Basis) -> Bound:
    """On-demand streams add shards as they fill, and each shard adds lanes."""
    factor, most = basis.at_once(deployment), basis.most_at_once

    def used(work: Workload) -> float:
        shards = deployment.events_shards or on_demand_full_shards(work)
        return work.rides / (shards * factor * work.batches.ride_capacity)

    more = f"parallelization_factor (to {most} at most)" if factor < most else "events_shards"
    return Bound(
        "the mapping's batches of a shard at once",
        used,
        f"raise {more}, memory_mb or batch_size: one batch at a time carries {{:,.0f}} rides/s",
        factor * (deployment.events_shards or quotas.ON_DEMAND_FIRST_SHARDS),
    )


def _provisioned_shards(work: Workload, deployment: Deployment) -> float:
    """Shards that the rate fills in provisioned streams."""
    streams = 1 if work.shadow is None else 2
    events = 0.0 if deployment.events_shards is None else work.events.full_shards
    predictions = 0.0 if deployment.predictions_shards is None else work.predictions.full_shards
    return events + streams * predictions
