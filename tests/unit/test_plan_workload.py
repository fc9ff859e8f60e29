import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from infra.common.paths import ROOT
from operations.plan import sizes
from operations.plan.sizes import payload_units
from operations.plan.workload import Load, most_records_a_batch, workload
from ride_scoring.streams import kpl, put_records
from ride_scoring.streams.records import OutputRecord
from stream_sim.traffic.riders import Riders
from stream_sim.traffic.sources import Synthetic
from tests import runs
from tests.plans import basis, deployment
from trips import profile


@pytest.mark.parametrize(
    ("record_bytes", "units"),
    [(1, 1), (25 * 1024, 1), (25 * 1024 + 1, 2), (30_000, 2), (1024 * 1024, 41)],
)
def test_a_record_is_paid_for_in_units_of_25_kb(record_bytes: int, units: int) -> None:
    assert payload_units(record_bytes) == units


def test_an_event_and_a_prediction_have_the_bytes_that_are_really_sent() -> None:
    measured = sizes.measure()
    run = runs.a_run()
    source = Synthetic(profile.load(), 7)
    records = list(
        Riders(run, source, [], {}, np.random.SeedSequence(7)).records([np.arange(200.0)])
    )
    mean = sum(len(record.data) + len(record.partition_key) for record in records) / len(records)
    assert measured.event.alone_bytes == pytest.approx(mean, rel=0.02)
    documented = (ROOT / "terraform" / "variables.tf").read_text()
    assert "about four times the bytes of a ride event" in documented
    assert 3 < measured.prediction.alone_bytes / measured.event.alone_bytes < 5


def test_a_full_aggregate_holds_what_the_function_packs() -> None:
    packed = sizes.measure().prediction
    records = [OutputRecord(b"x" * 459, f"0123abcd-{index:03}") for index in range(500)]
    aggregate = put_records.aggregated(records)[0]
    assert packed.in_aggregate == pytest.approx(aggregate.holds, rel=0.03)
    assert packed.aggregate_bytes == pytest.approx(len(aggregate.data), rel=0.03)
    assert kpl.is_aggregated(aggregate.data)


def test_lambda_hands_over_records_as_in_its_event() -> None:
    example = json.loads((ROOT / "tests" / "event.json").read_text())["Records"][0]
    record = sizes.lambda_record(b"", "1")
    assert set(example["kinesis"]) <= set(record["kinesis"])
    assert 400 < sizes.measure().lambda_bytes < 700


def test_a_lane_is_asked_once_a_second_and_gets_what_came_since() -> None:
    batches = workload(300, deployment(events_shards=3), basis()).batches
    assert (batches.per_second, batches.rides, batches.lanes) == (3, 100, 3)
    # A millisecond, 100 rides at 10 microseconds, one call of 20 ms, half a millisecond rounded up.
    assert batches.milliseconds == pytest.approx(1 + 1 + 20 + 0.5)
    assert batches.busy == pytest.approx(3 * 0.0225)


def test_a_ride_at_a_time_is_a_batch_at_a_time() -> None:
    batches = workload(2, deployment(events_shards=4), basis()).batches
    assert (batches.per_second, batches.rides) == (2, 1)


def test_a_batch_holds_no_more_than_batch_size() -> None:
    batches = workload(3_000, deployment(events_shards=3, batch_size=250), basis()).batches
    assert (batches.per_second, batches.rides) == (12, 250)


def test_a_batch_holds_no_more_than_6_mb() -> None:
    of_bytes = most_records_a_batch(deployment(batch_size=10_000), basis())
    assert of_bytes == int(6 * 1024 * 1024 / (256 * 4 / 3 + 500))
    assert most_records_a_batch(deployment(batch_size=500), basis()) == 500


def test_a_window_gathers_rides_and_parallelization_spreads_them() -> None:
    gathered = workload(100, deployment(batch_window_seconds=5), basis()).batches
    assert gathered.per_second == pytest.approx(0.2)
    assert gathered.rides == pytest.approx(500)
    spread = workload(100, deployment(parallelization_factor=4), basis()).batches
    assert (spread.per_second, spread.rides, spread.lanes) == (4, 25, 4)
    pushed = workload(100, deployment(enhanced_fan_out=True), basis()).batches
    assert pushed.per_second == 14


