"""What a plan is made of, in round numbers, so that a hand can follow the sums."""

import functools
import os
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from operations.plan import basis as real
from operations.plan import variables
from operations.plan.basis import Basis, Traffic
from operations.plan.emitted import Emitted, Metric
from operations.plan.measured import Assumed, Cpu, Measured
from operations.plan.prices import (
    CloudWatchPrices,
    FunctionPrices,
    KinesisPrices,
    KmsPrices,
    Prices,
    ProcessorPrices,
    S3Prices,
    Tier,
    XRayPrices,
)
from operations.plan.sizes import Packed, Sizes
from operations.plan.variables import Deployment

PAGE = "https://aws.amazon.com/x"
MONTH_SECONDS = 2_628_000
"""730 hours."""


def deployment(**changes: Any) -> Deployment:
    """The defaults of terraform/variables.tf, with a whole processor, unless changed."""
    return msgspec.structs.replace(_defaults(), **{"memory_mb": 2048, **changes})


@functools.cache
def _defaults() -> Deployment:
    return variables.read(Path(os.devnull))


@functools.cache
def real_basis(reject_share: float = 0.01, *, aggregated: bool = False) -> Basis:
    """What a plan really rests on."""
    return real.read(Traffic(reject_share, aggregated))


def basis(reject_share: float = 0.0, *, aggregated: bool = False, **changes: Any) -> Basis:
    """A basis in round numbers."""
    found = Basis(
        prices=_prices(),
        measured=Measured(_cpu(), _assumed()),
        sizes=_sizes(),
        alone=emitted("Records"),
        shadowed=emitted("Records", "ShadowPredictions"),
        traffic=Traffic(reject_share, aggregated),
    )
    return msgspec.structs.replace(found, **changes)


def emitted(*names: str) -> Emitted:
    """Telemetry that gives each of the metrics for all versions and for one."""
    service = ("service", "s")
    versioned = ("function_version", "12"), service
    metrics = [Metric("N", name, at) for name in names for at in ((service,), versioned)]
    rejected = Metric("N", "RejectsByReason", (("reason", "schema"), service))
    return Emitted(frozenset(metrics), frozenset([rejected]), batch_bytes=700, reason_bytes=200)


def _prices() -> Prices:
    processor = ProcessorPrices(PAGE, 4e-6, 9e-6, (Tier(1e-5, 1e6), Tier(5e-6)))
    return Prices(
        region="us-east-1",
        currency="USD",
        known_as_of=date(2026, 1, 2),
        kinesis=KinesisPrices(
            source=PAGE,
            shard_hour=0.01,
            million_payload_units=0.02,
            extended_retention_shard_hour=0.03,
            long_term_gb_month=0.04,
            fan_out_shard_hour=0.05,
            fan_out_gb=0.06,
            on_demand_stream_hour=0.07,
            on_demand_gb_in=0.08,
            on_demand_gb_out=0.09,
            on_demand_fan_out_gb=0.11,
            on_demand_extended_gb_month=0.12,
        ),
        function=FunctionPrices(
            PAGE,
            million_requests=0.2,
            ephemeral_gb_second=1e-7,
            snap_start_cache_gb_second=2e-6,
            snap_start_restored_gb=1e-4,
            x86_64=processor,
            arm64=msgspec.structs.replace(processor, gb_second=(Tier(8e-6),)),
        ),
        s3=S3Prices(PAGE, thousand_puts=0.005, thousand_gets=0.0004, gb_month=0.02),
        cloudwatch=CloudWatchPrices(
            PAGE,
            alarm_month=0.1,
            composite_alarm_month=0.5,
            dashboard_month=3.0,
            log_gb_month=0.03,
            metric_month=(Tier(0.3, 10.0), Tier(0.1)),
            log_gb=(Tier(0.5),),
        ),
        xray=XRayPrices(PAGE, million_traces=5.0),
        kms=KmsPrices(PAGE, key_month=1.0, ten_thousand_requests=0.03),
    )


def _cpu() -> Cpu:
    """A millisecond a batch and 10 microseconds a ride; 2 more to pack it, 5 more for a shadow."""
    return Cpu("by hand", 19.0, 10.0, 12.0, 11.0, 5.0)


def _assumed() -> Assumed:
    return Assumed(
        headroom=0.8,
        put_records_ms=20.0,
        put_object_ms=40.0,
        between_batches_ms=20.0,
        producer_buffer_ms=100.0,
        readers_of_predictions=1,
        platform_log_bytes=300.0,
        log_compression=0.1,
        environment_hours=2.0,
        stored_gb=1.0,
        alarm_metrics=10,
        canary_alarm_metrics=4,
        composite_alarms=1,
        mapping_metrics=6,
        kms_callers=3,
        kms_requests=10,
        kept_versions=3,
    )


def _sizes() -> Sizes:
    return Sizes(
        event=Packed(alone_bytes=256.0, in_aggregate=100.0, aggregate_bytes=25_600.0),
        prediction=Packed(alone_bytes=512.0, in_aggregate=100.0, aggregate_bytes=51_200.0),
        reject_bytes=400.0,
        lambda_bytes=500,
    )
