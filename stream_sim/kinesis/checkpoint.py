"""Where the reading of a stream stands: what kinesis-python calls a state.

Sequence numbers of what was read go in, and where each shard's reader has to begin comes out.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any


class Place:
    """Shards that are not known begin at `start_at`, or at their first record where it is None.

    `known` is the last sequence number that was read, by shard id. The records of a shard that a
    reshard made are all later than its making, so the same rule finds its first one.
    """

    def __init__(self, start_at: datetime | None = None, known: Mapping[str, str] = {}) -> None:
        self._start_at = start_at
        self._known = dict(known)

    @property
    def known(self) -> dict[str, str]:
        """What a later `Place` goes on from."""
        return dict(self._known)

    def get_iterator_args(self, shard_id: str) -> dict[str, Any]:
        """What GetShardIterator wants to be told beside the names of stream and shard."""
        if (last := self._known.get(shard_id)) is not None:
            return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": last}
        if self._start_at is not None:
            return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": self._start_at}
        return {"ShardIteratorType": "TRIM_HORIZON"}

    def checkpoint(self, shard_id: str, sequence_number: str) -> None:
        """Everything in the shard up to this record was read."""
        self._known[shard_id] = sequence_number

    def passed(self, shard_id: str, sequence_number: str) -> bool:
        """Whether the record was read: a reader that is started anew may repeat some."""
        last = self._known.get(shard_id)
        return last is not None and int(sequence_number) <= int(last)
