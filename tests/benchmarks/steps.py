"""Where a record's microseconds go: `python -m tests.benchmarks.steps <event> <answer>` in our
function's environment. It calls the function's own parts one after the other.

The floor is what C code alone takes for the same bytes: base64, msgspec, one matrix product, the
SHA-256 that every signature needs, and a bare socket.
"""

import hashlib
import json
import os
import socket
import statistics
import sys
import time
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import numpy as np

from ride_scoring import decode, handler, predictions
from ride_scoring.domain import features
from ride_scoring.domain.events import Prediction, RideEvent
from ride_scoring.models.served import ScorableEvent
from ride_scoring.streams import kinesis_event, put_records, unpack
from ride_scoring.streams.records import Arrival, KinesisRecord
from tests.benchmarks import stub
from tests.benchmarks.worker import Context

_ROUNDS: Final = 40
_LINEAR_FEATURES: Final = 3

_event_decoder = msgspec.json.Decoder(RideEvent)
_prediction_decoder = msgspec.json.Decoder(Prediction)
_encode = msgspec.json.Encoder().encode


class Split(msgspec.Struct, frozen=True):
    """Medians in microseconds of CPU a record. `whole` is the handler's; what its parts do not
    account for is the loop that holds them together, and the log and metrics.
    """

    steps: dict[str, float]
    whole: float
    floor: dict[str, float]


class Stopwatch:
    """CPU seconds of what is done in turn."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def time[T](self, name: str, step: Callable[[], T]) -> T:
        started = time.process_time()
        result = step()
        self.seconds.setdefault(name, []).append(time.process_time() - started)
        return result

    def microseconds(self, records: int) -> dict[str, float]:
        return {
            name: statistics.median(seconds) / records * 1e6
            for name, seconds in self.seconds.items()
        }


def split(event: Mapping[str, Any]) -> Split:
    records = len(event["Records"])
    steps, whole, floor = Stopwatch(), Stopwatch(), Stopwatch()
    context: Any = Context()
    with _connection() as connection:
        for _ in range(_ROUNDS):
            whole.time("handler", lambda: handler.handler(event, context))
            bodies = _take_steps(event, steps)
            _touch_floor(event, bodies, connection, floor)
    return Split(
        steps.microseconds(records),
        whole.microseconds(records)["handler"],
        floor.microseconds(records),
    )


def _take_steps(event: Mapping[str, Any], watch: Stopwatch) -> list[bytes]:
    """One batch through the function's parts; the bodies that were sent."""
    function = handler._wired()
    model: Any = function.models.current()
    sink: Any = function.scorer._sink
    records = watch.time("Lambda's event", lambda: kinesis_event.records(event))
    arrivals = watch.time("base64", lambda: _arrivals(records))
    scorable = watch.time(
        "decode and check",
        lambda: [ScorableEvent(arrival, decode.decode(arrival.data)) for arrival in arrivals],
    )
    rides = [item.event.ride for item in scorable]
    arrived_at = [item.arrival.arrived_at for item in scorable]
    names = model.predictor.takes.names
    matrix = watch.time("features", lambda: features.matrix(names, rides, arrived_at))
    minutes = watch.time("predict", lambda: model.predictor._predict(matrix).tolist())
    now = datetime.now(UTC)
    outputs = watch.time(
        "encode",
        lambda: [
            predictions.prediction(model, item, ride_minutes, now)
            for item, ride_minutes in zip(scorable, minutes, strict=True)
        ],
    )
    if sink._aggregate:
        outputs = watch.time("aggregate", lambda: put_records.aggregated(outputs))
    calls = [*put_records.calls(outputs)]
    bodies = watch.time(
        "body", lambda: [put_records.body(sink._stream_name, call) for call in calls]
    )
    watch.time(
        "sign and send",
        lambda: [
            sink._kinesis.put_records(body, len(call))
            for body, call in zip(bodies, calls, strict=True)
        ],
    )
    return bodies


def _arrivals(records: Sequence[KinesisRecord]) -> list[Arrival]:
    return [
        arrival
        for position, record in enumerate(records)
        for arrival in unpack.arrivals(position, record)
    ]


def _touch_floor(
    event: Mapping[str, Any], bodies: Sequence[bytes], connection: socket.socket, watch: Stopwatch
) -> None:
    data = [record["kinesis"]["data"] for record in event["Records"]]
    sent = [data for body in bodies for data in stub.user_data(body)]
    known = [_prediction_decoder.decode(data) for data in sent]
    matrix = np.ones((len(data), _LINEAR_FEATURES))
    plain = watch.time("base64 in", lambda: [a2b_base64(encoded) for encoded in data])
    watch.time("JSON in", lambda: [_event_decoder.decode(item) for item in plain])
    watch.time("matrix product", lambda: matrix @ matrix[0])
    encoded = watch.time("JSON out", lambda: [_encode(prediction) for prediction in known])
    watch.time("base64 out", lambda: [b2a_base64(item, newline=False) for item in encoded])
    watch.time("SHA-256", lambda: [hashlib.sha256(body).hexdigest() for body in bodies])
    watch.time("socket", lambda: _exchange(connection, bodies))


def _connection() -> socket.socket:
    endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    assert endpoint.hostname is not None
    assert endpoint.port is not None
    return socket.create_connection((endpoint.hostname, endpoint.port))


def _exchange(connection: socket.socket, bodies: Sequence[bytes]) -> None:
    for body in bodies:
        head = f"POST / HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        answer = connection.recv(65_536)
        end = answer.index(b"\r\n\r\n")
        length = int(answer[:end].lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        missing = end + 4 + length - len(answer)
        while missing > 0:
            missing -= len(connection.recv(missing))


def main() -> None:
    event, answer = Path(sys.argv[1]), Path(sys.argv[2])
    answer.write_bytes(msgspec.json.encode(split(json.loads(event.read_bytes()))))


if __name__ == "__main__":
    main()
