"""The calls of AWS that the function makes, signed by botocore and sent without its clients.

Buckets, keys and bodies go in; objects and per-record results come out. Importing botocore's
clients costs more CPU than all the rest of a cold start, and one of them 9 µs a record.
"""

import base64
import contextlib
import functools
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec
from botocore.auth import S3SigV4Auth, SigV4Auth

from ride_scoring.aws import credentials, endpoints
from ride_scoring.aws.credentials import CredentialSource
from ride_scoring.aws.endpoints import Endpoint, Origin
from ride_scoring.aws.http import Http, PassingError, Reply, Request
from ride_scoring.aws.route import Proxy, proxy_for, tls_context
from ride_scoring.aws.signed import Signed
from ride_scoring.backoff import full_jitter, system_random
from ride_scoring.errors import UNREADABLE, AwsError
from ride_scoring.ports import CALL_SECONDS

S3_ATTEMPTS: Final = 3
_BASE_WAIT_SECONDS: Final = 0.1
_IMPATIENT_SECONDS: Final = 1.0
_MALFORMED: Final = "MalformedAnswer"


class StoredObject(msgspec.Struct, frozen=True):
    """An object of S3, whole. `etag` is as S3 wrote it, quotes and all."""

    body: bytes
    etag: str


class S3:
    """Whole objects, got and put. `sleep` waits seconds; `jitter` gives a number from 0 to 1."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: CredentialSource,
        http: Http,
        *,
        call_seconds: float = CALL_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = system_random,
    ) -> None:
        self._signed = Signed(S3SigV4Auth, "s3", endpoint.region, credentials, http, call_seconds)
        self._endpoint = endpoint
        self._sleep = sleep
        self._jitter = jitter

    def get(
        self, bucket: str, key: str, *, unless_etag: str | None = None, patient: bool = True
    ) -> StoredObject | None:
        """The object, or None where its ETag is still `unless_etag`. Raises `AwsError`.

        One that is not patient makes one attempt, of a second at most.
        """
        headers = {} if unless_etag is None else {"If-None-Match": unless_etag}
        reply = self._call("GetObject", "GET", bucket, key, headers, None, patient=patient)
        if reply.status == 304:
            return None
        if not (etag := reply.headers.get("ETag")):
            raise AwsError(f"GetObject s3://{bucket}/{key}: the response has no ETag", _MALFORMED)
        return StoredObject(reply.body, etag)

    def put(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        """Writes the object, over what was there. Raises `AwsError`.

        S3 checks the body twice: against the SHA-256 that is signed, and against the CRC32 that
        boto3 sends too, without which a bucket with an Object Lock takes nothing.
        """
        crc32 = base64.b64encode(zlib.crc32(body).to_bytes(4)).decode()
        headers = {
            "Content-Type": content_type,
            "x-amz-sdk-checksum-algorithm": "CRC32",
            "x-amz-checksum-crc32": crc32,
        }
        self._call("PutObject", "PUT", bucket, key, headers, body)

    def _call(
        self,
        operation: str,
        method: str,
        bucket: str,
        key: str,
        headers: dict[str, str],
        body: bytes | None,
        *,
        patient: bool = True,
    ) -> Reply:
        what = f"{operation} s3://{bucket}/{key}"
        origin, path = endpoints.object_address(self._endpoint, bucket, key)
        request = Request(method, origin, path, headers, body)
        done = frozenset({200, 304} if "If-None-Match" in headers else {200})
        if not patient:
            return self._signed.send(what, request, done, seconds=_IMPATIENT_SECONDS)
        for attempt in range(1, S3_ATTEMPTS):
            with contextlib.suppress(PassingError):
                return self._signed.send(what, request, done)
            self._sleep(full_jitter(_BASE_WAIT_SECONDS, attempt, self._jitter))
        return self._signed.send(what, request, done)


class _Result(msgspec.Struct, frozen=True, rename="pascal"):
    sequence_number: str | None = None
    error_code: str | None = None


class _Results(msgspec.Struct, frozen=True, rename="pascal"):
    records: list[_Result]


class Kinesis:
    """PutRecords, one attempt: the sink tries again, and only what was refused."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: CredentialSource,
        http: Http,
        *,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self._signed = Signed(
            SigV4Auth, "kinesis", endpoint.region, credentials, http, call_seconds
        )
        self._origin = endpoint.origin
        self._path = endpoint.path or "/"

    def put_records(
        self, body: bytes, count: int, seconds: float = CALL_SECONDS
    ) -> list[str | None]:
        """Sends a PutRecords body that holds `count` records.

        For each record, in order: None, or the code that it was refused with. Takes `seconds`
        at most. Raises `AwsError`, and then some of the records may be in nevertheless.
        https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
        """
        request = Request("POST", self._origin, self._path, _PUT_RECORDS, body)
        reply = self._signed.send("PutRecords", request, seconds=seconds)
        return _codes(reply.body, count)


_PUT_RECORDS: Final = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": "Kinesis_20131202.PutRecords",
}

_results_decoder = msgspec.json.Decoder(_Results)


def _codes(body: bytes, expected: int) -> list[str | None]:
    try:
        results = _results_decoder.decode(body).records
    except UNREADABLE as error:
        raise AwsError(f"PutRecords: the response cannot be parsed: {error}", _MALFORMED) from None
    told = [result for result in results if result.error_code or result.sequence_number]
    if len(told) != expected or len(results) != expected:
        raise AwsError(
            f"PutRecords: {expected} records sent, {len(told)} results returned", _MALFORMED
        )
    return [result.error_code for result in results]


class Aws(NamedTuple):
    """The AWS clients of the function."""

    s3: S3
    kinesis: Kinesis


def connect(environment: Mapping[str, str]) -> Aws:
    """Clients for what the environment says; sends nothing yet. Raises `SettingsError`."""
    s3, kinesis = endpoints.s3(environment), endpoints.kinesis(environment)

    @functools.cache
    def tls() -> ssl.SSLContext:
        return tls_context(environment)

    def http(origin: Origin, proxy: Proxy | None = None) -> Http:
        return Http(tls() if origin.scheme == "https" else None, proxy)

    keys = credentials.source(environment, http)
    return Aws(
        S3(s3, keys, http(s3.origin, proxy_for(environment, s3.origin))),
        Kinesis(kinesis, keys, http(kinesis.origin, proxy_for(environment, kinesis.origin))),
    )
