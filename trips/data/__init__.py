"""Training data: reads trips from named sources, with a report on each source."""

from trips.data.reading import FEWEST_TRIPS, TrainingData, read, reports_on

__all__ = ["FEWEST_TRIPS", "TrainingData", "read", "reports_on"]
