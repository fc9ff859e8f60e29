"""The features of parcels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ride_scoring.errors import ModelRefused

from .events import DEPOTS, Parcel

CATALOGUE: Final[Mapping[str, Callable[[Parcel], float]]] = {
    "weight_kg": lambda parcel: parcel.weight_kg,
    "depots_apart": lambda parcel: abs(
        DEPOTS.index(parcel.depot) - DEPOTS.index(parcel.destination)
    ),
}


FRACTIONAL: Final = frozenset({"weight_kg"})


def require_known(names: Sequence[str]) -> None:
    if unknown := set(names) - set(CATALOGUE):
        raise ModelRefused(f"the model's signature names the features {sorted(unknown)}")


def matrix(
    names: Sequence[str],
    parcels: Sequence[Parcel],
    arrived_at: Sequence[float],  # noqa: ARG001 - no feature of a parcel's has to do with time
) -> NDArray[np.float64]:
    rows = [[CATALOGUE[name](parcel) for name in names] for parcel in parcels]
    return np.array(rows, dtype=np.float64)


def dicts(parcels: Sequence[Parcel]) -> list[dict[str, object]]:
    return [{"depot": parcel.depot, "weight_kg": parcel.weight_kg} for parcel in parcels]
