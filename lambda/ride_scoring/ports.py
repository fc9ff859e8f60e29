"""The interfaces to S3 and Kinesis, implemented by `aws` and by the tests' fakes."""

from typing import Final, Protocol

CALL_SECONDS: Final = 5.0
"""Timeout of one attempt of a call, from resolving credentials to the last byte."""


class StoredObject(Protocol):
    """An object of S3: its content, and the tag that changes with it."""

    @property
    def body(self) -> bytes: ...

    @property
    def etag(self) -> str: ...


class Objects(Protocol):
    """S3. Both raise `AwsError`."""

    def get(
        self, bucket: str, key: str, *, unless_etag: str | None = None, patient: bool = True
    ) -> StoredObject | None:
        """With `patient=False`, makes a single attempt of at most one second."""
        ...

    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> None: ...


class Streams(Protocol):
    """Kinesis. Raises `AwsError`."""

    def put_records(
        self, body: bytes, count: int, seconds: float = CALL_SECONDS
    ) -> list[str | None]:
        """One attempt of PutRecords, of so many seconds at most, with a body of `count` records;
        for each of them None, or the code that it was refused with.
        """
        ...
