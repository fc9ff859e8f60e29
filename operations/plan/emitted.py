"""Measures what the function's telemetry sends to CloudWatch: custom metrics and log bytes.

Runs the actual telemetry and parses its output, so that new metrics are priced automatically.
"""

import contextlib
import io
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast, get_args

import msgspec

from ride_scoring.domain.events import Ride, RideEvent
from ride_scoring.errors import RejectReason
from ride_scoring.models.served import ScorableEvent
from ride_scoring.scoring import BatchResult
from ride_scoring.shadow.scorer import ShadowResult
from ride_scoring.streams.records import Arrival, KinesisRecord, Put, Reject
from ride_scoring.telemetry import Telemetry

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_AT: Final = datetime(2023, 1, 14, 13, 31, 5, tzinfo=UTC)
_EVENT_ID: Final = "shardId-000000000012:49590338271490256608559692538361571095921575989136588898"
_RECORDS: Final = 500
_SERVICE: Final = "ride_scoring"


class Metric(NamedTuple):
    """One custom metric as billed: one for each set of dimension values."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


REASONS: Final = len(get_args(RejectReason))


class Emitted(msgspec.Struct, frozen=True):
    """Custom metrics without rejects, those that rejects add, and log bytes per batch.

    `reason_bytes` is added for each distinct reason among a batch's rejects.
    """

    metrics: frozenset[Metric]
    reject_metrics: frozenset[Metric]
    batch_bytes: int
    reason_bytes: float

    def billed_metrics(self, *, rejects: bool, versions: int) -> int:
        """Custom metrics per month with `versions` versions of the function serving."""
        metrics = self.metrics | self.reject_metrics if rejects else self.metrics
        of_versions = sum(1 for metric in metrics if "function_version" in dict(metric.dimensions))
        return len(metrics) + (versions - 1) * of_versions


def measure(*, shadow: bool) -> Emitted:
    """Runs the telemetry on typical batches, including a model load and a refused model."""
    tried = ShadowResult(_RECORDS) if shadow else None
    loads = _written(_load_models)
    clean = _written(lambda telemetry: _batch(telemetry, (), tried))
    reasons: Sequence[RejectReason] = get_args(RejectReason)
    mixed = _written(lambda telemetry: _batch(telemetry, reasons, tried))
    metrics = frozenset(_metrics(loads + clean))
    return Emitted(
        metrics=metrics,
        reject_metrics=frozenset(_metrics(mixed)) - metrics,
        batch_bytes=_bytes(clean),
        reason_bytes=(_bytes(mixed) - _bytes(clean)) / len(reasons),
    )


def _load_models(telemetry: Telemetry) -> None:
    telemetry.model_loaded("compiled", 123.45, swapped=True)
    telemetry.model_refused()
    _batch(telemetry, (), None)  # counts are flushed with the next batch


def _batch(
    telemetry: Telemetry, reasons: Sequence[RejectReason], shadow: ShadowResult | None
) -> None:
    result = BatchResult(
        records=_RECORDS,
        rejects=[_reject(reason) for reason in reasons],
        not_done_from=None,
        scored_at=_AT,
        scored=[_scored()] * _RECORDS,
        model_version="12",
        put=Put(_RECORDS),
    )
    telemetry.batch([_record()] * _RECORDS, result, shadow, 12.345678, _context())


def _written(write: Callable[[Telemetry], None]) -> list[str]:
    """Captures the lines that the telemetry writes to standard output."""
    with contextlib.redirect_stdout(io.StringIO()) as written:
        telemetry = Telemetry(_SERVICE)
        with _logging_to(written):
            write(telemetry)
    return written.getvalue().splitlines()


@contextlib.contextmanager
def _logging_to(stream: io.StringIO) -> Iterator[None]:
    """Redirects logging: Powertools keeps one handler per process, bound to the first stdout."""
    handlers = [
        handler
        for handler in logging.getLogger(_SERVICE).handlers
        if isinstance(handler, logging.StreamHandler)
    ]
    former = [handler.setStream(stream) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream_before in zip(handlers, former, strict=True):
            if stream_before is not None:
                handler.setStream(stream_before)


def _metrics(lines: Sequence[str]) -> Iterator[Metric]:
    """CloudWatch's embedded metric format:
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    for blob in map(json.loads, lines):
        for directive in blob.get("_aws", {}).get("CloudWatchMetrics", []):
            for names in directive["Dimensions"]:
                dimensions = tuple(sorted((name, str(blob[name])) for name in names))
                for metric in directive["Metrics"]:
                    yield Metric(directive["Namespace"], metric["Name"], dimensions)


def _bytes(lines: Sequence[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _reject(reason: RejectReason) -> Reject:
    return Reject(_EVENT_ID, reason, "", "", "", _AT, _AT)


def _record() -> KinesisRecord:
    return KinesisRecord(_EVENT_ID, _EVENT_ID.partition(":")[2], "1", _AT.timestamp(), "")


def _scored() -> ScorableEvent:
    arrival = Arrival(0, _EVENT_ID, "1", _AT.timestamp() - 0.123456, b"")
    return ScorableEvent(arrival, RideEvent("1", Ride(130, 205, 3.66)))


def _context() -> "LambdaContext":
    context: Any = SimpleNamespace(
        aws_request_id="c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        function_name="ride-function",
        function_version="12",
        memory_limit_in_mb=1024,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:ride-function:live",
    )
    return cast("LambdaContext", context)
