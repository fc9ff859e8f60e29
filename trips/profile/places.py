"""Geography of the 265 zones: boroughs, distances and reach (distance) classes.

Pairs of zones with few rides are described by what they share with others: the distance between
the zones, and their boroughs.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ride_scoring.domain import zones
from ride_scoring.domain.events import FIRST_ZONE, LAST_ZONE
from ride_scoring.domain.features import BLOCKS_MILES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ZONES: Final = LAST_ZONE - FIRST_ZONE + 1
BOROUGHS: Final = len(zones.BOROUGHS)
_EDGES_MILES: Final = np.array([0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 7.0, 10.0, 15.0])
REACHES: Final = len(_EDGES_MILES) + 3
"""Classes of pairs: same zone, a zone without a location, then by miles between the zones."""

_NUMBERS: Final = np.arange(FIRST_ZONE, LAST_ZONE + 1, dtype=np.float64)
BOROUGH_OF: Final[IntArray] = zones.borough_numbers(_NUMBERS).astype(np.int64)
"""Index of the borough in `ride_scoring.domain.zones.BOROUGHS`, shape (ZONES,)."""
_HAS_PLACE: Final = zones.has_place(_NUMBERS)
_EAST: Final = zones.miles_east(_NUMBERS)
_NORTH: Final = zones.miles_north(_NUMBERS)
_CROW: Final[FloatArray] = np.hypot(_EAST[:, None] - _EAST, _NORTH[:, None] - _NORTH)


def _reach() -> IntArray:
    reach = np.searchsorted(_EDGES_MILES, _CROW) + 2
    reach[~(_HAS_PLACE[:, None] & _HAS_PLACE)] = 1
    np.fill_diagonal(reach, 0)
    return reach.astype(np.int64)


REACH: Final[IntArray] = _reach()
"""The class of each pair of zones, shape (ZONES, ZONES)."""
SCALE_MILES: Final[FloatArray] = np.where(REACH == 1, 1.0, _CROW + BLOCKS_MILES)
"""Unit for the miles of a pair's rides, shape (ZONES, ZONES); 1 without a location."""
