"""A mutant and seeds in, what noticed it out: the histories run on a broken copy of the function.

Each mutant has a copy and a process of its own, so nothing of one is left for the next.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from infra.common.paths import FUNCTION_SOURCES, ROOT
from tests.mutants.histories import Caught
from tests.mutants.mutant import Mutant

MOST_HISTORIES: Final = 2_500
_LONGEST_SECONDS: Final = 3600.0
"""For all histories of one mutant, on a machine that is busy with others."""


def run(mutant: Mutant, seeds: Sequence[int]) -> Caught:
    """Runs the seeds' histories, in order, until one notices the mutant.

    Raises `ValueError` for a mutant that does not fit the code, `RuntimeError` for one with which
    no history can be run.
    """
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        package = Path(folder) / FUNCTION_SOURCES.name
        shutil.copytree(FUNCTION_SOURCES, package, ignore=shutil.ignore_patterns("__pycache__"))
        mutant.apply(package)
        ended = subprocess.run(
            [sys.executable, "-m", "tests.mutants.histories", package, *map(str, seeds)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    if ended.returncode:
        raise RuntimeError(f"no history runs with {mutant.name!r}: {ended.stderr.strip()}")
    return msgspec.json.decode(ended.stdout, type=Caught)


def search(mutant: Mutant, first: Sequence[int] = ()) -> Caught:
    """Tries the named seeds, and then 1, 2, 3 … up to `MOST_HISTORIES`."""
    return run(mutant, [*first, *range(1, MOST_HISTORIES + 1)])
