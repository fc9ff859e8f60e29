"""Fetches trip files from S3 into the cache, once per ETag."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from infra.common.console import UserError
from trips.data import cache

if TYPE_CHECKING:
    from botocore.response import StreamingBody

SCHEME: Final = "s3://"
_DENIED: Final = frozenset(
    {"403", "AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
)


def fetch(uri: str, folder: Path) -> tuple[Path, cache.Sidecar]:
    """Fetches the object into the folder; returns the path and sidecar. Raises `UserError`.

    The endpoint and credentials come from the environment.
    """
    bucket, key = _bucket_and_key(uri)
    try:
        answer = boto3.client("s3").get_object(Bucket=bucket, Key=key)
    except ParamValidationError as error:
        raise UserError(f"{uri} does not name a valid bucket: write s3://bucket/key") from error
    except ClientError as error:
        raise UserError(_sentence(uri, bucket, error)) from error
    # The ETag is known before the body is read, so the body is not read if it is cached.
    with answer["Body"] as body:
        path = folder / _file_name(uri, answer["ETag"])
        try:
            with cache.locked(path):
                return path, cache.cached(path) or _download(uri, answer["ETag"], body, path)
        except BotoCoreError:
            raise  # a connection error, although some of these are OSErrors too
        except OSError as error:
            raise UserError(
                f"{path} cannot be written ({error.strerror or error}): free some space there, or "
                "name another folder in TRIP_DATA_DIR"
            ) from error


def _bucket_and_key(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix(SCHEME).partition("/")
    if not bucket or not key or key.endswith("/"):
        raise UserError(f"{uri} names no object: write s3://bucket/key of a parquet file")
    return bucket, key


def _download(uri: str, etag: str, body: "StreamingBody", path: Path) -> cache.Sidecar:
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        shutil.copyfileobj(body, file)
    return cache.admit(part, path, uri, etag)


def _file_name(uri: str, etag: str) -> str:
    """Unique for each version of each object; the end of the key is for readability."""
    identity = hashlib.sha256(f"{uri}\n{etag}".encode()).hexdigest()[:16]
    readable = re.sub(r"[^\w.-]", "_", uri.rsplit("/", 1)[1])[-80:]
    return f"s3-{identity}-{readable}"


def _sentence(uri: str, bucket: str, error: ClientError) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    if code == "NoSuchBucket":
        return f"{uri} does not exist: S3 has no bucket {bucket}; is AWS_ENDPOINT_URL right?"
    if code in {"NoSuchKey", "404"}:
        return (
            f"{uri} does not exist: the bucket {bucket} has no such key; put the file there first"
        )
    if code in _DENIED:
        return f"{uri} may not be read ({code}): the credentials need s3:GetObject on it"
    return f"{uri} cannot be read: S3 answered {code or error}"
