"""The error tree.

RideScoringError
├── PermanentError     trying again cannot help: the input or the configuration must change
│   ├── SettingsError      an environment variable is missing or cannot be read
│   ├── NotAKinesisEvent   the function was called with something else
│   └── ModelRefused       a model that is damaged, unsafe or not of a kind that is served
└── TransientError     trying again can help: the batch is reported as not done
    ├── ModelUnavailable   no model to score with yet
    ├── StoreUnavailable   S3 did not take or give an object
    └── AwsError           a call to AWS was refused, or got no answer

`CannotScore` stands apart: it is about one record, and becomes a reject.
"""

from typing import Final, Literal

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for JSON from outside that is malformed, has another schema, is not UTF-8, or
nests too deeply."""


class RideScoringError(Exception):
    """Root of all errors that this project raises; its message is one sentence for a person."""


class PermanentError(RideScoringError):
    """Trying again cannot help."""


class SettingsError(PermanentError):
    """An environment variable is missing or cannot be read."""


class NotAKinesisEvent(PermanentError):
    """The function was called with something that no Kinesis mapping sends."""


class ModelRefused(PermanentError):
    """A model is damaged, unsafe, or of a kind that the function does not serve."""


class TransientError(RideScoringError):
    """Trying again can help."""


class ModelUnavailable(TransientError):
    """No model can be had right now: none is published, or the store is unreachable."""


class StoreUnavailable(TransientError):
    """S3 did not take or give an object."""


class AwsError(TransientError):
    """A call to AWS was refused, or got no answer.

    `code` is AWS's own error code (NoSuchKey, AccessDenied, …) where AWS answered, otherwise the
    name of what happened on the way to it (ConnectTimeoutError, …). The message names operation,
    code and endpoint, never a payload or a credential. `hopeless`: the same call would be
    refused again seconds later.
    """

    def __init__(self, message: str, code: str, *, hopeless: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.hopeless = hopeless


RejectReason = Literal[
    "not_base64",
    "not_utf8",
    "not_json",
    "schema",
    "out_of_range",
    "schema_version",
    "kpl_damaged",
    "too_large",
    "model_output",
]
"""Why a record can never be scored: a closed set, so that it can be counted and alarmed on."""


class CannotScore(Exception):
    """A record that can never be scored: its reason code, and details."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: RejectReason = reason
        self.detail = detail
