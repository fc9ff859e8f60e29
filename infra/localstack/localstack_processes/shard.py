"""moto's shard, for producers that put and readers that read at the same time.

moto says that its own is not safe for concurrent puts: two records get one sequence number, and the
first is lost. A put and a read go through all that it holds, too, so it slows down as it fills, and
a read without a limit answers with all of it.
"""

import threading
from collections.abc import Iterator
from typing import Final

from moto.kinesis import models

# https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
_MOST_RECORDS: Final = 10_000
_MOST_BYTES: Final = 10 * 1024 * 1024


class SafeShard(models.Shard):
    """Sequence numbers begin at 1 and leave none out."""

    def __init__(
        self,
        shard_id: int,
        starting_hash: int,
        ending_hash: int,
        parent: str | None = None,
        adjacent_parent: str | None = None,
    ) -> None:
        super().__init__(shard_id, starting_hash, ending_hash, parent, adjacent_parent)
        self._lock = threading.RLock()

    def put_record(self, partition_key: str, data: str, explicit_hash_key: str) -> str:
        with self._lock:
            number = self.get_max_sequence_number() + 1
            self.records[number] = models.Record(partition_key, data, number, explicit_hash_key)
            return str(number)

    def get_records(
        self, last_sequence_id: str, limit: int | None
    ) -> tuple[list[models.Record], int, int]:
        """The records behind that number, the last one's, and the milliseconds to the end."""
        with self._lock:
            last = int(last_sequence_id)
            found = list(self._from(max(last, self.get_min_sequence_number() - 1) + 1, limit))
            if not found:
                return [], last, 0
            newest = self.records[self.get_max_sequence_number()]
            behind = int((newest.created_at - found[-1].created_at) * 1000)
            return found, found[-1].sequence_number, behind

    def get_min_sequence_number(self) -> int:
        with self._lock:
            return next(iter(self.records), 0)

    def get_max_sequence_number(self) -> int:
        with self._lock:
            return next(reversed(self.records), 0)

    def get_sequence_number_at(self, at_timestamp: float) -> int:
        with self._lock:
            return super().get_sequence_number_at(at_timestamp)

    def _from(self, first: int, limit: int | None) -> Iterator[models.Record]:
        end = self.get_max_sequence_number() + 1
        size = 0
        for number in range(first, min(end, first + min(limit or _MOST_RECORDS, _MOST_RECORDS))):
            size += len(self.records[number].data)
            if size > _MOST_BYTES and number > first:
                return
            yield self.records[number]


def install() -> None:
    """Streams that are made from here on have such shards."""
    models.Shard = SafeShard  # type: ignore[misc] # where moto finds the class of its shards
