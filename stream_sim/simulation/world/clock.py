"""A clock that nobody waits for: tasks sleep on it, and it goes to whatever is due next.

Tasks are greenlets, so code that waits reads as it does on a real clock, and one task runs at a
time, in an order that depends on nothing but the times.
"""

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import greenlet


class OutOfTime(Exception):
    """Tasks are still waiting at the time at which all had to be done."""


class Task:
    """Something that runs on the clock."""

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
        """Calls at that time, and behind whatever is due then already."""
        heapq.heappush(self._due, (max(time, self.now), next(self._numbers), call))

    def spawn(self, run: Callable[[], None]) -> Task:
        """A task that begins when the one that runs waits."""
        task = Task(self, run)
        self._tasks.append(task)
        self.at(self.now, task.greenlet.switch)
        return task

    def sleep(self, seconds: float) -> None:
        """What runs waits so long."""
        self.at(self.now + seconds, greenlet.getcurrent().switch)
        self.hub.switch()

    def wait(self, subscribe: Callable[[Callable[[], None]], None], seconds: float | None) -> None:
        """What runs waits until what it subscribes is called, or so many seconds at most."""
        waiting = [greenlet.getcurrent()]

        def wake() -> None:
            if waiting:
                waiting.pop().switch()

        subscribe(wake)
        if seconds is not None:
            self.at(self.now + seconds, wake)
        self.hub.switch()

    def run(self, until: float) -> None:
        """Until nothing is due any more. Raises `OutOfTime` where something still is at `until`."""
        while self._due:
            time, _, call = heapq.heappop(self._due)
            if time > until:
                raise OutOfTime
            self.now = time
            call()

    def close(self) -> None:
        """Ends the tasks that still wait."""
        for task in self._tasks:
            if task.greenlet and not task.greenlet.dead:
                task.greenlet.throw()
