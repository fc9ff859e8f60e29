"""The kinds of models there are, by name."""

from typing import Any, Final

from infra.common.console import UserError
from training.models import boosted, linear, mean
from training.models.kind import ModelKind

KINDS: Final[dict[str, ModelKind[Any]]] = {
    kind.name: kind
    for kind in (mean.MEAN, linear.LINEAR, boosted.BOOSTED_WITHOUT_PICKUP_TIME, boosted.BOOSTED)
}
"""Simplest first."""


def kind_of(name: str) -> ModelKind[Any]:
    """Raises `UserError` if there is no such kind."""
    if name not in KINDS:
        raise UserError(f"there is no model {name!r}: the models are {', '.join(KINDS)}")
    return KINDS[name]
