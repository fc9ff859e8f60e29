"""Items of a bill, and the units they share."""

from typing import Final

import msgspec

MONTH_HOURS: Final = 730
MONTH_SECONDS: Final = MONTH_HOURS * 3600
GIB: Final = 1024**3
"""Bytes in what AWS bills as a GB."""


class Item(msgspec.Struct, frozen=True):
    """One line of the bill: service, item, quantity per month, US dollars per month."""

    service: str
    name: str
    quantity: str
    usd: float


def amount(number: float) -> str:
    """Formats a number for people: 262.8 million."""
    for least, word in ((1e9, " billion"), (1e6, " million")):
        if number >= least:
            return f"{number / least:,.1f}{word}"
    return f"{number:,.0f}"
