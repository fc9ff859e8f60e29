"""The sentences and numbers of the report page."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from stream_sim.ledger import Run
from stream_sim.traffic import faults
from stream_sim.verify.account import Account

_CALLED_FOR: Final = {
    **{kind: reason for kind, (reason, _) in faults.MALFORMED.items()},
    faults.DAMAGED_KPL: "kpl_damaged",
}
"""The reason a ride with the fault must be rejected for."""


def verdict(account: Account) -> str:
    """Whether every ride is accounted for, in one sentence."""
    rides = account.rides
    if account.clean and not rides.sent:
        return "No ride was sent"
    if account.clean:
        came = f"{rides.predicted:,} predicted, {rides.rejected:,} rejected"
        return f"{_all(rides.sent)} accounted for: {came}"
    wrong = [
        f"{rides.lost:,} {'is' if rides.lost == 1 else 'are'} lost" if rides.lost else "",
        f"{rides.failed:,} failed" if rides.failed else "",
        f"{account.unexpected_count:,} had an unexpected outcome"
        if account.unexpected_count
        else "",
    ]
    return f"Of {_rides(rides.sent)}, {', '.join(filter(None, wrong))}"


def notes(account: Account) -> Iterator[str]:
    """What the verdict leaves open, in sentences."""
    with_fault = sum(fault.sent for fault in account.faults.values())
    survived = sum(fault.as_expected for fault in account.faults.values())
    if with_fault:
        came = "all" if survived == with_fault else f"{survived:,}"
        yield f"Of {_rides(with_fault)} sent with a fault, {came} had the expected outcome."
    if account.rides.failed:
        yield "Failed rides are kept, and python -m operations redrive sends them again."
    if account.unanswered:
        yield (
            f"In doubt: {_rides(account.unanswered)}. Their PutRecords got no response, "
            "and they have no outcome, so they count neither as sent nor as lost."
        )


def called_for(account: Account, reason: str) -> int:
    """How many rides had to be rejected for that reason because of their fault, and were."""
    return sum(
        survived.as_expected
        for fault, survived in account.faults.items()
        if _CALLED_FOR.get(fault) == reason
    )


def options(runs: Sequence[Run]) -> Mapping[str, str]:
    """Each option's value; all values if parts differ."""
    return _joined([run.options for run in runs])


def versions(runs: Sequence[Run]) -> Mapping[str, str]:
    return _joined([run.versions for run in runs])


def number(value: float) -> str:
    """Three significant digits, or all integer digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def milliseconds(value: float) -> str:
    """`210 ms`, `4.2 s`."""
    return f"{number(value)} ms" if value < 1_000 else f"{number(value / 1_000)} s"


def began_at(runs: Sequence[Run]) -> str:
    """When the first part began."""
    return moment(datetime.fromtimestamp(min(run.began_at for run in runs), UTC))


def moment(at: datetime) -> str:
    """`14 January 2023, 13:31:05 UTC`."""
    return f"{at.day} {at:%B %Y, %H:%M:%S %Z}"


def _joined(parts: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: "; ".join(dict.fromkeys(_value(part[name]) for part in parts if name in part))
        for name in names
    }


def _value(value: object) -> str:
    match value:
        case None:
            return "not given"
        case []:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_value, value))
    return str(value)


def _all(count: int) -> str:
    return "The one ride is" if count == 1 else f"All {count:,} rides are"


def _rides(count: int) -> str:
    return f"{count:,} {'ride' if count == 1 else 'rides'}"
