"""Faults that rides are sent with: `--fault` and `--malformed` in, which ride has which out.

Each has its rate, the share of all rides that have it, and no ride has two.
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
"""Sent once more within two seconds, byte for byte: copies come on top of what is asked for."""
LATE: Final = "late"
"""Held back for 2 to 10 seconds."""
OUT_OF_ORDER: Final = "out-of-order"
"""Held back for up to a second, so that later ones overtake it."""
HUGE: Final = "huge"
"""As large as a record may be, with a field that nobody knows."""
AGGREGATED: Final = "aggregated"
"""In one record with its neighbours, 2 to 20 in all, as the Kinesis Producer Library packs them."""
DAMAGED_KPL: Final = "damaged-kpl"
"""In such a record, and a byte of that is another, or its end is cut off."""

GROUP: Final = range(2, 21)
"""How many rides such a record has."""
_MEAN_GROUP: Final = (GROUP.start + GROUP.stop - 1) / 2
_BLOCK: Final = 4_096
_ROUNDING: Final = 1e-9

Fault = Callable[[str], bytes]
"""A ride's id in, a record that can never be scored out."""

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
"""The share of rides that have each kind, all of them together at most 1."""


def parse(texts: Sequence[str], malformed: float) -> Rates:
    """The rates that the values of `--fault` (`KIND=RATE`) say, and `malformed` of any malformed
    kind. Raises `UserError`."""
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
            f"--fault and --malformed ({malformed:g}) come to {total:g}, and no ride has two "
            "faults: ask for 1 at most"
        )
    return {kind: rate for kind, rate in rates.items() if rate}


def _rate(text: str, kind: str, rate: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= (number := float(rate)) <= 1:
            return number
    raise UserError(f"--fault {text}: write {kind}=RATE, from 0 to 1")


def draw(rates: Rates, rng: np.random.Generator) -> Iterator[tuple[str | None, int]]:
    """The fault of the next ride, None for most, and how many rides in turn are in its record: 1,
    and of `aggregated` several. Without end."""
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
    the less often for it, and the others the more often."""
    rides = np.array([_MEAN_GROUP if kind == AGGREGATED else 1.0 for kind in rates])
    draws = np.array(list(rates.values())) / rides
    rides_a_draw = _MEAN_GROUP / (_MEAN_GROUP - (_MEAN_GROUP - 1) * rates.get(AGGREGATED, 0.0))
    return np.asarray(draws * rides_a_draw, dtype=np.float64)


def damaged(aggregate: bytes, rng: np.random.Generator) -> bytes:
    """The record with a byte changed, or cut off; it still begins as an aggregate does."""
    at = int(rng.integers(len(kpl.MAGIC), len(aggregate)))
    if rng.random() < 0.5:
        return aggregate[:at]
    return aggregate[:at] + bytes([aggregate[at] ^ 0xFF]) + aggregate[at + 1 :]


def _event(ride_id: str, zone: str = "130", distance: str = "3.66", version: str = "1") -> bytes:
    return (
        f'{{"schema_version": {version}, "ride_id": "{ride_id}", "ride": {{"PULocationID": {zone}, '
        f'"DOLocationID": 205, "trip_distance": {distance}}}}}'
    ).encode()
