import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ride_scoring.decode import decode
from ride_scoring.domain.events import Ride
from ride_scoring.errors import ModelUnavailable
from ride_scoring.models.served import ScorableEvent, ServedModel
from ride_scoring.scoring import Models
from ride_scoring.shadow.scorer import Shadow, ShadowResult
from ride_scoring.streams.unpack import arrivals
from tests.factories import NOW, FakeModels, FakeSink, MinutesModel, event_json, records


def scored(count: int = 3) -> list[ScorableEvent]:
    batch = records(*[event_json(ride_id=number) for number in range(count)])
    arrived = [arrivals(position, record)[0] for position, record in enumerate(batch)]
    return [ScorableEvent(item, decode(item.data)) for item in arrived]


def shadow_of(predictor: MinutesModel) -> FakeModels:
    return FakeModels(ServedModel("ride-duration", "4", "run-8", "shadow", predictor))


def score(models: Models, sink: FakeSink) -> ShadowResult:
    return Shadow(models, sink).score(scored(), NOW, lambda: 60.0)


def test_a_shadows_predictions_say_that_they_are_its() -> None:
    sink = FakeSink()
    assert score(shadow_of(MinutesModel()), sink) == ShadowResult(3)
    said: list[dict[str, Any]] = [json.loads(output.data) for output in sink.taken]
    assert {item["role"] for item in said} == {"shadow"}
    assert {item["version"] for item in said} == {"4"}
    assert [item["prediction"]["ride_id"] for item in said] == [0, 1, 2]


def test_a_shadow_that_raises_says_no_more_than_its_errors_type() -> None:
    class Raises(MinutesModel):
        def predict(self, rides: Sequence[Ride], at: Sequence[float]) -> NDArray[np.float64]:
            raise ValueError(f"of a private {rides[0]} at {at[0]}")

    sink = FakeSink()
    assert score(shadow_of(Raises()), sink) == ShadowResult(0, "it failed with ValueError")
    assert sink.taken == []


def test_a_shadow_that_has_no_model_says_so() -> None:
    result = score(FakeModels(error=ModelUnavailable("none is published")), FakeSink())
    assert result == ShadowResult(0, "none is published")


def test_a_shadow_that_gives_no_numbers_has_no_predictions() -> None:
    sink = FakeSink()
    result = score(shadow_of(MinutesModel(lambda _: float("nan"))), sink)
    assert (result.predicted, sink.taken) == (0, [])
    assert result.failure is not None
