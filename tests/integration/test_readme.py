"""The README's commands, word by word."""

import itertools
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from localstack_client.session import Session

from infra import package, stack
from infra.common.paths import LOCALSTACK, OUT, ROOT
from infra.stack import Endpoint
from stream_sim import ledger
from tests.checkout import sources_of, strange_checkout
from tests.factories import SHARED_DATA
from tests.shell import Shell, readme_commands

DEMO_FAULTS = ("duplicate", "late", "out-of-order", "huge", "aggregated", "damaged-kpl", "zone-0")
_SECTIONS = ("Run it", "Look around", "The life of a model", "On AWS")


@pytest.mark.localstack
def test_run_it(newcomer: dict[str, str]) -> None:
    with Shell(newcomer) as shell:
        for command in readme_commands("Run it"):
            shell.run(command)
    summary = json.loads((OUT / "demo" / "summary.json").read_text())
    rides = summary["rides"]
    assert 5_000 < rides["sent"] < 5_100  # some are sent twice
    assert rides["predicted"] + rides["rejected"] == rides["sent"]
    assert (rides["failed"], rides["lost"]) == (0, 0)
    assert 20 <= rides["rejected"] <= 90
    assert rides["redriven"] == rides["rejected"]
    (accuracy,) = summary["accuracy"].values()
    assert accuracy["rides"] + accuracy["left_out"] == rides["predicted"]
    assert accuracy["rmse_minutes"] == pytest.approx(summary["model"]["rmse_minutes"], rel=0.2)
    account = json.loads((OUT / "demo" / "account.json").read_text())["account"]
    assert set(DEMO_FAULTS) <= set(account["faults"])
    assert all(fault["sent"] == fault["as_expected"] for fault in account["faults"].values())
    assert "All 5,0" in (OUT / "demo" / "report.html").read_text()
    assert set(summary["latency_ms"]) == {"p50", "p95", "p99"}
    assert summary["rides_per_second"] > 0
    assert summary["model"]["version"] == "1"
    steps = {"setup", "localstack", "train", "package", "apply", "publish", "stream", "redrive"}
    assert steps <= set(summary["seconds"])
    assert not (LOCALSTACK / "demo").exists()


@pytest.mark.localstack
@pytest.mark.thorough
def test_look_around_and_live_the_life_of_a_model(newcomer: dict[str, str], tmp_path: Path) -> None:
    """In a folder with a name that scripts stumble over, as a model of another name."""
    package.build(package.SCORING, stack.local_architecture())
    root = strange_checkout(tmp_path)
    standing = root / stack.STANDING.relative_to(ROOT)
    commands = [*readme_commands("Look around"), *readme_commands("The life of a model")]
    said: dict[str, str] = {}
    accounts: list[str] = []
    real_trips = SHARED_DATA / "tlc" / "green_tripdata_2023-01.parquet"
    rides = {"RIDES": str(real_trips)} if real_trips.exists() else {}
    with Shell({**newcomer, **rides, **sources_of(root), "MODEL_NAME": "fares"}, root) as shell:
        for command in commands:
            said[command] = shell.run(command)
            if command.endswith("verify"):
                accounts.append(said[command])
            if command == "make up":
                endpoint = stack.standing_endpoint(standing)
                shell.run("unset MODEL_NAME")  # the file that is sourced next has it
            if command.endswith("training publish"):
                refuse_a_worse_challenger(shell)
                trace_a_prediction(shell, tmp_path / "served", version="2")
            if command.endswith("training rollback"):
                trace_a_prediction(shell, tmp_path / "rolled back", version="1")
    assert endpoint is not None
    (plan,) = [text for command, text in said.items() if " plan " in command]
    assert "No changes." in plan
    assert re.search(r"sent +1,000", accounts[0])
    assert re.search(r"sent duplicate +\d+", accounts[1])
    assert all(re.search(r"lost +0", account) for account in accounts)
    assert "records would be sent to ride-events" in one(said, " redrive ")
    assert re.search(r"in \d+/s out \d+/s backlog", one(said, " watch "))
    soaked = one(said, "make soak")
    assert re.search(r"lost +│ 0 ", soaked)
    assert re.search(r"trial: it holds [\d,]+ rides/s", soaked)
    (answer,) = [text for command, text in said.items() if "make invoke" in command]
    assert re.search(r'"prediction": \{"ride_duration": [0-9.]+, "ride_id": 156\}', answer)
    assert "boosted trees" in said[next(command for command in commands if " compare " in command)]
    assert (
        "version 2 is champion, in place of version 1"
        in said[next(command for command in commands if " promote " in command)]
    )
    history = said["python -m training history"]
    assert "store     champion: 1 → 2  (publish" in history
    assert "store     champion: 2 → 1  (rollback" in history
    assert "registry  champion: 2 → 1  (rollback" in history
    assert stack.standing_endpoint(standing) is None
    assert not standing.exists()
    assert changes_in(root) == ""
    assert set(tmp_path.iterdir()) == {root, tmp_path / "served", tmp_path / "rolled back"}


