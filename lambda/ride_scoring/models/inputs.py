"""What a model takes of each event, and in which shape."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ride_scoring import domain
from ride_scoring.fields import Field, rows

Shape = Literal["matrix", "columns", "dicts"]


@dataclass(frozen=True)
class ModelInputs:
    """The fields of a model, in order. `shape` is how it takes those of n events:

    matrix   float64, shape (n, fields); no field is text
    columns  a list of n values for each name, for a data frame
    dicts    one dict for each event
    """

    fields: tuple[Field, ...]
    shape: Shape

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    def of(self, inputs: Sequence[domain.Input], arrived_at: Sequence[float]) -> object:
        if self.shape == "matrix":
            return domain.matrix(self.names, inputs, arrived_at)
        columns = domain.columns(self.fields, inputs, arrived_at)
        return rows(columns) if self.shape == "dicts" else columns


def matrix_of(names: Sequence[str]) -> ModelInputs:
    return ModelInputs(tuple(Field(name) for name in names), "matrix")
