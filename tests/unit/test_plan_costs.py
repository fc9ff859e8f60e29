import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.plan import costs
from operations.plan.basis import Basis
from operations.plan.variables import Deployment
from operations.plan.workload import workload
from tests.plans import MONTH_SECONDS, basis, deployment, real_basis

GB = 1024**3


def bill(rides: float, deployed: Deployment, resting_on: Basis) -> dict[str, float]:
    """Dollars by service and item."""
    found = costs.items(workload(rides, deployed, resting_on), deployed, resting_on)
    return {f"{item.service} {item.name}": item.usd for item in found}


def test_a_shard_costs_730_hours_a_month() -> None:
    found = bill(1, deployment(events_shards=3, predictions_shards=2), basis())
    assert found["Kinesis events, shards"] == pytest.approx(3 * 730 * 0.01)
    assert found["Kinesis predictions, shards"] == pytest.approx(2 * 730 * 0.01)


def test_what_a_shard_really_costs() -> None:
    assert bill(1, deployment(), real_basis())["Kinesis events, shards"] == pytest.approx(10.95)


def test_each_event_is_a_payload_unit() -> None:
    units = bill(1_000, deployment(), basis())["Kinesis events, payload units"]
    assert units == pytest.approx(1_000 * 2.628 * 0.02)


def test_retention_is_paid_by_the_shard_for_a_week_and_by_the_gb_beyond() -> None:
    day = bill(100, deployment(), basis())
    assert not any("retention" in name or "long-term" in name for name in day)
    week = bill(100, deployment(retention_hours=168), basis())
    assert week["Kinesis events, retention"] == pytest.approx(730 * 0.03)
    assert "Kinesis events, long-term" not in week
    longer = bill(100, deployment(retention_hours=268), basis())
    assert longer["Kinesis events, retention"] == pytest.approx(730 * 0.03)
    lies_there = 100 * 3600 * 100 * 256 / GB
    assert longer["Kinesis events, long-term"] == pytest.approx(lies_there * 0.04)


def test_enhanced_fan_out_is_paid_by_the_shard_and_by_the_gb() -> None:
    found = bill(100, deployment(events_shards=2, enhanced_fan_out=True), basis())
    read = 100 * 256 * MONTH_SECONDS / GB
    assert found["Kinesis events, enhanced fan-out"] == pytest.approx(2 * 730 * 0.05 + read * 0.06)


def test_on_demand_is_paid_by_the_stream_and_by_the_gb_each_record_a_whole_kb() -> None:
    on_demand = deployment(events_shards=None, retention_hours=48)
    found = bill(1_000, on_demand, basis())
    assert "Kinesis events, shards" not in found
    assert found["Kinesis events, on-demand"] == pytest.approx(730 * 0.07)
    assert found["Kinesis events, written"] == pytest.approx(
        1_000 * 1024 * MONTH_SECONDS / GB * 0.08
    )
    assert found["Kinesis events, read"] == pytest.approx(1_000 * 256 * MONTH_SECONDS / GB * 0.09)
    assert found["Kinesis events, retention"] == pytest.approx(1_000 * 256 * 86_400 / GB * 0.12)


def test_on_demand_fan_out_is_read_in_place_of_shared_reading() -> None:
    found = bill(1_000, deployment(events_shards=None, enhanced_fan_out=True), basis())
    assert "Kinesis events, read" not in found
    assert found["Kinesis events, enhanced fan-out"] == pytest.approx(
        1_000 * 256 * MONTH_SECONDS / GB * 0.11
    )


def test_the_function_costs_its_calls_and_its_gb_seconds() -> None:
    # Two batches of 500 a second, 1 + 5 + 20 + 0.5 ms each, of 2 GB.
    found = bill(1_000, deployment(), basis())
    assert found["Lambda requests"] == pytest.approx(2 * 2.628 * 0.2)
    gb_seconds = 2 * 0.0265 * 2 * MONTH_SECONDS
    assert found["Lambda duration"] == pytest.approx(gb_seconds * 1e-5)


def test_gb_seconds_have_tiers_and_architectures_prices_of_their_own() -> None:
    many = bill(10_000, deployment(events_shards=10), basis())["Lambda duration"]
    gb_seconds = 20 * 0.0265 * 2 * MONTH_SECONDS
    assert many == pytest.approx(1e6 * 1e-5 + (gb_seconds - 1e6) * 5e-6)
    arm = bill(1_000, deployment(architecture="arm64"), basis())["Lambda duration"]
    assert arm == pytest.approx(2 * 0.0265 * 2 * MONTH_SECONDS * 8e-6)


