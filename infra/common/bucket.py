"""A bucket whose writes are conditional, so that concurrent writers never overwrite each other.

S3 checks the condition and writes atomically (conditional writes, If-None-Match and If-Match).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

import msgspec
from botocore.exceptions import ClientError, ParamValidationError

from infra.common.console import UserError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.2
_ANOTHER_CAME_FIRST: Final = frozenset({"PreconditionFailed", "NoSuchKey"})


class Listed(msgspec.Struct, frozen=True):
    """A listed object: key, ETag and last-modified time."""

    key: str
    etag: str
    written_at: datetime


class Stored(msgspec.Struct, frozen=True):
    """An object's content, its ETag, and its age in seconds by S3's clock."""

    body: bytes
    etag: str
    age_seconds: float


class Bucket:
    """Raises `UserError` if the bucket does not exist or access to it is denied.

    `named_in` is where users configure its name, `needs` the permissions they need.
    """

    def __init__(self, s3: "S3Client", name: str, named_in: str, needs: str) -> None:
        self.name = name
        self._s3 = s3
        self._named_in = named_in
        self._hints = {
            "NoSuchBucket": "does not exist: `terraform apply` creates it, and its output names it",
            "AccessDenied": f"is not accessible with these credentials: {needs}",
        }

    def listed(self, prefix: str, after: str = "") -> list[Listed]:
        """Objects whose keys start with `prefix` and sort after `after`, in key order."""
        with self._explained():
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix, StartAfter=after
            )
            return [
                Listed(found["Key"], found["ETag"], found["LastModified"])
                for page in pages
                for found in page.get("Contents", ())
            ]

    def folders(self, prefix: str) -> list[str]:
        """Common prefixes, up to the next slash, of the keys that start with `prefix`."""
        with self._explained():
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix, Delimiter="/"
            )
            return [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", ())]

    def get(self, key: str) -> Stored | None:
        """None if the object does not exist."""
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

    def write(self, key: str, body: bytes, etag: str | None = None) -> str | None:
        """Replaces the object that has this ETag or, without one, creates the object.

        Returns the new ETag, or None if another write came first.
        """
        for _ in range(_TRIES):
            try:
                with self._explained():
                    return self._put(key, body, etag)
            except ClientError as error:
                if _code(error) in _ANOTHER_CAME_FIRST:
                    break
                # Another write of this key is in progress, and may still fail.
                if _code(error) != "ConditionalRequestConflict":
                    raise
            time.sleep(_PAUSE_SECONDS)
        # boto3 retries a write whose response was lost: the write that came first may be our own.
        found = self.get(key)
        return found.etag if found and found.body == body else None

    def _put(self, key: str, body: bytes, etag: str | None) -> str:
        if etag is None:
            done = self._s3.put_object(Bucket=self.name, Key=key, Body=body, IfNoneMatch="*")
        else:
            done = self._s3.put_object(Bucket=self.name, Key=key, Body=body, IfMatch=etag)
        return done["ETag"]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ParamValidationError as error:
            raise UserError(
                f"{self.name!r} is not a valid bucket name: set {self._named_in} to the one "
                "in `terraform output`"
            ) from error
        except ClientError as error:
            if hint := self._hints.get(_code(error)):
                raise UserError(f"the bucket {self.name} {hint}") from error
            raise


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
