"""Sends, or only counts, the new events in each document."""

from collections.abc import Callable, Iterable, Sequence, Set

import msgspec

from operations.redrive.documents import Document, Event
from operations.redrive.sender import Sender


class Counts(msgspec.Struct):
    """Running counts of records to send, sent, and sent before.

    A record found in two objects counts as sent before in the second. `reasons` counts rejects to
    send by reason; `damaged` describes damaged objects; `from_no_stream` counts rejects that cannot
    be sent because they did not come from a stream.
    """

    to_send: int = 0
    sent: int = 0
    sent_before: int = 0
    reasons: dict[str, int] = {}
    damaged: list[str] = []
    from_no_stream: int = 0


def redrive(
    documents: Iterable[Document],
    sent_before: Set[str],
    sender: Sender | None,
    counts: Counts,
    each: Callable[[], None],
) -> None:
    """Sends and counts the documents' new events, calling `each` after every document; without a
    sender it only counts.

    Raises `UserError` if the stream or the bucket refuses a write.
    """

    def sent(number: int) -> None:
        counts.sent += number

    known = set(sent_before)
    for document in documents:
        fresh = _fresh(document.events, known)
        _count(counts, document, fresh)
        if sender:
            sender.send(document.key, fresh, sent)
        each()


def _fresh(events: Sequence[Event], known: set[str]) -> list[Event]:
    """The events whose ids are not yet known; adds them to `known`."""
    fresh: list[Event] = []
    for event in events:
        if known.isdisjoint((event.event_id, event.record_id)):
            fresh.append(event)
            known.add(event.event_id)
    return fresh


def _count(counts: Counts, document: Document, fresh: Sequence[Event]) -> None:
    counts.to_send += len(fresh)
    counts.sent_before += len(document.events) - len(fresh)
    counts.from_no_stream += document.from_no_stream
    for event in fresh:
        if event.reason:
            counts.reasons[event.reason] = counts.reasons.get(event.reason, 0) + 1
    if document.damage:
        counts.damaged.append(f"{document.key} is damaged: {document.damage}")
