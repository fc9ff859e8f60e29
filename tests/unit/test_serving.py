"""Which model serves, as pointers move: the store is a folder in memory, the models are real."""

from collections.abc import Callable
from typing import Any

import pytest

from ride_scoring.errors import AwsError, ModelRefused, ModelUnavailable
from ride_scoring.models import store
from ride_scoring.models.serving import AliasedModel
from ride_scoring.models.store import ModelStore
from tests.factories import MemoryS3
from tests.store import GOLDEN_RIDE, Publisher


class Watch:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.loaded: list[tuple[str, bool]] = []
        self.refused = 0

    def model_loaded(self, way: str, milliseconds: float, *, swapped: bool) -> None:
        assert milliseconds > 0
        self.loaded.append((way, swapped))

    def model_refused(self) -> None:
        self.refused += 1


class World:
    """A store, a clock, and the function's end of them."""

    def __init__(self) -> None:
        self.s3 = MemoryS3()
        self.store = Publisher(self.s3)
        self.watch = Watch()
        self.seconds = 0.0
        self.models = AliasedModel(
            ModelStore(self.s3, "models", "ride-duration"),
            "champion",
            "champion",
            30.0,
            self.watch,
            clock=lambda: self.seconds,
        )

    def minutes_a_mile(self) -> float:
        """What the model that serves gives for a mile."""
        served = self.models.current()
        return round(
            float(served.predictor.predict([GOLDEN_RIDE], [0.0])[0]) / GOLDEN_RIDE.trip_distance, 9
        )

    def later(self, seconds: float = 31.0) -> None:
        self.seconds += seconds


@pytest.fixture
def world() -> World:
    return World()


def test_a_new_version_takes_over_when_the_pointer_was_looked_at_again(world: World) -> None:
    world.store.publish("1", 2.0)
    assert world.minutes_a_mile() == 2.0
    world.store.publish("2", 3.0)
    world.later(29.0)
    assert world.minutes_a_mile() == 2.0
    world.later(2.0)
    assert world.minutes_a_mile() == 3.0
    assert world.models.current().version == "2"
    assert world.watch.loaded == [("compiled", False), ("compiled", True)]


def test_rolling_back_is_moving_the_pointer(world: World) -> None:
    world.store.publish("1", 2.0)
    world.store.publish("2", 3.0)
    assert world.minutes_a_mile() == 3.0
    world.store.point("champion", "1")
    world.later()
    assert world.minutes_a_mile() == 2.0


def test_a_pointer_that_did_not_change_costs_one_conditional_request(world: World) -> None:
    world.store.publish("1", 2.0)
    world.minutes_a_mile()
    world.s3.asked.clear()
    for _ in range(5):
        world.later()
        world.minutes_a_mile()
    assert len(world.s3.asked) == 5
    assert world.s3.not_modified == 5


def test_a_pointer_written_anew_to_the_same_version_loads_nothing(world: World) -> None:
    world.store.publish("1", 2.0)
    world.minutes_a_mile()
    world.store.point("champion", "1")
    world.later()
    world.minutes_a_mile()
    assert len(world.watch.loaded) == 1


def gives_too_much(manifest: dict[str, Any]) -> None:
    manifest["golden_rows"][0]["ride_duration"] += 1e-3


def has_another_digest(manifest: dict[str, Any]) -> None:
    manifest["files"]["compiled.onnx"] = "0" * 64


def names_a_file_outside(manifest: dict[str, Any]) -> None:
    manifest["files"] = {"../outside": "0" * 64}


def says_another_version(manifest: dict[str, Any]) -> None:
    manifest["version"] = "1"


def says_another_name(manifest: dict[str, Any]) -> None:
    manifest["name"] = "other"


LIES = (
    gives_too_much,
    has_another_digest,
    names_a_file_outside,
    says_another_version,
    says_another_name,
)


