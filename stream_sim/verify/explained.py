"""The account of all rides: counts, and an explanation of what is wrong with a ride."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from stream_sim import ledger
from stream_sim.ledger import Run
from stream_sim.verify.account import Account, Accuracy, Counts, Latency, Survived
from stream_sim.verify.reconciliation import Reconciliation
from stream_sim.verify.rides import (
    ANSWERED_AS_ANOTHER,
    FAILED,
    NO_DURATION,
    PREDICTED,
    REASONS,
    REDRIVEN,
    REJECTED,
    TAKEN,
)
from stream_sim.verify.timeline import Timeline

_MOST_NAMED: Final = 1_000

Rows = NDArray[np.void]
Mask = NDArray[np.bool_]


class _Sums:
    """Totals over all rows, block by block."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.sent_with: Counter[str] = Counter()
        self.survived: Counter[str] = Counter()
        self.lost: list[str] = []
        self.unexpected: list[str] = []

    def add(self, run: Run, faults: Sequence[str], first: int, rows: Rows) -> None:
        is_ = {bit: (rows["state"] & bit) > 0 for bit in (PREDICTED, REJECTED, FAILED)}
        answered = is_[PREDICTED] | is_[REJECTED] | is_[FAILED]
        taken = (rows["state"] & TAKEN) > 0
        lost = taken & ~answered
        wrong = _wrong(rows)
        groups = {
            "sent": taken | answered,
            "predicted": is_[PREDICTED],
            "rejected": is_[REJECTED] & ~is_[PREDICTED],
            "failed": is_[FAILED] & ~is_[PREDICTED] & ~is_[REJECTED],
            "lost": lost,
            "redriven": (rows["state"] & REDRIVEN) > 0,
            "unanswered": ~taken & ~answered,
            "unexpected": wrong,
        }
        self.counts.update({name: int(np.count_nonzero(mask)) for name, mask in groups.items()})
        for code in np.unique(rows["came"][is_[REJECTED]]).tolist():
            came = np.count_nonzero(is_[REJECTED] & (rows["came"] == code))
            self.reasons[REASONS[code - 1]] += int(came)
        as_expected = answered & ~wrong & ~groups["failed"]
        for code, fault in enumerate(faults, start=1):
            with_it = (rows["fault"] == code) & groups["sent"]
            self.sent_with[fault] += int(np.count_nonzero(with_it))
            self.survived[fault] += int(np.count_nonzero(with_it & as_expected))
        self.lost += _named(run, first, lost, _MOST_NAMED - len(self.lost))
        self.unexpected += _explained(run, first, rows, wrong, _MOST_NAMED - len(self.unexpected))


def account(reconciliation: Reconciliation, runs: Mapping[int, Run]) -> Account:
    """The account of all rides in their current state."""
    sums = _Sums()
    for part, rides in reconciliation.rides.items():
        for first, rows in rides.blocks():
            sums.add(runs[part], rides.faults, first, rows)
    counts = sums.counts
    others = {
        "rides have an outcome, but are not in the ledger": reconciliation.never_sent,
        "more outcomes name events that were never sent": reconciliation.dropped,
    }
    sums.unexpected += [f"{number:,} {what}" for what, number in others.items() if number]
    return Account(
        rides=Counts(
            sent=counts["sent"],
            predicted=counts["predicted"],
            rejected=counts["rejected"],
            failed=counts["failed"],
            lost=counts["lost"],
            repeated=reconciliation.repeated,
            redriven=counts["redriven"],
        ),
        reasons=dict(sorted(sums.reasons.items())),
        models=dict(sorted(reconciliation.models.items())),
        faults={
            fault: Survived(number, sums.survived[fault])
            for fault, number in sorted(sums.sent_with.items())
        },
        accuracy=dict(_accuracy(reconciliation)),
        unanswered=counts["unanswered"],
        latency_ms=_latency(reconciliation.timeline),
        rides_per_second=_rides_per_second(reconciliation, counts["sent"]),
        lost=sums.lost,
        unexpected_count=counts["unexpected"] + sum(others.values()),
        unexpected=sums.unexpected,
    )


def _wrong(rows: Rows) -> Mask:
    """Which rides had an outcome other than the expected one, or two outcomes. Shape (n,)."""
    state = rows["state"]
    predicted, rejected = (state & PREDICTED) > 0, (state & REJECTED) > 0
    once = (state & REDRIVEN) == 0  # a redriven ride may have another outcome
    two = (predicted & rejected) | (((state & FAILED) > 0) & (predicted | rejected))
    otherwise = (predicted & (rows["reason"] > 0)) | (
        rejected & ~(predicted & ~once) & (rows["came"] != rows["reason"])
    )
    wrong: Mask = (two & once) | otherwise | ((state & (ANSWERED_AS_ANOTHER | NO_DURATION)) > 0)
    return wrong


def _named(run: Run, first: int, chosen: Mask, most: int) -> list[str]:
    return [ledger.ride_id(run, first + int(i)) for i in np.flatnonzero(chosen)[: max(0, most)]]


def _explained(run: Run, first: int, rows: Rows, wrong: Mask, most: int) -> Iterator[str]:
    for i in np.flatnonzero(wrong)[: max(0, most)].tolist():
        row = rows[i]
        yield f"{ledger.ride_id(run, first + i)}: {_explanation(row)}"


def _explanation(row: np.void) -> str:
    state = int(row["state"])
    reason, came = (_reason(int(row[name])) for name in ("reason", "came"))
    if state & ANSWERED_AS_ANOTHER:
        return "an outcome names an event that it was not sent as"
    if state & NO_DURATION:
        return "predicted to take an impossible time"
    if state & PREDICTED and state & REJECTED and not state & REDRIVEN:
        return "both predicted and rejected"
    if state & FAILED and state & (PREDICTED | REJECTED) and not state & REDRIVEN:
        return f"given up on, and {'predicted' if state & PREDICTED else 'rejected'}"
    if state & PREDICTED and reason:
        return f"predicted; should have been rejected as {reason}"
    wanted = f"rejected as {reason}" if reason else "predicted"
    return f"rejected as {came}; should have been {wanted}"


def _reason(code: int) -> str | None:
    return REASONS[code - 1] if code else None


def _accuracy(reconciliation: Reconciliation) -> Iterator[tuple[str, Accuracy]]:
    for model, errors in sorted(reconciliation.errors.items()):
        if accuracy := errors.accuracy():
            yield model, accuracy


def _latency(timeline: Timeline) -> Latency | None:
    p50, p95, p99 = (timeline.percentile(percent) for percent in (50, 95, 99))
    return None if p50 is None or p95 is None or p99 is None else Latency(p50, p95, p99)


def _rides_per_second(reconciliation: Reconciliation, sent: int) -> float | None:
    """From the first put to the last prediction."""
    first = min((part.first_sent_at for part in reconciliation.rides.values()), default=0.0)
    last = reconciliation.last_arrived_at
    return round(sent / max(last - first, 1e-3), 1) if last else None