def test_what_is_kept_warm_is_paid_all_month_and_called_for_less() -> None:
    found = bill(1_000, deployment(provisioned_concurrency=3), basis())
    busy = 2 * 0.0265
    assert found["Lambda duration"] == 0
    assert found["Lambda provisioned concurrency"] == pytest.approx(
        3 * 2 * MONTH_SECONDS * 4e-6 + busy * 2 * MONTH_SECONDS * 9e-6
    )


def test_tmp_costs_above_512_mb() -> None:
    assert "Lambda ephemeral storage" not in bill(1_000, deployment(), basis())
    found = bill(1_000, deployment(ephemeral_storage_mb=1536), basis())
    assert found["Lambda ephemeral storage"] == pytest.approx(2 * 0.0265 * MONTH_SECONDS * 1e-7)


def test_snapshots_are_paid_for_each_kept_version_and_restored_for_each_environment() -> None:
    canary = {"stable_version": "7", "weight": 0.1}
    found = bill(1, deployment(snap_start=True, events_shards=5, canary=canary), basis())
    assert found["Lambda SnapStart: snapshots"] == pytest.approx(3 * 2 * MONTH_SECONDS * 2e-6)
    assert found["Lambda SnapStart: restored"] == pytest.approx(5 * 730 / 2 * 2 * 1e-4)


def test_a_batch_with_rejects_writes_one_object() -> None:
    found = bill(
        500, deployment(rejects_retention_days=10, noncurrent_retention_days=20), basis(0.01)
    )
    with_some = 1 - 0.99**500
    assert found["S3 rejects written"] == pytest.approx(with_some * MONTH_SECONDS / 1e3 * 0.005)
    stored = 1 + 500 * 0.01 * 400 * (10 + 20) * 86_400 / GB
    assert found["S3 stored"] == pytest.approx(stored * 0.02)
    assert bill(500, deployment(), basis())["S3 rejects written"] == 0


@pytest.mark.parametrize(
    ("current", "noncurrent", "days"),
    [(10, 20, 30), (10, None, 365), (None, 20, 365), (None, None, 365), (360, 30, 365)],
)
def test_what_expires_is_paid_for_until_it_is_forgotten(
    current: int | None, noncurrent: int | None, days: int
) -> None:
    kept = deployment(rejects_retention_days=current, noncurrent_retention_days=noncurrent)
    stored = 1 + 500 * 0.01 * 400 * days * 86_400 / GB
    assert bill(500, kept, basis(0.01))["S3 stored"] == pytest.approx(stored * 0.02)


def test_each_environment_looks_at_the_alias_and_at_a_shadows_too() -> None:
    name = "S3 looks at the alias"
    a_look = MONTH_SECONDS / 1e3 * 0.0004
    four = deployment(events_shards=4, model_refresh_seconds=30.0)
    assert bill(1_000, four, basis())[name] == pytest.approx(4 / 30 * a_look)
    shadowed = deployment(events_shards=4, model_refresh_seconds=30.0, shadow_alias="next")
    assert bill(1_000, shadowed, basis())[name] == pytest.approx(2 * 4 / 30 * a_look)
    each_batch = deployment(events_shards=4, model_refresh_seconds=0.0)
    assert bill(400, each_batch, basis())[name] == pytest.approx(4 * a_look)


def test_custom_metrics_are_the_functions_the_mappings_and_the_shards() -> None:
    name = "CloudWatch custom metrics"
    assert bill(1, deployment(), basis())[name] == pytest.approx((2 + 6) * 0.3)
    assert bill(1, deployment(), basis(0.01))[name] == pytest.approx((3 + 6) * 0.3)
    of_shards = deployment(
        events_shards=3, predictions_shards=2, shard_metrics=frozenset({"IncomingBytes"})
    )
    assert bill(1, of_shards, basis())[name] == pytest.approx(10 * 0.3 + 3 * 0.1)
    canary = deployment(canary={"stable_version": "7", "weight": 0.1})
    assert bill(1, canary, basis())[name] == pytest.approx((3 + 6) * 0.3)


