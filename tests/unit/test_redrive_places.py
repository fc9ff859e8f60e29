"""A redrive of what was set aside since a time lists no more than it must, and misses nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.common.bucket import Listed
from operations.redrive import documents, places
from operations.redrive.options import Selection, Source
from stream_sim.kinesis.marks import Place

NOW = datetime(2026, 11, 29, 14, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Bucket:
    """Keys and when they were written; counts what it listed."""

    def __init__(self, objects: dict[str, datetime]) -> None:
        self._objects = objects
        self.listed_keys = 0

    def listed(self, prefix: str, after: str = "") -> list[Listed]:
        found = [key for key in sorted(self._objects) if key.startswith(prefix) and key > after]
        self.listed_keys += len(found)
        return [Listed(key, "", self._objects[key]) for key in found]

    def folders(self, prefix: str) -> list[str]:
        deeper = {key for key in self._objects if "/" in key.removeprefix(prefix)}
        below = {key for key in deeper if key.startswith(prefix)}
        return sorted({f"{prefix}{key.removeprefix(prefix).split('/')[0]}/" for key in below})


def a_reject(number: int, rejected_at: datetime, waited: timedelta) -> tuple[str, datetime]:
    return f"rejects/{rejected_at - waited:%Y/%m/%d/%H}/s-{number}.ndjson", rejected_at


def a_failure(number: int, at: datetime) -> tuple[str, datetime]:
    where = f"mapping-{number % 2}/shardId-{number % 3}"
    return f"aws/lambda/{where}/{at:%Y/%m/%d}/{at:%Y-%m-%dT%H.%M.%S}-{number}", at


ages = st.integers(0, 60 * 24 * 40).map(lambda minutes: timedelta(minutes=minutes))
waits = st.integers(0, 60 * 24).map(lambda minutes: timedelta(minutes=minutes))


@given(
    st.lists(st.tuples(ages, waits), max_size=20),
    ages,
    st.sampled_from([HOUR, timedelta(days=1)]),
    st.sampled_from(["rejects", "failures"]),
)
def test_all_that_was_set_aside_since_is_found(
    aside: list[tuple[timedelta, timedelta]], since: timedelta, longest: timedelta, source: Source
) -> None:
    made = [
        a_reject(number, NOW - age, min(waited, longest))
        if source == "rejects"
        else a_failure(number, NOW - age)
        for number, (age, waited) in enumerate(aside)
    ]
    bucket: Any = Bucket(dict(made))
    asked = Selection(source, since=NOW - since, longest_wait=longest)
    found = {entry.key for entry in documents.listed(bucket, asked)}
    assert {key for key, at in made if at >= NOW - since} <= found


@given(ages, waits, waits, waits)
def test_every_mark_that_can_name_a_ride_of_it_is_read(
    since: timedelta, later: timedelta, waited: timedelta, longest: timedelta
) -> None:
    """A ride that was set aside in two objects: the first of them began with another ride."""
    set_aside = NOW - since + later
    arrived = set_aside - min(waited, longest)
    first_in_its_batch = arrived - longest
    key, _ = a_reject(1, first_in_its_batch, timedelta())
    failed, _ = a_failure(1, arrived)
    bucket: Any = Bucket({f"redriven/{name}.json": NOW for name in (key, failed)})
    asked = Selection("rejects", since=NOW - since, longest_wait=longest)
    read = [entry for place in places.of_marks(bucket, asked) for entry in bucket.listed(*place)]
    assert len(read) == 2


def test_a_month_of_rejects_is_not_listed_for_the_last_two_hours() -> None:
    month = [NOW - HOUR * hours for hours in range(24 * 30)]
    rejects = dict(a_reject(number, at, timedelta()) for number, at in enumerate(month))
    failures = dict(a_failure(number, at) for number, at in enumerate(month))
    marks = {f"redriven/{key}.json": at for key, at in (rejects | failures).items()}
    bucket: Any = Bucket(rejects | failures | marks)
    asked = Selection("rejects", since=NOW - 2 * HOUR, longest_wait=6 * HOUR)
    assert len(documents.listed(bucket, asked)) == 3
    assert bucket.listed_keys <= 10
    bucket.listed_keys = 0
    for place in places.of_marks(bucket, asked):
        bucket.listed(*place)
    assert bucket.listed_keys <= 16 + 24


@pytest.mark.parametrize(("source", "prefix"), [("rejects", "rejects/"), ("failures", "aws/")])
def test_without_a_time_all_of_it_is_listed(source: Source, prefix: str) -> None:
    bucket: Any = Bucket({})
    (place,) = places.of_objects(bucket, Selection(source))
    assert place.prefix.startswith(prefix)
    assert place.after == ""
    marks = list(places.of_marks(bucket, Selection(source)))
    assert marks == [Place("redriven/rejects/"), Place("redriven/aws/lambda/")]
