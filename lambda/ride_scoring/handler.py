"""Lambda's entry point: wires the function once, and holds no logic.

That is at the first call, or at INIT where environments are made ahead of it, kept warm or restored
from a snapshot: what is paid for there is a function that has its model.
"""

import functools
import gc
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ride_scoring import aws, settings
from ride_scoring.function import Function, ShadowScorer
from ride_scoring.settings import Settings
from ride_scoring.telemetry import Telemetry
from ride_scoring.wiring import Services, wire

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_INITIALIZED_BY: Final = "AWS_LAMBDA_INITIALIZATION_TYPE"
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html"""
_SNAPSHOT: Final = "snap-start"
_AHEAD: Final = frozenset({"provisioned-concurrency", _SNAPSHOT})

logger = logging.getLogger(__name__)


def handler(event: Mapping[str, Any], context: "LambdaContext") -> Mapping[str, Any]:
    """Scores one batch of a Kinesis event source mapping, or answers a test run."""
    return _wired()(event, context)


@functools.cache
def _wired() -> Function:
    config = settings.read(os.environ)
    telemetry = Telemetry(config.powertools_service_name, tracing=config.tracing)
    services = aws.connect(os.environ)
    shadow = _shadow(config) if config.shadow_alias else None
    function = wire(config, Services(services.s3, services.kinesis), telemetry, shadow=shadow)
    # What start-up made stays for good: looked through again and again, it makes batches uneven.
    gc.freeze()
    return function


def _shadow(config: Settings) -> ShadowScorer:
    # Imported here: a function without a shadow does not pay for it.
    from ride_scoring.shadow.process import ShadowProcess  # noqa: PLC0415

    return ShadowProcess(reserved_seconds=config.reserved_seconds)


def _prepare() -> None:
    """Whatever goes wrong here, the first batch meets as it would without: a function that fails at
    INIT cannot be deployed at all."""
    try:
        function = _wired()
        if os.environ[_INITIALIZED_BY] == _SNAPSHOT:
            # Part of Lambda's runtime, and of no other.
            from snapshot_restore_py import register_after_restore  # noqa: PLC0415

            register_after_restore(function.restored)
        function.prepare()
    except Exception as error:  # noqa: BLE001 - as above
        logger.warning("no model yet, the first batch looks for one: %s", error)


if os.environ.get(_INITIALIZED_BY) in _AHEAD:
    _prepare()
