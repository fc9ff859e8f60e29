"""The simulated event source mapping keeps the rules that AWS documents."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from stream_sim.simulation.mapping import documents
from stream_sim.simulation.schedule import Reading
from stream_sim.simulation.world.lambda_service import Answered, Failed, NotInvoked, Result
from stream_sim.simulation.world.stream import LARGE_RECORD_BYTES, Entry
from tests.simulated import DAY, DONE, Simulated, aggregate, entry, names, reported

FAILED = Failed("Unhandled")


def fails_on(name: str) -> Callable[[Mapping[str, Any]], Result]:
    """A function that ends in an error whenever that record is in the batch."""
    return lambda event: FAILED if name in names(event) else DONE


def reports(name: str) -> Callable[[Mapping[str, Any]], Result]:
    return lambda event: reported(event, name) if name in names(event) else DONE


def letters(count: int) -> list[Any]:
    return [entry(name) for name in "abcdefghijklmnop"[:count]]


def test_a_batch_has_as_many_records_as_its_size_and_all_come_in_order() -> None:
    simulated = Simulated(batch_size=3)
    simulated.put(*letters(7))
    simulated.run()
    assert simulated.calls == [["a", "b", "c"], ["d", "e", "f"], ["g"]]


def test_without_a_window_a_batch_does_not_wait_to_be_full() -> None:
    simulated = Simulated(batch_size=100)
    simulated.put(entry("a"), at=10.0)
    simulated.put(entry("b"), at=20.0)
    simulated.run()
    assert simulated.calls == [["a"], ["b"]]
    assert simulated.called_at == pytest.approx([11.0, 21.0])


def test_a_window_gathers_records_until_it_ends_or_the_batch_is_full() -> None:
    simulated = Simulated(batch_size=3, batching_window_seconds=60.0)
    simulated.put(entry("a"), at=1.0)
    simulated.put(entry("b"), at=30.0)
    simulated.put(*letters(5), at=200.0)
    simulated.run()
    assert simulated.calls == [["a", "b"], ["a", "b", "c"], ["d", "e"]]
    assert simulated.called_at[0] == pytest.approx(62.0, abs=1.0)


def test_a_batch_is_cut_at_six_megabytes() -> None:
    simulated = Simulated(batch_size=100, batching_window_seconds=300.0)
    for second in range(8):
        simulated.put(entry("large", size=1_000_000), at=float(second))
    simulated.run()
    assert [len(call) for call in simulated.calls] == [4, 4]


def test_lanes_work_at_the_same_time_and_keep_the_order_of_each_partition_key() -> None:
    def slow(_: Mapping[str, Any]) -> Result:
        simulated.clock.sleep(10.0)
        return DONE

    simulated = Simulated(slow, batch_size=1, parallelization_factor=10)
    for number in range(4):
        places = [number / 4, None]  # wherever an explicit hash key puts them
        for key in "abcdef":
            simulated.put(entry(f"{key}{number}", key=key, place=places[number % 2]), at=number)
    simulated.run()
    assert simulated.called_at[-1] < 23 * 10.0
    for key in "abcdef":
        assert [name for (name,) in simulated.calls if name[0] == key] == [
            f"{key}{number}" for number in range(4)
        ]


def test_an_error_retries_the_whole_batch_and_then_sets_it_aside_with_its_records() -> None:
    simulated = Simulated(fails_on("b"), batch_size=3, bisect=False, retry_attempts=2)
    simulated.put(*letters(4))
    simulated.run()
    assert simulated.calls == [["a", "b", "c"]] * 3 + [["d"]]
    ((first, second, third),) = simulated.failed()
    assert [item.data for item in (first, second, third)] == [b"a", b"b", b"c"]
    assert simulated.conditions() == [(documents.RETRIES_SPENT, 3)]


def test_halving_finds_the_record_that_fails_and_uses_up_no_retry() -> None:
    simulated = Simulated(fails_on("d"), batch_size=8, retry_attempts=1)
    simulated.put(*letters(9))
    simulated.run()
    assert simulated.calls == [
        list("abcdefgh"),
        list("abcd"),
        list("ab"),
        list("cd"),
        ["c"],
        ["d"],
        ["d"],
        list("efgh"),
        ["i"],
    ]
    assert [[item.data for item in records] for records in simulated.failed()] == [[b"d"]]
    assert simulated.conditions() == [(documents.RETRIES_SPENT, 2)]


@pytest.mark.parametrize("bisect", [True, False])
def test_a_report_is_a_checkpoint_and_the_rest_is_tried_again(bisect: bool) -> None:  # noqa: FBT001 - pytest's
    answers = iter([True, False])
    simulated = Simulated(
        lambda event: reported(event, "c") if next(answers) else DONE, batch_size=4, bisect=bisect
    )
    simulated.put(*letters(4))
    simulated.run()
    assert simulated.calls == [list("abcd"), list("cd")]


def test_of_several_reports_the_lowest_sequence_number_counts() -> None:
    def both(event: Mapping[str, Any]) -> Result:
        return DONE if len(simulated.calls) > 1 else reported(event, "d", "b")

    simulated = Simulated(both, batch_size=4)
    simulated.put(*letters(4))
    simulated.run()
    assert simulated.calls == [list("abcd"), list("bcd")]


@pytest.mark.parametrize(
    "failure",
    [{"itemIdentifier": ""}, {"itemIdentifier": None}, {"id": "1"}, {"itemIdentifier": "7"}],
)
def test_a_report_that_names_no_record_of_the_batch_fails_all_of_it(
    failure: dict[str, Any],
) -> None:
    simulated = Simulated(
        lambda _: Answered({"batchItemFailures": [failure]}), bisect=False, retry_attempts=1
    )
    simulated.put(*letters(2))
    simulated.run()
    assert simulated.calls == [list("ab")] * 2
    assert len(simulated.failed()) == 1


def test_a_mapping_that_does_not_ask_for_reports_reads_none() -> None:
    simulated = Simulated(reports("a"), reports=False)
    simulated.put(*letters(2))
    simulated.run()
    assert simulated.calls == [list("ab")]


@pytest.mark.parametrize(
    "payload", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}]
)
def test_an_answer_that_reports_nothing_is_a_success(payload: dict[str, Any] | None) -> None:
    simulated = Simulated(lambda _: Answered(payload))
    simulated.put(*letters(2))
    simulated.run()
    assert simulated.calls == [list("ab")]


@pytest.mark.parametrize(("halved", "second"), [(True, ["a"]), (False, ["a", "b"])])
def test_a_report_of_the_first_record_is_read_either_way(halved: bool, second: list[str]) -> None:  # noqa: FBT001 - pytest's
    reading = Reading(halved_at_no_progress=halved)
    simulated = Simulated(reports("a"), retry_attempts=1, reading=reading)
    simulated.put(*letters(2))
    simulated.run()
    assert simulated.calls[1] == second
    assert [b"a" in [item.data for item in records] for records in simulated.failed()] == [True]


def test_records_that_are_too_old_are_set_aside_before_they_are_tried_again() -> None:
    simulated = Simulated(
        lambda _: FAILED, batch_size=2, bisect=False, retry_attempts=-1, record_age_seconds=60.0
    )
    simulated.put(entry("a"), at=0.0)
    simulated.put(entry("b"), at=50.0)
    simulated.run()
    assert [[item.data for item in records] for records in simulated.failed()] == [[b"a"], [b"b"]]
    assert {condition for condition, _ in simulated.conditions()} == {documents.TOO_OLD}


def test_without_an_age_or_a_number_of_retries_a_record_is_tried_until_it_expires() -> None:
    simulated = Simulated(lambda _: FAILED, bisect=False, retry_attempts=-1)
    simulated.put(entry("a"))
    simulated.run()
    assert DAY <= simulated.called_at[-1] + 60.0 <= DAY + 120.0
    assert len(simulated.failed()) == 1


def test_what_does_not_reach_the_function_uses_up_no_retry() -> None:
    answers: list[Result] = [NotInvoked()] * 5
    simulated = Simulated(lambda _: answers.pop() if answers else DONE, retry_attempts=0)
    simulated.put(entry("a"))
    simulated.run()
    assert len(simulated.calls) == 6
    assert simulated.documents == []


def test_children_are_read_when_their_parents_are_done_to_the_end() -> None:
    def slow(_: Mapping[str, Any]) -> Result:
        simulated.clock.sleep(100.0)
        return DONE

    simulated = Simulated(slow, batch_size=1)
    simulated.put(entry("a", place=0.1), entry("b", place=0.9))
    simulated.at(1.0, lambda: simulated.stream.split(simulated.stream.shards[0]))
    simulated.put(entry("c", place=0.1), entry("d", place=0.9), at=2.0)
    simulated.run()
    assert simulated.calls[:2] == [["a"], ["b"]]
    assert sorted(simulated.calls[2:]) == [["c"], ["d"]]
    assert simulated.called_at[2] >= 200.0


@pytest.mark.parametrize(
    ("position", "read"),
    [("TRIM_HORIZON", ["a", "b", "c"]), ("LATEST", ["c"]), ("AT_TIMESTAMP", ["b", "c"])],
)
def test_a_mapping_starts_where_it_is_told(position: str, read: list[str]) -> None:
    simulated = Simulated(batch_size=1, starting_position=position)
    for at, name in enumerate("abc"):
        simulated.put(entry(name), at=at * 10.0)
    simulated.run(start=15.0, timestamp=5.0)
    assert [name for call in simulated.calls for name in call] == read


def test_a_shard_that_comes_after_latest_is_read_from_its_beginning() -> None:
    simulated = Simulated(batch_size=1, starting_position="LATEST")
    simulated.put(entry("passed over"))
    simulated.at(20.0, lambda: simulated.stream.split(simulated.stream.shards[0]))
    simulated.put(entry("read"), at=20.0)
    simulated.run(start=10.0)
    assert simulated.calls == [["read"]]


def test_a_restart_reads_again_what_was_not_checkpointed() -> None:
    def slow(_: Mapping[str, Any]) -> Result:
        simulated.clock.sleep(10.0)
        return DONE

    simulated = Simulated(slow, batch_size=1)
    simulated.put(*letters(3))
    simulated.at(15.0, simulated.mapping.restart)
    simulated.run()
    assert simulated.calls == [["a"], ["b"], ["b"], ["c"]]


def test_a_lane_that_is_held_up_for_long_goes_on_where_its_iterator_has_expired() -> None:
    def slow(_: Mapping[str, Any]) -> Result:
        simulated.clock.sleep(400.0)
        return DONE

    simulated = Simulated(slow, batch_size=2)
    simulated.put(*letters(7))
    simulated.run()
    assert [name for call in simulated.calls for name in call] == list("abcdefg")


def test_a_tumbling_window_keeps_the_functions_state_and_ends_with_a_last_invocation() -> None:
    def counts(event: Mapping[str, Any]) -> Result:
        seen = event["state"].get("seen", 0) + len(event["Records"])
        return Answered({"batchItemFailures": [], "state": {"seen": seen}})

    simulated = Simulated(counts, batch_size=2, tumbling_window_seconds=40.0)
    simulated.put(*letters(3), at=0.0)
    simulated.put(entry("later"), at=50.0)
    simulated.run()
    said = [
        (len(event["Records"]), event["state"].get("seen"), event["isFinalInvokeForWindow"])
        for event in simulated.events
    ]
    assert said == [(2, None, False), (1, 2, False), (0, 3, True), (1, None, False), (0, 1, True)]


def test_with_tumbling_windows_an_answer_without_a_state_is_a_failure() -> None:
    simulated = Simulated(tumbling_window_seconds=40.0, bisect=False, retry_attempts=1)
    simulated.put(entry("a"))
    simulated.run()
    assert [len(event["Records"]) for event in simulated.events] == [1, 1, 0, 0]
    assert [[item.data for item in records] for records in simulated.failed()] == [[b"a"]]


def test_a_windows_last_invocation_is_tried_for_as_long_as_a_record_may_be_old() -> None:
    def never_ends(event: Mapping[str, Any]) -> Result:
        return FAILED if event["isFinalInvokeForWindow"] else Answered({"state": {}})

    simulated = Simulated(
        never_ends, tumbling_window_seconds=40.0, retry_attempts=-1, record_age_seconds=60.0
    )
    simulated.put(entry("a"))
    simulated.put(entry("b"), at=41.0)
    simulated.run()
    assert [name for call in simulated.calls for name in call] == ["a", "b"]
    (_, _, behind_the_window) = simulated.settled[1]
    assert behind_the_window == pytest.approx(40 + 60 - 41, abs=1)


def test_a_window_waits_for_more_behind_its_end_and_its_events_say_of_which_shard() -> None:
    simulated = Simulated(
        lambda _: Answered({"state": {}}),
        tumbling_window_seconds=40.0,
        reading=Reading(window_wait_seconds=120.0),
    )
    simulated.put(entry("a"))
    simulated.run()
    assert simulated.called_at[-1] == pytest.approx(40 + 120, abs=1)
    for event in simulated.events:
        assert (event["shardId"], event["eventSourceARN"]) == (
            "shardId-000000000000",
            documents.STREAM_ARN,
        )


def test_a_state_that_is_too_large_ends_its_window_early() -> None:
    def grows(event: Mapping[str, Any]) -> Result:
        return Answered({"state": {"seen": "x" * 600_000 * (1 + len(event["state"]))}})

    simulated = Simulated(grows, batch_size=1, tumbling_window_seconds=1000.0)
    simulated.put(*letters(3))
    simulated.run()
    said = [
        (names(event), len(event["state"]), event["isWindowTerminatedEarly"])
        for event in simulated.events
    ]
    assert said == [
        (["a"], 0, False),
        (["b"], 1, False),
        ([], 1, True),
        (["c"], 0, False),
        ([], 1, False),
    ]
    assert all(
        event["isFinalInvokeForWindow"] for event in simulated.events if not event["Records"]
    )


@pytest.mark.parametrize(("by_hash_key", "given"), [(False, ["a", "c"]), (True, ["a", "b", "c"])])
def test_fan_out_takes_aggregates_apart_and_drops_what_belongs_to_other_shards(
    by_hash_key: bool,  # noqa: FBT001 - pytest's
    given: list[str],
) -> None:
    """MD5 of "b" lies in the second half of the hash keys, of "a" and "c" in the first."""
    simulated = Simulated(
        shards=2, enhanced_fan_out=True, reading=Reading(hash_keys_count=by_hash_key)
    )
    simulated.put(aggregate("a", "b", "c"))
    simulated.run()
    assert simulated.calls == [given]
    keys = [record["kinesis"]["partitionKey"] for record in simulated.events[0]["Records"]]
    assert keys == given
    assert simulated.documents == []


@pytest.mark.parametrize("shared", [True, False])
def test_user_records_bear_the_number_of_their_aggregate_or_their_own(shared: bool) -> None:  # noqa: FBT001 - pytest's
    simulated = Simulated(enhanced_fan_out=True, reading=Reading(shared_numbers=shared))
    simulated.put(entry("before"), aggregate("x", "y", "z"), entry("behind"))
    simulated.run()
    numbers = [
        int(record["kinesis"]["sequenceNumber"]) for record in simulated.events[0]["Records"]
    ]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == (3 if shared else 5)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_a_restart_amid_an_aggregate_goes_on_behind_what_is_done(
    shared: bool,  # noqa: FBT001 - pytest's
    batch_size: int,
) -> None:
    def slow(_: Mapping[str, Any]) -> Result:
        simulated.clock.sleep(10.0)
        return DONE

    simulated = Simulated(
        slow, batch_size=batch_size, enhanced_fan_out=True, reading=Reading(shared_numbers=shared)
    )
    simulated.put(entry("u"), aggregate(*"vwxy"), entry("z"))
    simulated.at(15.0, simulated.mapping.restart)
    simulated.run()
    begun = [name for call in simulated.calls for name in call]
    again = simulated.calls[1]  # the one that nobody heard the answer of
    assert simulated.calls[2] == again
    del begun[batch_size : 2 * batch_size]
    assert begun == list("uvwxyz")


@pytest.mark.parametrize("shared", [True, False])
def test_a_report_of_a_shared_number_tries_all_again_that_have_it(shared: bool) -> None:  # noqa: FBT001 - pytest's
    simulated = Simulated(
        lambda event: reported(event, "y") if len(simulated.calls) == 1 else DONE,
        enhanced_fan_out=True,
        reading=Reading(shared_numbers=shared),
    )
    simulated.put(entry("before"), aggregate("x", "y", "z"), entry("behind"))
    simulated.run()
    again = ["x", "y", "z", "behind"] if shared else ["y", "z", "behind"]
    assert simulated.calls == [["before", "x", "y", "z", "behind"], again]


def test_a_damaged_aggregate_is_handed_on_as_it_is() -> None:
    damaged = Entry(aggregate("a").data[:-1], "a")
    simulated = Simulated(lambda _: DONE, enhanced_fan_out=True)
    simulated.put(damaged)
    simulated.run()
    (event,) = simulated.events
    assert msgspec.convert(event["Records"][0]["kinesis"]["data"], bytes) == damaged.data


def test_a_record_that_no_event_takes_is_set_aside_untried_and_holds_up_nothing() -> None:
    large = entry("large", size=4_800_000)
    simulated = Simulated(record_bytes=LARGE_RECORD_BYTES, batch_size=10)
    simulated.put(entry("a"), large, entry("b"))
    simulated.run()
    assert [name for call in simulated.calls for name in call] == ["a", "b"]
    assert [[item.data for item in records] for records in simulated.failed()] == [[large.data]]
    assert simulated.conditions() == [(documents.TOO_LARGE, 0)]


def test_what_holds_up_a_shard_is_told_with_its_seconds() -> None:
    simulated = Simulated(fails_on("a"), bisect=False, retry_attempts=2)
    simulated.put(entry("a"))
    simulated.run()
    ((shard_id, records, seconds),) = simulated.settled
    assert (shard_id, records) == ("shardId-000000000000", 1)
    assert seconds == pytest.approx(0.2 + 0.4)


def test_each_record_that_grows_too_old_counts_its_own_seconds() -> None:
    simulated = Simulated(
        lambda _: FAILED,
        batching_window_seconds=30.0,
        bisect=False,
        retry_attempts=-1,
        record_age_seconds=60.0,
        reading=Reading(longest_wait_seconds=1.0),
    )
    simulated.put(entry("a"))
    simulated.put(entry("b"), at=20.0)
    simulated.run()
    assert [seconds for *_, seconds in simulated.settled] == pytest.approx([60, 20], abs=1)
