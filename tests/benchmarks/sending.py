"""Rides sent: CPU time of one sending process, riders, ledger and boto3 included, and the rate at
which a server takes them."""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from infra.common.paths import ROOT
from stream_sim.ledger import Run
from stream_sim.send.options import Job, Request, encoded
from stream_sim.send.part import Said
from tests.benchmarks import cores, published
from tests.benchmarks.measured import NotMeasured
from tests.benchmarks.report import Section, spread
from tests.benchmarks.servers import Moto, Stub

ROUNDS: Final = 5
_AS_FAST_AS_IT_GOES: Final = 1e9
_PLAIN: Final = 60_000
_AGGREGATED: Final = 400_000
_MOTO_PLAIN: Final = 20_000
_MOTO_AGGREGATED: Final = 200_000


class Sent(msgspec.Struct, frozen=True):
    """What one process took: CPU seconds without those to start it, and seconds until the last ride
    was taken."""

    rides: int
    cpu_seconds: float
    wall_seconds: float

    @property
    def a_cpu_second(self) -> float:
        return self.rides / self.cpu_seconds

    @property
    def a_second(self) -> float:
        return self.rides / self.wall_seconds


def measure(stub: Stub) -> Section:
    """Against the stub, which takes everything at once, on the other core."""
    plain = [_send(stub, _PLAIN) for _ in range(ROUNDS)]
    aggregated = [_send(stub, _AGGREGATED, aggregate=True) for _ in range(ROUNDS)]
    return Section(
        "Sending, one process, the wire stubbed",
        ("records", "µs of CPU a ride", "rides/s of CPU", "rides/s"),
        [_row("one ride each", plain), _row("aggregated", aggregated)],
        note="1 % of the rides are malformed; every one is in the ledger before it is sent.",
        figures={
            "sending_plain_rides_per_second": _median(plain),
            "sending_aggregated_rides_per_second": _median(aggregated),
        },
    )


def measure_moto(moto: Moto) -> Section:
    """Against moto, which then is what takes the time."""
    plain = _send(moto, _MOTO_PLAIN)
    aggregated = _send(moto, _MOTO_AGGREGATED, aggregate=True)
    return Section(
        "Sending, one process, to moto",
        ("records", "rides/s"),
        [
            ("one ride each", f"{plain.a_second:,.0f}"),
            ("aggregated", f"{aggregated.a_second:,.0f}"),
        ],
        figures={
            "sending_moto_plain_rides_per_second": plain.a_second,
            "sending_moto_aggregated_rides_per_second": aggregated.a_second,
        },
    )


def _send(server: Stub | Moto, rides: int, *, aggregate: bool = False) -> Sent:
    """Raises `NotMeasured` where the server did not take each ride once."""
    taken_before = server.taken()
    nothing, _ = _run(server, 1, aggregate=aggregate)
    cpu_seconds, wall_seconds = _run(server, rides, aggregate=aggregate)
    if (taken := server.taken() - taken_before) != rides + 1:
        raise NotMeasured(f"{rides + 1} rides were sent, and {taken} taken")
    return Sent(rides, cpu_seconds - nothing, wall_seconds)


def _run(server: Stub | Moto, rides: int, *, aggregate: bool) -> tuple[float, float]:
    """CPU seconds of a process that sends, from its start to its end, and how long it sent."""
    request = Request(
        stream=published.STREAM, count=rides, rate=_AS_FAST_AS_IT_GOES, aggregate=aggregate
    )
    run = Run("0123abcd", 0, 1, 0.0, published.STREAM, {}, {})
    before = _cpu_seconds_of_children()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, cores.on(cores.FUNCTION):
        job = encoded(Job(request, run, Path(folder))).decode()
        done = subprocess.run(
            [sys.executable, "-m", "stream_sim.send.part", job],
            cwd=ROOT,
            env={"PATH": os.defpath, **server.environment},
            capture_output=True,
            check=False,
        )
    if done.returncode != 0:
        raise NotMeasured(done.stderr.decode()[-2000:])
    last = msgspec.json.decode(done.stdout.splitlines()[-1], type=Said)
    return _cpu_seconds_of_children() - before, last.seconds


def _cpu_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _median(found: list[Sent]) -> float:
    return statistics.median(sent.a_cpu_second for sent in found)


def _row(name: str, found: list[Sent]) -> tuple[str, ...]:
    return (
        name,
        spread([1e6 / sent.a_cpu_second for sent in found]),
        spread([sent.a_cpu_second for sent in found]),
        spread([sent.a_second for sent in found]),
    )
