"""S3 and Kinesis as a small HTTP server that takes everything:
`python -m tests.benchmarks.stub <folder of objects> <certificate and key>`.

Objects lie in a folder, one below it for each bucket, and are read into memory at the start. What
Kinesis is sent is counted and thrown away, but for the last body; `GET /_taken` tells both.
"""

import asyncio
import base64
import functools
import hashlib
import re
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import msgspec

from ride_scoring.streams import kpl

HOST: Final = "127.0.0.1"
TAKEN_PATH: Final = "/_taken"
SEQUENCE_NUMBER: Final = "49581544954143914480256700934210366840104395343224897586"
"""As long as a real one: clients pay for what they parse."""
_LAST_MODIFIED: Final = "Sat, 14 Jan 2023 13:31:00 GMT"
_CONTENT_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_IF_NONE_MATCH: Final = re.compile(rb"\r\nif-none-match: *([^\r]+)", re.IGNORECASE)
_DATA: Final = re.compile(rb'"Data": ?"([^"]*)"')
_PARTITION_KEY: Final = b'"PartitionKey"'
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

Objects = dict[str, bytes]
"""`/<bucket>/<key>` ▸ content."""


class Taken(msgspec.Struct, frozen=True):
    """What Kinesis was sent so far; `user_records` counts those inside aggregated ones by one."""

    records: int
    user_records: int
    last: bytes


class Kinesis:
    """Takes every record. Bodies are looked into when somebody asks, so that answers come fast."""

    def __init__(self) -> None:
        self._taken = Taken(0, 0, b"")
        self._unread: list[bytes] = []

    def put(self, body: bytes) -> int:
        """How many records the call has."""
        self._unread.append(body)
        return body.count(_PARTITION_KEY)

    def taken(self) -> Taken:
        for body in self._unread:
            records = self._taken.records + body.count(_PARTITION_KEY)
            user_records = self._taken.user_records + len(user_data(body))
            self._taken = Taken(records, user_records, body)
        self._unread.clear()
        return self._taken


def user_data(body: bytes) -> list[bytes]:
    """The data of a call's records, those that are aggregated taken apart."""
    return [
        data for encoded in _DATA.findall(body) for data in user_records(base64.b64decode(encoded))
    ]


def user_records(data: bytes) -> list[bytes]:
    """What one record holds: itself, or what was packed into it."""
    if not kpl.is_aggregated(data):
        return [data]
    return [record.data for record in kpl.user_records(data)]


class Connection(asyncio.Protocol):
    """One client's connection, kept open; its requests are answered in turn."""

    def __init__(self, objects: Objects, kinesis: Kinesis) -> None:
        self._objects = objects
        self._kinesis = kinesis
        self._received = bytearray()
        self._told_to_continue = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end])
            length = _CONTENT_LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                self._let_continue(head)
                return
            body = bytes(self._received[end + 4 : whole])
            del self._received[:whole]
            self._told_to_continue = False
            self._transport.write(self._answer(head, body))

    def _let_continue(self, head: bytes) -> None:
        if not self._told_to_continue and b"100-continue" in head.lower():
            self._told_to_continue = True
            self._transport.write(_CONTINUE)

    def _answer(self, head: bytes, body: bytes) -> bytes:
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        url = urlsplit(target)
        path = unquote(url.path)
        match method:
            case "POST":
                records = self._kinesis.put(body)
                return _put_record() if b".PutRecord\r\n" in head + b"\r\n" else _put(records)
            case "PUT":
                self._objects[path] = body
                return _response("200 OK", b"", {"ETag": _etag(body)})
            case "GET" if path == TAKEN_PATH:
                return _response("200 OK", msgspec.json.encode(self._kinesis.taken()))
            case "GET" if "list-type=2" in url.query:
                return _response("200 OK", _listing(self._objects, path, url.query))
            case "GET" | "HEAD" if path in self._objects:
                return _object(self._objects[path], head, with_body=method == "GET")
        return _response("404 Not Found", _error("NoSuchKey"))


def _object(content: bytes, head: bytes, *, with_body: bool) -> bytes:
    headers = {"ETag": _etag(content), "Last-Modified": _LAST_MODIFIED}
    known = _IF_NONE_MATCH.search(head)
    if known and known[1].decode() == headers["ETag"]:
        return _response("304 Not Modified", b"", headers)
    whole = _response("200 OK", content, headers)
    return whole if with_body else whole[: len(whole) - len(content)]


def _listing(objects: Objects, bucket: str, query: str) -> bytes:
    """ListObjectsV2: the keys right below a prefix, and the folders there."""
    asked = parse_qs(query)
    prefix, delimiter = asked.get("prefix", [""])[0], asked.get("delimiter", [""])[0]
    root = f"{bucket.rstrip('/')}/"
    contents, folders = [], set()
    for path, content in sorted(objects.items()):
        key = path.removeprefix(root)
        if not path.startswith(root) or not key.startswith(prefix):
            continue
        below = key.removeprefix(prefix)
        if delimiter and delimiter in below:
            folders.add(prefix + below[: below.index(delimiter) + 1])
        else:
            contents.append(_content(key, content))
    common = "".join(
        f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>"
        for folder in sorted(folders)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(contents)}</KeyCount>"
        f"<IsTruncated>false</IsTruncated>{''.join(contents)}{common}</ListBucketResult>"
    ).encode()


def _content(key: str, content: bytes) -> str:
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>2023-01-14T13:31:00.000Z</LastModified>"
        f"<ETag>{escape(_etag(content))}</ETag><Size>{len(content)}</Size></Contents>"
    )


@functools.cache
def _put(records: int) -> bytes:
    """PutRecords' answer."""
    result = {"SequenceNumber": SEQUENCE_NUMBER, "ShardId": "shardId-000000000000"}
    return _response(
        "200 OK", msgspec.json.encode({"FailedRecordCount": 0, "Records": [result] * records})
    )


@functools.cache
def _put_record() -> bytes:
    result = {"SequenceNumber": SEQUENCE_NUMBER, "ShardId": "shardId-000000000000"}
    return _response("200 OK", msgspec.json.encode(result))


def _response(status: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    said = {
        "x-amzn-RequestId": "c0ffee00-0000-4000-8000-000000000000",
        "Content-Type": "application/xml"
        if body.startswith(b"<")
        else "application/x-amz-json-1.1",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


@functools.lru_cache(maxsize=1024)
def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def objects_in(folder: Path) -> Objects:
    return {
        f"/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


async def serve(folder: Path, certificate: Path) -> None:
    """Says its two ports, without and with TLS, and serves until standard input ends, which it
    does with whoever started it.
    """
    objects, kinesis = objects_in(folder), Kinesis()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    for tls in (None, context):
        server = await loop.create_server(lambda: Connection(objects, kinesis), HOST, 0, ssl=tls)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
