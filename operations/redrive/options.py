"""Parses a redrive's options into a selection by reason and time. Pure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, get_args

import msgspec

from infra.common import spec
from infra.common.console import UserError
from ride_scoring.errors import RejectReason
from ride_scoring.streams.rejects import PREFIX as REJECTS_PREFIX
from stream_sim.kinesis.dead_letters import FAILURES_PREFIX

Source = Literal["rejects", "failures"]

MOST_RECORD_AGE_SECONDS: Final = 604_800
"""The largest finite maximum record age in Lambda:
https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-parameters.html"""

PREFIXES: Final[dict[Source, str]] = {"rejects": REJECTS_PREFIX, "failures": FAILURES_PREFIX}
_REASONS: Final[tuple[RejectReason, ...]] = get_args(RejectReason)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


class Selection(msgspec.Struct, frozen=True):
    """What to send: one source, these reasons (all if empty), rejected or failed since a time.

    No ride waits longer than `longest_wait` before it is rejected or fails.
    """

    source: Source
    reasons: frozenset[RejectReason] = frozenset()
    since: datetime | None = None
    longest_wait: timedelta = timedelta(seconds=MOST_RECORD_AGE_SECONDS)

    def takes(self, reason: RejectReason, rejected_at: datetime) -> bool:
        """Whether the selection includes a reject."""
        wanted = not self.reasons or reason in self.reasons
        return wanted and (self.since is None or in_utc(rejected_at) >= self.since)


def selection(
    source: Source,
    reasons: Sequence[str],
    since: str | None,
    now: datetime,
    record_age_seconds: int = MOST_RECORD_AGE_SECONDS,
) -> Selection:
    """Parses command-line values into a selection. Raises `UserError`."""
    if reasons and source == "failures":
        raise UserError(
            "--reason is for rejects: a failure has no reason of its own, leave it out or use "
            "--from rejects"
        )
    chosen = frozenset(_reason(word) for word in reasons)
    return Selection(
        source,
        chosen,
        None if since is None else _since(since, now),
        timedelta(seconds=record_age_seconds),
    )


def in_utc(time: datetime) -> datetime:
    """The time, taken as UTC if it has no time zone."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _reason(word: str) -> RejectReason:
    for reason in _REASONS:
        if reason == word:
            return reason
    raise UserError(
        f"{word!r} is no reason: is it {spec.closest(word, _REASONS)}? There are "
        f"{', '.join(_REASONS)}"
    )


def _since(text: str, now: datetime) -> datetime:
    try:
        if duration := re.fullmatch(r"([0-9]+)([mhd])", text):
            return now - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        return in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise UserError(
            f"{text!r} is not a time: --since takes one such as 2023-01-14T08:31:00Z (UTC unless "
            "it says otherwise), or how long ago, such as 90m, 2h or 3d"
        ) from None
