"""Whole histories: the same for the same seed, and nothing broken in any of them."""

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from infra.common.paths import FUNCTION_SOURCES, OUT, ROOT
from stream_sim.simulation.checks import history
from stream_sim.simulation.checks.draw import draw
from stream_sim.simulation.checks.history import Outcome
from stream_sim.simulation.checks.shrink import shrunk
from stream_sim.simulation.schedule import (
    FAULTS,
    Burst,
    Fault,
    FaultKind,
    MappingSettings,
    Schedule,
)
from stream_sim.simulation.world.fault_injector import FaultInjector
from tests.mutants.catalogue import MUTANTS
from tests.shell import Shell, commands_in

NO_SHARDS = msgspec.json.encode(msgspec.structs.replace(draw(1), events_shards=0))


def command(
    *arguments: str, code: int = 0, function: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command of the simulator's, with the function in another folder if one is named."""
    done = subprocess.run(
        [sys.executable, "-m", "stream_sim", *arguments],
        cwd=ROOT,
        env=os.environ | ({"PYTHONPATH": str(function)} if function else {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def steps(schedule: Schedule) -> list[tuple[float, str]]:
    taken: list[tuple[float, str]] = []
    history.run(schedule, lambda seconds, what: taken.append((seconds, what)))
    return taken


@pytest.mark.parametrize("seed", [3, 29])
def test_one_seed_is_one_history(seed: int) -> None:
    first = steps(draw(seed))
    assert first == steps(draw(seed))
    assert first != steps(draw(seed + 1))


def test_a_schedule_comes_back_from_json_as_it_was() -> None:
    schedule = draw(5)
    assert msgspec.json.decode(msgspec.json.encode(schedule), type=Schedule) == schedule


def test_what_breaks_nothing_alone_is_taken_out_of_a_schedule() -> None:
    burst = Burst(3.0, 1, ("ride",) * 30 + ("huge",) + ("ride",) * 19)
    ordinary = Burst(9.0, 2, ("ride",) * 20)
    faults = tuple(Fault("put-lost", 0.0, 1.0, 0.5, seed) for seed in range(5))
    schedule = msgspec.structs.replace(draw(11), bursts=(ordinary, burst, ordinary), faults=faults)

    def breaks(candidate: Schedule) -> bool:
        kinds = [kind for burst in candidate.bursts for kind in burst.kinds]
        return "huge" in kinds and faults[3] in candidate.faults

    least = shrunk(schedule, breaks)
    assert [burst.kinds for burst in least.bursts] == [("huge",)]
    assert (least.faults, least.changes, len(least.moves)) == ((faults[3],), (), 1)


def test_each_kind_of_fault_strikes_in_some_history(monkeypatch: pytest.MonkeyPatch) -> None:
    met: set[str] = set()
    strikes = FaultInjector.strikes

    def noted(faults: FaultInjector, kind: FaultKind) -> random.Random | None:
        if (rng := strikes(faults, kind)) is not None:
            met.add(kind)
        return rng

    monkeypatch.setattr(FaultInjector, "strikes", noted)
    for kind in FAULTS:
        fault = Fault(kind, 0.0, 120.0, 0.5, 7)
        schedule = msgspec.structs.replace(
            draw(1),
            mapping=MappingSettings(batch_size=5, retry_attempts=4),
            bursts=tuple(Burst(float(at), at, ("ride", "noise", "kills")) for at in range(30)),
            faults=(fault,),
            changes=(),
        )
        assert history.run(schedule).broken == ()
    assert set(FAULTS) == met


def test_what_lambda_cannot_set_aside_is_dropped_and_counted() -> None:
    def outcome(*faults: Fault) -> Outcome:
        schedule = msgspec.structs.replace(
            draw(1),
            mapping=MappingSettings(batch_size=1, retry_attempts=1),
            bursts=(Burst(0.0, 1, ("kills",) * 5 + ("ride",)),),
            faults=faults,
            changes=(),
        )
        return history.run(schedule)

    kept, lost = outcome(), outcome(Fault("undelivered", 0.0, 600.0, 1.0, 1))
    assert (kept.failed, kept.dropped, kept.broken) == (5, 0, ())
    assert (lost.failed, lost.dropped, lost.broken) == (0, 5, ())


@pytest.mark.parametrize(
    ("histories", "seed"), [(30, 1), pytest.param(270, 31, marks=pytest.mark.thorough)]
)
def test_no_history_breaks_a_property(histories: int, seed: int) -> None:
    said = command("simulate", "--histories", str(histories), "--seed", str(seed)).stdout
    last = said.splitlines()[-1]
    found = re.fullmatch(rf"{histories} histories, ([\d,]+) records, 0 properties broken", last)
    assert found, last
    assert int(found[1].replace(",", "")) > 100 * histories


@pytest.mark.thorough
def test_the_pages_commands_work(newcomer: dict[str, str]) -> None:
    with Shell(newcomer) as shell:
        make, *others = commands_in("docs/reliability.md", "How it is checked")
        assert re.search(r"^100 histories, .* 0 properties broken$", shell.run(make), re.MULTILINE)
        for line in others:
            shell.run(line)


def test_a_history_is_replayed_step_by_step() -> None:
    said = command("replay-seed", "29").stdout
    schedule, _, rest = said.partition("\n}\n")
    assert msgspec.json.decode(f"{schedule}\n}}".encode(), type=Schedule) == draw(29)
    assert "invocation 1 in environment 1 of shardId-" in rest


def test_a_history_that_breaks_a_property_is_cut_down_shown_and_kept(tmp_path: Path) -> None:
    shutil.copytree(FUNCTION_SOURCES, package := tmp_path / FUNCTION_SOURCES.name)
    (mutant,) = (mutant for mutant in MUTANTS if mutant.name == "nothing is reported")
    mutant.apply(package)
    done = command("simulate", "--histories", "3", "--seed", "20", function=tmp_path, code=1)
    last = done.stdout.splitlines()[-1]
    broken = re.fullmatch(
        r"3 histories, [\d,]+ records, \d+ properties broken, by the seeds ([\d, ]+)", last
    )
    assert broken, last
    seed = broken[1].split(",")[0]
    assert done.stderr.endswith(f"broke a property: python -m stream_sim replay-seed {seed}\n")
    kept = OUT / "simulation" / f"{seed}.json"
    least = msgspec.json.decode(kept.read_bytes(), type=Schedule)
    assert sum(len(burst.kinds) for burst in least.bursts) <= 3
    again = command("replay-seed", seed, "--schedule", str(kept), function=tmp_path, code=1)
    assert "broken: not the first undone: invocation " in again.stdout
    assert "broken" not in command("replay-seed", seed, "--schedule", str(kept)).stdout
    kept.unlink()


@pytest.mark.few(2)
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff", b'{"seed": 1', NO_SHARDS])
def test_a_file_that_is_no_schedule_is_said_in_one_sentence(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "schedule.json"
    if content is not None:
        file.write_bytes(content)
    done = command("replay-seed", "1", "--schedule", str(file), code=1)
    assert done.stdout == ""
    why = "cannot be read (No such file or directory)" if content is None else "is not a schedule ("
    assert done.stderr.startswith(f"error: {file} {why}")
    assert done.stderr.count("\n") == 1
