"""What is asked of `send`, and what one of its processes is told."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from stream_sim.send.ledger import Run


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The command's options, as they were given.

    `rate` is rides a second, `duration` seconds, `malformed` a share from 0 to 1, `fan_out` whether
    the stream's function reads it with enhanced fan-out. What is None was not given.
    """

    stream: str
    count: int | None = None
    duration: float | None = None
    rate: float | None = None
    shapes: Sequence[str] = ()
    faults: Sequence[str] = ()
    malformed: float = 0.01
    drifts: Sequence[str] = ()
    aggregate: bool = False
    fan_out: bool = False
    trips: Path | None = None
    speed_up: float | None = None
    profile: Path | None = None
    processes: int | None = None
    seed: int = 1
    out: Path | None = None
    as_json: bool = False


class Job(msgspec.Struct, frozen=True):
    """One part of a run: what is asked of the whole, its first line, and where its ledger lies."""

    request: Request
    run: Run
    folder: Path


def encoded(value: Request | Job) -> bytes:
    """As JSON, paths as absolute ones."""
    return msgspec.json.encode(value, enc_hook=_absolute)


def decoded_job(data: bytes | str) -> Job:
    return msgspec.json.decode(data, type=Job, dec_hook=_path)


def _absolute(path: object) -> str:
    return str(Path(str(path)).resolve())


def _path(_: type, text: object) -> Path:
    return Path(str(text))
