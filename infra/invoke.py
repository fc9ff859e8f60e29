"""Invokes the function locally on an event file, through AWS's own runtime client.

The function runs from source in the project's environment, which can read models in all three
formats; its configuration comes from this process's environment.
"""

import json
import os
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from infra.common import console
from infra.common.console import UserError
from infra.common.paths import ROOT
from localstack_processes.runtime_api import Invocation
from localstack_processes.runtime_process import Outcome, RuntimeProcess, StartFailed
from ride_scoring.errors import (
    AwsError,
    ModelRefused,
    ModelUnavailable,
    NotAKinesisEvent,
    SettingsError,
)

_HANDLER: Final = "ride_scoring.handler.handler"
_OWN_ERRORS: Final = frozenset(
    kind.__name__
    for kind in (SettingsError, NotAKinesisEvent, ModelRefused, ModelUnavailable, AwsError)
)
"""Errors that a user can fix: the sentence says it all, so the logged traceback is omitted."""
_LAMBDA: Final = {
    "AWS_LAMBDA_FUNCTION_NAME": "ride-scoring",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
_START_SECONDS: Final = 30.0
_TIMEOUT_SECONDS: Final = 60.0


def invoke(path: Path) -> None:
    """Prints the answer; the function's log goes to standard error. Raises `UserError`."""
    event = _event(path)
    with started(os.environ) as function:
        outcome = function.outcome(event)
    if not outcome.is_error or _error_type(outcome.payload) not in _OWN_ERRORS:
        console.err.print(function.take_log().rstrip(), markup=False)
    console.print_json(msgspec.Raw(_answer(outcome)))


class Started:
    """One execution environment of the function, which handles events one after another."""

    def __init__(self, process: RuntimeProcess) -> None:
        self._process = process

    def answer(self, event: bytes) -> bytes:
        """Raises `UserError` with the function's error message if it fails."""
        return _answer(self.outcome(event))

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


def _event(path: Path) -> bytes:
    try:
        event = path.read_bytes()
        json.loads(event.decode(), parse_constant=_refuse)
    except FileNotFoundError:
        raise UserError(f"{path} is not there: name a JSON file of a Lambda event") from None
    except RecursionError as error:
        raise UserError(f"{path} is no JSON file of a Lambda event: it nests too deeply") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no JSON file of a Lambda event: {error}") from error
    return event


def _refuse(constant: str) -> None:
    """Python accepts NaN and Infinity; JSON and Lambda's runtime do not."""
    raise ValueError(f"{constant} is not JSON")


def _invocation(event: bytes) -> Invocation:
    return Invocation(
        request_id=str(uuid.uuid4()),
        function_arn="arn:aws:lambda:us-east-1:000000000000:function:ride-scoring",
        trace_id="",
        deadline_ms=int((time.time() + _TIMEOUT_SECONDS) * 1000),
        payload=event,
    )


def _answer(outcome: Outcome) -> bytes:
    if outcome.is_error:
        raise UserError(f"the function failed: {_message(outcome.payload)}")
    return outcome.payload


def _message(payload: bytes) -> str:
    """The message in one of Lambda's error documents."""
    return str(_document(payload).get("errorMessage", payload.decode(errors="replace")))


def _error_type(payload: bytes) -> str:
    return str(_document(payload).get("errorType", ""))


def _document(payload: bytes) -> dict[str, object]:
    try:
        return dict(json.loads(payload))
    except (ValueError, TypeError):
        return {}
