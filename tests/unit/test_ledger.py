"""What is on disk of a run, and what is made of files that are not whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.common.console import UserError
from stream_sim import ledger
from stream_sim.ledger import (
    Entry,
    Intended,
    Ledger,
    PutRecord,
    Taken,
    TakenRecord,
    Unanswered,
)
from tests.runs import a_run, sent, write

ENTRIES: list[Entry] = [
    Intended(0, [3.5, 12.0], {1: "late"}, {0: "schema"}, {1: 0}),
    Unanswered([PutRecord(0, 2)]),
    Taken(5.0, [TakenRecord(0, 2, "shard-0:1")]),
]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write(tmp_path, ENTRIES)
    assert ledger.runs(tmp_path) == {0: a_run()}
    assert list(ledger.entries(tmp_path, 0)) == ENTRIES


def test_an_entry_is_on_disk_once_it_is_written(tmp_path: Path) -> None:
    with Ledger(tmp_path, a_run()) as book:
        book.write(ENTRIES[0])
        assert list(ledger.entries(tmp_path, 0)) == ENTRIES[:1]


def test_each_part_has_a_ledger_of_its_own(tmp_path: Path) -> None:
    for part in (0, 1):
        write(tmp_path, sent(part + 1), a_run(part, 2))
    assert list(ledger.runs(tmp_path)) == [0, 1]
    assert list(ledger.entries(tmp_path, 1)) == sent(2)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0123abcd-0-7", ("0123abcd", 0, 7)),
        ("0123abcd-3-123456789", ("0123abcd", 3, 123_456_789)),
        ("156", None),
        ("0123ABCD-0-7", None),
        ("0123abcd-0-7-", None),
        ("0123abcd-0-\u0667", None),
    ],
)
def test_a_rides_id_says_where_it_is_in_the_ledger(
    text: str, place: tuple[str, int, int] | None
) -> None:
    assert ledger.number_of(text) == place


def test_a_last_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, ENTRIES)
    path = tmp_path / "ledger-0.ndjson"
    path.write_bytes(path.read_bytes()[:-5])
    assert list(ledger.entries(tmp_path, 0)) == ENTRIES[:-1]


def test_a_line_that_is_damaged_is_said(tmp_path: Path) -> None:
    write(tmp_path, ENTRIES)
    path = tmp_path / "ledger-0.ndjson"
    path.write_bytes(path.read_bytes().replace(b'"intended"', b'"invented"'))
    with pytest.raises(UserError, match=r"ledger-0\.ndjson is damaged: "):
        list(ledger.entries(tmp_path, 0))
    path.write_bytes(b"\xff{}\n")
    with pytest.raises(UserError, match=r"is damaged: its first line names no run"):
        ledger.runs(tmp_path)


def test_a_ledger_that_is_still_written_is_not_read(tmp_path: Path) -> None:
    with (
        Ledger(tmp_path, a_run()),
        pytest.raises(UserError, match="is still being written: wait for"),
    ):
        ledger.runs(tmp_path)
    assert list(ledger.runs(tmp_path)) == [0]


def test_the_ledgers_of_two_runs_are_not_one(tmp_path: Path) -> None:
    write(tmp_path, [], a_run(0))
    write(tmp_path, [], a_run(1, 2, run="ffffffff"))
    with pytest.raises(UserError, match="holds ledgers of several runs"):
        ledger.runs(tmp_path)


def test_a_ledger_that_could_not_be_begun_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from tests import runs\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "runs.write(Path(sys.argv[1]), [])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "cannot be written (File too large)" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    write(tmp_path, [])
    with pytest.raises(UserError, match=r"cannot be created \(File exists\): name another folder"):
        Ledger(tmp_path, a_run())


def test_the_newest_ledger_is_found(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no ledger: send rides first"):
        ledger.newest(tmp_path)
    for number, name in enumerate(("b", "a")):
        write(tmp_path / name, [])
        os.utime(tmp_path / name / "ledger-0.ndjson", (number, number))
    assert ledger.newest(tmp_path) == tmp_path / "a"
    with pytest.raises(UserError, match="holds no ledger: send rides first"):
        ledger.runs(tmp_path)


def test_a_disk_that_is_full_is_said_and_what_was_written_can_be_read(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from tests import runs\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "runs.write(Path(sys.argv[1]), [e for n in range(100) for e in runs.sent(9)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "cannot be written (File too large): free some space" in done.stderr
    assert len(list(ledger.entries(tmp_path, 0))) > 5


def test_a_disk_without_room_for_the_rows_of_rides_is_said(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from stream_sim.verify.rides import Rides\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "Rides(Path(sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "has no room for 1,048,576 bytes to count 65,536 rides in" in done.stderr
    assert list(tmp_path.iterdir()) == []
