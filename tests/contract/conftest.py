"""moto in a thread of its own, spoken to over HTTP as AWS is."""

import os
import urllib.request
from collections.abc import Iterator, Mapping

import boto3
import pytest
from moto.server import ThreadedMotoServer

from infra import emulator
from infra.common import ports
from localstack_processes import shard
from tests.person import forget_aws

BUCKETS = ("models", "rejects")
STREAMS = ("ride-events", "ride-predictions")


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    shard.install()
    server = ThreadedMotoServer(ip_address=ports.HOST, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def moto_settings() -> Mapping[str, str]:
    """What the environment of a test with `aws` says of moto."""
    return {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One for all tests: each reads boto3's service models anew, for a third of a second."""
    account = emulator.TEST_ACCOUNT
    return boto3.Session(
        account["AWS_ACCESS_KEY_ID"], account["AWS_SECRET_ACCESS_KEY"], None, account["AWS_REGION"]
    )


@pytest.fixture
def aws(
    moto_endpoint: str, session: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> Iterator[boto3.Session]:
    """A session on an account with empty buckets and streams, which the environment names too."""
    settings = {**emulator.TEST_ACCOUNT, "AWS_ENDPOINT_URL": moto_endpoint}
    forget_aws(monkeypatch)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for bucket in BUCKETS:
        session.client("s3").create_bucket(Bucket=bucket)
    for stream in STREAMS:
        session.client("kinesis").create_stream(StreamName=stream, ShardCount=2)
    yield session
    reset = urllib.request.Request(  # noqa: S310 - moto's own address
        f"{moto_endpoint}/moto-api/reset", method="POST"
    )
    urllib.request.urlopen(reset).close()  # noqa: S310 - moto's own address
