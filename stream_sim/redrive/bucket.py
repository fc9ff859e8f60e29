"""The rejects bucket: what is listed, what is read, and what is written on a condition.

S3 checks the condition and writes in one step (its conditional writes, If-None-Match and If-Match).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import msgspec
from botocore.exceptions import ClientError, ParamValidationError

from infra.console import UserError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_HINTS: Final = {
    "NoSuchBucket": "is not there: `terraform apply` makes it, and its output names it",
    "AccessDenied": (
        "may not be used with these credentials: a redrive lists it, reads rejects/, aws/lambda/ "
        "and redriven/, and writes redriven/"
    ),
}
_ANOTHER_CAME_FIRST: Final = frozenset(
    {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"}
)


class Listed(msgspec.Struct, frozen=True):
    """An object of a listing, and when S3 was given it."""

    key: str
    written_at: datetime


class Stored(msgspec.Struct, frozen=True):
    """An object, the entity tag of this content of it, and its age in seconds by S3's own clock."""

    body: bytes
    etag: str
    age_seconds: float


class RejectsBucket:
    """Raises `UserError` where the bucket is not there, or not ours to use."""

    def __init__(self, s3: "S3Client", name: str) -> None:
        self.name = name
        self._s3 = s3

    def listed(self, prefix: str) -> list[Listed]:
        with self._explained():
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix
            )
            return [
                Listed(found["Key"], found["LastModified"])
                for page in pages
                for found in page.get("Contents", ())
            ]

    def read(self, key: str) -> Stored | None:
        """None where the object is not there, or not any more."""
        with self._explained():
            try:
                found = self._s3.get_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if _code(error) == "NoSuchKey":
                    return None
                raise
            now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
            age = (now - found["LastModified"]).total_seconds()
            return Stored(found["Body"].read(), found["ETag"], age)

    def write(self, key: str, body: bytes, etag: str | None) -> str | None:
        """Writes over the content of that entity tag, or where there is nothing, if it is None.

        Gives the new entity tag, or None where another write came first.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        with self._explained():
            try:
                done = self._s3.put_object(Bucket=self.name, Key=key, Body=body, **condition)  # type: ignore[arg-type]
            except ClientError as error:
                if _code(error) not in _ANOTHER_CAME_FIRST:
                    raise
                # boto3 repeats a write whose answer was lost: then what came first is our own.
                found = self.read(key)
                return found.etag if found and found.body == body else None
            return done["ETag"]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ParamValidationError as error:
            raise UserError(
                f"{self.name!r} cannot be a bucket's name: name the one that `terraform output` "
                "says, in REJECTS_BUCKET or --rejects-bucket"
            ) from error
        except ClientError as error:
            if hint := _HINTS.get(_code(error)):
                raise UserError(f"the bucket {self.name} {hint}") from error
            raise


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
