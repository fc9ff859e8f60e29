"""Reads and writes profile statistics as an npz file of a few tens of kilobytes.

Output is deterministic. Pickle is neither written nor read.
"""

import functools
import importlib.resources
import io
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from infra.common import console
from infra.common.console import UserError
from trips.profile.profile import RideProfile
from trips.profile.statistics import ARRAYS, Statistics

_SHIPPED: Final = "green_2023_01.npz"
_ADVICE: Final = "fit one with `python -m stream_sim profile fit TRIPS.parquet --out PROFILE.npz`"


_DAMAGE: Final = (
    ValueError,
    KeyError,
    IndexError,
    EOFError,
    RuntimeError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Errors raised when reading a truncated, corrupted or unrelated file."""


@functools.lru_cache(maxsize=1)
def load() -> RideProfile:
    """The bundled profile: New York's green taxis in January 2023."""
    shipped = importlib.resources.files("trips.profile") / _SHIPPED
    with shipped.open("rb") as file:
        return RideProfile(_statistics(file))


def read(path: Path) -> RideProfile:
    """Reads a profile from a file. Raises `UserError`."""
    try:
        with path.open("rb") as file:
            return RideProfile(_statistics(file))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): {_ADVICE}") from None
    except _DAMAGE as error:
        raise UserError(f"{path} holds no profile of rides, or a damaged one: {_ADVICE}") from error


def write(statistics: Statistics, path: Path) -> None:
    """Writes the file, replacing any existing one. Raises `UserError`."""
    console.require_writable(path)
    # Single precision: seven digits exceed the precision of the data.
    values: dict[str, Any] = {name: np.float32(getattr(statistics, name)) for name in ARRAYS}
    archive = io.BytesIO()
    np.savez_compressed(archive, fitted_to=np.array(statistics.fitted_to), **values)
    try:
        path.write_bytes(archive.getvalue())
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): free some space") from None


def _statistics(file: IO[bytes]) -> Statistics:
    """Raises one of `_DAMAGE` if the file is damaged."""
    archive = np.load(file, allow_pickle=False)
    values = {name: archive[name].astype(np.float64) for name in ARRAYS}
    return Statistics(fitted_to=str(archive["fitted_to"]), **values)
