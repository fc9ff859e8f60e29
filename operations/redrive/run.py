"""Documents in, counts out: what is new in each is sent, or only counted."""

from collections.abc import Callable, Iterable, Sequence, Set

import msgspec

from operations.redrive.documents import Document, Event
from operations.redrive.sender import Sender


class Counts(msgspec.Struct):
    """How many records were to be sent, were sent, and had been sent before; it grows on the way.

    One that lies in two objects counts as sent before in the second. `reasons` are of those to be
    sent, where they are rejects; `damaged` names objects; `from_no_stream` is how many rejects
    cannot be sent, as the function was not given them by a stream.
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
    """Goes through the documents, calls `each` after every one, and counts; without a sender it
    only counts.

    Raises `UserError` where the stream or the bucket does not take what it is given.
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
    """Those whose ids are not known; they are from here on."""
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
