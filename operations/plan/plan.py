"""The complete plan for a rate, a deployment and a basis, as printed by `--json`."""

from datetime import date

import msgspec

from operations.plan import costs, limits, needs
from operations.plan.basis import Basis
from operations.plan.costs import Totals
from operations.plan.item import MONTH_SECONDS, Item
from operations.plan.limits import Limit
from operations.plan.needs import Needs, Used
from operations.plan.variables import Deployment
from operations.plan.workload import Workload, events_load, predictions_load, workload


class PayloadUnits(msgspec.Struct, frozen=True):
    """Monthly PUT payload units of a stream, with one ride per record and with aggregation."""

    stream: str
    one_each: float
    aggregated: float


class Batch(msgspec.Struct, frozen=True):
    """The function's mean batch."""

    rides: float
    milliseconds: float
    per_second: float


class DeploymentPlan(msgspec.Struct, frozen=True):
    """A deployment's cost at a rate, in US dollars, and its capacity."""

    rides_per_second: float
    tfvars: str
    region: str
    prices_known_as_of: date
    total: Totals
    items: list[Item]
    payload_units: list[PayloadUnits]
    batch: Batch
    needs: Needs
    carried: bool
    above_headroom: list[Used]
    changes: list[str]
    first_limit: Limit
    limits: list[Limit]

    @property
    def sentence(self) -> str:
        """The first limit, and what to do about it."""
        first = f"{self.first_limit.name}, at {self.first_limit.rides_per_second:,.0f} rides/s"
        if self.carried and self.above_headroom:
            return f"The first limit is {first}. {self._uneven}"
        if self.carried:
            return f"The first limit is {first}. To go beyond, {self.first_limit.remedy}."
        return (
            f"{self.rides_per_second:,.10g} rides/s are more than this carries. The first limit is "
            f"{first}. Set {', '.join(self.changes) or self.first_limit.remedy}."
        )

    @property
    def _uneven(self) -> str:
        used = " and ".join(
            f"{one.name} is used at {one.share * 100:.3g}%" for one in self.above_headroom
        )
        return (
            f"At {self.rides_per_second:,.10g} rides/s {used}, above the {self.needs.headroom:.0%} "
            "that leave room for uneven seconds: set "
            f"{', '.join(change.replace(' = ', ' to ') for change in self.changes)}."
        )


def plan(rides: float, tfvars: str, deployment: Deployment, basis: Basis) -> DeploymentPlan:
    """Plans for `rides` per second."""
    work = workload(rides, deployment, basis)
    items = costs.items(work, deployment, basis)
    found = limits.limits(deployment, basis)
    return DeploymentPlan(
        rides_per_second=rides,
        tfvars=tfvars,
        region=basis.prices.region,
        prices_known_as_of=basis.prices.known_as_of,
        total=costs.totals(work, items),
        items=items,
        payload_units=_payload_units(work, basis),
        batch=Batch(work.batches.rides, work.batches.milliseconds, work.batches.per_second),
        needs=needs.needs(work, deployment, basis),
        carried=limits.carried(work, deployment, basis),
        above_headroom=needs.above_headroom(work, deployment, basis),
        changes=needs.changes(work, deployment, basis),
        first_limit=found[0],
        limits=found,
    )


def _payload_units(work: Workload, basis: Basis) -> list[PayloadUnits]:
    both = False, True
    events = [events_load(work.rides, basis, aggregated=packed) for packed in both]
    predictions = [
        predictions_load(work.rides, work.batches, basis, aggregated=packed) for packed in both
    ]
    return [
        PayloadUnits(name, *(load.payload_units * MONTH_SECONDS for load in loads))
        for name, loads in (("events", events), ("predictions", predictions))
    ]
