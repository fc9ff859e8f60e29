"""All that a plan rests on besides the rate and Terraform's variables, in one hand."""

from typing import Annotated

import msgspec

from operations.plan import emitted, measured, prices, quotas, sizes
from operations.plan.emitted import Emitted
from operations.plan.measured import Measured
from operations.plan.prices import Prices
from operations.plan.sizes import Sizes
from operations.plan.variables import Deployment


class Traffic(msgspec.Struct, frozen=True):
    """What rides come in as: the share that can never be scored, and whether a producer packs many
    in a record as the Kinesis Producer Library does.
    """

    reject_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.01
    aggregated: bool = False


class Basis(msgspec.Struct, frozen=True):
    """Prices, measured figures, sizes, telemetry with and without a shadow, and the traffic."""

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
        """To how many batches of a shard at once parallelization_factor can be raised with effect.

        Records are shared out by partition key, and aggregates often all have the same one (the
        KPL's is "a"): then one batch of a shard runs at a time, whatever the factor is.
        """
        return 1 if self.traffic.aggregated else quotas.MOST_PARALLELIZATION

    def at_once(self, deployment: Deployment) -> int:
        """How many batches of a shard run at once."""
        return min(deployment.parallelization_factor, self.most_at_once)


def read(traffic: Traffic) -> Basis:
    """Reads what is in files and measures what is in code. Raises `UserError`."""
    return Basis(
        prices=prices.read(),
        measured=measured.read(),
        sizes=sizes.measure(),
        alone=emitted.measure(shadow=False),
        shadowed=emitted.measure(shadow=True),
        traffic=traffic,
    )
