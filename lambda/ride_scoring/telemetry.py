"""A batch's result in, one structured log line and CloudWatch metrics out. Never a payload.

The logger's name is the package's, so what `logging.getLogger(__name__)` says anywhere in the
package comes out as the same JSON.
"""

from collections import Counter
from collections.abc import Sequence

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from ride_scoring.events import KinesisRecord
from ride_scoring.scoring import BatchResult

_SERVICE = "ride_scoring"


class Telemetry:
    """The one logger and the one metrics object."""

    def __init__(self) -> None:
        self._logger = Logger(service=_SERVICE)
        self._metrics = Metrics(namespace="RideScoring", service=_SERVICE)

    def batch(
        self, records: Sequence[KinesisRecord], result: BatchResult, context: LambdaContext
    ) -> None:
        """One line and one set of metrics for one batch."""
        self._log(records, result, context)
        for name, count in (
            ("Records", result.records),
            ("Predictions", result.predicted),
            ("Rejects", len(result.rejects)),
            ("BatchesNotDone", int(result.not_done_from is not None)),
        ):
            self._metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
        self._metrics.flush_metrics()

    def _log(
        self, records: Sequence[KinesisRecord], result: BatchResult, context: LambdaContext
    ) -> None:
        fields = {
            "function_request_id": context.aws_request_id,
            "first_event_id": records[0].event_id if records else None,
            "last_event_id": records[-1].event_id if records else None,
            "model_version": result.model_version,
            "records": result.records,
            "predicted": result.predicted,
            "rejected": dict(Counter(reject.reason for reject in result.rejects)),
        }
        if result.failure is None:
            self._logger.info("batch scored", extra=fields)
        else:
            fields |= {"not_done_from": result.not_done_from, "failure": result.failure}
            self._logger.error("batch not done", extra=fields)
