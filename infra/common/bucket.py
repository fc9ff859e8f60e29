"""Objects of one bucket, written on a condition: so two writers never overwrite each other.

S3 checks the condition and writes in one step (its conditional writes, If-None-Match and If-Match).
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
    """An object of a listing, the entity tag of its content, and when S3 was given it."""

    key: str
    etag: str
    written_at: datetime


class Stored(msgspec.Struct, frozen=True):
    """An object, the entity tag of this content of it, and its age in seconds by S3's own clock."""

    body: bytes
    etag: str
    age_seconds: float


class Bucket:
    """Raises `UserError` where the bucket is not there, or not ours to use.

    `named_in` says where a user names it, `needs` what they have to be allowed.
    """

    def __init__(self, s3: "S3Client", name: str, named_in: str, needs: str) -> None:
        self.name = name
        self._s3 = s3
        self._named_in = named_in
        self._hints = {
            "NoSuchBucket": "is not there: `terraform apply` makes it, and its output names it",
            "AccessDenied": f"may not be used with these credentials: {needs}",
        }

    def listed(self, prefix: str, after: str = "") -> list[Listed]:
        """The objects whose keys begin with `prefix` and come after `after`, in their order."""
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
        """The beginnings, up to the next slash, of the keys that begin with `prefix`."""
        with self._explained():
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix, Delimiter="/"
            )
            return [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", ())]

    def get(self, key: str) -> Stored | None:
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

    def write(self, key: str, body: bytes, etag: str | None = None) -> str | None:
        """Writes over the content of that entity tag, or where there is nothing, if it is None.

        Gives the entity tag of what is there then, or None where another's write came first.
        """
        for _ in range(_TRIES):
            try:
                with self._explained():
                    return self._put(key, body, etag)
            except ClientError as error:
                if _code(error) in _ANOTHER_CAME_FIRST:
                    break
                # Another write of it is under way, and may fail.
                if _code(error) != "ConditionalRequestConflict":
                    raise
            time.sleep(_PAUSE_SECONDS)
        # boto3 repeats a write whose answer was lost: then what came first is our own.
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
                f"{self.name!r} cannot be a bucket's name: name the one that `terraform output` "
                f"says, in {self._named_in}"
            ) from error
        except ClientError as error:
            if hint := self._hints.get(_code(error)):
                raise UserError(f"the bucket {self.name} {hint}") from error
            raise


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
