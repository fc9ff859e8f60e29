"""A model that serves, and the events that it is given."""

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from ride_scoring import domain
from ride_scoring.identity import ModelIdentity
from ride_scoring.streams.records import Arrival


class ScorableEvent(msgspec.Struct, frozen=True, gc=False):
    """An event's bytes and the event decoded from them."""

    arrival: Arrival
    event: domain.Event


class Predictor(Protocol):
    """The part of `models.model.LoadedModel` that scoring uses."""

    def predict(
        self, inputs: Sequence[domain.Input], arrived_at: Sequence[float]
    ) -> NDArray[np.float64]: ...


class ServedModel(ModelIdentity, frozen=True):
    """A loaded model, with the identifiers that its predictions carry."""

    predictor: Predictor

    def predict(self, scorable: Sequence[ScorableEvent]) -> list[float]:
        """One number for each event. A model can raise anything."""
        predicted = self.predictor.predict(
            domain.inputs([item.event for item in scorable]),
            [item.arrival.arrived_at for item in scorable],
        )
        return list(predicted.tolist())
