"""Months of TLC trip records: parsing, file names and URLs."""

import datetime as dt
import os
import re
from typing import Final, Literal, Self

import msgspec

from infra.common.console import UserError

BASE_URL: Final = "https://d37ci6vzurychx.cloudfront.net/trip-data"
"""Location of TLC's files: https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page"""

Taxi = Literal["green", "yellow"]
_FIRST: Final[dict[Taxi, tuple[int, int]]] = {"green": (2013, 8), "yellow": (2009, 1)}
"""The first month that TLC publishes for each kind of taxi."""
_FIRST_YEAR_WITH_ZONES: Final = 2011
_MONTH: Final = re.compile(r"(?:(green|yellow)[ /])?(\d{4})-(\d{2})", re.ASCII)
_MONTH_LIKE: Final = re.compile(r"(?:(?:green|yellow|fhv|fhvhv)[ /])?\d{1,4}-\d{1,2}", re.ASCII)


def base_url() -> str:
    """Base URL of the trip record files; TRIP_DATA_URL overrides it with a mirror."""
    return os.environ.get("TRIP_DATA_URL") or BASE_URL


class Month(msgspec.Struct, frozen=True, order=True):
    """TLC's file of one kind of taxi for one month. `str()` gives "green/2023-01"."""

    taxi: Taxi
    year: int
    month: int

    @classmethod
    def parse(cls, text: str, today: dt.date | None = None) -> Self:
        """Parses "2023-01" (green by default), "green/2023-01" or "yellow 2023-01".

        Raises `UserError` if the text is not a month, or the month has no usable trips.
        """
        if not (match := _MONTH.fullmatch(text)) or not 1 <= int(match[3]) <= 12:
            raise UserError(
                f"{text} is not a month of taxi trips: write it as 2023-01, green/2023-01 or "
                "yellow/2023-01"
            )
        taxi: Taxi = "yellow" if match[1] == "yellow" else "green"
        month = cls(taxi, int(match[2]), int(match[3]))
        month._refuse_outside(today or dt.datetime.now(tz=dt.UTC).date())
        return month

    def _refuse_outside(self, today: dt.date) -> None:
        first_year, first_month = _FIRST[self.taxi]
        if (self.year, self.month) < (first_year, first_month):
            raise UserError(
                f"{self} is before TLC's first month of {self.taxi} trips: name one from "
                f"{first_year}-{first_month:02} on"
            )
        if self.year < _FIRST_YEAR_WITH_ZONES:
            raise UserError(
                f"{self} is of the years in which TLC's files have longitudes and latitudes in "
                f"place of zones: name a month from {_FIRST_YEAR_WITH_ZONES}-01 on"
            )
        if (self.year, self.month) > (today.year, today.month):
            raise UserError(f"{self} is in the future: name a past month")

    def __str__(self) -> str:
        return f"{self.taxi}/{self.calendar_month}"

    @property
    def calendar_month(self) -> str:
        """The month without the taxi: "2023-01"."""
        return f"{self.year:04}-{self.month:02}"

    @property
    def file_name(self) -> str:
        return f"{self.taxi}_tripdata_{self.calendar_month}.parquet"

    def url(self, url_base: str | None = None) -> str:
        """URL of the file, under `base_url()` by default."""
        return f"{(url_base or base_url()).rstrip('/')}/{self.file_name}"

    def before(self) -> "Month":
        """The previous month of the same kind of taxi, which TLC may not have."""
        if self.month == 1:
            return Month(self.taxi, self.year - 1, 12)
        return Month(self.taxi, self.year, self.month - 1)


def is_like_a_month(text: str) -> bool:
    """Whether the text is meant as a month rather than a file, even if malformed."""
    return _MONTH_LIKE.fullmatch(text) is not None
