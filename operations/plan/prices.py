"""Reads prices.toml into typed prices in US dollars, and computes tiered costs."""

import tomllib
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final

import msgspec

from infra.common.console import UserError

PRICES: Final = Path(__file__).parent / "prices.toml"

Price = Annotated[float, msgspec.Meta(ge=0, le=1_000)]
PriceAddress = Annotated[str, msgspec.Meta(pattern="^https://aws.amazon.com/")]


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Unit price up to a monthly quantity; the last tier is unbounded."""

    price: Price
    up_to: float = float("inf")


Tiers = Annotated[tuple[Tier, ...], msgspec.Meta(min_length=1)]


class KinesisPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: PriceAddress
    shard_hour: Price
    million_payload_units: Price
    extended_retention_shard_hour: Price
    long_term_gb_month: Price
    fan_out_shard_hour: Price
    fan_out_gb: Price
    on_demand_stream_hour: Price
    on_demand_gb_in: Price
    on_demand_gb_out: Price
    on_demand_fan_out_gb: Price
    on_demand_extended_gb_month: Price


class ProcessorPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """GB-second prices on one architecture."""

    source: PriceAddress
    provisioned_gb_second: Price
    called_provisioned_gb_second: Price
    gb_second: Tiers


class FunctionPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: PriceAddress
    million_requests: Price
    ephemeral_gb_second: Price
    snap_start_cache_gb_second: Price
    snap_start_restored_gb: Price
    x86_64: ProcessorPrices
    arm64: ProcessorPrices


class S3Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: PriceAddress
    thousand_puts: Price
    thousand_gets: Price
    gb_month: Price


class CloudWatchPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: PriceAddress
    alarm_month: Price
    composite_alarm_month: Price
    dashboard_month: Price
    log_gb_month: Price
    metric_month: Tiers
    log_gb: Tiers


class XRayPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: PriceAddress
    million_traces: Price


class KmsPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: PriceAddress
    key_month: Price
    ten_thousand_requests: Price


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One region's prices as of a date."""

    region: str
    currency: str
    known_as_of: date
    kinesis: KinesisPrices
    function: FunctionPrices
    s3: S3Prices
    cloudwatch: CloudWatchPrices
    xray: XRayPrices
    kms: KmsPrices


def read(path: Path = PRICES) -> Prices:
    """Reads prices from a file. Raises `UserError`."""
    try:
        prices = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Prices)
    except (OSError, ValueError) as error:  # TOML, decoding and msgspec errors are ValueErrors
        raise UserError(
            f"{path} holds no prices: {error}; restore it with `git checkout {path}`"
        ) from error
    for tiers in _tiers(prices):
        _require_order(path, tiers)
    return prices


def tiered(quantity: float, tiers: Tiers) -> float:
    """Cost of a monthly quantity under tiered pricing."""
    cost, from_ = 0.0, 0.0
    for tier in tiers:
        cost += max(0.0, min(quantity, tier.up_to) - from_) * tier.price
        from_ = tier.up_to
    return cost


def _tiers(prices: Prices) -> tuple[Tiers, ...]:
    function, cloudwatch = prices.function, prices.cloudwatch
    return (
        function.x86_64.gb_second,
        function.arm64.gb_second,
        cloudwatch.metric_month,
        cloudwatch.log_gb,
    )


def _require_order(path: Path, tiers: Tiers) -> None:
    ends = [tier.up_to for tier in tiers]
    if ends[-1] != float("inf") or not all(low < high for low, high in pairwise([0.0, *ends])):
        raise UserError(
            f"{path} has tiers that end at {ends}: each ends above the one before, the last nowhere"
        )
