"""The function as a process of this machine, run through AWS's own runtime client.

It runs from source in the project's environment, which can read models in all three formats.
"""

import json
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from infra.common.console import UserError
from infra.common.paths import ROOT
from localstack_processes.runtime_api import Invocation
from localstack_processes.runtime_process import Outcome, RuntimeProcess, StartFailed

_HANDLER: Final = "ride_scoring.handler.handler"
_LAMBDA: Final = {
    "AWS_LAMBDA_FUNCTION_NAME": "ride-scoring",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
_START_SECONDS: Final = 30.0
_TIMEOUT_SECONDS: Final = 60.0


class Started:
    """One execution environment of the function, which handles events one after another."""

    def __init__(self, process: RuntimeProcess) -> None:
        self._process = process

    def answer(self, event: bytes) -> bytes:
        """Raises `UserError` with the function's error message if it fails."""
        return answer_of(self.outcome(event))

    def outcome(self, event: bytes) -> Outcome:
        return self._process.invoke(_invocation(event), _TIMEOUT_SECONDS)

    def take_log(self) -> str:
        """What was logged since the last call."""
        return self._process.take_log()


@contextmanager
def started(environment: Mapping[str, str]) -> Iterator[Started]:
    """The function, configured by its environment. Raises `UserError` if it does not start."""
    command = [sys.executable, "-m", "awslambdaric", _HANDLER]
    process = RuntimeProcess(command, {**environment, **_LAMBDA}, ROOT)
    try:
        process.await_ready(_START_SECONDS)
        yield Started(process)
    except StartFailed as error:
        raise UserError(f"the function does not start: {_message(error.payload)}") from error
    finally:
        process.stop()


def _invocation(event: bytes) -> Invocation:
    return Invocation(
        request_id=str(uuid.uuid4()),
        function_arn="arn:aws:lambda:us-east-1:000000000000:function:ride-scoring",
        trace_id="",
        deadline_ms=int((time.time() + _TIMEOUT_SECONDS) * 1000),
        payload=event,
    )


def answer_of(outcome: Outcome) -> bytes:
    """Raises `UserError` with the function's error message if it failed."""
    if outcome.is_error:
        raise UserError(f"the function failed: {_message(outcome.payload)}")
    return outcome.payload


def _message(payload: bytes) -> str:
    """The message in one of Lambda's error documents."""
    return str(_document(payload).get("errorMessage", payload.decode(errors="replace")))


def error_type(payload: bytes) -> str:
    return str(_document(payload).get("errorType", ""))


def _document(payload: bytes) -> dict[str, object]:
    try:
        return dict(json.loads(payload))
    except (ValueError, TypeError):
        return {}
