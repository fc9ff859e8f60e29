"""What a model takes of each event: values by name, each a number or text."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Field(NamedTuple):
    """One value that a model takes of each event."""

    name: str
    is_text: bool = False


def rows(columns: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    """One dict for each event, of columns of the same length."""
    every = zip(*columns.values(), strict=True)
    return [dict(zip(columns, values, strict=True)) for values in every]
