"""The data of a training: names of sources come in, trips with a report on each source come out."""

from trips.data.reading import FEWEST_TRIPS, TrainingData, read, reports_on

__all__ = ["FEWEST_TRIPS", "TrainingData", "read", "reports_on"]
