"""Measures the sizes of events, predictions, rejects and Lambda payloads with the project's code.

Measured on synthetic rides whenever a plan is made, so that the plan follows changes to the data
contracts.
"""

import base64
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ride_scoring import predictions
from ride_scoring.decode import decode
from ride_scoring.domain.events import MAX_DISTANCE_MILES, Ride, require_scorable
from ride_scoring.errors import CannotScore
from ride_scoring.models.served import ScorableEvent, ServedModel
from ride_scoring.streams import put_records
from ride_scoring.streams.records import Arrival, OutputRecord
from ride_scoring.streams.unpack import reject
from stream_sim.traffic import payloads
from trips.profile import drawn

PAYLOAD_UNIT_BYTES: Final = 25 * 1024
"""Records are billed in units of 25 KB: https://aws.amazon.com/kinesis/data-streams/pricing/"""

_RIDES: Final = 1_000
_AT: Final = datetime(2023, 1, 14, 13, 31, 5, 123_456, tzinfo=UTC)
_SEQUENCE_NUMBER: Final = "49590338271490256608559692538361571095921575989136588898"
_EVENT_ID: Final = f"shardId-000000000012:{_SEQUENCE_NUMBER}"
_STREAM_ARN: Final = "arn:aws:kinesis:us-east-1:123456789012:stream/ride-events"


class Packed(msgspec.Struct, frozen=True):
    """Bytes of a single record, records in a full aggregate, and the aggregate's bytes.

    Partition keys are included, because Kinesis counts them.
    """

    alone_bytes: float
    in_aggregate: float
    aggregate_bytes: float

    def bytes_each(self, *, aggregated: bool) -> float:
        return self.aggregate_bytes / self.in_aggregate if aggregated else self.alone_bytes

    def units(self, *, aggregated: bool) -> int:
        """PUT payload units of a single record, or of a full aggregate."""
        size = self.aggregate_bytes if aggregated else self.alone_bytes
        return payload_units(size)


class Sizes(msgspec.Struct, frozen=True):
    """Record sizes. `lambda_bytes` is the size of a record in Lambda's event, without its data."""

    event: Packed
    prediction: Packed
    reject_bytes: float
    lambda_bytes: int


def payload_units(record_bytes: float) -> int:
    """PUT payload units of one record."""
    return max(1, int(-(-record_bytes // PAYLOAD_UNIT_BYTES)))


def measure() -> Sizes:
    """Measures mean sizes of the project's records over synthetic rides."""
    rides = enumerate(drawn.synthetic(_RIDES, 1).rides())
    named = [(f"0123abcd-0-{number}", ride) for number, ride in rides]
    events = [OutputRecord(payloads.event(ride_id, ride), ride_id) for ride_id, ride in named]
    return Sizes(
        event=_packed(events),
        prediction=_packed([_prediction(event) for event in events]),
        reject_bytes=statistics.mean(_reject_bytes(event) for event in events),
        lambda_bytes=_lambda_bytes(),
    )


def _packed(records: Sequence[OutputRecord]) -> Packed:
    full = put_records.aggregated(records)[:-1]
    return Packed(
        alone_bytes=statistics.mean(map(_bytes, records)),
        in_aggregate=statistics.mean(record.holds for record in full),
        aggregate_bytes=statistics.mean(map(_bytes, full)),
    )


def _bytes(record: OutputRecord) -> int:
    return len(record.data) + len(record.partition_key.encode())


class _Unasked:
    """Placeholder model that is never called: the minutes are given."""

    def predict(self, rides: Sequence[Ride], arrived_at: Sequence[float]) -> NDArray[np.float64]:
        raise NotImplementedError


def _prediction(event: OutputRecord) -> OutputRecord:
    model = ServedModel("ride-duration", "12", "0" * 32, "champion", _Unasked())
    scorable = ScorableEvent(_arrival(event), decode(event.data))
    return predictions.prediction(model, scorable, 12.345678901234567, _AT)


def _reject_bytes(event: OutputRecord) -> int:
    sent = decode(event.data)
    too_far = msgspec.structs.replace(sent.ride, trip_distance=MAX_DISTANCE_MILES + 1)
    try:
        require_scorable(msgspec.structs.replace(sent, ride=too_far))
    except CannotScore as cause:
        return len(msgspec.json.encode(reject(_arrival(event), cause, _AT))) + 1
    raise AssertionError("a ride that is too far is scored")


def _arrival(event: OutputRecord) -> Arrival:
    return Arrival(0, _EVENT_ID, event.partition_key, _AT.timestamp(), event.data)


def lambda_record(data: bytes, key: str) -> dict[str, Any]:
    """A record as Lambda passes it to the function:
    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html"""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": key,
            "sequenceNumber": _SEQUENCE_NUMBER,
            "data": base64.b64encode(data).decode(),
            "approximateArrivalTimestamp": _AT.timestamp(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": _EVENT_ID,
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/ride-function",
        "awsRegion": "us-east-1",
        "eventSourceARN": _STREAM_ARN,
    }


def _lambda_bytes() -> int:
    return len(msgspec.json.encode(lambda_record(b"", "0123abcd-0-500"))) + 1
