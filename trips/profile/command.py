"""Implements `python -m stream_sim profile`: fits profiles to trip files and evaluates them."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from infra.common import console
from infra.common.console import UserError
from trips import tlc
from trips.columns import Trips, concatenated
from trips.profile import file
from trips.profile.fit import fit as fit_to
from trips.profile.profile import RideProfile
from trips.profile.ridden import usual


class Fitted(msgspec.Struct, frozen=True):
    """A fitted profile: file, size in bytes, source of the rides, and number of zone pairs with
    values of their own."""

    path: str
    bytes: int
    fitted_to: str
    pairs: int


def fit(files: Sequence[Path], out: Path, *, as_json: bool) -> None:
    """Fits a profile to TLC trip record files, a month or more. Raises `UserError`."""
    ridden = concatenated([tlc.read(path) for path in files])
    statistics = fit_to(ridden, ", ".join(path.name for path in files))
    file.write(statistics, out)
    fitted = Fitted(str(out), out.stat().st_size, statistics.fitted_to, len(statistics.pairs))
    if as_json:
        console.print_json(fitted)
        return
    console.out.print(
        f"{fitted.path}: {fitted.bytes:,} bytes, fitted to {fitted.fitted_to}; "
        f"{fitted.pairs:,} pairs of zones have values of their own",
        markup=False,
    )


def show(real: Path, neighbour: Path, profile: Path | None, seed: int, *, as_json: bool) -> None:
    """Prints distances between a profile's rides and a month's. Raises `UserError`.

    The bundled profile is used unless a file is given. As many rides are drawn as the month has:
    fewer would be further from it by chance alone.
    """
    # Importing scipy takes a second, which other simulator commands need not pay.
    from trips.profile import likeness, report  # noqa: PLC0415

    known = file.read(profile) if profile else file.load()
    month, other = _usual(real), _usual(neighbour)
    drawn = _drawn(known, len(month), seed)
    measures = likeness.compare(drawn, month, other)
    if as_json:
        console.print_json(measures)
        return
    console.out.print(report.table(measures))
    console.out.print(
        f"{len(drawn):,} rides drawn from a profile of {known.statistics.fitted_to}, against "
        f"{len(month):,} of {real.name} and {len(other):,} of {neighbour.name}: those of a minute "
        "to an hour. 0 is alike, 1 has nothing in common.",
        markup=False,
    )


def _usual(path: Path) -> Trips:
    found = usual(tlc.read(path))
    if not len(found):
        raise UserError(f"{path} holds no trips of a minute to an hour: name another")
    return found


def _drawn(profile: RideProfile, count: int, seed: int) -> Trips:
    rng = np.random.default_rng(seed)
    return usual(profile.trips(profile.pickups(count, rng), rng))
