"""The per-second load on each part of a deployment at a given rate.

Rides are spread evenly over time and partition keys. Means are used without rounding, so that no
figure decreases as the rate grows.
"""

import math

import msgspec

from operations.plan import quotas
from operations.plan.basis import Basis
from operations.plan.sizes import Packed
from operations.plan.variables import Deployment
from ride_scoring.streams.put_records import MAX_RECORDS_A_CALL


def whole(count: float) -> int:
    """Rounds up to a whole number, at least 1, ignoring floating-point noise."""
    return max(1, math.ceil(round(count, 9)))


class Load(msgspec.Struct, frozen=True):
    """Load on one stream per second. `billed_bytes` rounds each record up to 1 KB."""

    records: float
    bytes: float
    payload_units: float
    billed_bytes: float

    @property
    def full_shards(self) -> float:
        """Shards that the load fills, by records or bytes, whichever is more."""
        by_records = self.records / quotas.SHARD_RECORDS_A_SECOND
        return max(by_records, self.bytes / quotas.SHARD_BYTES_A_SECOND)

    def shards(self, headroom: float = 1.0) -> int:
        """Shards needed to carry the load, each used up to the share `headroom`."""
        return whole(self.full_shards / headroom)


class Batches(msgspec.Struct, frozen=True):
    """The function's invocations: number per second, rides and milliseconds of each.

    `with_rejects` is the share that contain rejects. `lanes` is how many the mapping can run at
    once, `most_rides` the rides in a full batch, and `ride_capacity` the rides per second that one
    lane of full batches carries.
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
        """Mean number of concurrent batches."""
        return self.per_second * self.milliseconds / 1000


class Workload(msgspec.Struct, frozen=True):
    """A deployment's load per second at a given rate."""

    rides: float
    events: Load
    predictions: Load
    shadow: Load | None
    events_shards: int
    predictions_shards: int
    batches: Batches


def workload(rides: float, deployment: Deployment, basis: Basis) -> Workload:
    """Computes the workload at `rides` per second, above zero."""
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
    """Minimum number of shards of an on-demand stream."""
    return max(quotas.ON_DEMAND_FIRST_SHARDS, load.shards())


def events_load(rides: float, basis: Basis, *, aggregated: bool) -> Load:
    """Load of events. Aggregating producers buffer only briefly, so low rates do not aggregate."""
    in_buffer = rides * basis.measured.assumed.producer_buffer_ms / 1000
    flushes = rides / max(1.0, in_buffer) if aggregated else rides
    return _load(rides, flushes, basis.sizes.event, aggregated=aggregated)


def predictions_load(rides: float, batches: Batches, basis: Basis, *, aggregated: bool) -> Load:
    """Load of one model's predictions; only those in the same batch share a record."""
    predicted = rides * (1 - basis.traffic.reject_share)
    flushes = min(batches.per_second, predicted) if aggregated else predicted
    return _load(predicted, flushes, basis.sizes.prediction, aggregated=aggregated)


def _load(items: float, flushes: float, packed: Packed, *, aggregated: bool) -> Load:
    """`flushes` is the number of buffer flushes per second: the minimum number of records."""
    records, units = items, items * packed.units(aggregated=False)
    if aggregated:
        full = items / packed.in_aggregate
        records = max(flushes, full)
        units = max(flushes, full * packed.units(aggregated=True))
    size = items * packed.bytes_each(aggregated=aggregated and records < items)
    half_a_kb = 512 * records  # mean effect of rounding up when sizes vary
    whole = records * math.ceil(packed.alone_bytes / 1024) * 1024
    return Load(records, size, units, max(whole, size + half_a_kb) if aggregated else whole)


def _times(factor: int, load: Load) -> Load:
    return Load(*(factor * value for value in msgspec.structs.astuple(load)))


def _batches(
    rides: float, events: Load, shards: int, deployment: Deployment, basis: Basis
) -> Batches:
    lanes = shards * basis.at_once(deployment)
    most_records = most_records_a_batch(deployment, basis)
    # A lane's batch holds what arrived since its last poll, up to the maximum batch size.
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
    """How long rides accumulate before they are passed to a lane."""
    fan_out = deployment.enhanced_fan_out
    reads = quotas.FAN_OUT_READS_A_SECOND if fan_out else quotas.POLLS_A_SECOND
    return max(deployment.batch_window_seconds, 1 / reads)


def _share_with_rejects(rides: float, share: float) -> float:
    """Share of batches of `rides` rides that contain at least one reject."""
    return 1.0 if share == 1 else -math.expm1(rides * math.log1p(-share))


def most_records_a_batch(deployment: Deployment, basis: Basis) -> int:
    """Maximum events stream records in a batch: batch_size, or what fits in a 6 MB payload."""
    packed = basis.sizes.event
    aggregated = basis.traffic.aggregated
    data = packed.aggregate_bytes if aggregated else packed.alone_bytes
    in_payload = quotas.PAYLOAD_BYTES / (data * 4 / 3 + basis.sizes.lambda_bytes)
    return max(1, min(deployment.batch_size, int(in_payload)))


def _put_records(rides: float, deployment: Deployment, basis: Basis) -> float:
    """PutRecords calls for one model's predictions; a partly filled call counts as a fraction."""
    packed = basis.sizes.prediction
    records = rides / packed.in_aggregate if deployment.aggregates else rides
    return records / MAX_RECORDS_A_CALL


def _milliseconds(
    rides: float, calls: float, with_rejects: float, deployment: Deployment, basis: Basis
) -> float:
    """Billed milliseconds of a batch. The function has one thread, so it uses at most one vCPU."""
    cpu, assumed = basis.measured.cpu, basis.measured.assumed
    share = min(1.0, deployment.memory_mb / quotas.MEMORY_OF_A_PROCESSOR_MB)
    ride_ms = cpu.ride_ms(aggregated=deployment.aggregates, shadow=deployment.shadows)
    waited = calls * assumed.put_records_ms * (2 if deployment.shadows else 1)
    rounding = 0.5  # mean effect of rounding up to a whole millisecond
    return (
        (cpu.batch_ms + rides * ride_ms) / share
        + waited
        + with_rejects * assumed.put_object_ms
        + rounding
    )
