"""The minimum capacity for a workload, and the changes a deployment needs to reach it.

Resources are planned up to the headroom in measured.toml, not up to their limits.
"""

from collections.abc import Iterator

import msgspec

from operations.plan import quotas
from operations.plan.basis import Basis
from operations.plan.variables import Deployment
from operations.plan.workload import Workload, whole


class Needs(msgspec.Struct, frozen=True):
    """The minimum capacity for a rate, with each resource used up to the share `headroom`.
    `concurrency_busy` is the mean number of concurrent batches, `concurrency_at_once` the maximum;
    `utilisation` is the rate as a share of the deployed mapping's capacity.
    """

    headroom: float
    events_shards: int
    predictions_shards: int
    parallelization_factor: int
    concurrency_busy: float
    concurrency_at_once: int
    utilisation: float


class Used(msgspec.Struct, frozen=True):
    """A resource and the share of it that a rate uses."""

    name: str
    share: float


def needs(work: Workload, deployment: Deployment, basis: Basis) -> Needs:
    """The fewest shards that carry the records and provide enough lanes for their batches."""
    headroom = basis.measured.assumed.headroom
    lanes = _lanes(work, headroom)
    shards = max(work.events.shards(headroom), whole(lanes / basis.most_at_once))
    factor = whole(lanes / shards)
    return Needs(
        headroom=headroom,
        events_shards=shards,
        predictions_shards=work.predictions.shards(headroom),
        parallelization_factor=factor,
        concurrency_busy=work.batches.busy,
        concurrency_at_once=max(shards * factor, deployment.provisioned_concurrency),
        utilisation=work.rides / (work.batches.lanes * work.batches.ride_capacity),
    )


def changes(work: Workload, deployment: Deployment, basis: Basis) -> list[str]:
    """Settings to change to carry the rate with headroom; empty if it already is."""
    headroom = basis.measured.assumed.headroom
    lanes = _lanes(work, headroom)
    shards, factor = _mapping(work, deployment, basis)
    found = {
        "events_shards": (deployment.events_shards or 0, shards),
        "predictions_shards": (deployment.predictions_shards, work.predictions.shards(headroom)),
        "parallelization_factor": (deployment.parallelization_factor, factor),
        "reserved_concurrency": (deployment.reserved_concurrency, lanes),
    }
    said = [
        f"{name} = {wanted}"
        for name, (deployed, wanted) in found.items()
        if deployed is not None and wanted is not None and wanted > deployed
    ]
    if lanes > (most := deployment.most_concurrency):
        asked = lanes + quotas.CONCURRENCY_AN_ACCOUNT - most
        said.append(f"the account's concurrent executions to {asked:,}, by asking AWS")
    return said


def above_headroom(work: Workload, deployment: Deployment, basis: Basis) -> list[Used]:
    """Resources used beyond the headroom, which leaves no room for bursts, within limits or not."""
    most = basis.measured.assumed.headroom + 1e-9  # tolerance for rounding errors
    return [used for used in _used(work, deployment, basis) if used.share > most]


def _used(work: Workload, deployment: Deployment, basis: Basis) -> Iterator[Used]:
    """Shares of all resources used, except on-demand streams, which scale by themselves."""
    if deployment.events_shards is not None:
        yield Used("the events stream", work.events.full_shards / deployment.events_shards)
    if (shards := deployment.predictions_shards) is not None:
        yield Used("the predictions stream", work.predictions.full_shards / shards)
    lanes = work.rides / work.batches.ride_capacity
    shards_read = deployment.events_shards or on_demand_full_shards(work)
    yield Used("the mapping", lanes / (shards_read * basis.at_once(deployment)))
    if (reserved := deployment.reserved_concurrency) is not None:
        yield Used("reserved_concurrency", lanes / reserved)
    yield Used("the account's concurrency", lanes / deployment.most_concurrency)


def _lanes(work: Workload, headroom: float) -> int:
    return whole(work.rides / work.batches.ride_capacity / headroom)


def _mapping(work: Workload, deployment: Deployment, basis: Basis) -> tuple[int | None, int]:
    """Events shards needed, None if on-demand suffices, and the parallelization factor."""
    headroom = basis.measured.assumed.headroom
    lanes, of_records = _lanes(work, headroom), work.events.shards(headroom)
    if deployment.events_shards is None:
        at_once = work.rides / work.batches.ride_capacity / headroom
        shards, factor = None, whole(at_once / on_demand_full_shards(work))
    else:
        shards = max(deployment.events_shards, of_records)
        factor = whole(lanes / shards)
    most = basis.most_at_once
    if factor <= most:
        return shards, factor
    return max(of_records, whole(lanes / most)), most


def on_demand_full_shards(work: Workload) -> float:
    """Full shards of the on-demand events stream, at least its initial ones."""
    return max(quotas.ON_DEMAND_FIRST_SHARDS, work.events.full_shards)
