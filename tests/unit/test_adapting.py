"""What docs/adapting.md says holds for the sources as they are."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.common.paths import FUNCTION_SOURCES, ROOT
from tests.checkout import sources_of

PAGE: Final = (ROOT / "docs" / "adapting.md").read_text(encoding="utf-8")
DIFF: Final = re.findall(r"```diff\n(.*?)```", PAGE, re.DOTALL)[0]
PACKAGES: Final = ("lambda", "trips", "stream_sim", "operations", "training", "infra")
DOMAIN: Final = "ride_scoring.domain"
WORDS: Final = re.compile(r"(?i)(?<![a-z])(rides?|zones?|boroughs?|minutes?|miles|taxis?)(?![a-z])")
OF_THE_PROJECT: Final = re.compile(r"ride[_-]scoring|RideScoring\w*|name=\"\w+\"")
"""Its own name, and names that published files have."""
MOST_FILES: Final = 6

CHECK: Final = """
import sys
from pathlib import Path
import numpy as np
from ride_scoring.decode import decode
from ride_scoring.domain import matrix
from ride_scoring.errors import CannotScore
from stream_sim.traffic import payloads
from training.models import catalogue
from trips import tlc

def event(count):
    return (
        b'{"ride_id": 7, "ride": {"PULocationID": 1, "DOLocationID": 2, "trip_distance": 3.0, '
        b'"passenger_count": %d}}' % count
    )

assert decode(event(4)).ride.passenger_count == 4
try:
    decode(event(10))
except CannotScore as cause:
    assert cause.reason == "out_of_range", cause.reason
    assert "passenger_count is 10" in cause.detail, cause.detail
else:
    raise AssertionError("ten passengers were accepted")

trips = tlc.read(Path(sys.argv[1]))
rides = trips.rides()
assert [ride.passenger_count for ride in rides[:3]] == [1.0, 2.0, None], rides[:3]
column = matrix(["passenger_count"], rides, [0.0] * len(rides))[:3, 0]
assert column.tolist()[:2] == [1.0, 2.0] and np.isnan(column[2]), column
sent = decode(payloads.event("7", rides[1]))
assert sent.ride == rides[1], sent

kind = catalogue.kind_of("boosted")
fitted = kind.fit(trips, kind.hyperparameters(), 0)
assert "passenger_count" in fitted.features, fitted.features
minutes = fitted.minutes(trips)
assert minutes[1::3].mean() > minutes[0::3].mean() + 5, "the model does not use the passengers"
"""


def files(text: str) -> set[str]:
    return set(re.findall(r"^\+\+\+ b/(.+)$", text, re.MULTILINE))


def test_a_field_is_added_in_no_more_than_six_files() -> None:
    section = PAGE.partition("## Add a field")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)) == files(DIFF)
    assert len(files(DIFF)) <= MOST_FILES


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in PACKAGES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_field_is_decoded_checked_read_sent_and_learned_from(checkout: Path) -> None:
    subprocess.run(["git", "apply", "-"], cwd=checkout, input=DIFF.encode(), check=True)
    month = checkout / "month.parquet"
    pq.write_table(trips_with_passengers(), month)
    done = subprocess.run(
        [sys.executable, "-c", CHECK, month],
        cwd=checkout,
        env=dict(sources_of(checkout)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def trips_with_passengers(count: int = 600) -> pa.Table:
    """Every second of three rides has two passengers, and takes longer; of the third none is
    known."""
    began = [1_700_000_000_000_000 + 60_000_000 * number for number in range(count)]
    takes = [(8, 30, 15)[number % 3] * 60_000_000 for number in range(count)]
    microseconds = pa.timestamp("us")
    return pa.table(
        {
            "lpep_pickup_datetime": pa.array(began, microseconds),
            "lpep_dropoff_datetime": pa.array(
                [start + took for start, took in zip(began, takes, strict=True)], microseconds
            ),
            "PULocationID": pa.array([130] * count, pa.int64()),
            "DOLocationID": pa.array([205] * count, pa.int64()),
            "trip_distance": pa.array([3.0] * count, pa.float64()),
            "passenger_count": pa.array(
                [(1.0, 2.0, None)[number % 3] for number in range(count)], pa.float64()
            ),
        }
    )


def modules(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def inside_the_domain(tree: ast.Module) -> set[str]:
    """What is imported of the domain's modules, rather than of the domain."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            submodules = {path.stem for path in (FUNCTION_SOURCES / "domain").glob("*.py")}
            if node.module.startswith(f"{DOMAIN}."):
                found.add(node.module)
            elif node.module == DOMAIN:
                found |= {alias.name for alias in node.names} & submodules
    return found


def test_the_function_knows_its_domain_by_one_import() -> None:
    rest = [
        (name, tree)
        for name, tree in modules("lambda")
        if not name.startswith("lambda/ride_scoring/domain/")
    ]
    assert [name for name, tree in rest if inside_the_domain(tree)] == []


def test_the_rest_of_the_function_says_nothing_of_rides() -> None:
    """Neither names, nor texts, nor comments."""
    said = []
    for path in sorted(FUNCTION_SOURCES.rglob("*.py")):
        if path.parent.name == "domain" or path == FUNCTION_SOURCES / "__init__.py":
            continue
        text = OF_THE_PROJECT.sub("", path.read_text(encoding="utf-8"))
        said += [f"{path.name}: {line}" for line in text.splitlines() if WORDS.search(line)]
    assert said == []


def test_the_rooms_that_look_inside_the_domain_are_those_that_the_page_lists() -> None:
    section = PAGE.partition("## Score something else")[2]
    rooms = re.findall(r"^- `(.+?)`$", section, re.MULTILINE)
    looking = {
        name
        for package in PACKAGES
        if package != "lambda"
        for name, tree in modules(package)
        if inside_the_domain(tree)
    }
    assert [name for name in sorted(looking) if not name.startswith(tuple(rooms))] == []
    assert [room for room in rooms if not any(name.startswith(room) for name in looking)] == []
