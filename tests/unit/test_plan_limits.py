from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.plan.basis import Basis
from operations.plan.limits import carried, limits
from operations.plan.needs import Used, above_headroom, changes, needs
from operations.plan.variables import Deployment
from operations.plan.workload import workload
from tests.plans import basis, deployment, real_basis
from tests.unit.test_plan_costs import DEPLOYMENTS, RATES


def first(deployed: Deployment, resting_on: Basis | None = None) -> tuple[str, float]:
    limit = limits(deployed, resting_on or basis())[0]
    return limit.name, limit.rides_per_second


def of_bytes(event: float, prediction: float) -> Basis:
    """Records of so many bytes, in place of 256 and 512."""
    round_ = basis()
    sizes = round_.sizes
    changed = msgspec.structs.replace(
        sizes,
        event=msgspec.structs.replace(sizes.event, alone_bytes=event),
        prediction=msgspec.structs.replace(sizes.prediction, alone_bytes=prediction),
    )
    return msgspec.structs.replace(round_, sizes=changed)


MIB = 1024 * 1024
MANY = 10_000
LANE = 500 / (1 + 5 + 20 + 0.5 + 20) * 1000
"""Rides a second of one lane of full batches of 500, by hand."""


@pytest.mark.parametrize(
    ("deployed", "resting_on", "name", "rides"),
    [
        (
            deployment(events_shards=2, predictions_shards=9),
            basis(),
            "records into the events stream's shards",
            2_000,
        ),
        (
            deployment(events_shards=2, predictions_shards=99),
            of_bytes(4096, 512),
            "bytes into the events stream's shards",
            2 * MIB / 4096,
        ),
        (
            deployment(events_shards=9, predictions_shards=2),
            basis(),
            "records into the predictions stream's shards",
            2_000,
        ),
        (
            deployment(events_shards=9, predictions_shards=2),
            of_bytes(256, 2048),
            "bytes into the predictions stream's shards",
            2 * MIB / 2048,
        ),
        (
            deployment(events_shards=9, predictions_shards=2, shadow_alias="next"),
            basis(),
            "records into the predictions stream's shards",
            1_000,
        ),
        (
            deployment(events_shards=2, predictions_shards=9, batch_size=1),
            basis(),
            "the mapping's batches of a shard at once",
            2 * 1 / (1 + 0.01 + 20 + 0.5 + 20) * 1000,
        ),
        (
            deployment(events_shards=MANY, predictions_shards=MANY, reserved_concurrency=3),
            basis(),
            "reserved_concurrency",
            3 * LANE,
        ),
        (
            deployment(events_shards=MANY, predictions_shards=MANY, batch_size=100),
            basis(),
            "the account's concurrency",
            1_000 * 100 / (1 + 1 + 20 + 0.5 + 20) * 1000,
        ),
        (
            deployment(events_shards=5 * MANY, predictions_shards=5 * MANY, batch_size=5_000),
            basis(),
            "the account's shards",
            20_000 / 2 * 1_000,
        ),
        (
            deployment(events_shards=None, predictions_shards=None, batch_size=5_000),
            basis(),
            "records into the on-demand events stream",
            10_000_000,
        ),
        (
            deployment(events_shards=None, predictions_shards=None, batch_size=5_000),
            of_bytes(256, 2_000),
            "bytes into the on-demand predictions stream",
            10e9 / 2_000,
        ),
        (
            deployment(events_shards=None, predictions_shards=None, batch_size=1),
            basis(),
            "the mapping's batches of a shard at once",
            4 * 1 / (1 + 0.01 + 20 + 0.5 + 20) * 1000,
        ),
    ],
)
def test_every_limit_is_named_where_it_is_the_first(
    deployed: Deployment, resting_on: Basis, name: str, rides: float
) -> None:
    found = first(deployed, resting_on)
    assert found[0] == name
    assert found[1] == pytest.approx(rides)


