import hashlib
import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from infra.common.console import UserError
from tests import trip_files
from tests.factories import shared
from trips.data import TrainingData, read
from trips.data.report import DataReport, table


def printed(report: DataReport) -> str:
    screen = Console(file=io.StringIO(), width=80)
    screen.print(table(report))
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_a_real_month_is_reported(tmp_path: Path) -> None:
    (tmp_path / "month").symlink_to(shared("tlc/green_tripdata_2023-01.parquet"))
    data = read([str(tmp_path / "month")])
    (report,) = data.reports
    assert (report.rows, report.kept, len(data.trips)) == (68_211, 65_910, 65_910)
    assert [rule.dropped for rule in report.rules] == [0, 0, 0, 36, 2_265]
    assert sum(rule.dropped for rule in report.rules) == report.rows - report.kept
    assert report.columns[0].minimum == "2009-01-01T20:21:27"
    assert report.repeated == 174
    assert [column.name for column in report.columns][2:] == [
        "PULocationID",
        "DOLocationID",
        "trip_distance",
    ]
    miles = report.columns[-1]
    assert (miles.type, miles.nulls, miles.minimum, miles.maximum) == ("double", 0, 0.0, 120_098.84)
    assert (report.first_pickup, report.last_pickup) == (
        "2022-12-09T14:10:49",
        "2023-02-01T03:10:05",
    )
    assert report.month == "2023-01"
    assert report.outside_month_share == pytest.approx(3 / 65_910)
    assert msgspec.json.decode(msgspec.json.encode(report), type=DataReport) == report


def test_the_course_keeps_its_own_trips_of_a_real_month() -> None:
    data = read([str(shared("tlc/green_tripdata_2021-01.parquet"))], "course")
    assert len(data.trips) == 73_908
    assert data.trips.distance_miles.max() > 200


def test_the_report_is_printed_whole() -> None:
    data = read(["synthetic:1000:3"])
    text = printed(data.reports[0])
    assert "synthetic:1000:3: 999 of 1,000 trips kept (99.9%)" in text
    assert "lpep_dropoff_datetime timestamp[us]" in text
    assert "2023-01-29 23:46" in text
    assert "duration outside of 1 to 60 minutes" in text
    assert "…" not in text


def test_what_is_missing_is_counted(tmp_path: Path) -> None:
    columns = trip_files.columns(400)
    columns["PULocationID"] = [None] * 40 + columns["PULocationID"][40:].tolist()
    columns["trip_distance"][:10] = np.nan
    columns["trip_distance"][40] = np.inf
    report = read([str(trip_files.write(tmp_path / "a", columns))]).reports[0]
    assert [column.nulls for column in report.columns] == [0, 0, 40, 0, 10]
    assert (report.columns[2].type, report.columns[4].maximum) == (
        "int64",
        np.max(columns["trip_distance"][41:]),
    )
    assert report.rules[0].dropped == 41
    assert report.rules[0].share_kept == pytest.approx(359 / 400)


def test_trips_come_in_order_of_pickup_and_ties_in_order_of_sources(tmp_path: Path) -> None:
    first, second = trip_files.columns(300), trip_files.columns(300, taxi="yellow")
    first["PULocationID"][:] = 1
    second["PULocationID"][:] = 2
    names = [
        str(trip_files.write(tmp_path / name, columns))
        for name, columns in (("a", first), ("b", second))
    ]
    data = read(names)
    assert (np.diff(data.trips.pickup) >= np.timedelta64(0, "us")).all()
    assert data.trips.pickup_zone.tolist() == [1, 2] * 300
    assert data.name == f"{names[0]}, {names[1]}"
    assert data.sha256 == read(names).sha256 != read(names[::-1]).sha256
    assert read(names[:1]).sha256 == digest_of(data.reports[0].sha256)


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_too_few_trips_are_explained(tmp_path: Path) -> None:
    columns = trip_files.columns(5_000)
    columns["lpep_dropoff_datetime"][3:4_903] = columns["lpep_pickup_datetime"][3:4_903]
    columns["trip_distance"][4_903:] = -1
    name = str(trip_files.write(tmp_path / "trips.parquet", columns))
    sentence = (
        r"trips\.parquet has 3 usable trips of 5,000: 4,900 have a duration outside of 1 to 60 "
        "minutes, and at least 200 must be left"
    )
    with pytest.raises(UserError, match=sentence):
        read([name])
    with pytest.raises(UserError, match=r"199 usable trips of 199: at least 200"):
        read([str(trip_files.write(tmp_path / "few", trip_files.columns(199)))])
    assert (
        len(read([str(trip_files.write(tmp_path / "few", trip_files.columns(200)))]).trips) == 200
    )


def test_no_trip_left_is_explained_too(tmp_path: Path) -> None:
    columns = trip_files.columns(300)
    columns["PULocationID"] = [None] * 300
    with pytest.raises(UserError, match="0 usable trips of 300: 300 have a missing value"):
        read([str(trip_files.write(tmp_path / "trips.parquet", columns))])


def test_a_source_is_named_once() -> None:
    with pytest.raises(UserError, match="green/2023-01 is named twice"):
        read(["2023-01", "green 2023-01"])
    with pytest.raises(UserError, match="no trips are named"):
        read([])


def test_training_data_says_what_it_is() -> None:
    data = read(["synthetic:400:1", "synthetic:400:2"])
    assert isinstance(data, TrainingData)
    assert [report.source for report in data.reports] == ["synthetic:400:1", "synthetic:400:2"]
    assert data.name == "synthetic:400:1, synthetic:400:2"
