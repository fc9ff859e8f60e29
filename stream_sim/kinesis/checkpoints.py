"""Checkpoints of a stream: what kinesis-python calls a state.

They record the last sequence number read, and give each shard reader its starting position.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any


class Checkpoints:
    """Unknown shards start at `start_at`, or at their first record if it is None.

    `known` maps shard ids to the last sequence number read. All records of a shard created by a
    reshard arrived after its creation, so the same rule finds its first one.
    """

    def __init__(self, start_at: datetime | None = None, known: Mapping[str, str] = {}) -> None:
        self._start_at = start_at
        self._known = dict(known)

    @property
    def known(self) -> dict[str, str]:
        """The checkpoints a later `Checkpoints` can resume from."""
        return dict(self._known)

    def get_iterator_args(self, shard_id: str) -> dict[str, Any]:
        """GetShardIterator's arguments besides the stream name and shard id."""
        if (last := self._known.get(shard_id)) is not None:
            return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": last}
        if self._start_at is not None:
            return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": self._start_at}
        return {"ShardIteratorType": "TRIM_HORIZON"}

    def checkpoint(self, shard_id: str, sequence_number: str) -> None:
        """Everything in the shard up to this record has been read."""
        self._known[shard_id] = sequence_number

    def passed(self, shard_id: str, sequence_number: str) -> bool:
        """Whether the record has been read: a restarted reader may repeat some."""
        last = self._known.get(shard_id)
        return last is not None and int(sequence_number) <= int(last)
