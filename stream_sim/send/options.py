"""The options of `send`, and the job given to each of its processes."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from stream_sim.ledger import Run


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The command's options, as given; None if not given.

    `rate` is rides a second, `duration` seconds, `malformed` a share from 0 to 1, `fan_out` whether
    the stream's function reads it with enhanced fan-out.
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
    """One part of a run: the whole request, the ledger's first line, and the ledger's folder."""

    request: Request
    run: Run
    folder: Path


def encoded(value: Request | Job) -> bytes:
    """As JSON, with absolute paths."""
    return msgspec.json.encode(value, enc_hook=_absolute)


def decoded_job(data: bytes | str) -> Job:
    return msgspec.json.decode(data, type=Job, dec_hook=_path)


def _absolute(path: object) -> str:
    return str(Path(str(path)).resolve())


def _path(_: type, text: object) -> Path:
    return Path(str(text))
