"""Checks a stream a command is to use: whether it exists, and its maximum record size."""

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ParamValidationError

from infra.common.console import UserError

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient


_KIB: Final = 1024
_USUAL_RECORD_KIB: Final = 1024
"""Every stream accepts this much; one can be configured to accept ten times as much:
https://docs.aws.amazon.com/streams/latest/dev/large-records.html"""


def missing(stream: str, named_in: str) -> UserError:
    """The error to raise if it does not exist; `named_in` is where a user sets its name."""
    return UserError(
        f"the stream {stream!r} does not exist: `terraform apply` creates it, and its output names "
        f"it, in {named_in}"
    )


def require(kinesis: "KinesisClient", stream: str, variable: str) -> int:
    """The largest record the stream accepts, in bytes of data and partition key.

    Raises `UserError` if the stream does not exist; `variable` is the environment variable that
    names it if --stream does not.
    """
    try:
        found = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    except (ParamValidationError, kinesis.exceptions.ResourceNotFoundException) as error:
        raise missing(stream, f"{variable} or --stream") from error
    return found.get("MaxRecordSizeInKiB", _USUAL_RECORD_KIB) * _KIB
