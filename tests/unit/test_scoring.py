import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ride_scoring import predictions
from ride_scoring.domain.events import Ride
from ride_scoring.errors import ModelRefused, ModelUnavailable
from ride_scoring.scoring import BatchResult, Scorer
from ride_scoring.streams import kpl
from ride_scoring.streams.records import KinesisRecord, Reject
from tests.factories import (
    NOW,
    FakeModels,
    FakeRejects,
    FakeSink,
    MinutesModel,
    event_json,
    record,
    records,
    served,
)

GOOD = event_json()
BAD = b"no json"


class Function:
    """A scorer with its fakes at hand."""

    def __init__(
        self,
        models: FakeModels | None = None,
        capacity: int = 1_000_000,
        *,
        rejects_away: bool = False,
    ) -> None:
        self.sink = FakeSink(capacity)
        self.rejects = FakeRejects(away=rejects_away)
        self._scorer = Scorer(
            models or FakeModels(), self.sink, self.rejects, writing_seconds=7.0, now=lambda: NOW
        )

    def score(
        self, batch: list[KinesisRecord], seconds_left: Callable[[], float] = lambda: 60.0
    ) -> BatchResult:
        return self._scorer.score(batch, seconds_left)

    @property
    def predictions(self) -> list[dict[str, Any]]:
        return [json.loads(output.data) for output in self.sink.taken]


def test_a_prediction_carries_what_the_contract_says() -> None:
    function = Function()
    result = function.score([record()])
    assert result.not_done_from is None
    assert function.predictions == [
        {
            "model": "ride-duration",
            "version": "3",
            "prediction": {"ride_duration": 3.66, "ride_id": 156},
            "event_id": "shardId-000000000000:1",
            "run_id": "run-7",
            "role": "champion",
            "ride": {
                "PULocationID": 130,
                "DOLocationID": 205,
                "trip_distance": 3.66,
                "pickup_datetime": "2023-01-14T08:31:00",
            },
            "arrived_at": "2023-01-14T13:31:00.500000Z",
            "scored_at": "2023-01-14T13:31:05Z",
        }
    ]
    assert function.sink.taken[0].partition_key == "156"


def test_a_batch_is_one_predict() -> None:
    model = MinutesModel()
    Function(FakeModels(served(model))).score(records(GOOD, BAD, GOOD, GOOD))
    assert model.calls == [3]


def test_a_batch_of_rejects_alone_asks_the_model_nothing() -> None:
    model = MinutesModel()
    function = Function(FakeModels(served(model)))
    assert function.score(records(BAD)).not_done_from is None
    assert model.calls == []
    assert function.sink.taken == []


def test_a_record_that_can_never_be_scored_fails_no_batch() -> None:
    function = Function()
    result = function.score(records(GOOD, BAD, event_json(PULocationID=0)))
    assert result.not_done_from is None
    assert result.put.done == 1
    ((first, second),) = function.rejects.objects
    assert (first.reason, first.event_id) == ("not_json", "shardId-000000000000:2")
    assert (second.reason, second.event_id) == ("out_of_range", "shardId-000000000000:3")
    assert first.data_base64 == "bm8ganNvbg=="
    assert first.rejected_at == NOW


def test_the_first_record_that_the_stream_refused_is_where_lambda_tries_again() -> None:
    function = Function(capacity=1)
    result = function.score(records(GOOD, BAD, GOOD, BAD, GOOD))
    assert result.not_done_from == "3"
    assert result.put.done == 1


def test_rejects_behind_the_first_undone_record_are_counted_when_it_is_done() -> None:
    function = Function(capacity=1)
    result = function.score(records(GOOD, BAD, GOOD, BAD, GOOD))
    assert [reject.event_id for reject in result.rejects] == ["shardId-000000000000:2"]


