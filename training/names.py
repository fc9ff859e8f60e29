"""What a model and its aliases are called where nobody says otherwise, and what the deployment in
the environment follows.
"""

import os
from typing import Final

MODEL: Final = "ride-duration"
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"


def serving_alias() -> str:
    """The alias that the deployment in the environment follows: its `environment` output sets
    MODEL_ALIAS, as it does MODEL_NAME."""
    return os.environ.get("MODEL_ALIAS") or CHAMPION


def not_followed(name: str, alias: str) -> str | None:
    """What to tell somebody who moves another pointer than the deployment in the environment
    follows; None where that one is moved, or no deployment is named."""
    followed = os.environ.get("MODEL_NAME"), os.environ.get("MODEL_ALIAS")
    if None in followed or "" in followed or followed == (name, alias):
        return None
    return (
        f"the deployment in this environment follows {followed[1]} of {followed[0]}, and this is "
        f"{alias} of {name}: its function does not look at it"
    )
