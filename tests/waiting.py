"""What becomes true sooner or later: how long it takes is the machine's affair."""

import time
from collections.abc import Callable


def eventually(condition: Callable[[], bool], seconds: float = 600.0) -> bool:
    """Whether it becomes true; it is not asked again once it has."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
