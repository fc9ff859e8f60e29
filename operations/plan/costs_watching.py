"""Monthly CloudWatch and X-Ray costs of metrics, logs, alarms and traces."""

from collections.abc import Iterator
from typing import Final

from operations.plan.basis import Basis
from operations.plan.emitted import REASONS
from operations.plan.item import GIB, MONTH_SECONDS, Item, amount
from operations.plan.prices import tiered
from operations.plan.variables import Deployment
from operations.plan.workload import Workload

_MONTH_DAYS: Final = 30.4
_ALWAYS_TRACED_A_SECOND: Final = 1.0
_TRACED_SHARE: Final = 0.05
"""X-Ray's default sampling: https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html"""


def watching_items(work: Workload, deployment: Deployment, basis: Basis) -> Iterator[Item]:
    prices, assumed = basis.prices.cloudwatch, basis.measured.assumed
    metrics = custom_metrics(work, deployment, basis)
    usd = tiered(metrics, prices.metric_month)
    yield Item("CloudWatch", "custom metrics", f"{metrics:,}", usd)
    gb = log_bytes_a_second(work, deployment, basis) * MONTH_SECONDS / GIB
    yield Item("CloudWatch", "log written", f"{gb:,.1f} GB", tiered(gb, prices.log_gb))
    stored = gb * assumed.log_compression * deployment.log_retention_days / _MONTH_DAYS
    yield Item("CloudWatch", "log stored", f"{stored:,.1f} GB", stored * prices.log_gb_month)
    looked_at = assumed.alarm_metrics + assumed.canary_alarm_metrics * (deployment.versions - 1)
    usd = looked_at * prices.alarm_month + assumed.composite_alarms * prices.composite_alarm_month
    yield Item("CloudWatch", "alarms", f"on {looked_at} metrics", usd)
    yield Item("CloudWatch", "dashboard", "1", prices.dashboard_month)
    if deployment.tracing:
        traces = _traced_a_second(work.batches.per_second) * MONTH_SECONDS
        usd = traces / 1e6 * basis.prices.xray.million_traces
        yield Item("X-Ray", "traces", amount(traces), usd)


def custom_metrics(work: Workload, deployment: Deployment, basis: Basis) -> int:
    """Metrics of the function, mapping and shards, assuming that every reject reason occurs."""
    function = basis.emitted(deployment).billed_metrics(
        rejects=basis.traffic.reject_share > 0, versions=deployment.versions
    )
    shards = work.events_shards + work.predictions_shards
    shards += work.predictions_shards if work.shadow is not None else 0
    of_shards = shards * len(deployment.shard_metrics)
    return function + basis.measured.assumed.mapping_metrics + of_shards


def log_bytes_a_second(work: Workload, deployment: Deployment, basis: Basis) -> float:
    """Lambda's platform lines, the batch's log line and metrics, and metrics per reject reason."""
    emitted = basis.emitted(deployment)
    a_batch = emitted.batch_bytes + basis.measured.assumed.platform_log_bytes
    rejects = work.rides * basis.traffic.reject_share
    reasons = min(rejects, REASONS * work.batches.per_second)
    return work.batches.per_second * a_batch + reasons * emitted.reason_bytes


def _traced_a_second(batches: float) -> float:
    always = min(batches, _ALWAYS_TRACED_A_SECOND)
    return always + _TRACED_SHARE * (batches - always)
