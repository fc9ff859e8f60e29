"""Formats a plan as two terminal tables: the bill, and the capacity needed."""

from collections.abc import Iterator

from rich.table import Table

from operations.plan.item import MONTH_SECONDS, amount
from operations.plan.plan import DeploymentPlan


def bill(plan: DeploymentPlan) -> Table:
    """Dollars per month and per million rides, by item and in total; 80 columns wide."""
    rides = plan.rides_per_second * MONTH_SECONDS / 1e6
    table = Table(box=None, pad_edge=True, header_style="bold")
    table.add_column("a month", no_wrap=True)
    for title in ("", "$", "$/million"):
        table.add_column(title, justify="right", no_wrap=True)
    for item in plan.items:
        name = f"{item.service} {item.name}"
        table.add_row(name, item.quantity, f"{item.usd:,.2f}", f"{item.usd / rides:,.4f}")
    total = f"{plan.total.month_usd:,.2f}", f"{plan.total.million_rides_usd:,.4f}"
    table.add_row("all", f"{amount(rides * 1e6)} rides", *total, style="bold")
    return table


def facts(plan: DeploymentPlan) -> Table:
    """The quantities behind the bill, and the capacity needed for the rate."""
    table = Table(box=None, pad_edge=True, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for name, value in _facts(plan):
        table.add_row(name, value)
    return table


def _facts(plan: DeploymentPlan) -> Iterator[tuple[str, str]]:
    for units in plan.payload_units:
        value = f"{amount(units.one_each)}; {amount(units.aggregated)} aggregated"
        yield f"payload units, {units.stream}", value
    batch, needs = plan.batch, plan.needs
    value = f"{batch.rides:,.0f} rides, {batch.milliseconds:,.0f} ms"
    yield "a batch", f"{value}; {batch.per_second:,.1f} a second"
    value = f"{needs.events_shards:,} of events, {needs.predictions_shards:,} of predictions"
    yield "shards needed", f"{value}, used to {needs.headroom:.0%}"
    yield "parallelization needed", f"{needs.parallelization_factor}"
    value = f"{needs.concurrency_busy:,.2f} on average, {needs.concurrency_at_once:,} at once"
    yield "concurrency needed", value
    yield "mapping used", f"{needs.utilisation:.1%}"
