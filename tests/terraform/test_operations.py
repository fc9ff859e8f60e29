"""The commands of docs/operations.md, word by word, one after the other."""

import json
import re
import shutil
from pathlib import Path

import pytest
from localstack_client.session import Session

from infra.common.paths import ROOT, TERRAFORM
from infra.stack import Endpoint
from ride_scoring import aws
from tests.checkout import sources_of, strange_checkout
from tests.shell import Shell, commands_in
from tests.store import Publisher
from tests.terraform.deployment import a_changed_package

pytestmark = [pytest.mark.localstack, pytest.mark.thorough]

PAGE = "docs/operations.md"
CANARY_ALARMS = {f"ride-canary-{what}" for what in ("errors", "batches-not-done", "rejects")}
SECTIONS = (
    "Deploy",
    "What it costs, and how large it has to be",
    "Watch it, and see that nothing is lost",
    "Try a new version of the function",
    "Delete old versions",
    "Send again what was set aside",
    "Pause",
    "Reshard",
)


def test_every_command_of_the_page_is_in_a_section_that_is_run() -> None:
    blocks = (ROOT / PAGE).read_text().count("```sh\n")
    assert all(commands_in(PAGE, section) for section in SECTIONS)
    found = sum(
        len(re.findall(r"^```sh\n", section, re.MULTILINE))
        for section in re.split(r"^## ", (ROOT / PAGE).read_text(), flags=re.MULTILINE)
        if section.startswith(SECTIONS)
    )
    assert found == blocks


def test_a_deployment_is_operated_by_the_page(
    account: Endpoint, newcomer: dict[str, str], tmp_path: Path
) -> None:
    root = strange_checkout(tmp_path)  # for `verify`, the newest run in `out` is this test's
    shutil.copy(TERRAFORM / ".terraform.lock.hcl", root / TERRAFORM.name)  # the provider is there
    with Shell({**account.environment(newcomer), **sources_of(root)}, root) as shell:
        shell.run("export STAGE=dev")
        for command in commands_in(PAGE, "Deploy"):
            shell.run(command)
        a_ride_is_rejected(shell, account, tmp_path)
        told = [shell.run(command) for command in commands_in(PAGE, SECTIONS[1])]
        assert "a month" in told[0]
        watched, _, verified = (shell.run(command) for command in commands_in(PAGE, SECTIONS[2]))
        assert "backlog 0" in watched
        assert re.search(r"predicted +100 ", verified)

        stable, _ = versions(shell)
        keep, make, start, back, take = commands_in(PAGE, SECTIONS[3])
        for command in (keep, make):
            shell.run(command)
        shell.run(f"export TF_VAR_package={a_changed_package(tmp_path)}")  # after a change, that is
        shell.run(start)
        serving, newest = versions(shell)
        assert serving == stable != newest
        assert routed(account) == {newest: 0.1}
        assert alarms(account) >= CANARY_ALARMS
        shell.run(back)
        assert routed(account) == {}
        shell.run(take)
        assert versions(shell) == (newest, newest)
        assert not CANARY_ALARMS & alarms(account)

        would, deleted = (shell.run(command) for command in commands_in(PAGE, SECTIONS[4]))
        assert re.search(r"\d versions kept \(.*\), \d would be deleted", would)
        assert re.search(rf"\d versions kept \(.*{newest}\), \d deleted", deleted)

        redrives = [shell.run(command) for command in commands_in(PAGE, SECTIONS[5])]
        assert "1 " in redrives[0]
        pause, goes_on = commands_in(PAGE, "Pause")
        shell.run(pause)
        assert mapping_state(account) in {"Disabled", "Disabling"}
        shell.run(goes_on)
        assert mapping_state(account) in {"Enabled", "Enabling"}
        for command in commands_in(PAGE, "Reshard"):
            said = shell.run(command)
            assert "1 changed, 0 destroyed" in said
        shell.run("terraform -chdir=terraform destroy -var-file=envs/$STAGE.tfvars")


def a_ride_is_rejected(shell: Shell, account: Endpoint, folder: Path) -> None:
    bucket = shell.run("echo $MODEL_BUCKET").strip()
    settings = account.settings | {"AWS_ENDPOINT_URL": account.url}
    Publisher(aws.connect(settings).s3, bucket).publish("1", 2.0)
    clients(account).client("kinesis").put_record(
        StreamName="ride-events", Data=b"{", PartitionKey="1"
    )
    shell.run(f"python -m stream_sim send --count 20 --rate 100 --malformed 0 --out {folder}")
    shell.run(f"python -m stream_sim verify --out {folder} --deadline 60")


def versions(shell: Shell) -> tuple[str, str]:
    """The version of the function that serves, and the newest."""
    outputs = json.loads(shell.run("terraform -chdir=terraform output -json"))
    return outputs["function_version"]["value"], outputs["newest_function_version"]["value"]


def routed(account: Endpoint) -> dict[str, float]:
    """The versions that are tried beside the one that serves, with their share of the batches."""
    alias = clients(account).client("lambda").get_alias(FunctionName="ride-scoring", Name="live")
    return dict(alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}))


def alarms(account: Endpoint) -> set[str]:
    found = clients(account).client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {alarm["AlarmName"] for alarm in found}


def mapping_state(account: Endpoint) -> str:
    (mapping,) = (
        clients(account).client("lambda").list_event_source_mappings()["EventSourceMappings"]
    )
    return str(mapping["State"])


def clients(account: Endpoint) -> Session:
    return Session("test", "test", localstack_host=account.url.removeprefix("http://"))
