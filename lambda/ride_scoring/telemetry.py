"""Writes one structured log line and CloudWatch metrics for each batch. Never a payload.

The logger's name is the package's, so what `logging.getLogger(__name__)` says anywhere in the
package comes out as the same JSON.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from ride_scoring.models.model import Way
from ride_scoring.scoring import BatchResult
from ride_scoring.shadow.scorer import ShadowResult
from ride_scoring.streams.records import KinesisRecord

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

PACKAGE = "ride_scoring"
NAMESPACE = "RideScoring"


class Telemetry:
    """The one logger, the one metrics object, and a tracer where tracing is switched on.

    `service` tells deployments in one account apart.
    """

    def __init__(self, service: str, *, tracing: bool = False) -> None:
        self._service = service
        # `service` names the logger. Lambda takes every line for INFO whose time has another form:
        # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html
        self._logger = Logger(service=PACKAGE, use_rfc3339=True)
        self._logger.append_keys(service=service)
        self._metrics = Metrics(namespace=NAMESPACE, service=service)
        self._segment = _xray_segment(service) if tracing else nullcontext
        self._cold_starts = 1

    def segment(self) -> AbstractContextManager[Any]:
        """A trace's segment around a batch; nothing where tracing is off."""
        return self._segment()

    def model_loaded(self, way: Way, milliseconds: float, *, swapped: bool) -> None:
        self._count("Swaps", int(swapped))
        with single_metric(
            name="ModelLoadTime",
            unit=MetricUnit.Milliseconds,
            value=milliseconds,
            namespace=NAMESPACE,
        ) as metric:
            metric.add_dimension("service", self._service)
            metric.add_dimension("way", way)

    def model_refused(self) -> None:
        self._count("RefusedModels", 1)

    def batch(
        self,
        records: Sequence[KinesisRecord],
        result: BatchResult,
        shadow: ShadowResult | None,
        milliseconds: float,
        context: "LambdaContext",
    ) -> None:
        """One line and one set of metrics for one batch, which took `milliseconds`."""
        reasons = Counter(reject.reason for reject in result.rejects)
        self._log(records, result, reasons, shadow, context)
        for name, count in (
            ("Records", result.records),
            # One record may aggregate many events, so shares are of what came to an end.
            ("Events", result.put.done + reasons.total()),
            ("Predictions", result.put.done),
            ("Rejects", reasons.total()),
            ("Retries", result.put.retried),
            ("Throttles", result.put.throttled),
            ("BatchesNotDone", int(result.not_done_from is not None)),
            ("ColdStarts", self._cold_starts),
        ):
            self._count(name, count)
        self._cold_starts = 0
        if shadow is not None:
            self._count("ShadowPredictions", shadow.predicted)
            self._count("ShadowFailures", int(shadow.failure is not None))
        self._time("BatchTime", milliseconds)
        for name, waited in _waits(result):
            self._time(name, waited)
        # Once for all versions, and once for this one, so that a new one can be told from the old.
        self._metrics.add_dimensions(
            service=self._service, function_version=context.function_version
        )
        self._metrics.flush_metrics()
        for reason, count in reasons.items():
            self._count_by_reason(reason, count)

    def _count(self, name: str, count: int) -> None:
        self._metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)

    def _time(self, name: str, milliseconds: float) -> None:
        self._metrics.add_metric(name=name, unit=MetricUnit.Milliseconds, value=milliseconds)

    def _count_by_reason(self, reason: str, count: int) -> None:
        """A set of metrics of its own, as a dimension holds for all metrics of a set."""
        with single_metric(
            name="RejectsByReason", unit=MetricUnit.Count, value=count, namespace=NAMESPACE
        ) as metric:
            metric.add_dimension("service", self._service)
            metric.add_dimension("reason", reason)

    def _log(
        self,
        records: Sequence[KinesisRecord],
        result: BatchResult,
        reasons: Counter[Any],
        shadow: ShadowResult | None,
        context: "LambdaContext",
    ) -> None:
        fields = {
            "function_request_id": context.aws_request_id,
            "shard": records[0].event_id.partition(":")[0] if records else None,
            "first_sequence_number": records[0].sequence_number if records else None,
            "last_sequence_number": records[-1].sequence_number if records else None,
            "model_version": result.model_version,
            "records": result.records,
            "predicted": result.put.done,
            "rejected": dict(reasons),
        }
        if shadow is not None:
            fields |= {"shadow_predicted": shadow.predicted, "shadow_failure": shadow.failure}
        if result.failure is None:
            self._logger.info("batch scored", extra=fields)
        else:
            fields |= {"not_done_from": result.not_done_from, "failure": result.failure}
            self._logger.error("batch not done", extra=fields)


def _waits(result: BatchResult) -> list[tuple[str, float]]:
    """Milliseconds from an event's arrival in the stream until it was scored."""
    if not result.scored:
        return []
    scored_at = result.scored_at.timestamp()
    waited = [(scored_at - item.arrival.arrived_at) * 1000 for item in result.scored]
    return [("ArrivalToScoredP50", statistics.median(waited)), ("ArrivalToScoredMax", max(waited))]


def _xray_segment(service: str) -> Callable[[], AbstractContextManager[Any]]:
    # Imported here: hundreds of milliseconds of start-up for those alone who trace.
    from aws_lambda_powertools import Tracer  # noqa: PLC0415

    tracer = Tracer(service=service)

    @contextmanager
    def segment() -> Iterator[None]:
        with tracer.provider.in_subsegment(name="## batch"):
            yield

    return segment
