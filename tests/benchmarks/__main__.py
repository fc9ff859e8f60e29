"""python -m tests.benchmarks: the function beside the naive one, in one run.

Tables go to standard output; out/bench/ gets them as report.md, and the figures as summary.json.
"""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from infra.common import console
from tests.benchmarks import (
    breakdown,
    cold,
    goals,
    published,
    report,
    sending,
    servers,
    verifying,
    warm,
)
from tests.benchmarks.report import Section

_BATCHES: Final = (1, 100, 1_000)


def main() -> None:
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        sections = [report.machine()]
        report.show(sections[0])
        for section in _sections(Path(folder)):
            report.show(section)
            sections.append(section)
    reached = goals.reached(sections)
    report.show(reached)
    report.write([reached, *sections])
    console.out.print(f"written: {report.FOLDER}/report.md and summary.json")


def _sections(folder: Path) -> Iterator[Section]:
    console.err.print("models are fitted and published")
    objects = folder / "objects"
    published.lay_out(objects)
    events = {
        batch: published.write_event(folder / f"event-{batch}.json", batch) for batch in _BATCHES
    }
    site = cold.unpacked(folder / "site")
    with servers.running_stub(objects, folder) as stub:
        yield from cold.measure(stub, site, events)
        yield from warm.measure(stub, events)
        yield from breakdown.measure(stub, events[1_000], folder)
        yield sending.measure(stub)
    with servers.running_moto(objects) as moto:
        yield warm.measure_moto(moto, events)
        yield sending.measure_moto(moto)
    yield verifying.measure()


if __name__ == "__main__":
    console.run(main)
