"""A target in, what came of feeding it out; in a process of its own, as it may crash or hang."""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from infra.common.console import UserError
from infra.common.processes import Children
from tests.fuzz.targets import CORPUS

HANG_SECONDS: Final = 30
"""For one input. None needs a hundredth of it, and a machine may be busy."""
_MOST_MEMORY_MB: Final = 4096
"""The libraries of the models take a quarter of a gigabyte."""
_LONGEST_BYTES: Final = 8192
_LAST_LINES: Final = 12
_HANG_CODE: Final = 70
"""libFuzzer's exit code where an input takes too long; a crash is any other but 0."""

_AT: Final = re.compile(r"#(\d+)\t\w+ +cov: (\d+) ft: (\d+)")
_DONE: Final = re.compile(r"stat::number_of_executed_units: +(\d+)")
_KEPT: Final = re.compile(r"Test unit written to (.+)")


class Outcome(msgspec.Struct, frozen=True):
    """Of one target: how many inputs it was fed, and how many edges of the function's code and
    features (edges with how often they were taken) they reached. `kept` is the input of a finding,
    and `said` what was said of it.
    """

    inputs: int
    edges: int
    features: int
    crashes: int = 0
    hangs: int = 0
    kept: Path | None = None
    said: str = ""


def is_installed() -> bool:
    return importlib.util.find_spec("atheris") is not None


def require_fuzzer() -> None:
    """Raises `UserError` where atheris is not installed."""
    if not is_installed():
        raise UserError(
            "fuzzing needs atheris, which is there for Linux on x86-64 alone: run it on such a "
            "machine; `make test` feeds the corpus to every target on any"
        )


def fuzz(
    target: str,
    runs: int,
    folder: Path,
    *,
    seed: int = 0,
    progress: Callable[[int], object] = lambda _: None,
) -> Outcome:
    """Feeds a target so many inputs, or until it has a finding. A seed of 0 is another each time.

    What reaches something new is kept in the folder, and taken up from there by the next run.
    `progress` is told the number of inputs as it grows.
    """
    (found := folder / "corpus").mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "tests.fuzz.worker", target),
        *(f"-runs={runs}", f"-seed={seed}", f"-timeout={HANG_SECONDS}"),
        *(f"-rss_limit_mb={_MOST_MEMORY_MB}", f"-max_len={_LONGEST_BYTES}"),
        *("-print_final_stats=1", f"-artifact_prefix={folder}/"),
        *(str(found), str(CORPUS / target)),
    ]
    with _scratch() as scratch, Children() as children:
        environment = os.environ | {"TMPDIR": scratch}
        child = children.start(
            command, environment, output=subprocess.PIPE, errors=subprocess.STDOUT
        )
        log = _follow(child, progress)
        children.let_go(child.pid)
    (folder / "log").write_text(log)
    return outcome(log, child.returncode)


def _scratch() -> tempfile.TemporaryDirectory[str]:
    """For a process that ends at once and takes nothing away; in memory, as a model's files are
    written for each input.
    """
    memory = Path("/dev/shm")  # noqa: S108 - what is made in it has a name of its own
    return tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory if memory.is_dir() else None)


def _follow(child: subprocess.Popen[bytes], progress: Callable[[int], object]) -> str:
    """All that the child says until it ends."""
    lines = []
    with child:
        for line in child.stdout or ():
            lines.append(line.decode(errors="replace"))
            if at := _AT.match(lines[-1]):
                progress(int(at[1]))
    return "".join(lines)


def outcome(log: str, code: int) -> Outcome:
    """What the fuzzer said, and its exit code."""
    reached = _AT.findall(log)
    executed = _DONE.findall(log)
    edges, features = reached[-1][1:] if reached else (0, 0)
    kept = _KEPT.findall(log)
    return Outcome(
        inputs=int(executed[-1]) if executed else 0,
        edges=int(edges),
        features=int(features),
        crashes=int(code not in {0, _HANG_CODE}),
        hangs=int(code == _HANG_CODE),
        kept=Path(kept[-1]) if kept else None,
        said="" if code == 0 else _end(log) or f"the fuzzer ended with code {code}",
    )


def _end(log: str) -> str:
    """The exception, or the last lines where there is none."""
    _, uncaught, traceback = log.partition("=== Uncaught Python exception: ===")
    lines = (traceback.partition("\n==")[0] if uncaught else log).strip().splitlines()
    return "\n".join(line[:200] for line in lines[-_LAST_LINES:])
