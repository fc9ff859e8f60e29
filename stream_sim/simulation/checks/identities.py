"""Which event an id means, where the user records of an aggregate share a sequence number.

Then they share AWS's event id, too. The function distinguishes those of one batch; here each has
its own name, derived from its contents.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from stream_sim.simulation.world.rides import Event


class Identities:
    def __init__(self) -> None:
        self._sharing: dict[str, Sequence[tuple[str, Event]]] = {}

    def share(self, record_id: str, named: Sequence[tuple[str, Event]]) -> None:
        """Those events, each with its name, share the id of one record."""
        self._sharing[record_id] = named

    def of(self, event_id: str, meant: Callable[[Event], bool]) -> str:
        """The event's name: its id, unless it shares that with others."""
        shard_id, _, number = event_id.partition(":")
        sharing = self._sharing.get(f"{shard_id}:{number.partition(':')[0]}", ())
        return next((name for name, event in sharing if meant(event)), event_id)

    def of_data(self, event_id: str, partition_key: str, data: bytes) -> str:
        return self.of(
            event_id, lambda event: (event.partition_key, event.data) == (partition_key, data)
        )

    def of_record(self, record: Mapping[str, Any]) -> str:
        """The name of a record of an event."""
        if record["eventID"] not in self._sharing:
            return str(record["eventID"])
        kinesis = record["kinesis"]
        data = msgspec.convert(kinesis["data"], bytes)
        return self.of_data(record["eventID"], kinesis["partitionKey"], data)
