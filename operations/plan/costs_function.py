"""Monthly Lambda costs of the batches."""

from collections.abc import Iterator
from typing import Final

from operations.plan.basis import Basis
from operations.plan.item import MONTH_HOURS, MONTH_SECONDS, Item, amount
from operations.plan.prices import ProcessorPrices, tiered
from operations.plan.variables import Deployment
from operations.plan.workload import Workload

_FREE_STORAGE_MB: Final = 512


def function_items(work: Workload, deployment: Deployment, basis: Basis) -> Iterator[Item]:
    prices = basis.prices.function
    calls = work.batches.per_second * MONTH_SECONDS
    usd = calls / 1e6 * prices.million_requests
    yield _item("requests", amount(calls), usd)
    yield from _duration_items(work, deployment, getattr(prices, deployment.architecture))
    if above := deployment.ephemeral_storage_mb - _FREE_STORAGE_MB:
        gb_seconds = work.batches.busy * above / 1024 * MONTH_SECONDS
        usd = gb_seconds * prices.ephemeral_gb_second
        yield _item("ephemeral storage", f"{amount(gb_seconds)} GB-s", usd)
    if deployment.snap_start:
        yield from _snap_start_items(work, deployment, basis)


def _duration_items(
    work: Workload, deployment: Deployment, prices: ProcessorPrices
) -> Iterator[Item]:
    """Provisioned concurrency is billed continuously, but its invocations cost less."""
    gb = deployment.memory_mb / 1024
    warm = deployment.provisioned_concurrency
    on_warm = min(work.batches.busy, warm) * gb * MONTH_SECONDS
    other = work.batches.busy * gb * MONTH_SECONDS - on_warm
    yield _item("duration", f"{amount(other)} GB-s", tiered(other, prices.gb_second))
    if warm:
        usd = warm * gb * MONTH_SECONDS * prices.provisioned_gb_second
        usd += on_warm * prices.called_provisioned_gb_second
        yield _item("provisioned concurrency", f"{warm:,} environments", usd)


def _snap_start_items(work: Workload, deployment: Deployment, basis: Basis) -> Iterator[Item]:
    """Each published version has a snapshot, billed until the version is deleted; every new
    environment of the serving version is restored from it."""
    prices, gb = basis.prices.function, deployment.memory_mb / 1024
    versions = max(deployment.versions, basis.measured.assumed.kept_versions)
    cached = versions * gb * MONTH_SECONDS
    usd = cached * prices.snap_start_cache_gb_second
    yield _item("SnapStart: snapshots", f"{versions} versions", usd)
    lives = MONTH_HOURS / basis.measured.assumed.environment_hours
    restored = work.batches.lanes * lives * gb
    usd = restored * prices.snap_start_restored_gb
    yield _item("SnapStart: restored", f"{restored:,.0f} GB", usd)


def _item(name: str, quantity: str, usd: float) -> Item:
    return Item("Lambda", name, quantity, usd)
