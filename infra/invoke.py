"""Invokes the function locally on an event file; its configuration comes from this process's
environment."""

import json
import os
from pathlib import Path
from typing import Final

import msgspec

from infra.common import console, local_function
from infra.common.console import UserError
from ride_scoring.errors import (
    AwsError,
    ModelRefused,
    ModelUnavailable,
    NotAKinesisEvent,
    SettingsError,
)

_OWN_ERRORS: Final = frozenset(
    kind.__name__
    for kind in (SettingsError, NotAKinesisEvent, ModelRefused, ModelUnavailable, AwsError)
)
"""Errors that a user can fix: the sentence says it all, so the logged traceback is omitted."""


def invoke(path: Path) -> None:
    """Prints the answer; the function's log goes to standard error. Raises `UserError`."""
    event = _event(path)
    with local_function.started(os.environ) as function:
        outcome = function.outcome(event)
    if not outcome.is_error or local_function.error_type(outcome.payload) not in _OWN_ERRORS:
        console.err.print(function.take_log().rstrip(), markup=False)
    console.print_json(msgspec.Raw(local_function.answer_of(outcome)))


def _event(path: Path) -> bytes:
    try:
        event = path.read_bytes()
        json.loads(event.decode(), parse_constant=_refuse)
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist: name a JSON file that holds a Lambda event"
        ) from None
    except RecursionError as error:
        raise UserError(f"{path} is not a Lambda event in JSON: it is nested too deeply") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a Lambda event in JSON: {error}") from error
    return event


def _refuse(constant: str) -> None:
    """Python accepts NaN and Infinity; JSON and Lambda's runtime do not."""
    raise ValueError(f"{constant} is not JSON")
