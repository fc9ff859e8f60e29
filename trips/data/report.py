"""Reports on the contents of a source and on which records were kept."""

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from trips.data.source import Source
from trips.rules import RuleCount
from trips.trip_records import TripRecords


class ColumnReport(msgspec.Struct, frozen=True):
    """A column as in the file. Times are ISO strings; bounds are None if no value is finite."""

    name: str
    type: str
    nulls: int
    minimum: int | float | str | None
    maximum: int | float | str | None


class DataReport(msgspec.Struct, frozen=True):
    """Report on one source. Columns and rules cover all rows, the pickup fields only kept rows.

    `month`, as "2023-01", is the source's month or else the most common one; `outside_month_share`
    is the share of pickups outside it. The four pickup fields are None if no row was kept.
    """

    source: str
    sha256: str
    rows: int
    kept: int
    columns: tuple[ColumnReport, ...]
    rules: tuple[RuleCount, ...]
    kept_share: float
    first_pickup: str | None
    last_pickup: str | None
    month: str | None
    outside_month_share: float | None
    repeated: int | None = None
    """Rows that duplicate an earlier one in these columns, such as fare reversals. They are kept.
    None in older reports, which did not count them."""


def report_on(source: Source, kept: NDArray[np.bool_], counts: tuple[RuleCount, ...]) -> DataReport:
    """Reports the outcome of `rules.apply` on a source; `kept` is its mask, shape (n,)."""
    records = source.records
    pickups = records.pickup[kept]
    month, outside = _month(pickups, source)
    return DataReport(
        source=source.name,
        sha256=source.sha256,
        rows=len(records),
        kept=len(pickups),
        columns=tuple(_columns(records)),
        rules=counts,
        kept_share=len(pickups) / len(records),
        first_pickup=_iso(pickups.min()) if len(pickups) else None,
        last_pickup=_iso(pickups.max()) if len(pickups) else None,
        month=month,
        outside_month_share=outside,
        repeated=_repeated(records),
    )


def _repeated(records: TripRecords) -> int:
    columns = {str(at): values for at, (_, _, values) in enumerate(records.columns())}
    return int(pd.DataFrame(columns).duplicated().sum())


def _columns(records: TripRecords) -> Iterator[ColumnReport]:
    for name, kind, values in records.columns():
        missing = np.isnan(values) if values.dtype.kind == "f" else np.isnat(values)
        finite = values[np.isfinite(values)]
        ends = (finite.min(), finite.max()) if len(finite) else (None, None)
        low, high = (_plain(end, kind) for end in ends)
        yield ColumnReport(name, kind, int(missing.sum()), low, high)


def _plain(value: np.generic | None, kind: str) -> int | float | str | None:
    if value is None:
        return None
    if isinstance(value, np.datetime64):
        return _iso(value)
    return int(value.item()) if "int" in kind else float(value.item())


def _iso(time: np.datetime64) -> str:
    """ISO 8601 to the second, the resolution of TLC's records."""
    return str(time.astype("datetime64[s]"))


def _month(pickups: NDArray[np.datetime64], source: Source) -> tuple[str | None, float | None]:
    if not len(pickups):
        return None, None
    months = pickups.astype("datetime64[M]")
    if source.month:
        month = np.datetime64(source.month.calendar_month, "M")
    else:
        found, counts = np.unique(months, return_counts=True)
        month = found[np.argmax(counts)]
    return str(month), float(np.mean(months != month))


_TITLE: Final = "{0.source}: {0.kept:,} of {0.rows:,} trips kept ({0.kept_share:.1%})"


def table(report: DataReport) -> Table:
    """Formats the report for a terminal: columns above, rules below."""
    whole = Table.grid(padding=(0, 0, 0, 2), pad_edge=True)
    whole.title = Text(_TITLE.format(report))  # no markup: paths and types may contain brackets
    whole.title_justify = "left"
    whole.add_column()
    whole.add_row(_columns_table(report))
    whole.add_row(_rules_table(report))
    if report.repeated:
        whole.add_row(f"{report.repeated:,} rows repeat an earlier one, and are kept")
    if report.outside_month_share is not None:
        whole.add_row(
            f"pickups {_text(report.first_pickup)} to {_text(report.last_pickup)}, "
            f"{report.outside_month_share:.3%} outside of {report.month}"
        )
    return whole


def _columns_table(report: DataReport) -> Table:
    columns = Table("column", "type", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("missing", "least", "most"):
        columns.add_column(title, justify="right")
    for column in report.columns:
        ends = (_text(column.minimum), _text(column.maximum))
        columns.add_row(column.name, Text(column.type), f"{column.nulls:,}", *ends)
    return columns


def _rules_table(report: DataReport) -> Table:
    rules = Table("dropped for a", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("trips", "kept by this rule alone"):
        rules.add_column(title, justify="right")
    for rule in report.rules:
        rules.add_row(rule.reason, f"{rule.dropped:,}", f"{rule.share_kept:.2%}")
    return rules


def _text(value: float | str | None) -> str:
    """Formats a value to fit five columns in 80 characters: times to the minute."""
    if value is None:
        return "none"
    return value[:16].replace("T", " ") if isinstance(value, str) else f"{value:,}"
