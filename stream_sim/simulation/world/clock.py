"""A virtual clock: tasks sleep on it, and it jumps to whatever is due next.

Tasks are greenlets, so waiting code reads as it would on a real clock. One task runs at a time, in
an order that depends only on the times.
"""

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import greenlet


class OutOfTime(Exception):
    """Tasks are still waiting at the time by which all should have finished."""


class Task:
    """A task that runs on the clock."""

    def __init__(self, clock: "Clock", run: Callable[[], None]) -> None:
        self._clock = clock
        self._waiting: list[Callable[[], None]] = []
        self.greenlet = greenlet.greenlet(lambda: self._run(run), parent=clock.hub)

    def on_end(self, call: Callable[[], None]) -> None:
        self._waiting.append(call)

    def _run(self, run: Callable[[], None]) -> None:
        run()
        for call in self._waiting:
            self._clock.at(self._clock.now, call)


class Clock:
    """Virtual time, in seconds since the epoch. Create tasks in the greenlet
    that created the clock."""

    def __init__(self, start: float) -> None:
        self.now = start
        self.hub = greenlet.getcurrent()
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._tasks: list[Task] = []

    @property
    def datetime(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def at(self, time: float, call: Callable[[], object]) -> None:
        """Schedule a call at that time, after anything already due then."""
        heapq.heappush(self._due, (max(time, self.now), next(self._numbers), call))

    def spawn(self, run: Callable[[], None]) -> Task:
        """Spawn a task that starts once the current task waits."""
        task = Task(self, run)
        self._tasks.append(task)
        self.at(self.now, task.greenlet.switch)
        return task

    def sleep(self, seconds: float) -> None:
        """Suspend the current task for that many seconds."""
        self.at(self.now + seconds, greenlet.getcurrent().switch)
        self.hub.switch()

    def wait(self, subscribe: Callable[[Callable[[], None]], None], seconds: float | None) -> None:
        """Suspend the current task until the subscribed callback runs, or `seconds` pass."""
        waiting = [greenlet.getcurrent()]

        def wake() -> None:
            if waiting:
                waiting.pop().switch()

        subscribe(wake)
        if seconds is not None:
            self.at(self.now + seconds, wake)
        self.hub.switch()

    def run(self, until: float) -> None:
        """Run until nothing is due. Raises `OutOfTime` if something is due after `until`."""
        while self._due:
            time, _, call = heapq.heappop(self._due)
            if time > until:
                raise OutOfTime
            self.now = time
            call()

    def close(self) -> None:
        """End the tasks that are still waiting."""
        for task in self._tasks:
            if task.greenlet and not task.greenlet.dead:
                task.greenlet.throw()
