"""Monthly Kinesis costs of the streams, each of them provisioned or on-demand."""

from collections.abc import Iterator
from typing import Final

import msgspec

from operations.plan.basis import Basis
from operations.plan.item import GIB, MONTH_HOURS, MONTH_SECONDS, Item, amount
from operations.plan.prices import KinesisPrices
from operations.plan.variables import Deployment
from operations.plan.workload import Load, Workload

_FREE_HOURS: Final = 24
_EXTENDED_HOURS: Final = 168
"""Retention up to a week is billed as extended, beyond it as long-term."""


class _Stream(msgspec.Struct, frozen=True):
    """One stream, on-demand if `shards` is None. `read` is how many times its bytes are read."""

    name: str
    load: Load
    shards: int | None
    read: int
    fan_out: bool = False


def kinesis_items(work: Workload, deployment: Deployment, basis: Basis) -> Iterator[Item]:
    for stream in _streams(work, deployment, basis):
        if stream.shards is None:
            yield from _on_demand(stream, basis.prices.kinesis)
        else:
            yield from _provisioned(stream, stream.shards, deployment, basis.prices.kinesis)
        yield from _retention(stream, deployment.retention_hours, basis.prices.kinesis)


def _streams(work: Workload, deployment: Deployment, basis: Basis) -> Iterator[_Stream]:
    fan_out = deployment.enhanced_fan_out
    yield _Stream("events", work.events, deployment.events_shards, int(not fan_out), fan_out)
    readers = basis.measured.assumed.readers_of_predictions
    shards = deployment.predictions_shards
    yield _Stream("predictions", work.predictions, shards, readers)
    if work.shadow is not None:
        yield _Stream("shadow", work.shadow, shards, readers)


def _provisioned(
    stream: _Stream, shards: int, deployment: Deployment, prices: KinesisPrices
) -> Iterator[Item]:
    yield _item(stream, "shards", f"{shards:,}", shards * MONTH_HOURS * prices.shard_hour)
    units = stream.load.payload_units * MONTH_SECONDS
    usd = units / 1e6 * prices.million_payload_units
    yield _item(stream, "payload units", amount(units), usd)
    if deployment.retention_hours > _FREE_HOURS:
        usd = shards * MONTH_HOURS * prices.extended_retention_shard_hour
        yield _item(
            stream, "retention", f"{min(deployment.retention_hours, _EXTENDED_HOURS)} hours", usd
        )
    if stream.fan_out:
        usd = shards * MONTH_HOURS * prices.fan_out_shard_hour + _gb(stream) * prices.fan_out_gb
        yield _item(stream, "enhanced fan-out", f"{_gb(stream):,.0f} GB", usd)


def _on_demand(stream: _Stream, prices: KinesisPrices) -> Iterator[Item]:
    yield _item(
        stream, "on-demand", "1 stream, Standard", MONTH_HOURS * prices.on_demand_stream_hour
    )
    gb = stream.load.billed_bytes * MONTH_SECONDS / GIB
    yield _item(stream, "written", f"{gb:,.0f} GB", gb * prices.on_demand_gb_in)
    if stream.read:
        out = stream.read * _gb(stream)
        yield _item(stream, "read", f"{out:,.0f} GB", out * prices.on_demand_gb_out)
    if stream.fan_out:
        usd = _gb(stream) * prices.on_demand_fan_out_gb
        yield _item(stream, "enhanced fan-out", f"{_gb(stream):,.0f} GB", usd)


def _retention(stream: _Stream, hours: int, prices: KinesisPrices) -> Iterator[Item]:
    """Retention billed by stored GB: on-demand beyond a day, both modes beyond a week."""
    gb_an_hour = stream.load.bytes * 3600 / GIB
    extended = max(0, min(hours, _EXTENDED_HOURS) - _FREE_HOURS) * gb_an_hour
    if stream.shards is None and extended:
        usd = extended * prices.on_demand_extended_gb_month
        yield _item(stream, "retention", f"{extended:,.0f} GB", usd)
    if long_term := max(0, hours - _EXTENDED_HOURS) * gb_an_hour:
        usd = long_term * prices.long_term_gb_month
        yield _item(stream, "long-term", f"{long_term:,.0f} GB", usd)


def _gb(stream: _Stream) -> float:
    """GB through the stream per month."""
    return stream.load.bytes * MONTH_SECONDS / GIB


def _item(stream: _Stream, name: str, quantity: str, usd: float) -> Item:
    return Item("Kinesis", f"{stream.name}, {name}", quantity, usd)
