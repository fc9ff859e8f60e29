"""Computes the matrix of features that a model's signature names.

Training and serving share this code, so a model never sees features in production that differ from
those it was trained on. All features are float64.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from ride_scoring.domain import zones
from ride_scoring.domain.events import Ride
from ride_scoring.errors import ModelRefused
from ride_scoring.fields import Field, rows

FloatArray = NDArray[np.float64]

_PAIR_BASE: Final = 1000
"""Larger than any zone, so that PU * base + DO is a different number for each pair."""
BLOCKS_MILES: Final = 0.5
"""Driven within the two zones: added to the crow-fly distance, so that the detour between close
zone centres stays small."""
_HOUR_MINUTES: Final = 60


def pair_number[Number: (np.float64, np.int64)](
    start: NDArray[Number], end: NDArray[Number]
) -> NDArray[Number]:
    """A number for each ordered pair of zones or boroughs; shapes (n,)."""
    numbers: NDArray[Number] = start * _PAIR_BASE + end
    return numbers


@dataclass(frozen=True)
class Rides:
    """n rides, and each one's arrival in seconds since the epoch."""

    rides: Sequence[Ride]
    arrived_at: Sequence[float]

    @functools.cached_property
    def pickup_zone(self) -> FloatArray:
        return np.array([ride.pickup_zone for ride in self.rides], dtype=np.float64)

    @functools.cached_property
    def dropoff_zone(self) -> FloatArray:
        return np.array([ride.dropoff_zone for ride in self.rides], dtype=np.float64)

    @functools.cached_property
    def pickup_borough(self) -> FloatArray:
        return zones.borough_numbers(self.pickup_zone)

    @functools.cached_property
    def dropoff_borough(self) -> FloatArray:
        return zones.borough_numbers(self.dropoff_zone)

    @functools.cached_property
    def crow_miles(self) -> FloatArray:
        """Crow-fly distance between the zones' centres; -1 if either has no location."""
        east = zones.miles_east(self.dropoff_zone) - zones.miles_east(self.pickup_zone)
        north = zones.miles_north(self.dropoff_zone) - zones.miles_north(self.pickup_zone)
        placed = zones.has_place(self.pickup_zone) & zones.has_place(self.dropoff_zone)
        return np.where(placed, np.sqrt(east * east + north * north), -1.0)

    @functools.cached_property
    def trip_distance(self) -> FloatArray:
        return np.array([ride.trip_distance for ride in self.rides], dtype=np.float64)

    @functools.cached_property
    def pickup(self) -> Sequence[datetime]:
        """Pickup times in New York; the arrival time if a ride carries none."""
        return [_local(*pair) for pair in zip(self.rides, self.arrived_at, strict=True)]


CATALOGUE: Final[Mapping[str, Callable[[Rides], FloatArray]]] = {
    "PULocationID": lambda rides: rides.pickup_zone,
    "DOLocationID": lambda rides: rides.dropoff_zone,
    "PU_DO": lambda rides: pair_number(rides.pickup_zone, rides.dropoff_zone),
    "PU_DO_either_way": lambda rides: pair_number(
        np.minimum(rides.pickup_zone, rides.dropoff_zone),
        np.maximum(rides.pickup_zone, rides.dropoff_zone),
    ),
    "same_zone": lambda rides: (rides.pickup_zone == rides.dropoff_zone).astype(np.float64),
    "PU_borough": lambda rides: rides.pickup_borough,
    "DO_borough": lambda rides: rides.dropoff_borough,
    "PU_DO_borough": lambda rides: pair_number(rides.pickup_zone, rides.dropoff_borough),
    "PU_borough_DO": lambda rides: pair_number(rides.pickup_borough, rides.dropoff_zone),
    "PU_miles_east": lambda rides: zones.miles_east(rides.pickup_zone),
    "PU_miles_north": lambda rides: zones.miles_north(rides.pickup_zone),
    "DO_miles_east": lambda rides: zones.miles_east(rides.dropoff_zone),
    "DO_miles_north": lambda rides: zones.miles_north(rides.dropoff_zone),
    "crow_miles": lambda rides: rides.crow_miles,
    "trip_distance": lambda rides: rides.trip_distance,
    "detour": lambda rides: (
        rides.trip_distance / (np.maximum(rides.crow_miles, 0.0) + BLOCKS_MILES)
    ),
    "hour": lambda rides: np.array([at.hour for at in rides.pickup], dtype=np.float64),
    "minute_of_day": lambda rides: np.array(
        [at.hour * _HOUR_MINUTES + at.minute for at in rides.pickup], dtype=np.float64
    ),
    "weekday": lambda rides: np.array([at.weekday() for at in rides.pickup], dtype=np.float64),
}
"""Feature name ▸ how it is computed, shape (n,).

Zones; boroughs, as their places in `BOROUGHS`; pairs of two of these as one number, ordered or the
same in both directions; 1 where a ride ends in the zone it starts in; the middles of the zones in
miles, the miles between them as the crow flies and how many times more the ride has; miles; the
hour (0 to 23), minute (0 to 1439) and weekday (Monday is 0) of the pickup in New York."""


