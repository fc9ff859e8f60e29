"""The README's commands, word by word."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localstack_client.session import Session

from infra import stack
from infra.paths import LOCALSTACK, OUT, ROOT
from infra.processes import Children
from infra.stack import Endpoint
from infra.steps import Steps
from infra.terraform import Terraform
from tests.factories import SHARED_DATA
from tests.integration.shell import Shell, readme_commands


def test_run_it(newcomer: dict[str, str]) -> None:
    with Shell(newcomer) as shell:
        for command in readme_commands("Run it"):
            shell.run(command)
    summary = json.loads((OUT / "demo" / "summary.json").read_text())
    rides = summary["rides"]
    assert rides["sent"] == 5_000
    assert rides["predicted"] + rides["rejected"] == rides["sent"]
    assert (rides["failed"], rides["lost"]) == (0, 0)
    assert 20 <= rides["rejected"] <= 90
    assert set(summary["latency_ms"]) == {"p50", "p95", "p99"}
    assert summary["rides_per_second"] > 0
    assert summary["model"]["version"] == "1"
    steps = {"setup", "localstack", "train", "package", "apply", "publish", "stream", "total"}
    assert steps <= set(summary["seconds"])
    assert not (LOCALSTACK / "demo").exists()


def test_look_around(newcomer: dict[str, str]) -> None:
    assert stack.standing_endpoint(stack.STANDING) is None, "your stack stands: `make down` first"
    commands = readme_commands("Look around")
    said = {}
    real_trips = SHARED_DATA / "tlc" / "green_tripdata_2023-01.parquet"
    rides = {"RIDES": str(real_trips)} if real_trips.exists() else {}
    with Shell(newcomer | rides) as shell:
        for command in commands:
            said[command] = shell.run(command)
            if command == "make up":
                endpoint = stack.standing_endpoint(stack.STANDING)
    assert endpoint is not None
    (plan,) = [text for command, text in said.items() if " plan " in command]
    assert "No changes." in plan
    (account,) = [text for command, text in said.items() if command.endswith("verify")]
    assert re.search(r"sent +1,000", account)
    assert re.search(r"lost +0", account)
    (answer,) = [text for command, text in said.items() if "make invoke" in command]
    assert re.search(r'"prediction": \{"ride_duration": [0-9.]+, "ride_id": 156\}', answer)
    assert stack.standing_endpoint(stack.STANDING) is None
    assert not stack.STANDING.exists()


@pytest.fixture
def account(newcomer: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """What stands in for an AWS account: the README's commands know nothing of it."""
    for name in set(os.environ) - set(newcomer):
        monkeypatch.delenv(name)
    folder = LOCALSTACK / "test"
    with Children() as children:
        endpoint = stack.open_endpoint(children, folder, None, Steps())
        terraform = Terraform(children, folder, endpoint.environment(newcomer))
        terraform.init()
        for name, value in terraform.settings.items():
            endpoint.settings[name] = value
        # There is nobody to say yes.
        for verb in ("apply", "destroy"):
            endpoint.settings[f"TF_CLI_ARGS_{verb}"] += " -auto-approve"
        yield endpoint
        stack.close_endpoint(folder, endpoint)


def test_on_aws(account: Endpoint, newcomer: dict[str, str], tmp_path: Path) -> None:
    commands = readme_commands("On AWS")
    apply = next(command for command in commands if " apply " in command)
    with Shell(account.environment(newcomer)) as shell:
        for command in commands:
            if command == apply:
                said = shell.fails(f"{apply} -var package=nowhere.zip")
                assert "nowhere.zip is not there: run `make package`" in " ".join(said.split())
            if " publish " in command:
                send_and_see_them_wait(shell, account, tmp_path)
            if command.endswith("destroy -var-file=envs/dev.tfvars"):
                shell.run(apply)
                shell.run(apply.replace(" apply ", " plan -detailed-exitcode "))
            shell.run(command)
            if " publish " in command:
                rides = verify(shell, tmp_path)
                assert (rides["sent"], rides["lost"], rides["failed"]) == (40, 0, 0)
                assert rides["predicted"] + rides["rejected"] == 40
    assert not buckets(account)


def send_and_see_them_wait(shell: Shell, account: Endpoint, folder: Path) -> None:
    """Rides that come before a model does: the function says so, and they wait in the stream."""
    shell.run(f"python -m stream_sim send --count 40 --rate 40 --malformed 0.1 --out {folder}")
    logs = clients(account).client("logs")
    said = ""
    for _ in range(200):
        events = logs.filter_log_events(logGroupName="/aws/lambda/ride-scoring")["events"]
        said = "".join(event["message"] for event in events)
        if "no model is published" in said:
            break
        shell.run("sleep 0.1")
    assert "python -m training publish --alias champion" in said


def verify(shell: Shell, folder: Path) -> dict[str, Any]:
    account = shell.run(f"python -m stream_sim verify --out {folder} --json")
    return dict(json.loads(account.splitlines()[-1])["rides"])


def buckets(account: Endpoint) -> list[str]:
    return [bucket["Name"] for bucket in clients(account).client("s3").list_buckets()["Buckets"]]


def clients(account: Endpoint) -> Session:
    return Session("test", "test", localstack_host=account.url.removeprefix("http://"))


def test_every_command_of_the_readme_is_in_a_section_that_is_run() -> None:
    everything = (ROOT / "README.md").read_text().count("```sh\n")
    run = [readme_commands(section) for section in ("Run it", "Look around", "On AWS")]
    assert everything == len(run)
    assert all(run)
