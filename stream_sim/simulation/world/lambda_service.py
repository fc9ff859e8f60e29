"""Lambda: execution environments that are started, reused and lost, and the function in them.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import random
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from ride_scoring import wiring
from ride_scoring.function import Function
from ride_scoring.settings import Settings
from ride_scoring.telemetry import Telemetry
from ride_scoring.timing import Timing
from ride_scoring.wiring import Services
from stream_sim.simulation.broken import Note
from stream_sim.simulation.schedule import FunctionSettings
from stream_sim.simulation.world import models
from stream_sim.simulation.world.buckets import MODELS, REJECTS, Buckets
from stream_sim.simulation.world.clock import Clock
from stream_sim.simulation.world.door import Door
from stream_sim.simulation.world.fault_injector import FaultInjector
from stream_sim.simulation.world.invocation import Ended, Given, Invocation
from stream_sim.simulation.world.pointer import PointerFollowed
from stream_sim.simulation.world.services import PREDICTIONS, SimulatedKinesis, SimulatedS3
from stream_sim.simulation.world.stream import Stream

_START_SECONDS: Final = 0.3
LONGEST_START_SECONDS: Final = 10.0
"""https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html"""
_BATCH_SECONDS: Final = 0.01
_RECORD_SECONDS: Final = 0.000_01
_JUMP_SECONDS: Final = 86_400.0
_SLOW_SECONDS: Final = 0.3


class Answered(msgspec.Struct, frozen=True):
    """What the function returned."""

    payload: Mapping[str, Any] | None


class Failed(msgspec.Struct, frozen=True):
    """The function's error, as Lambda names it."""

    error: str


class NotInvoked(msgspec.Struct, frozen=True):
    """Lambda had no environment available: the batch never reached the function."""


Result = Answered | Failed | NotInvoked


class World(msgspec.Struct, frozen=True):
    """State shared by all environments."""

    clock: Clock
    faults: FaultInjector
    buckets: Buckets
    predictions: Stream
    settings: FunctionSettings
    telemetry: Telemetry
    whole: Callable[[str], bool]
    note: Note


class Environment:
    """One execution environment, from start to loss: the function, wired to its services."""

    def __init__(self, number: int, world: World) -> None:
        self.number = number
        self.follow = PointerFollowed(lambda: world.clock.now, world.whole, world.note)
        self._world = world
        self._door = Door(world.faults, world.note)
        self._jump = timedelta()
        self._function = self._wired()

    def run(self, invocation: Invocation, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """The function's response. Raises `Ended`, and whatever the function raises."""
        self._door.invocation = invocation
        self._live_through(invocation)
        self.follow.begin(self._world.settings.refresh_seconds)
        answer = self._function(event, _Context(invocation, self._door))  # type: ignore[arg-type] # Powertools' protocol has more
        if self._door.struck("killed-at-end"):
            raise Ended("killed")
        decoded: Mapping[str, Any] = msgspec.json.decode(msgspec.json.encode(answer))
        return decoded

    def _live_through(self, invocation: Invocation) -> None:
        """What happens to the process before the function has written anything."""
        invocation.spend(_BATCH_SECONDS + _RECORD_SECONDS * len(invocation.records))
        kinds = {record.kind for record in invocation.records}
        if "kills" in kinds:
            invocation.causes.append("kills")
            raise Ended("killed")
        if "hangs" in kinds:
            invocation.stall("hangs", invocation.seconds_left)
        self._door.stop()
        if rng := self._world.faults.strikes("clock-jumps"):
            self._jump = timedelta(seconds=rng.uniform(-_JUMP_SECONDS, _JUMP_SECONDS))

    def _wired(self) -> Function:
        world = self._world
        services = Services(
            SimulatedS3(self._door, world.buckets, self.follow),
            SimulatedKinesis(self._door, world.predictions),
        )
        rng = random.Random(self.number)
        timing = Timing(self._now, lambda: world.clock.now, self._sleep, rng.random)
        return wiring.wire(_settings(world.settings), services, world.telemetry, timing)

    def _now(self) -> datetime:
        """The wall clock may be wrong; the monotonic clock is not affected."""
        return self._world.clock.datetime + self._jump

    def _sleep(self, seconds: float) -> None:
        self._door.now_running.spend(seconds)


class LambdaService:
    """Invokes the function in a free environment, or else in a new one.

    `ended` is called with each invocation when it ends.
    """

    def __init__(self, world: World, ended: Callable[[Invocation, Environment], None]) -> None:
        self._world = world
        self._ended = ended
        self._free: list[Environment] = []
        self._environments = 0
        self.invocations = 0

    def invoke(self, event: Mapping[str, Any], shard_id: str, records: Sequence[Given]) -> Result:
        """The result of one event. Takes as long as the function does."""
        clock = self._world.clock
        if self._world.faults.strikes("not-invoked"):
            clock.sleep(0.05)
            return NotInvoked()
        environment = self._free.pop() if self._free else self._started()
        self.invocations += 1
        invocation = Invocation(
            clock,
            self.invocations,
            environment.number,
            shard_id,
            records,
            deadline=clock.now + self._world.settings.timeout_seconds,
        )
        result = self._run(environment, invocation, event)
        self._ended(invocation, environment)
        if self._world.faults.strikes("answer-lost"):
            return Failed("AnswerLost")
        return result

    def _run(
        self, environment: Environment, invocation: Invocation, event: Mapping[str, Any]
    ) -> Result:
        try:
            answer = environment.run(invocation, event)
        except Ended as end:  # the environment dies with its process
            invocation.outcome = end.outcome
            return Failed(end.outcome)
        except Exception as error:  # noqa: BLE001 - Lambda reports any of them as a function error
            invocation.outcome = "raised"
            self._free.append(environment)
            sys.stdout.write(f"[ERROR] {type(error).__name__}: {error}\n")  # as Lambda logs it
            return Failed(type(error).__name__)
        invocation.outcome = "answered"
        invocation.answer = _reported(answer)
        self._free.append(environment)
        return Answered(answer)

    def _started(self) -> Environment:
        self._environments += 1
        number = self._environments
        rng = self._world.faults.strikes("slow-start")
        self._world.clock.sleep(rng.uniform(1.0, LONGEST_START_SECONDS) if rng else _START_SECONDS)
        return Environment(number, self._world)


class _Context:
    """What Lambda passes to the function besides the event."""

    function_version = "1"

    def __init__(self, invocation: Invocation, door: Door) -> None:
        self.aws_request_id = f"invocation-{invocation.number}"
        self._invocation = invocation
        self._door = door

    def get_remaining_time_in_millis(self) -> int:
        """On a slow machine, time has passed since the function last asked."""
        if self._door.struck("machine-slow"):
            self._invocation.spend(_SLOW_SECONDS)
        return max(0, int(self._invocation.seconds_left * 1000))


def _settings(settings: FunctionSettings) -> Settings:
    return Settings(
        model_bucket=MODELS,
        model_name=models.NAME,
        model_alias=models.ALIAS,
        model_refresh_seconds=settings.refresh_seconds,
        predictions_stream_name=PREDICTIONS,
        output_aggregation=settings.aggregation,
        rejects_bucket=REJECTS,
        reserved_seconds=settings.reserved_seconds,
    )


def _reported(answer: Mapping[str, Any]) -> str | None:
    """The lowest reported sequence number, or an identifier that is not a number."""
    reported = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
    return min(reported, key=lambda said: int(said) if said.isdecimal() else -1, default=None)
