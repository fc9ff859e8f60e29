"""Itemized monthly cost of a workload.

A month has 730 hours of constant load. Free tiers are ignored. Not counted, because they cost cents
at most: SQS and SNS, cold starts, KMS behind S3 bucket keys.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from operations.plan.basis import Basis
from operations.plan.costs_function import function_items
from operations.plan.costs_kinesis import kinesis_items
from operations.plan.costs_watching import watching_items
from operations.plan.item import GIB, MONTH_SECONDS, Item, amount
from operations.plan.variables import Deployment
from operations.plan.workload import Workload, workload

_LONGEST_KEPT_DAYS: Final = 365
"""Objects kept forever cost more each month: the month a year from now is priced."""


def items(work: Workload, deployment: Deployment, basis: Basis) -> list[Item]:
    """All cost items, in the order in which rides pass through the services."""
    return [
        *kinesis_items(work, deployment, basis),
        *function_items(work, deployment, basis),
        *_s3_items(work, deployment, basis),
        *watching_items(work, deployment, basis),
        *_kms_items(work, deployment, basis),
    ]


def month_usd(rides: float, deployment: Deployment, basis: Basis) -> float:
    """Total monthly cost at `rides` per second."""
    return sum(item.usd for item in items(workload(rides, deployment, basis), deployment, basis))


def _s3_items(work: Workload, deployment: Deployment, basis: Basis) -> Iterator[Item]:
    prices = basis.prices.s3
    puts = work.batches.per_second * work.batches.with_rejects * MONTH_SECONDS
    yield Item("S3", "rejects written", amount(puts), puts / 1e3 * prices.thousand_puts)
    gets = _looks_a_second(work, deployment) * MONTH_SECONDS
    yield Item("S3", "looks at the alias", amount(gets), gets / 1e3 * prices.thousand_gets)
    rejects = work.rides * basis.traffic.reject_share * basis.sizes.reject_bytes
    kept = rejects * _kept_days(deployment) * 86_400
    stored = basis.measured.assumed.stored_gb + kept / GIB
    yield Item("S3", "stored", f"{stored:,.1f} GB", stored * prices.gb_month)


def _kept_days(deployment: Deployment) -> int:
    """Expired objects stay as noncurrent versions for a while; None means kept forever."""
    current, noncurrent = deployment.rejects_retention_days, deployment.noncurrent_retention_days
    if current is None or noncurrent is None:
        return _LONGEST_KEPT_DAYS
    return min(current + noncurrent, _LONGEST_KEPT_DAYS)


def _looks_a_second(work: Workload, deployment: Deployment) -> float:
    """Environments check the alias at most once per batch; a shadow's alias is checked too."""
    environments = min(work.batches.lanes, deployment.reserved_concurrency or work.batches.lanes)
    batches = work.batches.per_second
    refresh = deployment.model_refresh_seconds
    looks = min(batches, environments / refresh) if refresh else batches
    return looks * (2 if deployment.shadows else 1)


def _kms_items(work: Workload, deployment: Deployment, basis: Basis) -> Iterator[Item]:
    """Kinesis requests new data keys every five minutes for each calling principal:
    https://docs.aws.amazon.com/streams/latest/dev/costs-performance.html"""
    prices = basis.prices.kms
    if deployment.kms_key_arn:
        yield Item("KMS", "key", "1 key", prices.key_month)
    if deployment.encrypt_streams or deployment.kms_key_arn:
        streams = 2 if work.shadow is None else 3
        assumed = basis.measured.assumed
        requests = streams * assumed.kms_callers * assumed.kms_requests * MONTH_SECONDS / 300
        usd = requests / 1e4 * prices.ten_thousand_requests
        yield Item("KMS", "data keys", amount(requests), usd)


class Totals(msgspec.Struct, frozen=True):
    """Cost per month and per million rides, in US dollars."""

    month_usd: float
    million_rides_usd: float


def totals(work: Workload, found: list[Item]) -> Totals:
    usd = sum(item.usd for item in found)
    return Totals(usd, usd / (work.rides * MONTH_SECONDS) * 1e6)
