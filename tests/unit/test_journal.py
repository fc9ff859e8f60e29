"""What a verify that was ended has on disk, and what the next one makes of it."""

from pathlib import Path

import pytest

from infra.common.console import UserError
from stream_sim.verify.journal import FILE_NAME, Journal, JournalPage
from stream_sim.verify.reconciliation import Seen

PAGES = [
    JournalPage("shard-0", "12", [Seen(0, 1, 99, 12.5, "ride-duration 3", 5.25, 100.0)]),
    JournalPage("shard-1", "7", []),
]


def written(folder: Path, stream: str = "ride-predictions") -> Path:
    with Journal(folder, stream) as book:
        assert list(book.pages()) == []
        for page in PAGES:
            book.write(page)
    return folder / FILE_NAME


def read(folder: Path, stream: str = "ride-predictions") -> list[JournalPage]:
    with Journal(folder, stream) as book:
        return list(book.pages())


def test_what_was_read_before_is_told_again(tmp_path: Path) -> None:
    written(tmp_path)
    assert read(tmp_path) == read(tmp_path) == PAGES


def test_reading_goes_on_behind_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-3])
    with Journal(tmp_path, "ride-predictions") as book:
        assert list(book.pages()) == PAGES[:1]
        book.write(PAGES[1])
    assert read(tmp_path) == PAGES


@pytest.mark.parametrize("damage", [b"\xff\n", b"{}\n", b'{"type":"stream","stream":"x"}\n', b"\n"])
def test_what_is_damaged_is_read_from_the_stream_again(tmp_path: Path, damage: bytes) -> None:
    path = written(tmp_path)
    head, first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(head + first + damage + second)
    assert read(tmp_path) == PAGES[:1]
    assert path.read_bytes() == head + first


def test_another_streams_journal_is_begun_anew(tmp_path: Path) -> None:
    written(tmp_path)
    assert read(tmp_path, "another") == []
    assert read(tmp_path) == []


def test_one_verify_has_a_run_at_a_time(tmp_path: Path) -> None:
    with (
        Journal(tmp_path, "s"),
        pytest.raises(UserError, match=r"another verify of .* is in progress"),
    ):
        Journal(tmp_path, "s")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        Journal(tmp_path, "s")
