"""Rides in ledgers accounted for: CPU time a ride, and the most memory that it took."""

import subprocess
import sys

import msgspec

from infra.common.paths import ROOT
from tests.benchmarks.accounting import Measured
from tests.benchmarks.measured import NotMeasured
from tests.benchmarks.report import Section

COUNTS = (1_000_000, 20_000_000)


def measure() -> Section:
    """Both counts, each in a process of its own."""
    found = {count: _measured(count) for count in COUNTS}
    few, many = (found[count].peak_kib for count in COUNTS)
    return Section(
        "Accounting for a run's rides (`verify` without the stream)",
        ("rides", "ledger, µs of CPU a ride", "outcomes, µs of CPU a ride", "peak memory"),
        [
            (
                f"{count:,}",
                f"{measured.ledger_us:.2f}",
                f"{measured.outcomes_us:.2f}",
                f"{measured.peak_kib / 1024:,.0f} MB",
            )
            for count, measured in found.items()
        ],
        note="What came out is kept in a journal on the way. CPU time.",
        figures={
            "verify_peak_mb": many / 1024,
            "verify_peak_ratio": many / few,
            "verify_outcomes_us": found[COUNTS[-1]].outcomes_us,
        },
    )


def _measured(count: int) -> Measured:
    command = [sys.executable, "-m", "tests.benchmarks.accounting", str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        raise NotMeasured(done.stderr.decode()[-2000:])
    return msgspec.json.decode(done.stdout, type=Measured)
