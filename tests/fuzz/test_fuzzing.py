"""The fuzzer itself: a short run of each target, and what a finding looks like."""

import importlib.util
import os
import re
import shutil
from pathlib import Path

import pytest

from infra.common.console import UserError
from infra.common.paths import FUNCTION_SOURCES
from ride_scoring.decode import decode
from ride_scoring.errors import CannotScore, ModelRefused
from tests.fuzz import guard, runs
from tests.fuzz.finding import Finding
from tests.fuzz.runs import Outcome, fuzz, outcome
from tests.fuzz.targets import TARGETS
from tests.mutants.mutant import Mutant

INPUTS = dict.fromkeys(TARGETS, 20_000) | {"skops": 3_000}  # of which few are read in a second
needs_atheris = pytest.mark.skipif(
    not runs.is_installed(),
    reason="atheris has a wheel for Linux on x86-64 alone",
)


@needs_atheris
@pytest.mark.thorough
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_that_nobody_would_send_breaks_a_promise(target: str, tmp_path: Path) -> None:
    found = fuzz(target, INPUTS[target], tmp_path, seed=1)
    assert found.said == ""
    assert found.inputs >= INPUTS[target]
    assert found.edges > 0


@pytest.mark.thorough
@needs_atheris
def test_a_function_that_breaks_a_promise_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(FUNCTION_SOURCES, tmp_path / FUNCTION_SOURCES.name)
    NO_RANGES.apply(tmp_path / FUNCTION_SOURCES.name)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = fuzz("event", INPUTS["event"], tmp_path / "out", seed=1)
    assert (found.crashes, found.hangs) == (1, 0)
    assert re.search(r"Finding: a (ride|partition key) ", found.said)
    assert found.kept
    with pytest.raises(CannotScore) as refused:
        decode(found.kept.read_bytes())
    assert refused.value.reason == "out_of_range"


NO_RANGES = Mutant(
    name="no range is checked",
    file="decode.py",
    text="    require_scorable(event)\n",
    instead="",
    caught_by=(),
)
UNCAUGHT = """#7\tNEW    cov: 88 ft: 118 corp: 20/1765b lim: 8192 exec/s: 0 rss: 246Mb
 === Uncaught Python exception: ===
ZeroDivisionError: division by zero
Traceback (most recent call last):
  File "a.py", line 1, in b

==20528== ERROR: libFuzzer: fuzz target exited
artifact_prefix='out/'; Test unit written to out/crash-1
stat::number_of_executed_units: 9
"""
HANGS = """==1== ERROR: libFuzzer: timeout after 30 seconds
artifact_prefix='out/'; Test unit written to out/timeout-1
stat::number_of_executed_units: 9
"""


def test_a_finding_is_told_with_its_input_and_what_was_raised() -> None:
    found = outcome(UNCAUGHT, 77)
    assert (found.inputs, found.edges, found.features) == (9, 88, 118)
    assert (found.crashes, found.hangs, found.kept) == (1, 0, Path("out/crash-1"))
    assert found.said.startswith("ZeroDivisionError: division by zero")
    assert found.said.endswith("in b")


def test_an_input_that_takes_too_long_is_a_hang() -> None:
    found = outcome(HANGS, 70)
    assert (found.crashes, found.hangs, found.kept) == (0, 1, Path("out/timeout-1"))
    assert "timeout after" in found.said


def test_a_process_that_dies_without_a_word_is_a_crash() -> None:
    assert outcome("", -11) == Outcome(0, 0, 0, crashes=1, said="the fuzzer ended with code -11")


def test_a_machine_without_the_fuzzer_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="Linux on x86-64"):
        runs.require_fuzzer()


def test_a_model_that_reads_outside_writes_or_starts_a_program_is_found_out(tmp_path: Path) -> None:
    (inside := tmp_path / "inside").mkdir()
    (inside / "file").touch()
    (tmp_path / "inside-out").touch()
    with guard.only_reads(inside):
        (inside / "file").read_bytes()
        assert list(inside.iterdir()) == [inside / "file"]
    with pytest.raises(Finding, match="inside-out"), guard.only_reads(inside):
        (tmp_path / "inside-out").read_bytes()
    with pytest.raises(Finding, match="scandir"), guard.only_reads(inside):
        list(tmp_path.iterdir())
    with pytest.raises(Finding, match="open"), guard.only_reads(inside):
        (inside / "file").write_bytes(b"")
    with pytest.raises(Finding, match=r"os\.system"), guard.only_reads(inside):
        os.system("true")  # noqa: S605


def test_what_is_refused_is_still_watched(tmp_path: Path) -> None:
    def reads_and_refuses() -> None:
        (tmp_path / "outside").touch()
        raise ModelRefused("all the same")

    (inside := tmp_path / "inside").mkdir()
    with pytest.raises(Finding, match="outside"), guard.only_reads(inside):
        reads_and_refuses()
