"""Lambda's entry point: wires the modules together once, at the first call, and holds no logic."""

import functools
import os
from collections.abc import Mapping
from typing import Any

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config

from ride_scoring import kinesis_event, settings
from ride_scoring.model_store import AliasedModel
from ride_scoring.rejects import RejectStore
from ride_scoring.scoring import Answer, Scorer
from ride_scoring.sink import CALL_SECONDS, PredictionSink
from ride_scoring.telemetry import Telemetry

# Timeouts well inside the function's own, so that a service that hangs ends as a batch not done.
_S3_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3})
# One attempt: the sink itself tries again, and only what was refused.
_CONNECT_SECONDS = 1
_KINESIS_CONFIG = Config(
    connect_timeout=_CONNECT_SECONDS,
    read_timeout=CALL_SECONDS - _CONNECT_SECONDS,
    retries={"total_max_attempts": 1},
)


def handler(event: Mapping[str, Any], context: LambdaContext) -> Answer:
    """Scores one batch of a Kinesis event source mapping."""
    scorer, telemetry = _wired()
    records = kinesis_event.records(event)
    result = scorer.score(records, lambda: context.get_remaining_time_in_millis() / 1000)
    telemetry.batch(records, result, context)
    return result.answer()


@functools.cache
def _wired() -> tuple[Scorer, Telemetry]:
    telemetry = Telemetry()
    config = settings.read(os.environ)
    s3 = boto3.client("s3", config=_S3_CONFIG)
    kinesis = boto3.client("kinesis", config=_KINESIS_CONFIG)
    scorer = Scorer(
        AliasedModel(s3, config.model_bucket, config.model_name, config.model_alias),
        PredictionSink(kinesis, config.predictions_stream_name),
        RejectStore(s3, config.rejects_bucket),
    )
    return scorer, telemetry
