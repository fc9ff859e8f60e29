"""Objects of one bucket, written on a condition: so two writers never overwrite each other.

S3 checks the condition and writes in one step (its conditional writes, If-None-Match and If-Match).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError, ParamValidationError

from infra.console import UserError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TRIES: Final = 5
_PAUSE_SECONDS: Final = 0.2
_HINTS: Final = {
    "NoSuchBucket": "is not there: `terraform apply` makes it, and its output names it",
    "AccessDenied": "may not be used with these credentials: they need to read and write it",
}


@dataclass(frozen=True)
class Stored:
    """An object, and the entity tag by which S3 knows this content of it."""

    body: bytes
    etag: str


class Bucket:
    """Raises `UserError` where the bucket is not there, or not ours to use."""

    def __init__(self, s3: "S3Client", name: str) -> None:
        self.name = name
        self._s3 = s3

    def get(self, key: str) -> Stored | None:
        with self._explained():
            try:
                found = self._s3.get_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if _code(error) == "NoSuchKey":
                    return None
                raise
            return Stored(found["Body"].read(), found["ETag"])

    def keys(self, prefix: str) -> list[str]:
        with self._explained():
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix
            )
            return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def create(self, key: str, body: bytes) -> bool:
        """Writes an object where there is none; False where there is one."""
        return self._put(key, body, {"IfNoneMatch": "*"})

    def replace(self, key: str, body: bytes, etag: str) -> bool:
        """Writes over the content of that entity tag; False where it is another by now."""
        return self._put(key, body, {"IfMatch": etag})

    def _put(self, key: str, body: bytes, condition: dict[str, str]) -> bool:
        for _ in range(_TRIES):
            try:
                with self._explained():
                    self._s3.put_object(Bucket=self.name, Key=key, Body=body, **condition)  # type: ignore[arg-type]
            except ClientError as error:
                # Refused, or removed meanwhile; or another write of it is under way, and may fail.
                if _code(error) in {"PreconditionFailed", "NoSuchKey"}:
                    return False
                if _code(error) != "ConditionalRequestConflict":
                    raise
            else:
                return True
            time.sleep(_PAUSE_SECONDS)
        return False

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ParamValidationError as error:
            raise UserError(
                f"{self.name!r} cannot be a bucket's name: name the one that `terraform output` "
                "says, in MODEL_BUCKET or --model-bucket"
            ) from error
        except ClientError as error:
            if hint := _HINTS.get(_code(error)):
                raise UserError(f"the bucket {self.name} {hint}") from error
            raise


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]
