"""One part of a run: its riders, producer and ledger, in this process or in one of its own:
`python -m stream_sim.send.part JOB`, which says on standard output what it sent, line by line."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

import boto3
import msgspec
import numpy as np
from botocore.config import Config

from infra.common import console
from stream_sim.kinesis.puts import Puts
from stream_sim.send import plan
from stream_sim.send.ledger import Ledger
from stream_sim.send.options import Job, decoded_job
from stream_sim.send.pace import Pace
from stream_sim.send.plan import Plan
from stream_sim.send.producer import CALLS_AT_ONCE, Producer
from stream_sim.traffic.riders import Riders

_CLIENT: Final = Config(
    connect_timeout=5,
    read_timeout=10,
    retries={"total_max_attempts": 1},  # `Puts` tries again itself, and tells the ledger
    max_pool_connections=CALLS_AT_ONCE,
    parameter_validation=False,  # half of what a record costs otherwise
)


class Said(msgspec.Struct, frozen=True):
    """So many more rides are taken, so many seconds after the part began."""

    rides: int
    seconds: float


def send(job: Job, planned: Plan, sent: Callable[[Said], None]) -> None:
    """Sends one part and calls `sent` as the stream takes it. Raises `UserError` and boto3's
    errors."""
    run = job.run
    seed = np.random.SeedSequence([job.request.seed, run.part])
    of_riders, of_arrivals, of_source = seed.spawn(3)
    source = planned.source(run.part, run.parts, int(of_source.generate_state(1)[0]))
    riders = Riders(run, source, planned.drifts, planned.rates, of_riders)
    arrivals = planned.arrivals(run.part, run.parts, np.random.default_rng(of_arrivals))
    stopping = threading.Event()
    puts = Puts(boto3.client("kinesis", config=_CLIENT), run.stream, sleep=stopping.wait)
    with Ledger(job.folder, run) as ledger:
        began = time.monotonic()

        def taken(rides: int) -> None:
            sent(Said(rides, time.monotonic() - began))

        producer = Producer(puts, Pace(sleep=stopping.wait), ledger, stopping, taken)
        producer.send(riders.records(arrivals), aggregate=job.request.aggregate)


def _main() -> None:
    job = decoded_job(sys.argv[1])

    def say(said: Said) -> None:
        # Several threads call this: a pipe takes a line of less than PIPE_BUF bytes whole.
        os.write(sys.stdout.fileno(), msgspec.json.encode(said) + b"\n")

    send(job, plan.made(job.request), say)


if __name__ == "__main__":
    console.run(_main)