def test_while_rejects_cannot_be_written_predictions_stop_at_the_first_of_them() -> None:
    function = Function(rejects_away=True)
    for _ in range(3):
        result = function.score(records(GOOD, BAD, GOOD, GOOD))
        assert result.not_done_from == "2"
        assert (result.put.done, result.rejects) == (1, [])
        assert result.failure == "S3 is away"
    # Lambda tries again from the reject on: what is behind it has not been sent once yet.
    assert {output.partition_key for output in function.sink.taken} == {"156"}
    assert len(function.sink.taken) == 3


@pytest.mark.parametrize("error", [ModelUnavailable("none published"), ModelRefused("damaged")])
def test_without_a_model_the_whole_batch_waits(error: Exception) -> None:
    function = Function(FakeModels(error=error))
    result = function.score(records(GOOD, BAD))
    assert result.not_done_from == "1"
    assert result.failure == str(error)
    assert function.rejects.objects == []


def test_minutes_below_zero_count_as_zero() -> None:
    function = Function(FakeModels(served(MinutesModel(lambda _: -4.2))))
    function.score([record()])
    assert function.predictions[0]["prediction"]["ride_duration"] == 0.0


@pytest.mark.parametrize("minutes", [float("nan"), float("inf")])
def test_a_prediction_that_is_no_number_is_a_reject(minutes: float) -> None:
    model = MinutesModel(lambda ride: minutes if ride.pickup_zone == 7 else 1.0)
    function = Function(FakeModels(served(model)))
    result = function.score(records(GOOD, event_json(PULocationID=7), BAD))
    assert result.not_done_from is None
    ((first,), (second,)) = function.rejects.objects
    assert (first.reason, second.reason) == ("not_json", "model_output")


class FailsOn(MinutesModel):
    """Fails on any batch with a ride from one of some zones."""

    def __init__(self, *zones: int) -> None:
        super().__init__()
        self._zones = zones

    def predict(self, rides: Sequence[Ride], at: Sequence[float]) -> NDArray[np.float64]:
        minutes = super().predict(rides, at)
        if any(ride.pickup_zone in self._zones for ride in rides):
            raise ZeroDivisionError("of a very private ride")
        return minutes


def test_a_model_that_raises_for_one_ride_costs_that_ride_alone() -> None:
    batch = [event_json(ride_id=number, PULocationID=number % 50 + 1) for number in range(100)]
    function = Function(FakeModels(served(FailsOn(7))))
    result = function.score(records(*batch))
    assert result.not_done_from is None
    assert result.put.done == 98
    assert [reject.reason for reject in result.rejects] == ["model_output"] * 2
    assert "ZeroDivisionError" in result.rejects[0].detail
    assert "private" not in result.rejects[0].detail
    ids = [prediction["prediction"]["ride_id"] for prediction in function.predictions]
    assert ids == [number for number in range(100) if number % 50 != 6]


def test_a_model_that_gives_too_few_rows_costs_what_it_cannot_be_asked_alone() -> None:
    class TooFew(MinutesModel):
        def predict(self, rides: Sequence[Ride], at: Sequence[float]) -> NDArray[np.float64]:
            if len(rides) > 2:
                raise ModelRefused("the model gave (1,) numbers for 4 rides")
            return super().predict(rides, at)

    result = Function(FakeModels(served(TooFew()))).score(records(*[GOOD] * 5))
    assert (result.put.done, result.rejects, result.not_done_from) == (5, [], None)


def test_what_there_was_no_time_to_try_is_tried_again_from_there() -> None:
    batch = [event_json(PULocationID=7) for _ in range(64)]
    function = Function(FakeModels(served(FailsOn(7))))
    result = function.score(records(*batch), lambda: 3.0)
    assert len(result.rejects) == 1
    assert result.not_done_from == "2"
    assert "ran out of time" in str(result.failure)


