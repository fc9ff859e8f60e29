"""The properties every history is checked against, by name, and their violations."""

from collections.abc import Callable
from typing import Literal

import msgspec

Property = Literal[
    "lost",
    "never sent",
    "wrong",
    "two fates",
    "raised",
    "failed without a cause",
    "not the first undone",
    "put again",
    "delivered again",
    "called too often",
    "gave up early",
    "several models",
    "another model than the pointer's",
    "pointer not read in time",
    "kept waiting",
    "out of time",
    "held up",
    "moved back",
    "in the log",
    "no end",
    "crashed",
]


class Broken(msgspec.Struct, frozen=True):
    """A property violation, and where it occurred."""

    name: Property
    what: str


Note = Callable[[Property, str], None]
"""Called with the violated property and what violated it."""
