"""Prints a feed's figures as a line every few seconds: text for logs, JSON for programs."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime

import msgspec

from operations.watch.feed import Contact, Feed
from operations.watch.figures import Figures, Latency


class Line(msgspec.Struct, frozen=True):
    """The contents of a JSON line. Rates and latencies cover the time since the previous line, at
    most five minutes; totals are since the watch began."""

    at: datetime
    in_per_second: float
    out_per_second: float
    backlog: int
    latency_ms: Latency | None
    taken_in: int
    predicted: int
    repeated: int
    rejects: dict[str, int]
    failed: int
    model: str | None
    version: str | None
    silent_seconds: float | None
    trouble: str | None


def lines(
    feed: Feed, every: float, duration: float | None, clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[Figures, Contact]]:
    """Yields figures every `every` seconds, for `duration` seconds or indefinitely.

    Lines missed while an endpoint did not respond are not made up for.
    """
    every = min(every, duration or every)
    began = said = clock()
    while duration is None or clock() - began < duration:
        feed.step()
        if clock() - said >= every:
            said += every * ((clock() - said) // every)
            yield feed.figures(round(every)), feed.contact()


def sentence(figures: Figures, contact: Contact) -> str:
    """One human-readable log line, in local time."""
    parts = [
        f"{figures.at.astimezone():%H:%M:%S}",
        f"in {figures.in_per_second:,.0f}/s",
        f"out {figures.out_per_second:,.0f}/s",
        f"backlog {figures.backlog:,}",
    ]
    if figures.latency_ms:
        parts += [f"p50 {figures.latency_ms.p50:,.0f} ms", f"p95 {figures.latency_ms.p95:,.0f} ms"]
    parts.append(f"rejects {sum(figures.rejects.values()):,}")
    if figures.failed:
        parts.append(f"failed {figures.failed:,}")
    if serving := serving_now(figures):
        parts.append(f"model {' '.join(serving)}")
    return " ".join(parts) + (f"; {said}" if (said := silence(contact)) else "")


def line(figures: Figures, contact: Contact) -> Line:
    """One machine-readable line."""
    model, version = serving_now(figures) or (None, None)
    return Line(
        figures.at,
        figures.in_per_second,
        figures.out_per_second,
        figures.backlog,
        figures.latency_ms,
        figures.taken_in,
        figures.predicted,
        figures.repeated,
        figures.rejects,
        figures.failed,
        model,
        version,
        contact.silent_seconds,
        contact.trouble,
    )


def serving_now(figures: Figures) -> tuple[str, str] | None:
    """Name and version of the champion's latest prediction."""
    champions = (served for served in figures.served if served.role == "champion")
    served = next(champions, None)
    return (served.model, served.version) if served else None


def silence(contact: Contact) -> str | None:
    """Message about an endpoint that does not respond; None if it does."""
    if contact.silent_seconds is None:
        return None
    why = f" ({contact.trouble})" if contact.trouble else ""
    return f"no response for {contact.silent_seconds:.0f} s{why}"
