"""A stream that a command was told to use: is it there, and how large a record does it take?"""

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ParamValidationError

from infra.common.console import UserError

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient


_KIB: Final = 1024
_USUAL_RECORD_KIB: Final = 1024
"""What every stream takes; one may be set to take ten times as much:
https://docs.aws.amazon.com/streams/latest/dev/large-records.html"""


def missing(stream: str, named_in: str) -> UserError:
    """The error to raise where it is not; `named_in` is where a user names it."""
    return UserError(
        f"the stream {stream!r} is not there: `terraform apply` makes it, and its output names it, "
        f"in {named_in}"
    )


def require(kinesis: "KinesisClient", stream: str, variable: str) -> int:
    """The largest record that the stream takes: bytes of its data and its partition key.

    Raises `UserError` where the stream is not there; `variable` of the environment names it where
    --stream does not.
    """
    try:
        found = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    except (ParamValidationError, kinesis.exceptions.ResourceNotFoundException) as error:
        raise missing(stream, f"{variable} or --stream") from error
    return found.get("MaxRecordSizeInKiB", _USUAL_RECORD_KIB) * _KIB
