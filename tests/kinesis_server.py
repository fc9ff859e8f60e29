"""A Kinesis on this machine that does what moto's does not: shards close and are read to their end,
iterators expire, reads are throttled or refused or find nothing yet, its clock is its own, and it
goes away and comes back with what it had.
"""

import base64
import contextlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"
SHARDS_A_LISTING = 2


class Complaint(Exception):
    """An answer of another status than 200."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@dataclass
class Shard:
    """Sequence numbers begin at 1; each record is its data and the second in which it arrived."""

    records: list[tuple[bytes, float]] = field(default_factory=list)
    closed: bool = False


class _Server(ThreadingHTTPServer):
    allow_reuse_port = True


class KinesisServer:
    """One stream, whatever it is called. A context in which it answers."""

    def __init__(self, shards: int = 1) -> None:
        self.shards = {f"shardId-{number:012}": Shard() for number in range(shards)}
        self.asked: Counter[str] = Counter()
        self.most_records = 10_000
        self.clock: Callable[[], float] = time.time
        self.finds_nothing_yet = False
        """Whether reads come to empty pages, a minute behind the records."""
        self._complaints: dict[str, list[Complaint]] = {}
        self._server: ThreadingHTTPServer | None = None
        # Bound all along, so that nobody else is given the port while it is away.
        self._holder = socket.socket()
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._holder.bind((HOST, 0))
        self.port = self._holder.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def put(self, shard: int, *data: bytes) -> None:
        now = self.clock()
        self.shards[f"shardId-{shard:012}"].records += [(item, now) for item in data]

    def split(self, shard: int, *last: bytes) -> None:
        """Closes the shard with these as its last records; two new ones come behind all others."""
        self.put(shard, *last)
        for number in (len(self.shards), len(self.shards) + 1):
            self.shards[f"shardId-{number:012}"] = Shard()
        self.shards[f"shardId-{shard:012}"].closed = True

    def will_complain(self, operation: str, *complaints: Complaint) -> None:
        """The next calls of the operation are answered so, one after the other."""
        self._complaints.setdefault(operation, []).extend(complaints)

    def __enter__(self) -> "KinesisServer":
        self.come_back()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_away()
        self._holder.close()

    def come_back(self) -> None:
        """Listens where it listened before."""
        self._server = _Server((HOST, self.port), _handler(self._answer))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def go_away(self) -> None:
        if self._server:
            self._server.shutdown()
            # Readers are forked from this process, and hold what it listens on.
            self._server.socket.shutdown(socket.SHUT_RDWR)
            self._server.server_close()
            self._server = None

    def _answer(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.asked[operation] += 1
        with contextlib.suppress(KeyError, IndexError):
            raise self._complaints[operation].pop(0)
        match operation:
            case "ListShards":
                return self._listed(int(request.get("NextToken", 0)))
            case "GetShardIterator":
                return {"ShardIterator": self._iterator(request)}
            case _:
                return self._page(request["ShardIterator"])

    def _listed(self, first: int) -> dict[str, Any]:
        names = list(self.shards)[first : (end := first + SHARDS_A_LISTING)]
        described = [
            {
                "ShardId": name,
                "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
                "SequenceNumberRange": {"StartingSequenceNumber": "1"},
            }
            for name in names
        ]
        return {"Shards": described} | ({"NextToken": str(end)} if end < len(self.shards) else {})

    def _iterator(self, request: Mapping[str, Any]) -> str:
        name = request["ShardId"]
        match request["ShardIteratorType"]:
            case "AT_TIMESTAMP":
                at = request["Timestamp"]
                if at > self.clock():
                    raise Complaint("InvalidArgumentException")
                passed = sum(arrived < at for _, arrived in self.shards[name].records)
            case "AFTER_SEQUENCE_NUMBER":
                passed = int(request["StartingSequenceNumber"])
            case _:
                passed = 0
        return f"{name}/{passed}"

    def _page(self, iterator: str) -> dict[str, Any]:
        if self.finds_nothing_yet:
            return {"Records": [], "MillisBehindLatest": 60_000, "NextShardIterator": iterator}
        name, _, passed = iterator.partition("/")
        shard, first = self.shards[name], int(passed)
        closed = shard.closed
        end = min(first + self.most_records, len(shard.records))
        records = [
            {
                "Data": base64.b64encode(data).decode(),
                "PartitionKey": "key",
                "SequenceNumber": str(number),
                "ApproximateArrivalTimestamp": arrived,
            }
            for number, (data, arrived) in enumerate(shard.records[first:end], start=first + 1)
        ]
        answer = {"Records": records, "MillisBehindLatest": len(shard.records) - end}
        if not (closed and end == len(shard.records)):
            answer["NextShardIterator"] = f"{name}/{end}"
        return answer


def _handler(
    answer: Callable[[str, Mapping[str, Any]], dict[str, Any]],
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                self._say(
                    200, answer(self.headers["X-Amz-Target"].partition(".")[2], json.loads(body))
                )
            except Complaint as complaint:
                self._say(complaint.status, {"__type": complaint.code, "message": "not now"})

        def _say(self, status: int, answered: dict[str, Any]) -> None:
            data = json.dumps(answered).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Says nothing: a test looks at what was asked."""

    return Handler
