"""Statistical profiles of New York taxi rides, fitted to real months and sampled from."""

from trips.profile.file import load, read
from trips.profile.profile import Profile
from trips.profile.week import FIRST_MONDAY, WEEKS

__all__ = ["FIRST_MONDAY", "WEEKS", "Profile", "load", "read"]
