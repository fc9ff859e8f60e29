"""A stream that a command was told to use: is it there?"""

from typing import TYPE_CHECKING

from botocore.exceptions import ParamValidationError

from infra.console import UserError

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient


def missing(stream: str, named_in: str) -> UserError:
    """The error to raise where it is not; `named_in` is where a user names it."""
    return UserError(
        f"the stream {stream!r} is not there: `terraform apply` makes it, and its output names it, "
        f"in {named_in}"
    )


def require(kinesis: "KinesisClient", stream: str, variable: str) -> None:
    """Raises `UserError` where the stream is not there; `variable` of the environment names it
    where --stream does not."""
    try:
        kinesis.describe_stream_summary(StreamName=stream)
    except (ParamValidationError, kinesis.exceptions.ResourceNotFoundException) as error:
        raise missing(stream, f"{variable} or --stream") from error
