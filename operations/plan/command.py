"""Implements `python -m operations plan`: prints tables or JSON, and draws a plot."""

import math
from pathlib import Path

from infra.common import console
from infra.common.console import UserError
from infra.common.paths import ROOT
from operations.plan import basis, drawing, report, variables
from operations.plan.basis import Traffic
from operations.plan.limits import MOST_RIDES_A_SECOND
from operations.plan.plan import plan


def run(rides: float, tfvars: Path, traffic: Traffic, out: Path, *, as_json: bool) -> None:
    """Prices the deployment and plots its cost. Raises `UserError`."""
    if not (math.isfinite(rides) and 0 < rides <= MOST_RIDES_A_SECOND):
        raise UserError(
            f"--rides-per-second is {rides:,.10g}: plans are made for more than 0 "
            f"and up to {MOST_RIDES_A_SECOND:,.0f}"
        )
    deployment = variables.read(tfvars)
    if traffic.aggregated and deployment.enhanced_fan_out:
        raise UserError(
            f"{_shown(tfvars)} sets enhanced_fan_out, with which Lambda drops the rides of a "
            "packed record whose partition keys belong to other shards: plan for records of one "
            "ride, without --aggregate-input, or set enhanced_fan_out to false"
        )
    image = out / f"{tfvars.stem}.png"
    console.require_writable(image)
    known = basis.read(traffic)
    made = plan(rides, _shown(tfvars), deployment, known)
    image.write_bytes(drawing.png(drawing.draw(made, deployment, known)))
    if as_json:
        console.print_json(made)
        return
    console.out.print(f"{made.tfvars} at {rides:,.10g} rides/s", markup=False)
    console.out.print(report.bill(made))
    console.out.print(report.facts(made))
    console.out.print(made.sentence, markup=False)
    console.out.print(
        f"Prices of {made.region} as known on {made.prices_known_as_of}, no free tier. "
        f"Cost against rate: {_shown(image)}",
        markup=False,
    )


def _shown(path: Path) -> str:
    """The path relative to the checkout, if it is inside."""
    absolute = path.resolve()
    return str(absolute.relative_to(ROOT) if absolute.is_relative_to(ROOT) else path)
