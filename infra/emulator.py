"""LocalStack without Docker; its functions run as local processes."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from infra.common import surroundings
from infra.common.console import UserError
from infra.common.paths import LOCALSTACK_PYTHON, ROOT, RUNTIME_PYTHON
from infra.common.ports import HOST, require_free
from infra.common.processes import Children

VERSION: Final = "4.14.0"  # pinned in infra/localstack/pyproject.toml
_SERVICES: Final = "s3,kinesis,sqs,sns,iam,sts,kms,logs,cloudwatch,lambda"
_START_SECONDS: Final = 600.0
"""On a machine that is busy with others; it is over as soon as the process ends."""

TEST_ACCOUNT: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Required by AWS clients, ignored by LocalStack."""
OWN_ACCOUNT: Final = {
    **TEST_ACCOUNT,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""The same for our own LocalStack: the user's configuration files may name other endpoints."""

_opener: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Connects directly, ignoring any proxy."""


class LocalStack:
    """One LocalStack with its state in `folder`, which is lost when it stops.

    `functions_endpoint` is where its functions reach AWS, if not at LocalStack itself.
    """

    def __init__(self, folder: Path, port: int, functions_endpoint: str | None = None) -> None:
        self.endpoint = f"http://{HOST}:{port}"
        self._folder = folder
        self._port = port
        self._functions_endpoint = functions_endpoint

    def start(self, children: Children, environment: Mapping[str, str]) -> int:
        """Starts it, waits until it is healthy, and returns its process id. Raises `UserError`."""
        require_free(self._port)
        shutil.rmtree(self._folder, ignore_errors=True)
        (temporary := self._folder / "tmp").mkdir(parents=True)
        with (self._folder / "localstack.log").open("wb") as log:
            process = children.start(
                [LOCALSTACK_PYTHON, "-m", "localstack.runtime.main"],
                {**surroundings.for_server(environment), **self._settings(temporary)},
                output=log,
                errors=subprocess.STDOUT,
            )
        self._await_health(process)
        return process.pid

    def _settings(self, temporary: Path) -> dict[str, str]:
        return {
            "SERVICES": _SERVICES,
            "GATEWAY_LISTEN": f"{HOST}:{self._port}",
            # LocalStack may mistake a virtual machine for a container, and then writes outside its
            # root.
            "OVERRIDE_IN_DOCKER": "0",
            "FILESYSTEM_ROOT": str(self._folder / "root"),
            "TMPDIR": str(temporary),  # instances sharing it would share unzipped functions
            "DNS_ADDRESS": "0",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
            "DISABLE_EVENTS": "1",
            "LAMBDA_RUNTIME_EXECUTOR": "process",
            "LAMBDA_PROCESS_PYTHON": str(RUNTIME_PYTHON),
            "LAMBDA_PROCESS_ENDPOINT_URL": self._functions_endpoint or self.endpoint,
            "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.05",
            # By default an idle mapping polls its stream only every ten seconds.
            "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "1",
            "PROVIDER_OVERRIDE_KINESIS": "moto",
            "PROVIDER_OVERRIDE_S3": "apart",
            "PROVIDER_OVERRIDE_LAMBDA": "weighted",
        }

    def _await_health(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not healthy(self.endpoint):
            if process.poll() is not None or time.monotonic() > deadline:
                log = (self._folder / "localstack.log").relative_to(ROOT)
                raise UserError(f"LocalStack did not start: {log} says why")
            time.sleep(0.1)


def healthy(endpoint: str) -> bool:
    """Whether a LocalStack answers at the endpoint."""
    try:
        with _opener.open(f"{endpoint}/_localstack/health", timeout=2) as answer:
            return "services" in json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def host_of(endpoint: str) -> str:
    """The host of an endpoint; empty if its URL has none."""
    try:
        return urlsplit(endpoint).hostname or ""
    except ValueError:
        return ""


def answers(endpoint: str) -> bool:
    """Whether anything listens at the endpoint; the first call will tell what it is."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((parts.hostname or "", port), timeout=5):
            return True
    except (OSError, ValueError):
        return False
