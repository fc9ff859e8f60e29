"""Which history to try first with each mutant: seeds.json, which `python -m tests.mutants` writes.

Where histories are drawn anew the seeds are out of date: then a search from 1 on follows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

_FILE: Final = Path(__file__).with_name("seeds.json")


def read() -> dict[str, int]:
    """The name of a mutant ▸ the seed that caught it."""
    return msgspec.json.decode(_FILE.read_bytes(), type=dict[str, int])


def write(seeds: Mapping[str, int]) -> None:
    encoded = msgspec.json.encode(seeds, order="deterministic")
    _FILE.write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
