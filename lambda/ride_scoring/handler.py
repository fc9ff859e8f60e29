"""Lambda's entry point: wires the function once, at the first call, and holds no logic."""

import functools
import gc
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ride_scoring import aws, settings
from ride_scoring.function import Function
from ride_scoring.telemetry import Telemetry
from ride_scoring.wiring import Services, wire

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


def handler(event: Mapping[str, Any], context: "LambdaContext") -> Mapping[str, Any]:
    """Scores one batch of a Kinesis event source mapping, or answers a test run."""
    return _wired()(event, context)


@functools.cache
def _wired() -> Function:
    config = settings.read(os.environ)
    telemetry = Telemetry(config.powertools_service_name, tracing=config.tracing)
    services = aws.connect(os.environ)
    function = wire(config, Services(services.s3, services.kinesis), telemetry)
    # What start-up made stays for good: looked through again and again, it makes batches uneven.
    gc.freeze()
    return function
