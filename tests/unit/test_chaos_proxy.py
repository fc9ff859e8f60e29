"""What the chaos proxy deals out, and what the function's own client sees of it; moto behind it."""

import socket
import time
from collections.abc import Iterator

import boto3
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from infra import emulator
from infra.chaos.faults import (
    FAULTS,
    NO_RESULTS,
    Dealt,
    Deck,
    Fault,
    Service,
    service_of,
    with_refusals,
    without_some,
)
from infra.chaos.proxy import Proxy
from infra.common import ports
from localstack_processes import shard
from ride_scoring import aws
from ride_scoring.errors import AwsError
from ride_scoring.streams import put_records
from ride_scoring.streams.records import OutputRecord

BUCKET, KEY, STREAM = "models", "models/ä b+c%2F/pointer.json", "ride-predictions"
BODY = bytes(range(256)) * 40
STALL_SECONDS = 0.2


class Rigged(Deck):
    """Deals one fault at every call, if any."""

    def __init__(self, fault: Fault | None) -> None:
        super().__init__(seed=1)
        seconds = STALL_SECONDS if fault and fault.stalls else 0.0
        self._always = Dealt(fault, seconds, seed=1) if fault else None

    def deal(self, _service: Service) -> Dealt | None:
        return self._always


class Behind:
    """What is behind the proxy, spoken to directly."""

    def __init__(self, url: str) -> None:
        session = boto3.Session("test", "test", region_name="us-east-1")
        self.port = int(url.rpartition(":")[2])
        self.s3 = session.client("s3", endpoint_url=url)
        self.kinesis = session.client("kinesis", endpoint_url=url)
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_object(Bucket=BUCKET, Key=KEY, Body=BODY)
        self.kinesis.create_stream(StreamName=STREAM, ShardCount=1)

    def data(self) -> list[bytes]:
        """What the stream took."""
        iterator = self.kinesis.get_shard_iterator(
            StreamName=STREAM, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records = self.kinesis.get_records(ShardIterator=iterator)["Records"]
        return [record["Data"] for record in records]


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    shard.install()
    server = ThreadedMotoServer(ip_address=ports.HOST, port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def behind(moto: str) -> Iterator[Behind]:
    found = Behind(moto)
    yield found
    found.s3.delete_object(Bucket=BUCKET, Key=KEY)
    found.s3.delete_bucket(Bucket=BUCKET)
    found.kinesis.delete_stream(StreamName=STREAM)


@pytest.fixture
def through(behind: Behind, request: pytest.FixtureRequest) -> Iterator[aws.Aws]:
    """The function's client, behind a proxy that deals the fault of that name to every call."""
    fault = named(request.param) if request.param else None
    with Proxy(behind.port, Rigged(fault)) as proxy, proxy.biting():
        yield aws.connect({**emulator.TEST_ACCOUNT, "AWS_ENDPOINT_URL": proxy.url})


def named(name: str) -> Fault:
    (found,) = (fault for kinds in FAULTS.values() for fault in kinds if fault.name == name)
    return found


def put(client: aws.Aws, *data: bytes) -> list[str | None]:
    records = [OutputRecord(one, f"ride-{i}") for i, one in enumerate(data)]
    return client.kinesis.put_records(put_records.body(STREAM, records), len(records))


@pytest.mark.parametrize("service", Service)
def test_every_kind_is_dealt_before_one_comes_again(service: Service) -> None:
    deck, kinds = Deck(seed=3, share=1), FAULTS[service]
    for _ in range(3):
        dealt = [deck.deal(service) for _ in kinds]
        assert {one.fault for one in dealt if one} == set(kinds)
        assert all((one.seconds > 0) == one.fault.stalls for one in dealt if one)
    assert {name: count for name, count in deck.counts().items() if count} == {
        fault.name: 3 for fault in kinds
    }


def test_a_seed_deals_the_same_again_and_another_does_not() -> None:
    hands = [[deck.deal(Service.S3) for _ in range(200)] for deck in (Deck(1), Deck(1), Deck(2))]
    first, again, other = hands
    assert first == again != other


def test_about_the_share_of_calls_goes_wrong() -> None:
    deck = Deck(seed=5, share=0.2)
    assert 150 < sum(deck.deal(Service.KINESIS) is not None for _ in range(1000)) < 250


@given(data=st.lists(st.binary(max_size=20), min_size=1, max_size=40), seed=st.integers(0, 2**32))
def test_what_is_taken_out_of_a_call_is_refused_in_its_place(data: list[bytes], seed: int) -> None:
    records = [OutputRecord(one, f"ride-{i}", str(i)) for i, one in enumerate(data)]
    part = without_some(put_records.body(STREAM, records), seed)
    kept = msgspec.json.decode(part.body)["Records"] if part.body else []
    assert part.refused
    left = [i for i in range(len(data)) if i not in part.refused]
    assert [record["PartitionKey"] for record in kept] == [f"ride-{i}" for i in left]
    told = [{"SequenceNumber": record["PartitionKey"], "ShardId": "s"} for record in kept]
    answer = msgspec.json.encode({"FailedRecordCount": 0, "Records": told}) if told else NO_RESULTS
    results = msgspec.json.decode(with_refusals(answer, part.refused))
    assert results["FailedRecordCount"] == len(part.refused)
    for i, result in enumerate(results["Records"]):
        if i in part.refused:
            assert result["ErrorCode"] == "ProvisionedThroughputExceededException"
        else:
            assert result["SequenceNumber"] == f"ride-{i}"


def test_nothing_happens_to_calls_that_are_not_the_functions() -> None:
    assert service_of(None) is Service.S3
    assert service_of("Kinesis_20131202.PutRecords") is Service.KINESIS
    assert service_of("Kinesis_20131202.GetRecords") is None


@pytest.mark.parametrize("through", [None], indirect=True)
def test_what_nothing_happens_to_passes_as_it_is(through: aws.Aws, behind: Behind) -> None:
    found = through.s3.get(BUCKET, KEY)
    assert found is not None
    assert found.body == BODY
    assert through.s3.get(BUCKET, KEY, unless_etag=found.etag) is None
    through.s3.put(BUCKET, KEY, b"", "application/x-ndjson")
    written = behind.s3.get_object(Bucket=BUCKET, Key=KEY)
    assert (written["Body"].read(), written["ContentType"]) == (b"", "application/x-ndjson")
    assert put(through, b"one", b"two") == [None, None]
    assert behind.data() == [b"one", b"two"]


@pytest.mark.parametrize(
    ("through", "code", "done"),
    [
        ("s3: InternalError", "InternalError", False),
        ("s3: SlowDown", "SlowDown", False),
        ("s3: no answer", "RemoteDisconnected", False),
        ("s3: answer cut short", "HTTPException", True),
        ("s3: done, InternalError", "InternalError", True),
    ],
    indirect=["through"],
)
def test_a_write_that_fails_is_done_or_not(
    through: aws.Aws, behind: Behind, code: str, *, done: bool
) -> None:
    with pytest.raises(AwsError) as failed:
        through.s3.put(BUCKET, KEY, b"new", "text/plain")
    assert failed.value.code == code
    written = behind.s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    assert written == (b"new" if done else BODY)


@pytest.mark.parametrize("through", ["s3: answer cut short"], indirect=True)
def test_an_object_that_is_cut_short_is_no_object(through: aws.Aws) -> None:
    with pytest.raises(AwsError):
        through.s3.get(BUCKET, KEY, patient=False)


@pytest.mark.parametrize("through", ["s3: slow answer"], indirect=True)
def test_a_slow_answer_is_the_true_one(through: aws.Aws) -> None:
    began = time.monotonic()
    found = through.s3.get(BUCKET, KEY)
    assert time.monotonic() - began >= STALL_SECONDS
    assert found is not None
    assert found.body == BODY


@pytest.mark.parametrize("through", ["kinesis: slow answer"], indirect=True)
def test_a_slow_call_is_done(through: aws.Aws, behind: Behind) -> None:
    began = time.monotonic()
    assert put(through, b"one") == [None]
    assert time.monotonic() - began >= STALL_SECONDS
    assert behind.data() == [b"one"]


@pytest.mark.parametrize(
    ("through", "code", "taken"),
    [
        ("kinesis: throttled", "ProvisionedThroughputExceededException", []),
        ("kinesis: InternalFailure", "InternalFailure", []),
        ("kinesis: done, InternalFailure", "InternalFailure", [b"one", b"two"]),
        ("kinesis: done, no answer", "RemoteDisconnected", [b"one", b"two"]),
        ("kinesis: answer cut short", "ProtocolError", [b"one", b"two"]),
    ],
    indirect=["through"],
)
def test_a_call_that_fails_is_done_or_not(
    through: aws.Aws, behind: Behind, code: str, taken: list[bytes]
) -> None:
    with pytest.raises(AwsError) as failed:
        put(through, b"one", b"two")
    assert failed.value.code == code
    assert behind.data() == taken


@pytest.mark.parametrize("through", ["kinesis: partly refused"], indirect=True)
def test_of_a_call_that_is_partly_refused_the_rest_is_in(through: aws.Aws, behind: Behind) -> None:
    data = [b"%d" % i for i in range(20)]
    codes = put(through, *data)
    assert set(codes) == {None, "ProvisionedThroughputExceededException"}
    assert behind.data() == [one for one, code in zip(data, codes, strict=True) if code is None]


@pytest.mark.parametrize("through", ["kinesis: partly refused"], indirect=True)
def test_a_call_of_one_record_is_refused_whole(through: aws.Aws, behind: Behind) -> None:
    assert put(through, b"one") == ["ProvisionedThroughputExceededException"]
    assert behind.data() == []


def test_outside_of_its_context_nothing_goes_wrong(behind: Behind) -> None:
    with Proxy(behind.port, Rigged(named("kinesis: throttled"))) as proxy:
        client = aws.connect({**emulator.TEST_ACCOUNT, "AWS_ENDPOINT_URL": proxy.url})
        with proxy.biting(), pytest.raises(AwsError):
            put(client, b"one")
        assert put(client, b"two") == [None]
    port = int(proxy.url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((ports.HOST, port)).close()