def test_the_log_is_what_a_batch_writes_and_what_its_rejects_do() -> None:
    found = bill(1_000, deployment(log_retention_days=152), basis())
    written = 2 * (700 + 300) * MONTH_SECONDS / GB
    assert found["CloudWatch log written"] == pytest.approx(written * 0.5)
    assert found["CloudWatch log stored"] == pytest.approx(written * 0.1 * 5 * 0.03)
    with_rejects = bill(1_000, deployment(), basis(0.001))["CloudWatch log written"]
    assert with_rejects == pytest.approx((written + 200 * MONTH_SECONDS / GB) * 0.5)


def test_alarms_and_a_dashboard_are_paid_by_the_month() -> None:
    found = bill(1, deployment(), basis())
    assert found["CloudWatch alarms"] == pytest.approx(1.0 + 0.5)
    assert found["CloudWatch dashboard"] == pytest.approx(3.0)


def test_a_canary_has_an_alarm_of_its_own() -> None:
    canary = deployment(canary={"stable_version": "7", "weight": 0.1})
    assert bill(1, canary, basis())["CloudWatch alarms"] == pytest.approx(1.4 + 0.5)


def test_a_batch_a_second_is_traced_and_a_twentieth_of_the_rest() -> None:
    assert "X-Ray traces" not in bill(1_000, deployment(), basis())
    found = bill(10_500, deployment(events_shards=11, tracing=True), basis())
    assert found["X-Ray traces"] == pytest.approx((1 + 0.05 * 20) * 2.628 * 5)


def test_a_key_is_paid_for_and_so_is_asking_for_it() -> None:
    asked = 2 * 3 * 10 * MONTH_SECONDS / 300 / 1e4 * 0.03
    aws_keys = bill(1, deployment(), basis())
    assert "KMS key" not in aws_keys
    assert aws_keys["KMS data keys"] == pytest.approx(asked)
    own = bill(1, deployment(kms_key_arn="arn:aws:kms:us-east-1:1:key/a"), basis())
    assert own["KMS key"] == 1.0
    assert not any("KMS" in name for name in bill(1, deployment(encrypt_streams=False), basis()))


def test_a_million_rides_cost_their_share_of_the_month() -> None:
    work = workload(100, deployment(), basis())
    totals = costs.totals(work, costs.items(work, deployment(), basis()))
    assert totals.month_usd == pytest.approx(costs.month_usd(100, deployment(), basis()))
    assert totals.million_rides_usd == pytest.approx(totals.month_usd / (100 * 2.628))


def test_aggregation_lowers_the_bill_of_a_busy_stream() -> None:
    alone, packed = (
        costs.month_usd(
            20_000,
            deployment(output_aggregation=packing, events_shards=20, predictions_shards=20),
            real_basis(),
        )
        for packing in ("none", "kpl")
    )
    assert packed < 0.8 * alone


SHARDS = st.none() | st.integers(1, 50)
DEPLOYMENTS = st.builds(
    deployment,
    events_shards=SHARDS,
    predictions_shards=SHARDS,
    retention_hours=st.integers(24, 8760),
    shard_metrics=st.sampled_from([frozenset(), frozenset({"IncomingBytes"})]),
    architecture=st.sampled_from(["x86_64", "arm64"]),
    memory_mb=st.integers(128, 10_240),
    ephemeral_storage_mb=st.integers(512, 10_240),
    provisioned_concurrency=st.integers(0, 50),
    snap_start=st.booleans(),
    tracing=st.booleans(),
    model_refresh_seconds=st.floats(0, 100),
    shadow_alias=st.sampled_from(["", "next"]),
    output_aggregation=st.sampled_from(["none", "kpl"]),
    batch_size=st.integers(1, 10_000),
    batch_window_seconds=st.integers(0, 300),
    parallelization_factor=st.integers(1, 10),
    enhanced_fan_out=st.booleans(),
)
RATES = st.floats(0.001, 1_000_000)


@given(DEPLOYMENTS, RATES, RATES, st.sampled_from(["one each", "aggregated"]))
def test_more_rides_never_cost_less(
    deployed: Deployment, one: float, other: float, events: str
) -> None:
    known = real_basis(aggregated=events == "aggregated")
    fewer, more = (costs.month_usd(rate, deployed, known) for rate in sorted((one, other)))
    assert more >= fewer * (1 - 1e-9)


@given(DEPLOYMENTS, RATES)
def test_no_item_is_paid_back(deployed: Deployment, rides: float) -> None:
    assert all(usd >= 0 for usd in bill(rides, deployed, real_basis()).values())
