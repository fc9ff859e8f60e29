"""Everything a plan is based on besides the rate and Terraform variables."""

from typing import Annotated

import msgspec

from operations.plan import emitted, measured, prices, quotas, sizes
from operations.plan.emitted import Emitted
from operations.plan.measured import Measured
from operations.plan.prices import Prices
from operations.plan.sizes import Sizes
from operations.plan.variables import Deployment


class Traffic(msgspec.Struct, frozen=True):
    """The incoming rides: the share that can never be scored, and whether the producer aggregates
    many into a record, as the Kinesis Producer Library does.
    """

    reject_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.01
    aggregated: bool = False


class Basis(msgspec.Struct, frozen=True):
    """Prices, measured figures, sizes, telemetry without and with a shadow, and traffic."""

    prices: Prices
    measured: Measured
    sizes: Sizes
    alone: Emitted
    shadowed: Emitted
    traffic: Traffic

    def emitted(self, deployment: Deployment) -> Emitted:
        return self.shadowed if deployment.shadows else self.alone

    @property
    def most_at_once(self) -> int:
        """The highest parallelization_factor that has an effect.

        Records are distributed by partition key, and aggregates often all have the same one (the
        KPL's is "a"): then a shard runs one batch at a time, whatever the factor.
        """
        return 1 if self.traffic.aggregated else quotas.MOST_PARALLELIZATION

    def at_once(self, deployment: Deployment) -> int:
        """Concurrent batches per shard."""
        return min(deployment.parallelization_factor, self.most_at_once)


def read(traffic: Traffic) -> Basis:
    """Reads prices and figures from files, and measures sizes and telemetry. Raises `UserError`."""
    return Basis(
        prices=prices.read(),
        measured=measured.read(),
        sizes=sizes.measure(),
        alone=emitted.measure(shadow=False),
        shadowed=emitted.measure(shadow=True),
        traffic=traffic,
    )
