"""One part of a run: its riders, producer and ledger, in this process or in its own: `python -m
stream_sim.send.part JOB`, which reports what it sent on standard output, line by line."""

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
from stream_sim.ledger import Ledger
from stream_sim.send import plan
from stream_sim.send.options import Job, decoded_job
from stream_sim.send.pace import Pace
from stream_sim.send.plan import SendPlan
from stream_sim.send.producer import CALLS_AT_ONCE, Producer
from stream_sim.traffic.riders import Riders

_CLIENT: Final = Config(
    connect_timeout=5,
    read_timeout=10,
    retries={"total_max_attempts": 1},  # `Puts` retries itself, and records it in the ledger
    max_pool_connections=CALLS_AT_ONCE,
    parameter_validation=False,  # otherwise half the cost of a record
)


class Said(msgspec.Struct, frozen=True):
    """That many more rides were accepted, that many seconds after the part began."""

    rides: int
    seconds: float


def send(job: Job, planned: SendPlan, sent: Callable[[Said], None]) -> None:
    """Send one part, calling `sent` as the stream accepts rides. Raises `UserError` and boto3's
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
        # Called from several threads: writes of less than PIPE_BUF bytes to a pipe are atomic.
        os.write(sys.stdout.fileno(), msgspec.json.encode(said) + b"\n")

    send(job, plan.made(job.request), say)


if __name__ == "__main__":
    console.run(_main)
