"""What a page of the predictions stream holds, whatever else was put there."""

from datetime import UTC, datetime

import msgspec
import pytest

from ride_scoring.streams import kpl
from stream_sim.kinesis.pages import ShardPage, StreamRecord
from stream_sim.kinesis.predictions import predictions
from tests.runs import a_prediction

AT = datetime(2023, 1, 14, 13, 31, tzinfo=UTC)
OURS = a_prediction(0)
WITHOUT_A_ZONE = msgspec.structs.replace(OURS, arrived_at=datetime(2023, 1, 14))  # noqa: DTZ001


@pytest.mark.parametrize(
    "foreign", [b"", b"{", b"\xff", b"[" * 100_000, msgspec.json.encode(WITHOUT_A_ZONE)]
)
def test_what_is_no_prediction_is_passed_over(foreign: bytes) -> None:
    ours = msgspec.json.encode(OURS)
    packed = kpl.pack([("a", foreign), ("b", ours)], "0")
    data = [foreign, packed[:-1], packed, ours]
    records = [StreamRecord(item, "a", str(number), AT) for number, item in enumerate(data)]
    assert list(predictions(ShardPage("shard", "4", records, 0))) == [(AT, OURS), (AT, OURS)]
