"""The gate for all calls of one execution environment: time passes, and faults are injected."""

from typing import Final

from ride_scoring.errors import AwsError
from stream_sim.simulation.broken import Note
from stream_sim.simulation.schedule import FaultKind
from stream_sim.simulation.world.fault_injector import FaultInjector
from stream_sim.simulation.world.invocation import Ended, Invocation

TIMED_OUT: Final = "ReadTimeoutError"
_CALL_SECONDS: Final = 0.02
_SLOW_SECONDS: Final = 20.0


class Door:
    """The gate for all calls of one environment: time passes, and the process may be killed."""

    def __init__(self, faults: FaultInjector, note: Note) -> None:
        self.faults = faults
        self.note = note
        self.invocation: Invocation | None = None

    @property
    def now_running(self) -> Invocation:
        if self.invocation is None:
            raise RuntimeError("a call outside of an invocation")
        return self.invocation

    def enter(self) -> Invocation:
        invocation = self.now_running
        self._kill("killed-before-call")
        self.stop()
        invocation.spend(_CALL_SECONDS / 2)
        return invocation

    def leave(self) -> None:
        self._kill("killed-after-call")
        self.now_running.spend(_CALL_SECONDS / 2)

    def stop(self) -> None:
        """Stall the process until its time runs out, if the fault strikes."""
        if self.faults.strikes("stopped"):
            self.now_running.stall("stopped", self.now_running.seconds_left)

    def struck(self, kind: FaultKind) -> bool:
        """Whether the fault strikes the current invocation, which then records it as a cause."""
        if self.faults.strikes(kind) is None:
            return False
        self.now_running.causes.append(kind)
        return True

    def fail(self, kind: FaultKind, *codes: str, hopeless: bool = False) -> None:
        """Raises `AwsError` with one of the codes if the fault strikes."""
        if (rng := self.faults.strikes(kind)) is not None:
            self.now_running.causes.append(kind)
            raise AwsError(f"{kind} was simulated", rng.choice(codes), hopeless=hopeless)

    def slow(self, kind: FaultKind, most_seconds: float) -> None:
        """Let time pass if the fault strikes. Raises `AwsError` if it exceeds `most_seconds`."""
        rng = self.faults.strikes(kind)
        if rng is None:
            return
        seconds = rng.uniform(0.0, _SLOW_SECONDS)
        self.now_running.stall(kind, min(seconds, most_seconds))
        if seconds > most_seconds:
            raise AwsError(f"{kind} was simulated", TIMED_OUT)

    def _kill(self, kind: FaultKind) -> None:
        if self.struck(kind):
            raise Ended("killed")
