"""Two LocalStacks at once, as where a demo runs while a stack stands."""

import os
from pathlib import Path

import pytest
from localstack_client.session import Session

from infra import stack
from infra.common.paths import LOCALSTACK
from infra.common.processes import Children
from infra.common.steps import Steps

pytestmark = [pytest.mark.localstack, pytest.mark.thorough]

LARGE = b"x" * 2_000_000
"""More than is kept in memory."""


def test_one_that_deletes_its_bucket_leaves_the_others(
    newcomer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in set(os.environ) - set(newcomer):
        monkeypatch.delenv(name)
    folders = [LOCALSTACK / "one", LOCALSTACK / "other"]
    with Children() as children:
        endpoints = [stack.open_endpoint(children, folder, None, Steps()) for folder in folders]
        hosts = [endpoint.url.removeprefix("http://") for endpoint in endpoints]
        one, other = (Session("test", "test", localstack_host=host).client("s3") for host in hosts)
        for s3 in (one, other):
            s3.create_bucket(Bucket="models")
            s3.put_object(Bucket="models", Key="first", Body=LARGE)
        other.delete_object(Bucket="models", Key="first")
        other.delete_bucket(Bucket="models")
        one.put_object(Bucket="models", Key="second", Body=LARGE)
        for key in ("first", "second"):
            assert one.get_object(Bucket="models", Key=key)["Body"].read() == LARGE
        for folder, endpoint in zip(folders, endpoints, strict=True):
            stack.close_endpoint(folder, endpoint)
    assert not any(Path(folder).exists() for folder in folders)
