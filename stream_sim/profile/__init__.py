"""What New York's taxi rides are like, as statistics: fitted to real months, drawn from."""

from stream_sim.profile.file import load, read
from stream_sim.profile.profile import Profile
from stream_sim.profile.week import FIRST_MONDAY, WEEKS

__all__ = ["FIRST_MONDAY", "WEEKS", "Profile", "load", "read"]
