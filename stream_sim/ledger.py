"""What was sent, on disk before it counts as sent: a simulator that is killed can be reconciled.

One JSON line before a put (what is about to be sent) and one after (what the stream took).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Self

import msgspec

from infra.console import UserError
from ride_scoring.events import RejectReason

FILE_NAME: Final = "ledger.ndjson"


class Intended(msgspec.Struct, frozen=True, tag="intended"):
    """About to be sent. `reason` is why it must be rejected, None where it must be predicted."""

    ride_id: str
    reason: RejectReason | None


class Taken(msgspec.Struct, frozen=True, tag="taken"):
    """The stream took it, as the record `event_id`, at `sent_at` seconds since the epoch."""

    ride_id: str
    event_id: str
    sent_at: float


class SentRide(msgspec.Struct, frozen=True):
    """One ride as the ledger knows it; `event_id` is None where no answer to the put was seen."""

    ride_id: str
    reason: RejectReason | None
    event_id: str | None
    sent_at: float | None


class Ledger:
    """Appends to one run's ledger."""

    def __init__(self, folder: Path) -> None:
        """Raises `UserError` where the folder has a ledger: it may not be reconciled yet."""
        path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("xb")
        except OSError as error:
            raise UserError(
                f"{path} cannot be begun ({error.strerror}): name another folder with --out"
            ) from None
        self._encoder = msgspec.json.Encoder()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, entries: Iterable[Intended | Taken]) -> None:
        """Appends the entries and hands them to the operating system."""
        self._file.write(self._encoder.encode_lines(list(entries)))
        self._file.flush()


def read(folder: Path) -> Mapping[str, SentRide]:
    """The rides of a ledger by id. A last line that was cut off by a kill is passed over."""
    path = folder / FILE_NAME
    try:
        lines: Sequence[bytes] = path.read_bytes().splitlines(keepends=True)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"{path} is not there: send rides first, with `python -m stream_sim send`"
        ) from None
    decoder = msgspec.json.Decoder(Intended | Taken)
    rides: dict[str, SentRide] = {}
    for line in lines:
        if not line.endswith(b"\n"):
            break
        try:
            entry = decoder.decode(line)
        except msgspec.DecodeError as error:
            raise UserError(f"{path} is damaged: {error}") from error
        match entry:
            case Intended(ride_id, reason):
                rides[ride_id] = SentRide(ride_id, reason, None, None)
            case Taken(ride_id, event_id, sent_at):
                rides[ride_id] = SentRide(ride_id, rides[ride_id].reason, event_id, sent_at)
    return rides


def newest(folder: Path) -> Path:
    """The folder below `folder` whose ledger was written last. Raises `UserError`."""
    ledgers = sorted(folder.glob(f"*/{FILE_NAME}"), key=lambda path: path.stat().st_mtime)
    if not ledgers:
        raise UserError(
            f"{folder} holds no ledger: send rides first, with `python -m stream_sim send`"
        )
    return ledgers[-1].parent
