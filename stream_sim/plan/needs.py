"""A workload in, the least that carries it out, and what to set where a deployment has less."""

import math

import msgspec

from stream_sim.plan import quotas
from stream_sim.plan.variables import Deployment
from stream_sim.plan.workload import Workload


class Needs(msgspec.Struct, frozen=True):
    """The least that carries a rate. `busy` is how many batches run at once on average, `at_once`
    at most; `utilisation` is the rate as a share of what the mapping carries as deployed.
    """

    events_shards: int
    predictions_shards: int
    parallelization_factor: int
    concurrency_busy: float
    concurrency_at_once: int
    utilisation: float


def needs(work: Workload, deployment: Deployment) -> Needs:
    """The fewest shards that take the records, and lanes enough for their batches."""
    batches, lanes = work.batches, _lanes(work)
    shards = max(work.events.shards, math.ceil(lanes / quotas.MOST_PARALLELIZATION))
    factor = math.ceil(lanes / shards)
    return Needs(
        events_shards=shards,
        predictions_shards=work.predictions.shards,
        parallelization_factor=factor,
        concurrency_busy=batches.busy,
        concurrency_at_once=max(shards * factor, deployment.provisioned_concurrency),
        utilisation=work.rides / (batches.lanes * batches.ride_capacity),
    )


def changes(work: Workload, deployment: Deployment) -> list[str]:
    """What to set so that the rate is carried; nothing where it is."""
    lanes = _lanes(work)
    shards, factor = _mapping(work, deployment)
    found = {
        "events_shards": (deployment.events_shards or 0, shards),
        "predictions_shards": (deployment.predictions_shards, work.predictions.shards),
        "parallelization_factor": (deployment.parallelization_factor, factor),
        "reserved_concurrency": (deployment.reserved_concurrency, lanes),
    }
    said = [
        f"{name} = {wanted}"
        for name, (deployed, wanted) in found.items()
        if deployed is not None and wanted > deployed
    ]
    if lanes > quotas.CONCURRENCY_AN_ACCOUNT:
        said.append(f"the account's concurrent executions to {lanes:,}, by asking AWS")
    return said


def _lanes(work: Workload) -> int:
    return math.ceil(work.rides / work.batches.ride_capacity)


def _mapping(work: Workload, deployment: Deployment) -> tuple[int, int]:
    """Shards of the events stream, 0 where on-demand may stay, and batches of each at once."""
    lanes, lane = _lanes(work), work.batches.ride_capacity
    shards = max(deployment.events_shards or 0, work.events.shards)
    factor = math.ceil(lanes / shards)
    if deployment.events_shards is None:
        shards, factor = 0, math.ceil(work.rides / on_demand_full_shards(work) / lane)
    if factor <= quotas.MOST_PARALLELIZATION:
        return shards, factor
    most = quotas.MOST_PARALLELIZATION
    return max(work.events.shards, math.ceil(lanes / most)), most


def on_demand_full_shards(work: Workload) -> float:
    """Shards of the events stream that are there and full, or its first ones."""
    return max(quotas.ON_DEMAND_FIRST_SHARDS, work.events.full_shards)
