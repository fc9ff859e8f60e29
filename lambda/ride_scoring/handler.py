"""Lambda's entry point: wires the function once, and holds no logic.

Wiring happens on the first call, or during INIT with provisioned concurrency and SnapStart: an
environment that is paid for in advance should already hold its model.
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
    # Objects made at start-up are never freed; scanning them in every collection causes jitter.
    gc.freeze()
    return function


def _shadow(config: Settings) -> ShadowScorer:
    # Imported here, so that a function without a shadow does not pay for it.
    from ride_scoring.shadow.process import ShadowProcess  # noqa: PLC0415

    return ShadowProcess(reserved_seconds=config.reserved_seconds)


def _prepare() -> None:
    """Errors are logged only, and the first batch raises them again: a function that fails during
    INIT cannot be deployed at all."""
    try:
        function = _wired()
        if os.environ[_INITIALIZED_BY] == _SNAPSHOT:
            # Part of Lambda's runtime, and of no other.
            from snapshot_restore_py import register_after_restore  # noqa: PLC0415

            register_after_restore(function.restored)
        function.prepare()
    except Exception as error:  # noqa: BLE001 - as above
        logger.warning("no model yet; the first batch will look for one: %s", error)


if os.environ.get(_INITIALIZED_BY) in _AHEAD:
    _prepare()
