"""Enhanced fan-out: the user records Lambda makes of an aggregated record.

Those that do not belong to the shard are dropped: neither processed nor sent to a destination.
https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

from collections.abc import Sequence

from ride_scoring.streams import kpl
from ride_scoring.streams.kpl import UserRecord
from stream_sim.simulation.schedule import Reading
from stream_sim.simulation.world.stream import Entry, Shard, StoredRecord


def taken_apart(record: StoredRecord, shard: Shard, reading: Reading) -> Sequence[StoredRecord]:
    """The record itself if it is no intact aggregate: AWS's own library passes it on as is."""
    if not kpl.is_aggregated(record.data):
        return [record]
    try:
        inside = kpl.user_records(record.data)
    except kpl.DamagedAggregate:
        return [record]
    return [
        StoredRecord(
            record.sequence_number,
            user_record.partition_key,
            user_record.data,
            record.arrived_at,
            place,
            reading.shared_numbers,
        )
        for place, user_record in enumerate(inside)
        if belongs(user_record, shard, reading)
    ]


def belongs(user_record: UserRecord, shard: Shard, reading: Reading) -> bool:
    """Whether its hash key falls into the shard's range."""
    said = user_record.explicit_hash_key if reading.hash_keys_count else None
    entry = Entry(b"", user_record.partition_key, None if said is None else int(said))
    return shard.first <= entry.hash_key <= shard.last
