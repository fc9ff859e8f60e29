"""The same seeded schedules on LocalStack's mapping and on the simulated one: the same happens.

Compared are, shard by shard, the calls of the function with their records in order, what it answers
or does instead, and so retries and checkpoints; and the on-failure documents: condition, number of
invocations, extent, records and the names of all fields. Both sides run one script. What it does
follows from the calls before, so one that differs changes those behind it too.

LocalStack 4.14.0 cannot be compared where it does not do what AWS documents: it halves no batch,
has one lane for each shard and takes the shards in turn, knows no tumbling windows, fails to look
up AT_TIMESTAMP, writes on into a shard that was split, and leaves the condition out of the document
for records that are too old. Where the function reports a record of the batch that is done already,
LocalStack drops what is left. Batching windows depend on the moment.

It counts every retry, also where a batch came on. AWS's pages leave that open, and the simulation
is told to read them so.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import pytest

from infra import stack
from infra.common.paths import LOCALSTACK
from infra.common.processes import Children
from infra.common.steps import Steps
from tests.integration.agreement import emulated, simulated
from tests.integration.agreement.course import Course, differences
from tests.integration.agreement.emulated import Clients, Ran
from tests.integration.agreement.schedules import Schedule, draw
from tests.integration.agreement.scripted import ANSWERS, ENTRIES, INSTEAD, Call

pytestmark = [pytest.mark.localstack, pytest.mark.thorough]

SEEDS = range(12)


@pytest.fixture
def clients(newcomer: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Those of a LocalStack of the test's own."""
    for name in set(os.environ) - set(newcomer):
        monkeypatch.delenv(name)
    folder = LOCALSTACK / f"agreement-{os.getpid()}"
    with Children() as children:
        endpoint = stack.open_endpoint(children, folder, None, Steps())
        for name, value in endpoint.environment(newcomer).items():
            monkeypatch.setenv(name, value)
        yield Clients()
        stack.close_endpoint(folder, endpoint)


def ran_at_once(clients: Clients, schedules: Sequence[Schedule], folder: Path) -> list[Ran]:
    logs = [folder / f"{schedule.seed}.jsonl" for schedule in schedules]
    with ThreadPoolExecutor(len(schedules)) as pool:
        return list(pool.map(emulated.run, repeat(clients), schedules, logs))


def happened(calls: Sequence[Call]) -> set[str]:
    """What the function did in these calls, and what it said of single records."""
    said = {
        name
        for call in calls
        if call.answer
        for name, made in ENTRIES.items()
        for number in call.sequence_numbers
        if made(number) in (call.answer["batchItemFailures"] or ())
    }
    return said | {call.does for call in calls}


def test_localstack_and_the_simulation_agree(clients: Clients, tmp_path: Path) -> None:
    schedules = [draw(seed) for seed in SEEDS]
    runs = ran_at_once(clients, schedules, tmp_path)
    for schedule, ran in zip(schedules, runs, strict=True):
        simulation = simulated.run(schedule, ran)
        found = "\n".join(differences(ran.course, simulation))
        assert not found, f"seed {schedule.seed}\n{found}"
        assert ran.course.fields() == simulation.fields()
    calls = [call for ran in runs for call in ran.course.calls]
    assert happened(calls) == {"answer", *INSTEAD, *ANSWERS, *ENTRIES}
    assert sum(len(ran.course.documents) for ran in runs) > 0


def test_a_difference_shows_both_sides() -> None:
    one, other = (Call("shardId-000000000000", ["1"], [7], does) for does in ("raise", "exit"))
    (shown,) = differences(Course([one, other], []), Course([one, one], []))
    assert " ".join(shown.split()) == (
        "shardId-000000000000, LocalStack | simulation"
        " 1 (7): raise null | 1 (7): raise null"
        " ≠ 1 (7): exit null | 1 (7): raise null"
    )
