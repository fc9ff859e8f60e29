"""Which alarms are raised when: the function's own metrics, through Terraform's own expressions."""

import json
import logging
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Final

import pytest

from infra.common.paths import TERRAFORM
from ride_scoring.scoring import Scorer
from ride_scoring.streams import kpl
from ride_scoring.telemetry import PACKAGE, Telemetry
from tests.factories import FakeModels, FakeRejects, FakeSink, event_json, records
from tests.terraform.cloudwatch import Alarms, Expression, Metrics, Missing
from tests.terraform.planning import empty_account, initialised, plan

SERVICE: Final = "ride-scoring"
CANARY: Final = "8"
MODULE: Final = TERRAFORM / "modules" / "observability"
MINUTES: Final = 20
RIDES_A_RECORD: Final = 200
Planned = Mapping[str, Mapping[str, Any]]

both_readings = pytest.mark.parametrize("missing", Missing)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """The alarms of a deployment whose version 8 is being tried."""
    folder = tmp_path_factory.mktemp("alarms")
    variables = {
        "name": "ride",
        "function_name": SERVICE,
        "alias": "live",
        "log_group": f"/aws/lambda/{SERVICE}",
        "service": SERVICE,
        "event_source_uuid": "14e0db71-1d2f-4b58-9a5a-0a1f5f0f0f0f",
        "events_stream": "ride-events",
        "predictions_stream": "ride-predictions",
        "canary": {"version": CANARY},
    }
    with (
        empty_account() as account,
        initialised(folder, account, configuration=MODULE) as terraform,
    ):
        return plan(terraform, folder, variables).resources


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    yield Telemetry(SERVICE)
    logger = logging.getLogger(PACKAGE)
    logger.handlers.clear()
    for mark in ("init", "powertools_handler"):
        vars(logger).pop(mark, None)


class Traffic:
    """Runs batches through the function, and counts what it and AWS would say of them."""

    def __init__(self, telemetry: Telemetry, capsys: pytest.CaptureFixture[str]) -> None:
        self.metrics = Metrics()
        self._telemetry = telemetry
        self._capsys = capsys

    def arrive(self, minute: int, count: int = 1) -> None:
        self.metrics.add(minute, "AWS/Kinesis", "IncomingRecords", count, StreamName="ride-events")

    def batch(self, minute: int, *data: bytes, version: str = CANARY, away: bool = False) -> None:
        """One batch of records with this data, scored by one version of the function."""
        sink = FakeSink(0) if away else FakeSink()
        batch = records(*data)
        result = Scorer(FakeModels(), sink, FakeRejects(), writing_seconds=7.0).score(
            batch, lambda: 60.0
        )
        context: Any = SimpleNamespace(aws_request_id="id", function_version=version)
        self._capsys.readouterr()
        self._telemetry.batch(batch, result, None, 1.0, context)
        for line in map(json.loads, self._capsys.readouterr().out.splitlines()):
            if "_aws" in line:
                self.metrics.add_embedded(minute, line)

    def dies(self, minute: int) -> None:
        """An invocation of the version that is tried ends before it counts anything."""
        dimensions = {"Resource": f"{SERVICE}:live", "ExecutedVersion": CANARY}
        for found in ({}, dimensions):
            for name in ("Invocations", "Errors"):
                self.metrics.add(minute, "AWS/Lambda", name, 1, FunctionName=SERVICE, **found)


@pytest.fixture
def traffic(telemetry: Telemetry, capsys: pytest.CaptureFixture[str]) -> Traffic:
    return Traffic(telemetry, capsys)


def aggregate(bad: int) -> bytes:
    """A record of 200 rides, so many of which can never be scored."""
    rides = [event_json(ride_id=number) for number in range(RIDES_A_RECORD - bad)]
    return kpl.pack([("a", data) for data in [*rides, *[b"{"] * bad]], "1")


def raised(planned: Planned, traffic: Traffic, missing: Missing, minute: int = MINUTES) -> set[str]:
    return Alarms(planned, traffic.metrics, missing).told_of(minute)


@both_readings
@pytest.mark.parametrize(
    ("bad", "alarms"),
    [
        (0, set()),
        (2, set()),  # one in a hundred, and as many events a record as records in 200
        (10, set()),  # a twentieth is not more than a twentieth
        (11, {"ride-rejects", "ride-canary-rejects"}),
        (RIDES_A_RECORD, {"ride-rejects", "ride-canary-rejects"}),
    ],
)
def test_rejects_are_a_share_of_the_events_that_records_aggregate(
    planned: Planned, traffic: Traffic, missing: Missing, bad: int, alarms: set[str]
) -> None:
    for minute in range(MINUTES + 1):
        traffic.arrive(minute)
        traffic.batch(minute, aggregate(bad))
    assert raised(planned, traffic, missing) == alarms


