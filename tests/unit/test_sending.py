"""What a run sends and by how many processes, from its options."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infra.common.console import UserError
from stream_sim.ledger import Run
from stream_sim.send import plan
from stream_sim.send.options import Job, Request, decoded_job, encoded
from stream_sim.send.plan import SendPlan
from tests import trip_files


def made(**options: Any) -> SendPlan:
    return plan.made(Request(stream="events", **options))


def processes(**options: Any) -> int:
    request = Request(stream="events", **options)
    return plan.processes(plan.made(request), request)


def taken(planned: SendPlan, part: int = 0, parts: int = 1) -> int:
    """How many rides the part sends."""
    source = planned.source(part, parts, 1)
    blocks = planned.arrivals(part, parts, np.random.default_rng(1))
    return sum(len(source.take(block)) for block in blocks)


@pytest.fixture
def month(tmp_path: Path) -> Path:
    return trip_files.write(tmp_path / "trips.parquet", trip_files.columns(100))


def test_without_options_5000_rides_go_out_at_500_a_second() -> None:
    planned = made()
    assert taken(planned) == 5_000
    assert planned.peak() == 500.0
    assert sum(planned.rates.values()) == pytest.approx(0.01)


def test_the_parts_send_what_was_asked_for_together() -> None:
    planned = made(count=1_000)
    shares = [taken(planned, part, 3) for part in range(3)]
    assert shares == [334, 333, 333]


@pytest.mark.parametrize("parts", [1, 3])
def test_a_duration_is_kept_by_all_parts(parts: int) -> None:
    planned = made(duration=7.0, rate=100.0)
    assert sum(taken(planned, part, parts) for part in range(parts)) == 700


def test_a_file_is_sent_to_its_end_by_all_parts_and_no_further(month: Path) -> None:
    planned = made(trips=month, count=1_000)
    assert planned.count == 100
    assert [taken(planned, part, 3) for part in range(3)] == [34, 33, 33]
    assert taken(made(trips=month, duration=60.0)) == 100


def test_by_event_time_rides_arrive_as_they_were_ridden(month: Path) -> None:
    planned = made(trips=month, speed_up=3_600.0)
    (times,) = planned.arrivals(0, 1, np.random.default_rng(1))
    assert times[0] == 0
    assert 600 < times[-1] < 31 * 24
    assert planned.peak() >= 1


def test_a_file_in_its_own_time_is_sent_whole_unless_less_is_asked_for(tmp_path: Path) -> None:
    path = trip_files.write(tmp_path / "trips.parquet", trip_files.columns(5_200))
    assert taken(made(trips=path, speed_up=1e6)) == 5_200
    assert taken(made(trips=path, speed_up=1e6, count=30)) == 30
    assert taken(made(trips=path)) == 5_000


def test_pickup_times_follow_a_compressed_day() -> None:
    planned = made(shapes=["diurnal:day_seconds=24"], count=2_000, rate=100.0)
    source = planned.source(0, 1, 1)
    for block in planned.arrivals(0, 1, np.random.default_rng(1)):
        pickup = source.take(block).pickup
        hours = (pickup - pickup.astype("datetime64[D]")) // np.timedelta64(1, "h")
        assert hours.tolist() == (block % 24 // 1).astype(int).tolist()


def test_as_many_processes_as_the_highest_rate_needs_and_cores_can_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert processes() == 1
    assert processes(rate=15_000.0) == 1
    assert processes(rate=16_000.0) == 2
    assert processes(rate=16_000.0, aggregate=True) == 1
    assert processes(rate=16_000.0, shapes=["burst:times=2"]) == 3
    assert processes(rate=1e6) == 4
    assert processes(rate=1e6, processes=6) == 6
    assert processes(processes=6, count=2) == 2


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"rate": 0.0}, "--rate 0: give a number above 0"),
        ({"rate": -1.0}, "--rate -1: give a number above 0"),
        ({"rate": float("nan")}, "--rate nan: give a number above 0"),
        ({"duration": float("inf")}, "--duration inf: give a number above 0"),
        ({"count": 0}, "--count 0: give a number above 0"),
        ({"malformed": float("nan")}, "--malformed nan: give a share"),
        ({"count": 1, "duration": 1.0}, "--count and --duration exclude each other"),
        ({"shapes": ["rampp"]}, "did you mean ramp?"),
        ({"faults": ["lat=0.1"]}, "did you mean late?"),
        ({"drifts": ["kilometers"]}, "did you mean kilometres?"),
        ({"speed_up": 2.0}, "name it with --trips"),
        ({"trips": Path("nowhere.parquet")}, "nowhere.parquet does not exist"),
        ({"profile": Path("nowhere.npz")}, "nowhere.npz"),
    ],
)
def test_what_cannot_be_sent_is_named(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint.replace("?", r"\?")):
        made(**options)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"aggregate": True}, "--aggregate would lose rides"),
        ({"faults": ["aggregated=0.1"]}, "--fault aggregated would lose rides"),
        ({"faults": ["damaged-kpl=0.1"]}, "--fault damaged-kpl would lose rides"),
        (
            {"aggregate": True, "faults": ["late=0.1", "damaged-kpl=0.1", "aggregated=0.1"]},
            "--aggregate and --fault aggregated and --fault damaged-kpl would lose rides",
        ),
    ],
)
def test_packed_rides_are_refused_where_fan_out_would_drop_them(
    options: dict[str, Any], named: str
) -> None:
    made(**options)
    with pytest.raises(UserError, match=f"^{named}: the function reads events with enhanced fan"):
        made(fan_out=True, **options)


def test_rides_in_records_of_their_own_are_sent_to_a_stream_with_fan_out() -> None:
    assert taken(made(fan_out=True, faults=["late=0.1", "huge=0.1", "aggregated=0"])) == 5_000


@pytest.mark.parametrize("more", [{"rate": 5.0}, {"shapes": ["poisson"]}])
def test_arrivals_come_from_the_file_or_from_a_rate(more: dict[str, Any], month: Path) -> None:
    with pytest.raises(UserError, match="leave out --rate and --shape"):
        made(trips=month, speed_up=2.0, **more)


def test_a_job_reaches_its_process_whole(tmp_path: Path) -> None:
    request = Request(stream="events", trips=tmp_path / "a b.parquet", drifts=["growth"], rate=3.0)
    run = Run("0123abcd", 1, 2, 3.5, "events", {"rate": 3.0}, {"numpy": "2"})
    job = decoded_job(encoded(Job(request, run, tmp_path)))
    assert job.request.trips == tmp_path / "a b.parquet"
    assert (job.run, job.folder, job.request.rate) == (run, tmp_path, 3.0)
