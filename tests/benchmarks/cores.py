"""Which core of the machine does what: what is measured is alone on its own."""

import contextlib
import os
from collections.abc import Iterator
from typing import Final

_OURS: Final = sorted(os.sched_getaffinity(0))
FUNCTION: Final = _OURS[0]
SERVER: Final = _OURS[-1]


@contextlib.contextmanager
def on(core: int) -> Iterator[None]:
    """What is started meanwhile stays on that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
