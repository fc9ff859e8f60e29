"""Fault injection into rides: `--fault` and `--malformed` determine which rides have which fault.

Each fault has a rate, its share of all rides, and no ride has two.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from infra.common import spec
from infra.common.console import UserError
from ride_scoring.errors import RejectReason
from ride_scoring.streams import kpl

DUPLICATE: Final = "duplicate"
"""Sent again within two seconds, byte for byte: copies add to the requested rides."""
LATE: Final = "late"
"""Delayed by 2 to 10 seconds."""
OUT_OF_ORDER: Final = "out-of-order"
"""Delayed by up to a second, so that later ones overtake it."""
HUGE: Final = "huge"
"""As large as a record may be, padded with an unknown field."""
AGGREGATED: Final = "aggregated"
"""In one record with its neighbours, 2 to 20 in all, as packed by the Kinesis Producer Library."""
DAMAGED_KPL: Final = "damaged-kpl"
"""In such a record, with one byte changed or the end cut off."""

GROUP: Final = range(2, 21)
"""How many rides such a record holds."""
_MEAN_GROUP: Final = (GROUP.start + GROUP.stop - 1) / 2
_BLOCK: Final = 4_096
_ROUNDING: Final = 1e-9

Fault = Callable[[str], bytes]
"""Makes a record for that ride id which can never be scored."""

MALFORMED: Final[Mapping[str, tuple[RejectReason, Fault]]] = {
    "cut-off": ("not_json", lambda ride_id: _event(ride_id)[:-9]),
    "empty": ("not_json", lambda _: b""),
    "not-a-number": ("not_json", lambda ride_id: _event(ride_id, distance="NaN")),
    "latin-1": (
        "not_utf8",
        lambda ride_id: _event(f"caf\u00e9-{ride_id}").decode().encode("latin-1"),
    ),
    "no-distance": ("schema", lambda ride_id: _event(ride_id).replace(b"trip_distance", b"miles")),
    "zone-as-text": ("schema", lambda ride_id: _event(ride_id, zone='"130"')),
    "newer-schema": ("schema_version", lambda ride_id: _event(ride_id, version="2")),
    "zone-0": ("out_of_range", lambda ride_id: _event(ride_id, zone="0")),
    "broken-meter": ("out_of_range", lambda ride_id: _event(ride_id, distance="260000.0")),
}
"""Each kind, with the reason for which the function must reject it."""

KINDS: Final = (*MALFORMED, DUPLICATE, LATE, OUT_OF_ORDER, HUGE, AGGREGATED, DAMAGED_KPL)

Rates = Mapping[str, float]
"""The share of rides with each kind; the total is at most 1."""


def parse(texts: Sequence[str], malformed: float) -> Rates:
    """The rates given by the values of `--fault` (`KIND=RATE`), plus `malformed` spread over all
    malformed kinds. Raises `UserError`."""
    rates: dict[str, float] = {}
    for text in texts:
        kind, _, rate = text.partition("=")
        if kind not in KINDS:
            raise UserError(f"--fault {kind!r} is not known: {spec.nearest(kind, KINDS)}")
        if kind in rates:
            raise UserError(f"--fault {kind} is given twice")
        rates[kind] = _rate(text, kind, rate)
    for kind in MALFORMED:
        rates[kind] = rates.get(kind, 0.0) + malformed / len(MALFORMED)
    if (total := sum(rates.values())) > 1 + _ROUNDING:
        raise UserError(
            f"--fault and --malformed ({malformed:g}) add up to {total:g}, but no ride has "
            "two faults: ask for 1 at most"
        )
    return {kind: rate for kind, rate in rates.items() if rate}


def _rate(text: str, kind: str, rate: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (number := float(rate)) <= 1:
            return number
    raise UserError(f"--fault {text}: write {kind}=RATE, from 0 to 1")


def draw(rates: Rates, rng: np.random.Generator) -> Iterator[tuple[str | None, int]]:
    """The next ride's fault, None for most, and how many consecutive rides share its record: 1, or
    several for `aggregated`. Endless."""
    kinds = [*rates, None]
    bounds = np.cumsum(_draws(rates))
    bounds[bounds > 1 - _ROUNDING] = 1.0
    while True:
        chosen = np.searchsorted(bounds, rng.random(_BLOCK), side="right")
        sizes = rng.integers(GROUP.start, GROUP.stop, size=_BLOCK)
        for index, size in zip(chosen.tolist(), sizes.tolist(), strict=True):
            kind = kinds[index]
            yield kind, size if kind == AGGREGATED else 1


def _draws(rates: Rates) -> NDArray[np.float64]:
    """How often each kind is drawn. One draw of `aggregated` takes several rides, so it is drawn
    less often and the others more often."""
    rides = np.array([_MEAN_GROUP if kind == AGGREGATED else 1.0 for kind in rates])
    draws = np.array(list(rates.values())) / rides
    rides_a_draw = _MEAN_GROUP / (_MEAN_GROUP - (_MEAN_GROUP - 1) * rates.get(AGGREGATED, 0.0))
    return np.asarray(draws * rides_a_draw, dtype=np.float64)


def damaged(aggregate: bytes, rng: np.random.Generator) -> bytes:
    """The record with a byte changed, or truncated; it still begins as an aggregate does."""
    at = int(rng.integers(len(kpl.MAGIC), len(aggregate)))
    if rng.random() < 0.5:
        return aggregate[:at]
    return aggregate[:at] + bytes([aggregate[at] ^ 0xFF]) + aggregate[at + 1 :]


def _event(ride_id: str, zone: str = "130", distance: str = "3.66", version: str = "1") -> bytes:
    return (
        f'{{"schema_version": {version}, "ride_id": "{ride_id}", "ride": {{"PULocationID": {zone}, '
        f'"DOLocationID": 205, "trip_distance": {distance}}}}}'
    ).encode()