def changes_in(root: Path) -> str:
    """What git does not know, or not as it is."""
    status = ["git", "status", "--porcelain"]
    done = subprocess.run(status, cwd=root, capture_output=True, check=True)
    return done.stdout.decode()


def one(said: dict[str, str], word: str) -> str:
    """What the one command said that has the word in it."""
    (text,) = [text for command, text in said.items() if word in command]
    return text


def refuse_a_worse_challenger(shell: Shell) -> None:
    shell.run("python -m training train synthetic:1000:5")
    said = shell.fails("python -m training promote --validate synthetic:20000:2")
    assert "version 3 is not promoted: it is not better beyond the noise" in said


def trace_a_prediction(shell: Shell, folder: Path, version: str) -> None:
    """From a prediction that the function has just made to what made it."""
    deadline = time.monotonic() + 300
    for attempt in itertools.count():
        out = folder / str(attempt)
        shell.run(f"python -m stream_sim send --count 1 --malformed 0 --out '{out}'")
        (taken,) = (line for line in ledger.entries(out, 0) if isinstance(line, ledger.Taken))
        said = shell.run(f"python -m training trace '{taken.records[0].event_id}' --json")
        traced = json.loads(said.splitlines()[-1])
        if traced["version"] == version:
            break
        assert time.monotonic() < deadline, f"{traced['version']} still serves, not {version}"
    assert traced["reproduced"] is True
    assert re.fullmatch(r"[0-9a-f]{40}", traced["git_commit"])
    assert all(report["sha256"] for report in traced["lineage"]["train"])


@pytest.mark.localstack
@pytest.mark.thorough
def test_on_aws(account: Endpoint, newcomer: dict[str, str], tmp_path: Path) -> None:
    commands = readme_commands("On AWS")
    apply = next(command for command in commands if " apply " in command)
    # A deployment that follows other names than the training's own.
    names = {"TF_VAR_model_name": "taxi", "TF_VAR_model_alias": "stable"}
    with Shell(account.environment(newcomer) | names) as shell:
        for command in commands:
            if command == apply:
                said = shell.fails(f"{apply} -var package=nowhere.zip")
                assert "nowhere.zip does not exist: run `make package" in " ".join(said.split())
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
    for _ in range(3000):
        events = logs.filter_log_events(logGroupName="/aws/lambda/ride-scoring")["events"]
        said = "".join(event["message"] for event in events)
        if "no model is published" in said:
            break
        shell.run("sleep 0.1")
    assert "python -m training publish --name taxi --alias stable" in said


def verify(shell: Shell, folder: Path) -> dict[str, Any]:
    account = shell.run(f"python -m stream_sim verify --out {folder} --json")
    return dict(json.loads(account.splitlines()[-1])["rides"])


def buckets(account: Endpoint) -> list[str]:
    return [bucket["Name"] for bucket in clients(account).client("s3").list_buckets()["Buckets"]]


def clients(account: Endpoint) -> Session:
    return Session("test", "test", localstack_host=account.url.removeprefix("http://"))


def test_every_command_of_the_readme_is_in_a_section_that_is_run() -> None:
    everything = (ROOT / "README.md").read_text().count("```sh\n")
    run = [readme_commands(section) for section in _SECTIONS]
    assert everything == len(run)
    assert all(run)
