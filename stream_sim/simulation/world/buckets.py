"""In-memory S3: put and get objects."""

import hashlib
from typing import Final

import msgspec

from ride_scoring.errors import AwsError

MODELS: Final = "models"
REJECTS: Final = "rejects"


class Stored(msgspec.Struct, frozen=True):
    body: bytes
    etag: str


class Buckets:
    """S3's buckets and the objects in each. Reads see the latest write."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Stored]] = {MODELS: {}, REJECTS: {}}

    def put(self, bucket: str, key: str, body: bytes) -> None:
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        self.named(bucket)[key] = Stored(body, f'"{etag}"')

    def get(self, bucket: str, key: str) -> Stored:
        """Raises `AwsError`."""
        if key not in (objects := self.named(bucket)):
            raise AwsError(f"{key} does not exist", "NoSuchKey")
        return objects[key]

    def named(self, bucket: str) -> dict[str, Stored]:
        """Raises `AwsError`."""
        if bucket not in self.objects:
            raise AwsError(f"{bucket} does not exist", "NoSuchBucket")
        return self.objects[bucket]
