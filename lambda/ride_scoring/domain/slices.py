"""The slices of rides by which quality is looked at: the name of each dimension, and its parts."""

from typing import Final

BOROUGH: Final = "pickup borough"
HOUR: Final = "pickup hour"
DISTANCE: Final = "distance"
PAIR: Final = "pair of zones"

DISTANCE_EDGES_MILES: Final = (0.0, 1.0, 2.0, 5.0, 10.0, float("inf"))
"""A walk, a few blocks, a neighbourhood or two, across a borough, out of it."""