@both_readings
@pytest.mark.parametrize(
    ("good", "bad", "alarms"),
    [(19, 1, set()), (18, 2, {"ride-rejects", "ride-canary-rejects"})],
)
def test_rejects_are_a_share_of_single_events_too(
    planned: Planned, traffic: Traffic, missing: Missing, good: int, bad: int, alarms: set[str]
) -> None:
    for minute in range(MINUTES + 1):
        traffic.arrive(minute, good + bad)
        traffic.batch(minute, *[event_json()] * good, *[b"{"] * bad)
    assert raised(planned, traffic, missing) == alarms


@both_readings
def test_a_function_that_is_dead_from_its_first_day_is_told_of(
    planned: Planned, traffic: Traffic, missing: Missing
) -> None:
    for minute in range(MINUTES + 1):
        traffic.arrive(minute)
    assert raised(planned, traffic, missing) == {"ride-silence"}


@both_readings
def test_a_function_that_dies_after_it_has_served_is_told_of(
    planned: Planned, traffic: Traffic, missing: Missing
) -> None:
    for minute in range(MINUTES + 1):
        traffic.arrive(minute)
        if minute < MINUTES - 10:
            traffic.batch(minute, event_json())
    assert raised(planned, traffic, missing) == {"ride-silence"}
    traffic.batch(MINUTES + 1, event_json())
    assert raised(planned, traffic, missing, MINUTES + 1) == set()


@both_readings
@pytest.mark.parametrize("served", [range(0), range(3)], ids=["never", "once"])
def test_a_stream_that_nothing_arrives_in_is_no_silence(
    planned: Planned, traffic: Traffic, missing: Missing, served: range
) -> None:
    for minute in served:
        traffic.arrive(minute)
        traffic.batch(minute, event_json())
    for minute in range(len(served), MINUTES + 1):
        traffic.arrive(minute, 0)
    assert raised(planned, traffic, missing) == set()


@both_readings
@pytest.mark.parametrize("every", [1, 2, 5])
def test_rides_that_wait_for_their_batch_are_no_silence(
    planned: Planned, traffic: Traffic, missing: Missing, every: int
) -> None:
    """A batch window has five minutes at most. The newest minute has not been counted yet."""
    for minute in range(MINUTES + 1):
        traffic.arrive(minute)
        if minute % every == 0 and minute < MINUTES:
            traffic.batch(minute, *[event_json()] * every)
    assert raised(planned, traffic, missing) == set()


@both_readings
def test_rides_that_are_all_rejected_are_no_silence(
    planned: Planned, traffic: Traffic, missing: Missing
) -> None:
    for minute in range(MINUTES + 1):
        traffic.arrive(minute)
        traffic.batch(minute, b"{")
    assert raised(planned, traffic, missing) == {"ride-rejects", "ride-canary-rejects"}


@both_readings
def test_a_canary_that_dies_before_it_counts_anything_is_told_of(
    planned: Planned, traffic: Traffic, missing: Missing
) -> None:
    for minute in range(MINUTES + 1):
        traffic.arrive(minute)
        traffic.batch(minute, event_json(), version="7")
    traffic.dies(MINUTES - 3)
    assert raised(planned, traffic, missing) == {"ride-canary-errors"}


@both_readings
def test_a_canary_that_leaves_batches_undone_is_told_of(
    planned: Planned, traffic: Traffic, missing: Missing
) -> None:
    for minute in range(MINUTES + 1):
        traffic.arrive(minute)
        traffic.batch(minute, event_json(), version="7")
    traffic.batch(MINUTES - 3, event_json(), away=True)
    assert raised(planned, traffic, missing) == {"ride-canary-batches-not-done"}
    assert raised(planned, traffic, missing, MINUTES + 2) == set()


def test_no_expression_fills_what_may_never_have_been_counted(planned: Planned) -> None:
    expressions = [
        query["expression"]
        for values in planned.values()
        for query in values.get("metric_query") or ()
        if query.get("expression")
    ]
    assert len(expressions) == 3
    assert not [text for text in expressions if "FILL" in text]


@pytest.mark.parametrize(
    ("text", "missing", "values"),
    [
        ("IF(a > 0, 100 * b / a, 0)", Missing.ZERO, {1: 50.0, 2: 0.0, 3: 0.0}),
        ("IF(a > 0, 100 * b / a, 0)", Missing.POISON, {1: 50.0}),
        ("IF(a > 0 AND b == 0, 1, 0)", Missing.ZERO, {1: 0.0, 2: 1.0, 3: 0.0}),
        ("IF(a > 0 OR b > 0, 1, 0)", Missing.POISON, {1: 1.0}),
        ("a - b", Missing.ZERO, {1: 2.0, 2: 4.0, 3: -1.0}),
    ],
)
def test_expressions_mean_what_cloudwatchs_page_says(
    text: str, missing: Missing, values: dict[int, float]
) -> None:
    metrics = {"a": {1: 4.0, 2: 4.0}, "b": {1: 2.0, 3: 1.0}}
    assert Expression(text).evaluated(metrics, missing) == values
