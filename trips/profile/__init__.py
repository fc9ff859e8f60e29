"""Statistical profiles of New York taxi rides, fitted to real months and sampled from."""

from trips.profile.file import load, read
from trips.profile.profile import RideProfile
from trips.profile.week import FIRST_MONDAY, WEEKS

__all__ = ["FIRST_MONDAY", "WEEKS", "RideProfile", "load", "read"]
