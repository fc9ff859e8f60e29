"""The emulator's Kinesis under several producers and readers at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from localstack_processes.shard import SafeShard

PRODUCERS = 8
RECORDS = 400


def a_shard() -> SafeShard:
    return SafeShard(0, 0, 2**128 - 1)


def test_records_that_are_put_at_once_have_numbers_of_their_own() -> None:
    shard = a_shard()
    together = threading.Barrier(PRODUCERS)

    def put(producer: int) -> list[tuple[str, str]]:
        together.wait()
        put_one = shard.put_record
        return [(put_one("key", f"{producer}-{n}", ""), f"{producer}-{n}") for n in range(RECORDS)]

    with ThreadPoolExecutor(PRODUCERS) as producers:
        told = [pair for pairs in producers.map(put, range(PRODUCERS)) for pair in pairs]
    held = {str(number): record.data for number, record in shard.records.items()}
    assert held == dict(told)
    assert len(held) == PRODUCERS * RECORDS


def test_a_shard_is_read_page_by_page() -> None:
    shard = a_shard()
    for number in range(25):
        shard.put_record("key", str(number), "")
    read: list[Any] = []
    last = 0
    for expected in (10, 10, 5, 0):
        page, last, behind = shard.get_records(str(last), 10)
        assert len(page) == expected
        assert behind >= 0
        read += page
    assert [record.data for record in read] == [str(number) for number in range(25)]
    assert last == 25
    assert len(shard.get_records("0", None)[0]) == 25


def test_records_that_are_not_kept_any_more_are_passed_over() -> None:
    shard = a_shard()
    for number in range(5):
        shard.put_record("key", str(number), "")
    del shard.records[1], shard.records[2]
    page, last, _ = shard.get_records("0", 2)
    assert [record.sequence_number for record in page] == [3, 4]
    assert last == 4
    assert shard.put_record("key", "more", "") == "6"


def test_a_read_gives_no_more_than_kinesis_does() -> None:
    shard = a_shard()
    for _ in range(10_050):
        shard.put_record("key", "x", "")
    assert len(shard.get_records("0", None)[0]) == 10_000
    large = a_shard()
    for _ in range(12):
        large.put_record("key", "x" * 1024 * 1024, "")
    assert [len(large.get_records(last, None)[0]) for last in ("0", "10", "12")] == [10, 2, 0]


@pytest.mark.usefixtures("aws")
def test_moto_and_localstack_have_such_shards() -> None:
    kinesis = boto3.client("kinesis")
    kinesis.create_stream(StreamName="busy", ShardCount=1)
    entries: Any = [{"Data": b"x", "PartitionKey": "key"}] * 50

    def put(_: int) -> list[str]:
        answer = kinesis.put_records(StreamName="busy", Records=entries)
        return [result["SequenceNumber"] for result in answer["Records"]]

    with ThreadPoolExecutor(PRODUCERS) as producers:
        numbers = [number for call in producers.map(put, range(40)) for number in call]
    assert len(numbers) == len(set(numbers)) == 2_000
