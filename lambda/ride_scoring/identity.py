"""Which model made a prediction, and in which role."""

from typing import Literal

import msgspec

Role = Literal["champion", "shadow"]
"""Whether a prediction is the answer, or what a model that is only tried out would have said."""


class ModelIdentity(msgspec.Struct, frozen=True):
    """The name and version of a model, the MLflow run that trained it, and its role."""

    name: str
    version: str
    run_id: str
    role: Role
