import datetime as dt

import pytest

from infra.common.console import UserError
from trips.data.months import BASE_URL, Month, is_like_a_month

TODAY = dt.date(2024, 3, 15)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2023-01", "green/2023-01"),
        ("green 2023-01", "green/2023-01"),
        ("green/2023-01", "green/2023-01"),
        ("yellow/2011-01", "yellow/2011-01"),
        ("yellow 2023-12", "yellow/2023-12"),
        ("2013-08", "green/2013-08"),
        ("2024-03", "green/2024-03"),
    ],
)
def test_a_month_has_one_canonical_form(text: str, canonical: str) -> None:
    month = Month.parse(text, TODAY)
    assert str(month) == canonical
    assert Month.parse(canonical, TODAY) == month


@pytest.mark.parametrize(
    "text",
    [
        "2023-13",
        "2023-00",
        "2023-1",
        "fhv/2023-01",
        "2023-01 ",
        "\u0662\u0660\u0662\u0663-01",
        "",
        "0000-01\n",
    ],
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not a month of taxi trips: write it as 2023-01"):
        Month.parse(text, TODAY)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2024-04", "green/2024-04 is in the future"),
        ("yellow/2031-01", "yellow/2031-01 is in the future"),
        ("2013-07", "before TLC's first month of green trips: name one from 2013-08 on"),
        ("yellow/2008-12", "before TLC's first month of yellow trips: name one from 2009-01 on"),
        ("yellow/2009-01", "longitudes and latitudes in place of zones: name a month from 2011-01"),
        ("yellow/2010-12", "longitudes and latitudes in place of zones: name a month from 2011-01"),
    ],
)
def test_a_month_without_trips_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Month.parse(text, TODAY)


def test_a_month_knows_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    month = Month.parse("yellow/2023-01", TODAY)
    assert month.file_name == "yellow_tripdata_2023-01.parquet"
    monkeypatch.delenv("TRIP_DATA_URL", raising=False)
    assert month.url() == f"{BASE_URL}/yellow_tripdata_2023-01.parquet"
    monkeypatch.setenv("TRIP_DATA_URL", "http://mirror/tlc/")
    assert month.url() == "http://mirror/tlc/yellow_tripdata_2023-01.parquet"
    assert month.url("http://other") == "http://other/yellow_tripdata_2023-01.parquet"


def test_the_month_before_january_is_december() -> None:
    assert str(Month.parse("2023-01", TODAY).before()) == "green/2022-12"
    assert str(Month.parse("yellow/2023-12", TODAY).before()) == "yellow/2023-11"


def test_a_file_is_not_like_a_month() -> None:
    assert is_like_a_month("2023-1")
    assert is_like_a_month("fhv/2023-01")
    assert not is_like_a_month("green_tripdata_2023-01.parquet")
    assert not is_like_a_month("data/2023-01")
