"""A model is swapped, refused and rolled back while a stream runs, beside a shadow that raises."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localstack_client.session import Session

from infra import package, stack
from infra.common.paths import LOCALSTACK, ROOT
from infra.common.processes import Children
from infra.common.steps import Steps
from infra.stack import Endpoint
from infra.terraform import Terraform
from ride_scoring import aws
from tests.models import always_fails
from tests.store import Publisher

pytestmark = [pytest.mark.localstack, pytest.mark.thorough]

RIDES = 20_000
"""More than are sent before the models have moved: then sending is stopped, as by Ctrl-C."""
RATE = 160


class Deployment:
    """A stack whose function has a shadow, and the log that it writes."""

    def __init__(self, endpoint: Endpoint, environment: dict[str, str]) -> None:
        self.environment = environment
        self.store = Publisher(aws.connect(environment).s3, environment["MODEL_BUCKET"])
        host = endpoint.url.removeprefix("http://")
        self._logs = Session("test", "test", localstack_host=host).client("logs")

    def log(self) -> str:
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName="/aws/lambda/ride-scoring"
        )
        return "".join(event["message"] for page in pages for event in page["events"])

    def await_log(self, sentence: str, times: int = 1) -> None:
        deadline = time.monotonic() + 300
        while self.log().count(sentence) < times:
            assert time.monotonic() < deadline, f"{sentence!r} is not in the log\n{self.log()}"
            time.sleep(0.2)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "stream_sim", *arguments]


@pytest.fixture
def deployment(newcomer: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    for name in set(os.environ) - set(newcomer):
        monkeypatch.delenv(name)
    folder = LOCALSTACK / "moving"
    architecture = stack.local_architecture()
    package.build(package.SCORING, architecture)
    with Children() as children:
        endpoint = stack.open_endpoint(children, folder, None, Steps())
        environment = endpoint.environment(newcomer)
        terraform = Terraform(children, folder, environment)
        terraform.init()
        terraform.apply({"architecture": architecture, "shadow_alias": "challenger"})
        named = stack.exported(terraform.outputs()["environment"])
        yield Deployment(endpoint, environment | named)
        stack.close_endpoint(folder, endpoint)


def lies(manifest: dict[str, Any]) -> None:
    manifest["golden_rows"][0]["ride_duration"] += 1


def test_nothing_is_lost_while_models_move(deployment: Deployment, tmp_path: Path) -> None:
    store = deployment.store
    store.publish("1", 2.0)
    store.publish("9", 9.0, alias="challenger", files=always_fails())
    sending = subprocess.Popen(
        deployment.command(
            *("send", "--count", str(RIDES), "--rate", str(RATE), "--out", str(tmp_path))
        ),
        cwd=ROOT,
        env=deployment.environment,
    )
    deployment.await_log("version 1 serves as champion")
    store.publish("2", 3.0)
    deployment.await_log("version 2 serves as champion")
    store.publish("3", 4.0, change=lies)
    deployment.await_log("still serving version 2")
    store.point("champion", "1")
    deployment.await_log("version 1 serves as champion", times=2)
    assert sending.poll() is None, "the rides were all sent before the models had moved"
    sending.send_signal(signal.SIGINT)
    assert sending.wait(300) == 130
    said = subprocess.run(
        deployment.command("verify", "--out", str(tmp_path), "--json"),
        cwd=ROOT,
        env=deployment.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    account = json.loads(said.splitlines()[-1])
    rides = account["rides"]
    assert (rides["lost"], rides["failed"]) == (0, 0)
    assert rides["predicted"] + rides["rejected"] == rides["sent"] > RATE
    assert account["unexpected"] == []
    assert set(account["models"]) == {"ride-duration 1", "ride-duration 2"}
    log = deployment.log()
    assert "it failed with" in log
    assert log.count("refused the model") == 1
