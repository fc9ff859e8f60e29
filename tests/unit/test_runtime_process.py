"""The runtime process against AWS's own runtime client, in the environment that runs functions."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.common.paths import RUNTIME_PYTHON
from localstack_processes.runtime_api import Invocation
from localstack_processes.runtime_process import Outcome, RuntimeProcess, StartFailed

FUNCTION = """
import os, sys, time

def handler(event, context):
    match event["do"]:
        case "echo":
            print("one line of log")
            return {"event": event, "left_ms": context.get_remaining_time_in_millis()}
        case "raise":
            raise ValueError("of its own")
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), 9)
        case "sleep":
            time.sleep(60)
        case "write-much":
            print("x" * 3_000_000)
            return "written"
"""


def start(directory: Path, source: str = FUNCTION) -> RuntimeProcess:
    (directory / "function.py").write_text(source)
    return RuntimeProcess(
        [str(RUNTIME_PYTHON), "-m", "awslambdaric", "function.handler"],
        {"PATH": os.environ["PATH"], "PYTHONPATH": str(directory), "PYTHONUNBUFFERED": "1"},
        directory,
    )


@pytest.fixture
def process(tmp_path: Path) -> Iterator[RuntimeProcess]:
    started = start(tmp_path)
    started.await_ready(10)
    yield started
    started.stop()


def invoke(process: RuntimeProcess, do: str, timeout_seconds: float = 10) -> Outcome:
    deadline_ms = int((time.time() + timeout_seconds) * 1000)
    invocation = Invocation(
        f"id-{do}", "arn", "trace", deadline_ms, json.dumps({"do": do}).encode()
    )
    return process.invoke(invocation, timeout_seconds)


def document(outcome: Outcome) -> Any:
    return json.loads(outcome.payload)


def test_an_event_goes_in_and_its_answer_comes_out(process: RuntimeProcess) -> None:
    outcome = invoke(process, "echo")
    assert not outcome.is_error
    assert document(outcome)["event"] == {"do": "echo"}
    assert 0 < document(outcome)["left_ms"] <= 10_000
    assert "one line of log" in process.take_log()
    assert process.take_log() == ""


def test_one_process_answers_many_events(process: RuntimeProcess) -> None:
    assert [invoke(process, "echo").is_error for _ in range(5)] == [False] * 5


def test_an_error_of_the_function_is_an_error_document(process: RuntimeProcess) -> None:
    outcome = invoke(process, "raise")
    assert outcome.is_error
    assert document(outcome)["errorType"] == "ValueError"
    assert not invoke(process, "echo").is_error


@pytest.mark.parametrize(("do", "how"), [("exit", "exit status 3"), ("kill", "signal: SIGKILL")])
def test_a_process_that_dies_is_an_error_and_is_known_to_be_dead(
    process: RuntimeProcess, do: str, how: str
) -> None:
    outcome = invoke(process, do)
    assert outcome.is_error
    assert document(outcome)["errorType"] == "Runtime.ExitError"
    assert how in document(outcome)["errorMessage"]
    assert not process.alive


def test_a_function_that_takes_too_long_is_killed(process: RuntimeProcess) -> None:
    outcome = invoke(process, "sleep", timeout_seconds=0.3)
    assert document(outcome)["errorType"] == "Sandbox.Timedout"
    assert "0.30 seconds" in document(outcome)["errorMessage"]
    assert not process.alive


def test_a_function_that_writes_much_is_not_held_up(process: RuntimeProcess) -> None:
    assert document(invoke(process, "write-much")) == "written"
    assert 0 < len(process.take_log()) <= 1024 * 1024


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import nothing_of_the_kind", "Runtime.ImportModuleError"),
        ("def other(): pass", "Runtime.HandlerNotFound"),
        ("import os; os._exit(4)", "Runtime.ExitError"),
    ],
)
def test_a_function_that_does_not_start_says_why(tmp_path: Path, source: str, error: str) -> None:
    process = start(tmp_path, source)
    with pytest.raises(StartFailed) as caught:
        process.await_ready(10)
    assert json.loads(caught.value.payload)["errorType"] == error
    assert not process.alive


def test_a_function_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    process = start(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(StartFailed, match="Init timed out after"):
        process.await_ready(0.5)
    assert not process.alive


def test_the_runtime_holds_nothing_that_a_package_could_forget() -> None:
    site = next(RUNTIME_PYTHON.parent.parent.glob("lib/python*/site-packages"))
    installed = {path.name.split("-")[0] for path in site.glob("*.dist-info")}
    assert installed == {"awslambdaric", "simplejson", "snapshot_restore_py"}
