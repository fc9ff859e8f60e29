"""The functions that are measured, and the processes that they run in.

An event's file and a number of times go in, the CPU seconds, wall seconds and memory that they took
come out. What a server did not take, all of it, is a failure and no figure.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from infra.common.paths import FUNCTION_SOURCES, ROOT
from ride_scoring.errors import PermanentError
from tests.benchmarks import cores, published
from tests.benchmarks.servers import Server

_WORKER: Final = Path(__file__).with_name("worker.py")
_COMMON: Final = {
    "PATH": os.defpath,
    # The deployment sets them; the naive one is given them too.
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "67108864",
    "PREDICTIONS_STREAM_NAME": published.STREAM,
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class NotMeasured(PermanentError):
    """A function failed, or a prediction was lost: there is nothing to compare."""


class Function(msgspec.Struct, frozen=True):
    """A module with a `handler`, where it is imported from, and what its environment adds."""

    name: str
    module: str
    path: Path
    environment: Mapping[str, str]


class Measurement(msgspec.Struct, frozen=True):
    """Of some calls. Seconds of CPU, without and with those before the first; the seconds of each
    call; the most memory that the process ever held.
    """

    cpu_seconds: float
    cpu_seconds_since_start: float
    wall_seconds_a_call: list[float]
    cpu_seconds_a_call: list[float]
    peak_kib: int

    @property
    def peak_bytes(self) -> int:
        return self.peak_kib * 1024


class _Failed(msgspec.Struct, frozen=True):
    failure: str


NAIVE: Final = Function("naive", "tests.benchmarks.naive", ROOT, {"MODEL_URI": published.NAIVE_URI})
NAIVE_PICKLE: Final = Function(
    "naive, model in cloudpickle",
    "tests.benchmarks.naive",
    ROOT,
    {"MODEL_URI": published.NAIVE_PICKLE_URI, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true"},
)


def ours(
    name: str,
    model: str = published.LINEAR,
    *,
    aggregation: str = "none",
    path: Path = FUNCTION_SOURCES.parent,
) -> Function:
    """Our function, serving a model; from the checkout, unless `path` says otherwise."""
    environment = {
        "MODEL_BUCKET": published.MODELS,
        "MODEL_NAME": model,
        "MODEL_ALIAS": published.ALIAS,
        "REJECTS_BUCKET": published.REJECTS,
        "OUTPUT_AGGREGATION": aggregation,
    }
    return Function(name, "ride_scoring.handler", path, environment)


def environment_of(function: Function) -> dict[str, str]:
    """All but what leads it to a server."""
    return {**_COMMON, **function.environment, "PYTHONPATH": str(function.path)}


class Worker:
    """A process in which a function runs; `environment` leads it to the server.

    Used as a context: the process ends with it.
    """

    def __init__(self, function: Function, server: Server, environment: Mapping[str, str]) -> None:
        self._function = function
        self._server = server
        self._environment = {**environment_of(function), **environment}

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile()
        reader, writer = os.pipe()
        with cores.on(cores.FUNCTION):
            self._process = subprocess.Popen(
                [sys.executable, "-P", _WORKER, self._function.module],
                env={**self._environment, "WORKER_ANSWERS": str(writer)},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,  # the log: written, and read by nobody
                stderr=self._errors,
                pass_fds=[writer],
                text=True,
            )
        os.close(writer)
        self._answers = os.fdopen(reader)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.__exit__(kind, error, traceback)
        self._answers.close()
        self._errors.close()

    def measure(self, event: Path, times: int = 1) -> Measurement:
        """Calls the function. Raises `NotMeasured` where not each prediction came out once."""
        rides = times * event.read_bytes().count(b'"eventID"')
        before = self._server.taken()
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"event": str(event), "times": times}) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if (taken := self._server.taken() - before) != rides:
            raise NotMeasured(f"{self._function.name}: {rides} rides, {taken} predictions")
        return answer

    def _answer(self) -> Measurement:
        line = self._answers.readline()
        if not line:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace")[-2000:]
            raise NotMeasured(f"{self._function.name} ended: {said}")
        answer = msgspec.json.decode(line, type=dict[str, object])
        if "failure" in answer:
            raise NotMeasured(f"{self._function.name} failed: {answer['failure']}")
        return msgspec.convert(answer, Measurement)


def cold(
    function: Function, server: Server, environment: Mapping[str, str], event: Path
) -> Measurement:
    """One event, in a process of its own."""
    with Worker(function, server, environment) as worker:
        return worker.measure(event)
