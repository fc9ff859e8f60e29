"""Default names of the model and its aliases, and which of them a deployment follows."""

import os
from typing import Final

MODEL: Final = "ride-duration"
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"


def serving_alias() -> str:
    """The alias that the deployment in the environment follows: its `environment` output sets
    MODEL_ALIAS and MODEL_NAME."""
    return os.environ.get("MODEL_ALIAS") or CHAMPION


def not_followed(name: str, alias: str) -> str | None:
    """A warning for moving a pointer that the deployment in the environment follows neither for
    serving nor as a shadow; None if it follows it, or if no deployment is named."""
    followed, serving = os.environ.get("MODEL_NAME"), os.environ.get("MODEL_ALIAS")
    if not followed or not serving:
        return None
    aliases = [serving, *filter(None, [os.environ.get("SHADOW_ALIAS")])]
    if followed == name and alias in aliases:
        return None
    return (
        f"the deployment in this environment follows {' and '.join(aliases)} of {followed}, and "
        f"this is {alias} of {name}: its function will not pick this up"
    )
