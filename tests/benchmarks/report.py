"""What was measured in: tables for people, Markdown, and a JSON file of figures out."""

import importlib.metadata
import math
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from rich.table import Table

from infra.common import console
from infra.common.paths import OUT

FOLDER: Final = OUT / "bench"
_PACKAGES: Final = (
    *("mlflow", "scikit-learn", "skops", "pandas", "boto3", "botocore"),
    *("onnxruntime", "numpy", "msgspec", "urllib3", "moto"),
)

_MACHINE: Final = "Machine"

Figures = dict[str, float]
"""By the name that they have in summary.json."""


class Section(msgspec.Struct, frozen=True):
    """A table, what it says of itself, and the figures that are worth a name."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    figures: Figures = {}


def spread(values: Sequence[float]) -> str:
    """Median and range, three digits of each at least."""
    middle = statistics.median(values)
    digits = max(0, 2 - math.floor(math.log10(middle)))
    low, high = (f"{value:,.{digits}f}" for value in (min(values), max(values)))
    return f"{middle:,.{digits}f} ({low} to {high})"


def machine() -> Section:
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    facts = {
        "measured at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": platform.platform(),
        "Python": platform.python_version(),
        **versions,
    }
    return Section(_MACHINE, ("what", "which"), list(facts.items()))


def show(section: Section) -> None:
    table = Table(title=section.title, title_justify="left", caption=section.note or None)
    table.caption_justify = "left"
    for column in section.columns:
        table.add_column(column, justify="left" if column == section.columns[0] else "right")
    for row in section.rows:
        table.add_row(*row)
    console.out.print(table)
    console.out.print()


def write(sections: Sequence[Section]) -> None:
    """report.md and summary.json."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    figures = {name: value for section in sections for name, value in section.figures.items()}
    machine_rows = next(section for section in sections if section.title == _MACHINE).rows
    facts = {row[0]: row[1] for row in machine_rows}
    _write_json(FOLDER / "summary.json", {**figures, "machine": facts})
    text = "\n\n".join(_markdown(section) for section in sections)
    (FOLDER / "report.md").write_text(f"# Benchmarks\n\n{text}\n")


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")


def _markdown(section: Section) -> str:
    rule = ["---", *["---:"] * (len(section.columns) - 1)]
    lines = [f"| {' | '.join(row)} |" for row in (section.columns, rule, *section.rows)]
    note = f"\n\n{section.note}" if section.note else ""
    return f"## {section.title}\n\n" + "\n".join(lines) + note


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()
