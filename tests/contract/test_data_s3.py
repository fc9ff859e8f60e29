"""Trip files in S3, as moto keeps them."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest

from infra.common.console import UserError
from tests import trip_files
from trips.data import read, s3
from trips.data.source import open_source

BUCKET = "models"
KEY = "trips/green 2023-01 ä.parquet"
URI = f"s3://{BUCKET}/{KEY}"
CONTENT = trip_files.parquet(trip_files.columns(300))


def put(aws: boto3.Session, content: bytes = CONTENT, key: str = KEY) -> None:
    aws.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)


@contextmanager
def credentials_checked(endpoint: str) -> Iterator[None]:
    """moto refuses all that its IAM does not allow, and knows of no user."""
    set_unchecked_calls(endpoint, "0")
    try:
        yield
    finally:
        set_unchecked_calls(endpoint, "inf")


def set_unchecked_calls(endpoint: str, count: str) -> None:
    request = urllib.request.Request(  # noqa: S310 - moto's own address
        f"{endpoint}/moto-api/reset-auth",
        data=count.encode(),
        headers={"Content-Type": "text/plain"},
        method="POST",
    )
    urllib.request.urlopen(request).close()  # noqa: S310 - moto's own address


def test_an_object_is_read(aws: boto3.Session, tmp_path: Path) -> None:
    put(aws)
    data = read([URI], folder=tmp_path)
    assert (data.name, len(data.trips)) == (URI, 300)
    path, sidecar = s3.fetch(URI, tmp_path)
    assert path.read_bytes() == CONTENT
    assert (sidecar.url, sidecar.rows) == (URI, 300)
    assert data.reports[0].sha256 == sidecar.sha256


def test_an_object_is_downloaded_once_for_each_etag(aws: boto3.Session, tmp_path: Path) -> None:
    put(aws)
    path, first = s3.fetch(URI, tmp_path)
    assert s3.fetch(URI, tmp_path) == (path, first)  # fetched_at too

    put(aws, trip_files.parquet(trip_files.columns(400)))
    other_path, other = s3.fetch(URI, tmp_path)
    assert (other.rows, other_path) != (first.rows, path)
    put(aws)
    assert s3.fetch(URI, tmp_path) == (path, first)


def test_a_damaged_file_in_the_cache_is_downloaded_anew(aws: boto3.Session, tmp_path: Path) -> None:
    put(aws)
    path, _ = s3.fetch(URI, tmp_path)
    path.write_bytes(CONTENT[:-1] + b"?")
    assert len(open_source(URI, tmp_path).records) == 300
    assert path.read_bytes() == CONTENT


def test_an_object_that_is_no_trips_is_not_kept(aws: boto3.Session, tmp_path: Path) -> None:
    put(aws, CONTENT[: len(CONTENT) // 2])
    with pytest.raises(UserError, match=r"what s3://models/.* gave is not a complete Parquet file"):
        open_source(URI, tmp_path)
    assert not list(tmp_path.glob("*.parquet"))
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("s3://nowhere/key", "s3://nowhere/key does not exist: S3 has no bucket nowhere"),
        (f"s3://{BUCKET}/nothing", "does not exist: the bucket models has no such key"),
        ("s3://No Bucket!/key", "does not name a valid bucket"),
    ],
)
@pytest.mark.usefixtures("aws")
def test_an_object_that_is_missing_is_said(tmp_path: Path, uri: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        open_source(uri, tmp_path)


def test_an_object_that_is_denied_is_said(
    aws: boto3.Session, moto_endpoint: str, tmp_path: Path
) -> None:
    put(aws)
    with credentials_checked(moto_endpoint), pytest.raises(UserError) as caught:
        open_source(URI, tmp_path)
    assert "may not be read (InvalidAccessKeyId): the credentials need" in str(caught.value)
    assert len(open_source(URI, tmp_path).records) == 300


def test_a_folder_that_is_none_is_said(aws: boto3.Session, tmp_path: Path) -> None:
    put(aws)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        open_source(URI, tmp_path / "file")
