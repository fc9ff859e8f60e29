"""What the runs of the demo rest on: processes, ports, the provider's mirror, Terraform's words."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra import lifecycle, stack, terraform
from infra.common import ports, reaper
from infra.common.console import UserError
from infra.common.paths import ROOT
from infra.common.processes import Children
from infra.common.steps import Steps
from infra.stack import Endpoint
from tests.waiting import eventually

SLEEP = ["sleep", "60"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)",
]


def gone(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    return "State:\tZ" in status


def test_children_end_with_the_context() -> None:
    with Children() as children:
        child = children.start(SLEEP, os.environ)
    assert child.wait(300) == -signal.SIGINT


def test_a_child_that_is_let_go_lives_on() -> None:
    with Children() as children:
        child = children.start(SLEEP, os.environ)
        children.let_go(child.pid)
    assert child.poll() is None
    child.kill()
    child.wait()


@pytest.mark.thorough
@pytest.mark.parametrize("command", [SLEEP, STUBBORN], ids=["meek", "stubborn"])
def test_children_of_a_process_that_is_killed_end_too(command: list[str]) -> None:
    code = (
        "import os, sys, time\n"
        "from infra.common.processes import Children\n"
        "with Children() as children:\n"
        f"    print(children.start({command!r}, os.environ).pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
    time.sleep(0.3)  # the child sets its signals up
    assert not gone(child)
    parent.kill()
    parent.wait()
    assert eventually(lambda: gone(child))


def test_a_port_in_use_is_said_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} cannot be used .* PORT="):
            ports.require_free(port)
    ports.require_free(ports.free_port())


def provider(folder: Path, system: str, version: str = "5.100.0") -> Path:
    lies_in = folder / "registry.terraform.io" / "hashicorp" / "aws" / version / system
    lies_in.mkdir(parents=True)
    (program := lies_in / f"terraform-provider-aws_v{version}_x5").write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return folder


def test_a_mirror_that_a_variable_names_is_taken(tmp_path: Path) -> None:
    mirror = provider(tmp_path, terraform._system())
    for named in (mirror, mirror / "registry.terraform.io"):
        assert terraform.find_mirror({terraform.MIRROR_VARIABLE: str(named)}) == mirror


def test_a_mirror_for_another_system_is_none(tmp_path: Path) -> None:
    mirror = provider(tmp_path, "plan9_mips")
    with pytest.raises(UserError, match="holds no AWS provider"):
        terraform.find_mirror({terraform.MIRROR_VARIABLE: str(mirror)})


@pytest.mark.parametrize(
    ("version", "held"),
    [("5.99.1", []), ("5.100.0", [1]), ("6.20.0", [1]), ("7.0.0", []), ("notes", [])],
)
def test_a_mirror_holds_a_provider_that_the_configuration_takes(
    tmp_path: Path, version: str, held: list[int]
) -> None:
    mirror = provider(tmp_path, terraform._system(), version)
    assert terraform._holds_provider(mirror) == bool(held)


def test_a_mirror_that_anyone_could_have_written_is_none(tmp_path: Path) -> None:
    mirror = provider(tmp_path, terraform._system())
    assert terraform._holds_provider(mirror)
    next(mirror.rglob("terraform-provider-aws*")).chmod(0o777)
    assert not terraform._holds_provider(mirror)


def test_a_mirror_is_found_somewhere_on_the_disk(tmp_path: Path) -> None:
    mirror = provider(tmp_path / "opt" / "mirrors", terraform._system())
    assert list(terraform._mirrors(tmp_path)) == [mirror]


def test_without_terraform_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with Children() as children, pytest.raises(UserError, match="install Terraform"):
        terraform.Terraform(children, tmp_path, os.environ)


def test_terraforms_errors_are_one_line_each() -> None:
    said = b"""
{"@level":"info","type":"version"}
no json
{"@level":"error","diagnostic":{"severity":"error","summary":"Bad","detail":"Worse\\nthan bad"}}
"""
    assert terraform._diagnostics(said) == ["Worse than bad"]
    assert terraform._diagnostics("│ plain\n│ words".encode()) == ["plain words"]


def record(folder: Path, url: str, pid: int | None) -> Path:
    stack._write(folder, Endpoint(url, pid, {}))
    return folder


def test_a_localstack_that_has_ended_does_not_stand(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    ended.wait()
    assert stack.standing_endpoint(record(tmp_path, "http://127.0.0.1:9", ended.pid)) is None


def test_a_process_that_ended_unnoticed_leads_nothing() -> None:
    unnoticed = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    assert eventually(lambda: reaper._is_zombie(unnoticed.pid))
    assert not reaper.leads_a_group(unnoticed.pid)
    unnoticed.wait()


def test_what_cannot_be_told_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "_ANSWER_SECONDS", 0.3)
    with Children() as children:
        busy = children.start(SLEEP, os.environ)
        with pytest.raises(UserError, match="does not answer: end it"):
            stack.standing_endpoint(record(tmp_path, "http://127.0.0.1:9", busy.pid))
    with pytest.raises(UserError, match="does not answer: start the endpoint"):
        stack.standing_endpoint(record(tmp_path, "http://127.0.0.1:9", None))
    assert tmp_path.exists()


@pytest.mark.parametrize("content", [None, b"", b'{"url": "http'])
def test_a_record_that_was_never_finished_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "endpoint.json").write_bytes(content)
    assert stack.standing_endpoint(tmp_path) is None


@pytest.mark.parametrize(("given", "own"), [("", True), ("http://127.0.0.1:5000", False)])
def test_a_stack_registers_in_a_store_of_its_own_unless_one_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, *, own: bool
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    with socket.create_server((ports.HOST, 0)) as listening, Children() as children:
        there = f"http://{ports.HOST}:{listening.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", there)
        endpoint = stack.open_endpoint(children, tmp_path, None, Steps())
    store = f"sqlite:///{tmp_path / 'mlflow.db'}" if own else given
    assert endpoint.environment(os.environ)["MLFLOW_TRACKING_URI"] == store


def test_two_commands_on_one_folder_do_not_meet(tmp_path: Path) -> None:
    with lifecycle._alone(tmp_path / "demo"):
        with pytest.raises(UserError, match="another demo"), lifecycle._alone(tmp_path / "demo"):
            pass
        with lifecycle._alone(tmp_path / "stack"):
            pass