FRACTIONAL: Final = frozenset(
    {
        *("PU_miles_east", "PU_miles_north", "DO_miles_east", "DO_miles_north"),
        *("crow_miles", "trip_distance", "detour"),
    }
)
"""Features with decimals, which a signature of whole numbers would cut off."""
_OF_ZONES: Final = frozenset(
    {
        *("PULocationID", "DOLocationID", "PU_DO", "PU_DO_either_way", "same_zone"),
        *("PU_borough", "DO_borough", "PU_DO_borough", "PU_borough_DO"),
    }
)
CATEGORIES: Final = _OF_ZONES | {"hour", "weekday"}
"""Features whose numbers are categories: their means and deciles are meaningless."""
ATTRIBUTES: Final[Mapping[str, frozenset[str]]] = {
    "zones": (_OF_ZONES | FRACTIONAL) - {"trip_distance"},
    "distance": frozenset({"trip_distance", "detour"}),
    "pickup time": frozenset({"hour", "minute_of_day", "weekday"}),
}
"""A ride's attribute ▸ the features made from it, some from more than one."""


_TEXTS: Final[Mapping[str, Callable[[Ride], str]]] = {
    "PULocationID": lambda ride: str(ride.pickup_zone),
    "DOLocationID": lambda ride: str(ride.dropoff_zone),
    "PU_DO": lambda ride: f"{ride.pickup_zone}_{ride.dropoff_zone}",
}
"""Features that can be given as text ▸ a ride's, in the MLOps Zoomcamp's form."""
_ZONE: Final = r"[1-9]\d{0,2}"
_FORMS: Final = {
    "PULocationID": re.compile(_ZONE),
    "DOLocationID": re.compile(_ZONE),
    "PU_DO": re.compile(f"{_ZONE}_{_ZONE}"),
}
_A_RIDE: Final = Ride(130, 205, 3.66)
COURSE_FIELDS: Final = (Field("PU_DO", is_text=True), Field("trip_distance"))
"""What the MLOps Zoomcamp's models take."""
FIELDS_UNSEEN: Final = (*(Field(name, is_text=True) for name in _TEXTS), Field("trip_distance"))
"""What a model is given in which no names can be found: all that the Zoomcamp's models take."""


def require_known(fields: Sequence[Field]) -> None:
    """Raises `ModelRefused` where a model takes what no ride has."""
    if unknown := [field.name for field in fields if field.name not in CATALOGUE]:
        raise ModelRefused(
            f"the model takes the features {', '.join(unknown)}, which are not among "
            f"{', '.join(CATALOGUE)}"
        )
    if numbers := [field.name for field in fields if field.is_text and field.name not in _TEXTS]:
        raise ModelRefused(
            f"the model takes {', '.join(numbers)} as text: only {', '.join(_TEXTS)} can be given "
            "as text"
        )


def require_texts(name: str, known: Sequence[str]) -> None:
    """Raises `ModelRefused` where a model knows a feature's text in another form than rides have:
    it would take each for one that it never saw."""
    form = _FORMS.get(name)
    if form is not None and known and not any(map(form.fullmatch, known)):
        raise ModelRefused(
            f"the model was fitted on {name} as {known[0]!r}, and rides have it as "
            f"{_TEXTS[name](_A_RIDE)!r}: fit it on whole numbers of zones"
        )


def matrix(names: Sequence[str], rides: Sequence[Ride], arrived_at: Sequence[float]) -> FloatArray:
    """The features `names` of n rides, shape (n, len(names)), C order.

    `arrived_at` holds each ride's arrival in seconds since the epoch, which stands in for a pickup
    time that a ride does not carry.
    """
    columns = Rides(rides, arrived_at)
    return np.column_stack([CATALOGUE[name](columns) for name in names])


def columns(
    fields: Sequence[Field], rides: Sequence[Ride], arrived_at: Sequence[float]
) -> dict[str, list[object]]:
    """The fields of n rides: a list of n numbers or texts for each name."""
    numbers = Rides(rides, arrived_at)
    return {
        field.name: (
            [_TEXTS[field.name](ride) for ride in rides]
            if field.is_text
            else CATALOGUE[field.name](numbers).tolist()
        )
        for field in fields
    }


def course_dicts(rides: Sequence[Ride]) -> list[dict[str, object]]:
    """One dict for each ride, as the MLOps Zoomcamp's models take them."""
    return rows(columns(COURSE_FIELDS, rides, [0.0] * len(rides)))


@functools.cache
def _new_york() -> ZoneInfo:
    """Loaded when a model first needs the time of day, as not every model does."""
    return ZoneInfo("America/New_York")


def _local(ride: Ride, arrived_at: float) -> datetime:
    """The pickup in New York time: as it is where it carries no offset."""
    pickup = ride.pickup_datetime
    if pickup is None:
        return datetime.fromtimestamp(arrived_at, _new_york())
    return pickup if pickup.tzinfo is None else pickup.astimezone(_new_york())
