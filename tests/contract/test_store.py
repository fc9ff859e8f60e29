"""The publisher's end of the model store: conditional writes, pointers, moves, rollbacks."""

from typing import Any

import boto3
import msgspec
import pytest

from infra.common.bucket import Bucket
from infra.common.console import UserError
from ride_scoring.models.store import AliasPointer, Manifest, manifest_key, pointer_key
from training.store.bucket import store_bucket
from training.store.pointers import MovedPointer, Pointer, aliases
from training.store.rollback import roll_back

NAME = "ride-duration"
KEY = pointer_key(NAME, "champion")

UNREADABLE = (
    *(b"", b"{", b"no json", b"[]", b"null", b'{"version": 1}'),
    *(b"\xff\xfe", b'{"version": "\xff"}', "{}".encode("utf-16"), b"[" * 100_000),
)
"""What somebody may have put where a pointer or a manifest has to be."""


@pytest.fixture
def store(aws: boto3.Session) -> Bucket:
    return store_bucket(aws.client("s3"), "models")


def manifest(version: str) -> bytes:
    return msgspec.json.encode(
        Manifest(NAME, version, f"run-{version}", {}, msgspec.Raw(b"null"), {}, [])
    )


def publish(store: Bucket, *versions: str) -> None:
    for version in versions:
        store.write(manifest_key(NAME, version), manifest(version))
        Pointer(store, NAME, "champion").move(version, "0" * 64, "publish")


def roll(aws: boto3.Session) -> Any:
    return roll_back(aws.client("s3"), "models", NAME, "champion")


def named(store: Bucket) -> MovedPointer:
    pointer = Pointer(store, NAME, "champion").named
    assert pointer is not None
    return pointer


def test_an_object_is_created_once(store: Bucket) -> None:
    assert store.write("a", b"one")
    assert not store.write("a", b"two")
    found = store.get("a")
    assert found is not None
    assert found.body == b"one"


def test_an_object_is_replaced_only_as_it_was_read(store: Bucket) -> None:
    store.write("a", b"one")
    found = store.get("a")
    assert found is not None
    assert store.write("a", b"two", found.etag)
    assert not store.write("a", b"three", found.etag)
    assert store.get("a").body == b"two"  # type: ignore[union-attr]


def test_a_bucket_that_is_not_there_is_named(aws: boto3.Session) -> None:
    nowhere = store_bucket(aws.client("s3"), "nowhere")
    for used in (
        lambda: nowhere.get("a"),
        lambda: nowhere.write("a", b""),
        lambda: nowhere.listed(""),
    ):
        with pytest.raises(UserError, match="bucket nowhere does not exist: `terraform apply`"):
            used()


def test_of_two_who_move_a_pointer_at_once_the_second_is_told(store: Bucket) -> None:
    publish(store, "1")
    mine, theirs = Pointer(store, NAME, "champion"), Pointer(store, NAME, "champion")
    theirs.move("2", "0" * 64, "publish")
    with pytest.raises(UserError, match="somebody else moved champion"):
        mine.move("3", "0" * 64, "publish")
    assert named(store).version == "2"


def test_of_two_who_make_a_pointer_at_once_the_second_is_told(store: Bucket) -> None:
    mine, theirs = Pointer(store, NAME, "champion"), Pointer(store, NAME, "champion")
    theirs.move("2", "0" * 64, "publish")
    with pytest.raises(UserError, match="somebody else moved champion"):
        mine.move("3", "0" * 64, "publish")


def test_a_pointer_knows_all_its_moves_and_the_function_reads_it_as_before(store: Bucket) -> None:
    publish(store, "1", "2")
    moves = named(store).moves
    assert [(move.before, move.version, move.why) for move in moves] == [
        (None, "1", "publish"),
        ("1", "2", "publish"),
    ]
    assert all(move.by for move in moves)
    found = store.get(KEY)
    assert found is not None
    read = msgspec.json.decode(found.body, type=AliasPointer)
    assert (read.version, read.previous) == ("2", "1")


def test_one_rollback_after_another_goes_further_back(store: Bucket, aws: boto3.Session) -> None:
    publish(store, "1", "2", "3")
    first, second = roll(aws), roll(aws)
    assert (first.rolled_back, first.version, first.previous) == ("3", "2", "1")
    assert (second.rolled_back, second.version, second.previous) == ("2", "1", None)
    with pytest.raises(UserError, match="version 1 is the first that champion named"):
        roll(aws)


def test_after_a_rollback_the_next_version_goes_back_to_the_good_one(
    store: Bucket, aws: boto3.Session
) -> None:
    publish(store, "1", "2")
    roll(aws)
    publish(store, "3")
    assert named(store).previous == "1"


def test_publishing_a_version_again_does_not_make_it_its_own_past(store: Bucket) -> None:
    publish(store, "1", "2", "2")
    assert named(store).previous == "1"


def test_publishing_the_same_again_writes_nothing(store: Bucket) -> None:
    publish(store, "1", "2")
    before = named(store)
    publish(store, *["2"] * 3)
    assert named(store) == before


def test_a_name_that_no_bucket_can_have_is_said(aws: boto3.Session) -> None:
    for name in ("", "a b"):
        with pytest.raises(UserError, match="is not a valid bucket name"):
            store_bucket(aws.client("s3"), name).get("a")


def test_a_version_that_comes_back_goes_back_to_what_was_before(
    store: Bucket, aws: boto3.Session
) -> None:
    publish(store, "1", "2", "1", "3")
    assert [roll(aws).version for _ in range(3)] == ["1", "2", "1"]


def test_a_rollback_checks_what_it_goes_back_to(store: Bucket, aws: boto3.Session) -> None:
    publish(store, "1", "2")
    s3 = aws.client("s3")
    key = manifest_key(NAME, "1")
    damaged = [(body, "is damaged") for body in UNREADABLE]
    for body, complaint in ((manifest("7"), "of another model or version"), *damaged):
        s3.put_object(Bucket="models", Key=key, Body=body)
        with pytest.raises(UserError, match=complaint):
            roll(aws)
    s3.delete_object(Bucket="models", Key=key)
    with pytest.raises(UserError, match="is gone: version 1 cannot serve again"):
        roll(aws)
    assert named(store).version == "2"


def test_with_nothing_published_there_is_nothing_to_roll_back(aws: boto3.Session) -> None:
    with pytest.raises(UserError, match="names no version"):
        roll(aws)


@pytest.mark.parametrize("body", UNREADABLE)
def test_a_damaged_pointer_is_mended_by_the_next_move(
    store: Bucket, aws: boto3.Session, body: bytes
) -> None:
    aws.client("s3").put_object(Bucket="models", Key=KEY, Body=body)
    with pytest.raises(UserError, match="names no version"):
        roll(aws)
    publish(store, "1")
    assert named(store).version == "1"


def test_the_aliases_of_a_model_are_found(store: Bucket) -> None:
    publish(store, "1")
    Pointer(store, NAME, "shadow").move("1", "0" * 64, "publish")
    Pointer(store, "another", "champion").move("1", "0" * 64, "publish")
    assert aliases(store, NAME) == ["champion", "shadow"]
