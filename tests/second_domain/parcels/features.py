"""The features of parcels."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ride_scoring.errors import ModelRefused
from ride_scoring.fields import Field

from .events import DEPOTS, Parcel

CATALOGUE: Final[Mapping[str, Callable[[Parcel], float]]] = {
    "weight_kg": lambda parcel: parcel.weight_kg,
    "depots_apart": lambda parcel: abs(
        DEPOTS.index(parcel.depot) - DEPOTS.index(parcel.destination)
    ),
}
_TEXTS: Final[Mapping[str, Callable[[Parcel], str]]] = {
    "depot": lambda parcel: parcel.depot,
    "destination": lambda parcel: parcel.destination,
}


FRACTIONAL: Final = frozenset({"weight_kg"})


FIELDS_UNSEEN: Final = (Field("depot", is_text=True), Field("weight_kg"))


def require_known(fields: Sequence[Field]) -> None:
    if unknown := [
        one.name for one in fields if one.name not in (_TEXTS if one.is_text else CATALOGUE)
    ]:
        raise ModelRefused(f"the model takes the features {unknown}")


def matrix(
    names: Sequence[str],
    parcels: Sequence[Parcel],
    arrived_at: Sequence[float],  # noqa: ARG001 - no feature of a parcel's has to do with time
) -> NDArray[np.float64]:
    rows = [[CATALOGUE[name](parcel) for name in names] for parcel in parcels]
    return np.array(rows, dtype=np.float64)


def require_texts(name: str, known: Sequence[str]) -> None:
    if not set(known) & set(DEPOTS):
        raise ModelRefused(f"the model was fitted on {name} as {known[0]}, which is no depot")


def columns(
    fields: Sequence[Field],
    parcels: Sequence[Parcel],
    arrived_at: Sequence[float],  # noqa: ARG001 - no feature of a parcel's has to do with time
) -> dict[str, list[object]]:
    return {
        name: [(_TEXTS if is_text else CATALOGUE)[name](parcel) for parcel in parcels]
        for name, is_text in fields
    }
