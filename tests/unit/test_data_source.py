import hashlib
from pathlib import Path

import numpy as np
import pytest

from infra.common.console import UserError
from tests import trip_files
from tests.trip_server import HOST, TripServer
from trips.data import cache
from trips.data.months import Month
from trips.data.source import open_source
from trips.profile import drawn


def test_a_month_is_fetched_once_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = trip_files.parquet(trip_files.columns(300, taxi="yellow"))
    monkeypatch.setenv("NO_PROXY", HOST)
    monkeypatch.setenv("TRIP_DATA_DIR", str(tmp_path))
    with TripServer({"yellow_tripdata_2023-01.parquet": content}) as server:
        monkeypatch.setenv("TRIP_DATA_URL", server.url)
        source = open_source("yellow 2023-01")
        assert open_source("yellow/2023-01").sha256 == source.sha256
        assert len(server.asked) == 1
    assert (source.name, source.month) == ("yellow/2023-01", Month("yellow", 2023, 1))
    assert source.sha256 == hashlib.sha256(content).hexdigest()
    assert len(source.records) == 300


def test_a_path_is_named_from_the_root_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = trip_files.write(tmp_path / "trips.parquet", trip_files.columns(20))
    monkeypatch.chdir(tmp_path)
    source = open_source("trips.parquet")
    assert (source.name, source.month) == (str(path), None)
    assert source.sha256 == cache.digest(path)
    assert len(source.records) == 20


def test_synthetic_trips_are_those_of_the_simulator() -> None:
    source = open_source("synthetic:500:7")
    made = drawn.synthetic(500, 7)
    np.testing.assert_array_equal(source.records.pickup, made.pickup)
    np.testing.assert_array_equal(source.records.pickup_zone, made.pickup_zone)
    np.testing.assert_allclose(
        source.records.duration_minutes, made.duration_minutes, atol=1e-6 / 60, rtol=0
    )
    assert open_source("synthetic:500:7").sha256 == source.sha256
    assert open_source("synthetic:500:8").sha256 != source.sha256
    assert source.name == "synthetic:500:7"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("synthetic:0:1", "names no synthetic trips: write synthetic:COUNT:SEED"),
        ("synthetic:9000000:1", "a count of 1 to 1,000,000"),
        ("synthetic:many", "names no synthetic trips"),
        ("2023-13", "2023-13 is not a month of taxi trips"),
        ("nowhere.parquet", r"nowhere\.parquet does not exist: name a month as 2023-01"),
        (".", "is no file"),
        ("", "is no file"),
        ("s3://bucket", "s3://bucket names no object: write s3://bucket/key"),
        ("s3:///key", "names no object"),
        ("s3://bucket/folder/", "names no object"),
    ],
)
def test_what_names_no_trips_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        open_source(text, tmp_path)