def test_a_limit_says_what_to_set() -> None:
    by_name = {limit.name: limit.remedy for limit in limits(deployment(), basis())}
    shards = by_name["records into the events stream's shards"]
    assert shards == "raise events_shards: one for every 1,000 rides/s"
    lanes = "the mapping's batches of a shard at once"
    assert "parallelization_factor (to 10 at most)" in by_name[lanes]
    ten = {
        limit.name: limit.remedy for limit in limits(deployment(parallelization_factor=10), basis())
    }
    assert "raise events_shards" in ten[lanes]


def test_aggregates_share_a_partition_key_so_more_lanes_of_a_shard_carry_no_more() -> None:
    packed, alone = basis(aggregated=True), basis()
    lanes = "the mapping's batches of a shard at once"
    for factor in (1, 10):
        deployed = deployment(batch_size=1, parallelization_factor=factor)
        found = {limit.name: limit for limit in limits(deployed, packed)}[lanes]
        assert found.remedy.startswith("raise events_shards, memory_mb or batch_size")
        assert found.rides_per_second == pytest.approx(100 / (1 + 1 + 20 + 0.5 + 20) * 1000)
        work = workload(10_000, deployed, packed)
        assert needs(work, deployed, packed).parallelization_factor == 1
        said = changes(work, deployed, packed)
        assert [name for name, *_ in map(str.split, said)] == [
            "events_shards",
            "predictions_shards",
        ]
        assert carried(
            workload(10_000, applied(deployed, said), packed), applied(deployed, said), packed
        )
    assert workload(1, deployment(parallelization_factor=10), alone).batches.lanes == 10


def test_what_is_held_for_the_function_leaves_100_of_the_accounts_concurrency() -> None:
    for held in ({"reserved_concurrency": 3_000}, {"provisioned_concurrency": 5}):
        deployed = deployment(events_shards=MANY, predictions_shards=MANY, batch_size=100, **held)
        found = {limit.name: limit for limit in limits(deployed, basis())}
        account = found["the account's concurrency"]
        lane = 100 / (1 + 1 + 20 + 0.5 + 20) * 1000
        assert account.rides_per_second == pytest.approx(900 * lane)
        assert "may be fewer than 1,000 in a new account, 100 of them" in account.remedy
        work = workload(1_000 * lane * 0.8, deployed, basis())
        assert (
            "the account's concurrent executions to 1,100" in changes(work, deployed, basis())[-1]
        )


def test_predictions_of_small_batches_are_records_of_their_own() -> None:
    """500 lanes, pushed to 14 times a second: up to 7,000 rides a second are alone in a batch."""
    name, rides = first(
        deployment(
            events_shards=50,
            parallelization_factor=10,
            enhanced_fan_out=True,
            output_aggregation="kpl",
        )
    )
    assert name == "records into the predictions stream's shards"
    assert rides == pytest.approx(1_000)


def test_what_is_never_reached_is_no_limit() -> None:
    named = {limit.name for limit in limits(deployment(events_shards=None), basis())}
    assert "the mapping's batches of a shard at once" not in named
    assert "reserved_concurrency" not in named


def test_aggregated_events_are_carried_by_fewer_shards() -> None:
    name, rides = first(deployment(predictions_shards=99), basis(aggregated=True))
    assert name == "bytes into the events stream's shards"
    assert rides == pytest.approx(MIB / 256)


@pytest.mark.parametrize(
    ("rides", "shards"), [(1, (1, 1)), (800, (1, 1)), (801, (2, 2)), (10_000, (13, 13))]
)
def test_a_rate_needs_a_shard_for_every_800_records(rides: float, shards: tuple[int, int]) -> None:
    needed = needs(workload(rides, deployment(), basis()), deployment(), basis())
    assert (needed.events_shards, needed.predictions_shards) == shards
    assert needed.concurrency_at_once == shards[0]


