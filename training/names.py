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
    follows, for its answers or as a shadow; None where one of these is moved, or no deployment is
    named."""
    followed, serving = os.environ.get("MODEL_NAME"), os.environ.get("MODEL_ALIAS")
    if not followed or not serving:
        return None
    aliases = [serving, *filter(None, [os.environ.get("SHADOW_ALIAS")])]
    if followed == name and alias in aliases:
        return None
    return (
        f"the deployment in this environment follows {' and '.join(aliases)} of {followed}, and "
        f"this is {alias} of {name}: its function does not look at it"
    )