@pytest.mark.parametrize("lie", LIES)
def test_a_version_that_fails_its_checks_is_refused_once_and_the_old_one_goes_on(
    world: World, lie: Callable[[dict[str, Any]], None], caplog: pytest.LogCaptureFixture
) -> None:
    world.store.publish("1", 2.0)
    assert world.minutes_a_mile() == 2.0
    world.store.publish("2", 3.0, change=lie)
    for _ in range(3):
        world.later()
        assert world.minutes_a_mile() == 2.0
    assert world.watch.refused == 1
    assert "still serving version 1" in caplog.text
    world.store.publish("3", 4.0)
    world.later()
    assert world.minutes_a_mile() == 4.0


@pytest.mark.parametrize("pointer", [b"no json", b"[]", b"\xff", b'{"version": 3}', b""])
def test_a_pointer_that_is_none_is_refused_and_the_old_version_goes_on(
    world: World, pointer: bytes
) -> None:
    world.store.publish("1", 2.0)
    world.minutes_a_mile()
    world.store.put(store.pointer_key("ride-duration", "champion"), pointer)
    world.later()
    assert world.minutes_a_mile() == 2.0
    assert world.watch.refused == 1
    world.store.point("champion", "1")
    world.later()
    assert world.minutes_a_mile() == 2.0


def test_a_compiled_model_of_another_source_is_refused(world: World) -> None:
    def has_another_source(manifest: dict[str, Any]) -> None:
        manifest["files"]["model.skops"] = "0" * 64

    world.store.publish("1", 2.0, change=has_another_source)
    with pytest.raises(ModelRefused, match=r"compiled from another model\.skops"):
        world.models.current()


def test_what_is_refused_with_nothing_before_it_is_not_loaded_again_and_again(world: World) -> None:
    world.store.publish("1", 2.0, change=gives_too_much)
    for _ in range(3):
        with pytest.raises(ModelRefused, match="golden row"):
            world.models.current()
    assert world.watch.refused == 1
    world.store.publish("2", 3.0)
    assert world.minutes_a_mile() == 3.0


def test_a_version_half_uploaded_is_waited_for(world: World) -> None:
    world.store.publish("1", 2.0)
    world.minutes_a_mile()
    world.store.publish("2", 3.0)
    key = store.file_key("ride-duration", "2", "compiled.onnx")
    whole = world.s3.objects.pop(("models", key))
    world.later()
    assert world.minutes_a_mile() == 2.0
    assert world.watch.refused == 0
    world.store.put(key, whole)
    world.later()
    assert world.minutes_a_mile() == 3.0


def test_while_the_store_is_away_the_old_version_goes_on(world: World) -> None:
    world.store.publish("1", 2.0)
    world.minutes_a_mile()
    world.s3.away = AwsError("no answer", "ConnectTimeoutError")
    world.later()
    assert world.minutes_a_mile() == 2.0


def test_without_any_model_each_batch_looks_for_one(world: World) -> None:
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match="no model is published"):
            world.models.current()
    world.store.publish("1", 2.0)
    assert world.minutes_a_mile() == 2.0


@pytest.mark.parametrize(
    ("error", "refused"), [(ValueError("odd"), 1), (OSError(28, "full"), 0), (MemoryError(), 0)]
)
def test_a_model_that_fails_is_refused_and_a_system_that_fails_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception, refused: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    world.store.publish("1", 2.0)
    world.minutes_a_mile()
    world.store.publish("2", 3.0)
    with monkeypatch.context() as patch:
        patch.setattr("ride_scoring.models.model.load", fail)
        world.later()
        assert world.minutes_a_mile() == 2.0
    assert world.watch.refused == refused
    world.later()
    assert world.minutes_a_mile() == (2.0 if refused else 3.0)


def test_a_look_is_not_worth_a_batchs_time_while_a_model_serves(world: World) -> None:
    world.store.publish("1", 2.0)
    world.minutes_a_mile()
    assert world.s3.impatient == 0
    world.later()
    world.minutes_a_mile()
    assert world.s3.impatient == 1
