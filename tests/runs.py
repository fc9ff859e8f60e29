"""Runs of the simulator as their ledgers and outcomes tell them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ride_scoring.domain.events import Prediction, Ride, RideDuration
from ride_scoring.errors import RejectReason
from ride_scoring.identity import Role
from ride_scoring.streams.records import Reject
from stream_sim import ledger
from stream_sim.ledger import Entry, Intended, Ledger, Run, Taken, TakenRecord

RUN = "0123abcd"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def a_run(part: int = 0, parts: int = 1, **changes: Any) -> Run:
    settings: dict[str, Any] = {
        "run": RUN,
        "part": part,
        "parts": parts,
        "began_at": BEGAN.timestamp(),
        "stream": "ride-events",
        "options": {"rate": 500.0},
        "versions": {"python": "3.13"},
    }
    return Run(**settings | changes)


def ride_id(number: int, part: int = 0) -> str:
    return ledger.ride_id(a_run(part), number)


def event_id(number: int) -> str:
    """What the stream takes a plain ride of that number as, in `sent`."""
    return f"shard-0:{number}"


def sent(count: int, **intended: Any) -> list[Entry]:
    """Rides of 12 minutes, put and taken one by one; `intended` says what is special."""
    return [
        Intended(0, [12.0] * count, **intended),
        Taken(BEGAN.timestamp(), [TakenRecord(n, 0, event_id(n)) for n in range(count)]),
    ]


def write(folder: Path, entries: Sequence[Entry], run: Run | None = None) -> Path:
    with Ledger(folder, run or a_run()) as book:
        for entry in entries:
            book.write(entry)
    return folder


def a_prediction(
    number: int,
    event: str | None = None,
    *,
    minutes: float = 12.0,
    version: str = "3",
    role: Role = "champion",
    ride: str | None = None,
) -> Prediction:
    return Prediction(
        model="ride-duration",
        version=version,
        prediction=RideDuration(minutes, ride or ride_id(number)),
        event_id=event or event_id(number),
        run_id="run",
        role=role,
        ride=Ride(1, 2, 3.0),
        arrived_at=BEGAN,
        scored_at=BEGAN,
    )


def a_reject(
    number: int, reason: RejectReason = "not_json", event: str | None = None, key: str | None = None
) -> Reject:
    at = BEGAN + timedelta(seconds=1)
    return Reject(event or event_id(number), reason, "", "", key or ride_id(number), at, at)
