"""The emulator's Kinesis under several producers and readers at once."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from moto.kinesis import models

from localstack_processes.shard import SafeShard

PRODUCERS = 8
RECORDS = 50


def a_shard() -> SafeShard:
    return SafeShard(0, 0, 2**128 - 1)


def let_others_run() -> None:
    time.sleep(0.000_1)


class SlowRecord(models.Record):
    """Other producers run while it is made."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        let_others_run()


class SlowRecords(OrderedDict[int, models.Record]):
    """Other producers run between a look for its first or last key and the key."""

    def __iter__(self) -> Iterator[int]:
        keys = super().__iter__()
        let_others_run()
        return keys

    def __reversed__(self) -> Any:
        keys = super().__reversed__()
        let_others_run()
        return keys


def test_records_that_are_put_at_once_have_numbers_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(models, "Record", SlowRecord)
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


def test_a_shard_can_be_asked_where_it_begins_and_ends_while_it_is_put_to() -> None:
    shard = a_shard()
    shard.records = SlowRecords()

    def put(_: int) -> None:
        for number in range(RECORDS):
            shard.put_record("key", str(number), "")

    def ask(_: int) -> list[tuple[int, int]]:
        return [
            (shard.get_min_sequence_number(), shard.get_max_sequence_number())
            for _ in range(RECORDS)
        ]

    with ThreadPoolExecutor(4) as pool:
        producers = pool.map(put, range(2))
        told = [pair for pairs in pool.map(ask, range(2)) for pair in pairs]
        list(producers)
    assert {first for first, _ in told} <= {0, 1}
    assert shard.get_max_sequence_number() == 2 * RECORDS


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
def test_motos_streams_have_such_shards() -> None:
    kinesis = boto3.client("kinesis")
    kinesis.create_stream(StreamName="busy", ShardCount=1)
    entries: Any = [{"Data": b"x", "PartitionKey": "key"}] * 50

    def put(_: int) -> list[str]:
        answer = kinesis.put_records(StreamName="busy", Records=entries)
        return [result["SequenceNumber"] for result in answer["Records"]]

    with ThreadPoolExecutor(PRODUCERS) as producers:
        numbers = [number for call in producers.map(put, range(40)) for number in call]
    assert len(numbers) == len(set(numbers)) == 2_000
