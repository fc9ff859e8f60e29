"""A rate, a deployment and what it rests on in; what each part of it does in a second out.

Rides come evenly, over time and over partition keys. Means are taken, no remainders: so that no
figure falls as the rate grows.
"""

import math

import msgspec

from operations.plan import quotas
from operations.plan.basis import Basis
from operations.plan.sizes import Packed
from operations.plan.variables import Deployment
from ride_scoring.streams.put_records import MAX_RECORDS_A_CALL


def whole(count: float) -> int:
    """So many of what there is no half of, one at the least; what floats leave is noise."""
    return max(1, math.ceil(round(count, 9)))


class Load(msgspec.Struct, frozen=True):
    """What goes into one stream in a second. `billed_bytes` are rounded up to 1 KB a record."""

    records: float
    bytes: float
    payload_units: float
    billed_bytes: float

    @property
    def full_shards(self) -> float:
        """How many shards this fills, by records or by bytes."""
        by_records = self.records / quotas.SHARD_RECORDS_A_SECOND
        return max(by_records, self.bytes / quotas.SHARD_BYTES_A_SECOND)

    def shards(self, headroom: float = 1.0) -> int:
        """How many it takes to carry this, each used up to the share `headroom`."""
        return whole(self.full_shards / headroom)


class Batches(msgspec.Struct, frozen=True):
    """The function's calls: how many a second, rides and milliseconds of one, how many at once.

    `with_rejects` is the share of them that set some aside. `lanes` is how many the mapping can
    run at once, and `ride_capacity` what one lane of full batches carries in a second.
    """

    per_second: float
    rides: float
    milliseconds: float
    with_rejects: float
    lanes: int
    most_rides: float
    ride_capacity: float

    @property
    def busy(self) -> float:
        """How many run at once, on average."""
        return self.per_second * self.milliseconds / 1000


class Workload(msgspec.Struct, frozen=True):
    """What one second of a rate is to a deployment."""

    rides: float
    events: Load
    predictions: Load
    shadow: Load | None
    events_shards: int
    predictions_shards: int
    batches: Batches


def workload(rides: float, deployment: Deployment, basis: Basis) -> Workload:
    """`rides` is rides a second, above zero."""
    events = events_load(rides, basis, aggregated=basis.traffic.aggregated)
    shards = deployment.events_shards or on_demand_shards(events)
    batches = _batches(rides, events, shards, deployment, basis)
    of_one = predictions_load(rides, batches, basis, aggregated=deployment.aggregates)
    beside = deployment.shadows and not deployment.shadow_stream
    predictions = _times(2, of_one) if beside else of_one
    return Workload(
        rides=rides,
        events=events,
        predictions=predictions,
        shadow=of_one if deployment.shadow_stream else None,
        events_shards=shards,
        predictions_shards=deployment.predictions_shards or on_demand_shards(predictions),
        batches=batches,
    )


def on_demand_shards(load: Load) -> int:
    """How many shards an on-demand stream has, at the least."""
    return max(quotas.ON_DEMAND_FIRST_SHARDS, load.shards())


def events_load(rides: float, basis: Basis, *, aggregated: bool) -> Load:
    """An aggregating producer waits a moment, so few rides a second share no record."""
    in_buffer = rides * basis.measured.assumed.producer_buffer_ms / 1000
    flushes = rides / max(1.0, in_buffer) if aggregated else rides
    return _load(rides, flushes, basis.sizes.event, aggregated=aggregated)


def predictions_load(rides: float, batches: Batches, basis: Basis, *, aggregated: bool) -> Load:
    """The predictions of one model: only those of one batch share a record."""
    predicted = rides * (1 - basis.traffic.reject_share)
    flushes = min(batches.per_second, predicted) if aggregated else predicted
    return _load(predicted, flushes, basis.sizes.prediction, aggregated=aggregated)