def test_slow_batches_need_parallelization_and_then_shards() -> None:
    slow = deployment(batch_size=1)  # 24 rides a second in a lane
    few, many = (needs(workload(rides, slow, basis()), slow, basis()) for rides in (100, 1_000))
    assert (few.events_shards, few.parallelization_factor) == (1, 6)
    assert (many.events_shards, many.parallelization_factor) == (6, 9)
    assert many.concurrency_at_once == 54


def test_a_rate_that_is_carried_with_headroom_needs_no_change() -> None:
    work = workload(800, deployment(), basis())
    assert changes(work, deployment(), basis()) == []
    assert above_headroom(work, deployment(), basis()) == []


def test_above_the_headroom_what_is_used_is_named_and_is_still_carried() -> None:
    deployed = deployment(predictions_shards=2)
    work = workload(1_000, deployed, basis())
    assert carried(work, deployed, basis())
    assert above_headroom(work, deployed, basis()) == [Used("the events stream", 1.0)]
    assert changes(work, deployed, basis()) == ["events_shards = 2"]


def test_batches_and_the_concurrency_reserved_for_them_have_headroom_too() -> None:
    deployed = deployment(batch_size=1, events_shards=10, reserved_concurrency=10)
    work = workload(9 * 1 / 41.51 * 1000, deployed, basis())
    used = {one.name: one.share for one in above_headroom(work, deployed, basis())}
    assert used == pytest.approx({"the mapping": 0.9, "reserved_concurrency": 0.9})
    assert changes(work, deployed, basis()) == [
        "parallelization_factor = 2",
        "reserved_concurrency = 12",
    ]


def test_what_is_to_be_set_is_said() -> None:
    reserved = deployment(reserved_concurrency=1, batch_size=10)
    assert changes(workload(2_500, reserved, basis()), reserved, basis()) == [
        "events_shards = 4",
        "predictions_shards = 4",
        "parallelization_factor = 4",
        "reserved_concurrency = 13",
    ]


def applied(deployed: Deployment, said: list[str]) -> Deployment:
    """The deployment with what is said to be set, each `name = number`."""
    new: dict[str, Any] = {}
    for change in said:
        name, equals, number = change.partition(" = ")
        if equals:
            new[name] = int(number)
    return msgspec.structs.replace(deployed, **new)


@given(DEPLOYMENTS, st.floats(1, 100_000), st.none() | st.integers(1, 2_000))
def test_with_what_is_to_be_set_the_rate_is_carried(
    deployed: Deployment, rides: float, reserved: int | None
) -> None:
    deployed = msgspec.structs.replace(deployed, reserved_concurrency=reserved)
    before = workload(rides, deployed, real_basis())
    said = changes(before, deployed, real_basis())
    assert bool(said) == bool(above_headroom(before, deployed, real_basis()))
    mended = applied(deployed, said)
    asks_aws = any("AWS" in change for change in said)
    work = workload(rides, mended, real_basis())
    assert asks_aws or carried(work, mended, real_basis())
    assert asks_aws or above_headroom(work, mended, real_basis()) == []


@given(DEPLOYMENTS, st.integers(1, 100), st.integers(1, 100))
def test_more_shards_never_carry_less(deployed: Deployment, one: int, other: int) -> None:
    fewer, more = (
        first(
            msgspec.structs.replace(deployed, events_shards=count, predictions_shards=count),
            real_basis(),
        )[1]
        for count in sorted((one, other))
    )
    assert more >= fewer * (1 - 1e-9)


@given(DEPLOYMENTS, RATES)
def test_more_parallelization_never_carries_less(deployed: Deployment, rides: float) -> None:
    used = [
        needs(workload(rides, at_once, real_basis()), at_once, real_basis()).utilisation
        for at_once in (
            msgspec.structs.replace(deployed, parallelization_factor=factor)
            for factor in (1, 5, 10)
        )
    ]
    assert used == sorted(used, reverse=True)