def test_half_a_processor_takes_twice_as_long_to_compute_and_as_long_to_wait() -> None:
    whole, half = (
        workload(500, deployment(memory_mb=memory), basis()).batches for memory in (1769, 884.5)
    )
    assert whole.milliseconds == pytest.approx(6 + 20 + 0.5)
    assert half.milliseconds == pytest.approx(12 + 20 + 0.5)


def test_more_than_one_processor_is_of_no_use_to_one_thread() -> None:
    one, more = (
        workload(500, deployment(memory_mb=memory), basis()).batches for memory in (1769, 10_240)
    )
    assert one.milliseconds == more.milliseconds


@dataclass
class Capacity:
    """What a lane of full batches carries: its milliseconds by hand, and 20 between batches."""

    rides: int
    milliseconds: float

    @property
    def rides_a_second(self) -> float:
        return self.rides / (self.milliseconds + 20) * 1000


def test_a_lane_carries_full_batches_one_after_the_other() -> None:
    lane = workload(1, deployment(batch_size=1_000), basis()).batches
    by_hand = Capacity(1_000, 1 + 10 + 2 * 20 + 0.5)  # two calls of PutRecords
    assert lane.ride_capacity == pytest.approx(by_hand.rides_a_second)


def test_rejects_and_a_shadow_take_their_time() -> None:
    plain = workload(500, deployment(), basis()).batches.milliseconds
    shadowed = workload(500, deployment(shadow_alias="next"), basis()).batches.milliseconds
    assert shadowed - plain == pytest.approx(500 * 0.005 + 20)
    rejecting = workload(500, deployment(), basis(1.0)).batches
    assert rejecting.with_rejects == 1
    assert rejecting.milliseconds - plain == pytest.approx(40)
    some = workload(2, deployment(), basis(0.5)).batches
    assert some.with_rejects == pytest.approx(1 - 0.5**2)


def test_predictions_of_one_batch_share_records_where_they_are_aggregated() -> None:
    alone = workload(500, deployment(), basis()).predictions
    assert alone == Load(500, 500 * 512, 500, 500 * 1024)
    packed = workload(500, deployment(output_aggregation="kpl"), basis()).predictions
    # One batch of 500 a second, five full aggregates of two payload units.
    assert (packed.records, packed.bytes, packed.payload_units) == (5, 500 * 512, 10)


def test_an_aggregate_of_one_saves_nothing() -> None:
    packed = workload(3, deployment(events_shards=3, output_aggregation="kpl"), basis())
    assert packed.predictions == workload(3, deployment(events_shards=3), basis()).predictions


def test_a_producer_that_aggregates_puts_fewer_records() -> None:
    packed = basis(aggregated=True)
    assert workload(5, deployment(), packed).events == workload(5, deployment(), basis()).events
    full = workload(10_000, deployment(), packed).events
    assert (full.records, full.payload_units, full.bytes) == (100, 100, 10_000 * 256)
    many = workload(10_000, deployment(), packed).batches
    assert many.rides == 100 * 100


def test_a_shadow_doubles_the_predictions_or_has_a_stream_of_its_own() -> None:
    beside = workload(100, deployment(shadow_alias="next"), basis())
    assert (beside.predictions.records, beside.shadow) == (200, None)
    apart = workload(100, deployment(shadow_alias="next", shadow_stream=True), basis())
    assert apart.shadow is not None
    assert (apart.predictions.records, apart.shadow.records) == (100, 100)


def test_an_on_demand_stream_has_four_shards_or_as_many_as_it_needs() -> None:
    on_demand = deployment(events_shards=None, predictions_shards=None)
    assert workload(10, on_demand, basis()).events_shards == 4
    at_100_000 = workload(100_000, on_demand, basis())
    assert at_100_000.events_shards == 100
    assert at_100_000.predictions_shards == 100
    assert at_100_000.predictions.shards() == math.ceil(100_000 / 1_000)