def _load(items: float, flushes: float, packed: Packed, *, aggregated: bool) -> Load:
    """`flushes` is how many times a second what is there is sent: so many records at the least."""
    records, units = items, items * packed.units(aggregated=False)
    if aggregated:
        full = items / packed.in_aggregate
        records = max(flushes, full)
        units = max(flushes, full * packed.units(aggregated=True))
    size = items * packed.bytes_each(aggregated=aggregated and records < items)
    half_a_kb = 512 * records  # what rounding up adds on average where sizes differ
    whole = records * math.ceil(packed.alone_bytes / 1024) * 1024
    return Load(records, size, units, max(whole, size + half_a_kb) if aggregated else whole)


def _times(factor: int, load: Load) -> Load:
    return Load(*(factor * value for value in msgspec.structs.astuple(load)))


def _batches(
    rides: float, events: Load, shards: int, deployment: Deployment, basis: Basis
) -> Batches:
    lanes = shards * basis.at_once(deployment)
    most_records = most_records_a_batch(deployment, basis)
    # A lane's batch is what came since it was last asked for, or as much as a batch takes.
    by_time = lanes / _wait_seconds(deployment)
    per_second = min(events.records, max(by_time, events.records / most_records))
    in_batch, most_rides = rides / per_second, most_records * rides / events.records
    with_rejects = _share_with_rejects(in_batch, basis.traffic.reject_share)
    calls = max(1.0, _put_records(in_batch, deployment, basis))
    full_calls = math.ceil(_put_records(most_rides, deployment, basis))
    full_with_rejects = _share_with_rejects(most_rides, basis.traffic.reject_share)
    full_ms = _milliseconds(most_rides, full_calls, full_with_rejects, deployment, basis)
    return Batches(
        per_second=per_second,
        rides=in_batch,
        milliseconds=_milliseconds(in_batch, calls, with_rejects, deployment, basis),
        with_rejects=with_rejects,
        lanes=lanes,
        most_rides=most_rides,
        ride_capacity=most_rides / (full_ms + basis.measured.assumed.between_batches_ms) * 1000,
    )


def _wait_seconds(deployment: Deployment) -> float:
    """How long rides gather before a lane is given them."""
    fan_out = deployment.enhanced_fan_out
    reads = quotas.FAN_OUT_READS_A_SECOND if fan_out else quotas.POLLS_A_SECOND
    return max(deployment.batch_window_seconds, 1 / reads)


def _share_with_rejects(rides: float, share: float) -> float:
    """Of batches of so many rides, how many hold one that can never be scored."""
    return 1.0 if share == 1 else -math.expm1(rides * math.log1p(-share))


def most_records_a_batch(deployment: Deployment, basis: Basis) -> int:
    """Records of the events stream in a batch: batch_size, or what 6 MB of payload hold."""
    packed = basis.sizes.event
    aggregated = basis.traffic.aggregated
    data = packed.aggregate_bytes if aggregated else packed.alone_bytes
    in_payload = quotas.PAYLOAD_BYTES / (data * 4 / 3 + basis.sizes.lambda_bytes)
    return max(1, min(deployment.batch_size, int(in_payload)))


def _put_records(rides: float, deployment: Deployment, basis: Basis) -> float:
    """Calls of PutRecords for the predictions of one model, as a fraction where one is not full."""
    packed = basis.sizes.prediction
    records = rides / packed.in_aggregate if deployment.aggregates else rides
    return records / MAX_RECORDS_A_CALL


def _milliseconds(
    rides: float, calls: float, with_rejects: float, deployment: Deployment, basis: Basis
) -> float:
    """Billed milliseconds of a batch. The function has one thread, so at most one processor."""
    cpu, assumed = basis.measured.cpu, basis.measured.assumed
    share = min(1.0, deployment.memory_mb / quotas.MEMORY_OF_A_PROCESSOR_MB)
    ride_ms = cpu.ride_ms(aggregated=deployment.aggregates, shadow=deployment.shadows)
    waited = calls * assumed.put_records_ms * (2 if deployment.shadows else 1)
    rounding = 0.5  # up to a whole millisecond
    return (
        (cpu.batch_ms + rides * ride_ms) / share
        + waited
        + with_rejects * assumed.put_object_ms
        + rounding
    )
