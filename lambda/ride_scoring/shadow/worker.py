"""The shadow's process: reads batches from the function's pipe and returns results until it closes.

    python -m ride_scoring.shadow.worker FILE_NUMBER

It is wired from the same environment as the function, and writes to the same log.
"""

import ctypes
import os
import signal
import sys
import time
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from ride_scoring import aws, settings
from ride_scoring.errors import RideScoringError
from ride_scoring.shadow.process import Asked
from ride_scoring.shadow.scorer import Shadow, ShadowResult
from ride_scoring.telemetry import Telemetry
from ride_scoring.wiring import Services, wire_shadow

_SET_PARENT_DEATH_SIGNAL: Final = 1
"""prctl's PR_SET_PDEATHSIG: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html"""


def main(file_number: int) -> None:
    """Serves requests until the function is gone."""
    _end_with_the_function()
    pipe = Connection(file_number)
    try:
        shadow = _shadow()
    except RideScoringError as error:
        shadow = None
        why = str(error)
    decoder = msgspec.json.Decoder(Asked)
    encode = msgspec.json.Encoder().encode
    pipe.send_bytes(encode(ShadowResult(0)))  # it has started
    while (asked := _next(pipe, decoder)) is not None:
        result = ShadowResult(0, why) if shadow is None else _scored(shadow, asked)
        pipe.send_bytes(encode(result))


def _shadow() -> Shadow:
    config = settings.read(os.environ)
    Telemetry(config.powertools_service_name)  # sets up the function's log format
    services = aws.connect(os.environ)
    return wire_shadow(config, Services(services.s3, services.kinesis))


def _scored(shadow: Shadow, asked: Asked) -> ShadowResult:
    ends_at = time.monotonic() + asked.seconds_left
    return shadow.score(asked.scored, asked.scored_at, lambda: ends_at - time.monotonic())


def _next(pipe: Connection, decoder: "msgspec.json.Decoder[Asked]") -> Asked | None:
    try:
        return decoder.decode(pipe.recv_bytes())
    except (EOFError, OSError):  # the function closed its end, or was killed
        return None


def _end_with_the_function() -> None:
    """Even if a model that hangs keeps it from noticing that its pipe was closed."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]))