def test_the_events_of_an_aggregated_record_are_done_or_undone_together() -> None:
    packed = kpl.pack([("a", event_json(ride_id=1)), ("b", BAD), ("c", GOOD)], "1")
    function = Function()
    result = function.score(records(GOOD, packed, GOOD))
    assert result.not_done_from is None
    assert [reject.event_id for reject in result.rejects] == ["shardId-000000000000:2:1"]
    assert result.rejects[0].partition_key == "b"
    assert [prediction["event_id"] for prediction in function.predictions] == [
        "shardId-000000000000:1",
        "shardId-000000000000:2:0",
        "shardId-000000000000:2:2",
        "shardId-000000000000:3",
    ]
    cut = Function(capacity=2).score(records(GOOD, packed, GOOD))
    assert cut.not_done_from == "2"
    assert cut.rejects == []


def test_a_record_whose_events_are_too_slow_to_try_one_by_one_is_set_aside_and_passed() -> None:
    packed = kpl.pack([(str(n), event_json(ride_id=n, PULocationID=7)) for n in range(64)], "1")
    function = Function(FakeModels(served(FailsOn(7))))
    result = function.score(records(packed, GOOD), lambda: 3.0)
    assert result.not_done_from == "2"
    assert len(result.rejects) == 64
    assert function.score(records(GOOD), lambda: 3.0).not_done_from is None


def test_what_one_model_cannot_score_another_may_when_it_is_tried_again() -> None:
    no_number = MinutesModel(lambda ride: float("nan") if ride.pickup_zone == 7 else 1.0)
    batch = records(GOOD, GOOD, event_json(PULocationID=7), BAD)
    first = Function(FakeModels(served(no_number)), capacity=1)
    assert first.score(batch).not_done_from == "2"
    written = [reject.reason for item in first.rejects.objects for reject in item]
    assert written == ["not_json"]  # the same, whatever model comes next
    again = Function()
    assert again.score(batch[1:]).put.done == 2


def test_the_first_failure_of_writing_is_where_lambda_tries_again() -> None:
    class AwayAtTheSecond(FakeRejects):
        def put(self, rejects: Sequence[Reject]) -> None:
            self.away = bool(self.objects)
            super().put(rejects)

    no_number = MinutesModel(lambda ride: float("nan") if ride.pickup_zone == 7 else 1.0)
    function = Function(FakeModels(served(no_number)))
    function.rejects.__class__ = AwayAtTheSecond
    result = function.score(records(BAD, GOOD, event_json(PULocationID=7), GOOD))
    assert result.not_done_from == "3"
    assert [reject.reason for reject in result.rejects] == ["not_json"]


@pytest.mark.parametrize(
    "data",
    [
        kpl.pack([("k" * 257, GOOD)], "1"),
        kpl.pack([("k", b"")] * 50_000, "1"),
    ],
    ids=["a key that no producer can have put", "more events than there is room for"],
)
def test_a_small_record_that_claims_very_much_is_one_reject(data: bytes) -> None:
    result = Function().score(records(data, GOOD))
    assert [reject.reason for reject in result.rejects] == ["kpl_damaged"]
    assert result.put.done == 1


def test_a_prediction_too_large_for_a_stream_is_a_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "MAX_RECORD_BYTES", 500)
    result = Function().score(records(GOOD, event_json(ride_id="x" * 200)))
    assert result.put.done == 1
    assert [reject.reason for reject in result.rejects] == ["too_large"]


def test_ten_thousand_bad_records_are_ten_thousand_rejects() -> None:
    function = Function()
    result = function.score(records(*[b"\x00noise"] * 10_000))
    assert result.not_done_from is None
    assert len(function.rejects.objects[0]) == 10_000


def test_a_mebibyte_of_noise_is_one_reject() -> None:
    noise = np.random.default_rng(0).bytes(1024 * 1024)
    result = Function().score(records(noise))
    assert [reject.reason for reject in result.rejects] == ["not_utf8"]


def test_an_empty_batch_is_done() -> None:
    assert Function().score([]).not_done_from is None


def test_the_core_imports_no_aws_library() -> None:
    code = (
        "import sys\n"
        "import ride_scoring.scoring, ride_scoring.models.model, ride_scoring.shadow.scorer\n"
        "print({'boto3', 'botocore', 'aws_lambda_powertools'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
