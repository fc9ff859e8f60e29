import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.common.console import UserError
from tests import trip_files
from tests.trip_server import HOST, TripServer
from trips.data import cache
from trips.data.download import Unreachable
from trips.data.fetch import Fetched, fetch, progress_bar
from trips.data.months import Month

MONTH = Month("green", 2023, 1)
CONTENT = trip_files.parquet(trip_files.columns(40_000))
OTHER_CONTENT = trip_files.parquet(trip_files.columns(40_000, seed=1))
CUT = 200_000
assert len(CONTENT) == len(OTHER_CONTENT) > 2 * CUT


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TripServer]:
    monkeypatch.setenv("NO_PROXY", HOST)
    with TripServer({MONTH.file_name: CONTENT}) as server:
        monkeypatch.setenv("TRIP_DATA_URL", server.url)
        yield server


def fetched(folder: Path, progress: Callable[[int, int | None], None] = lambda *_: None) -> Fetched:
    return fetch(MONTH, folder, progress=progress, sleep=lambda _: None)


def part_of(folder: Path) -> Path:
    return folder / f"{MONTH.file_name}.part"


def stop_after(size: int) -> Callable[[int, int | None], None]:
    def progress(done: int, _: int | None) -> None:
        if done >= size:
            raise KeyboardInterrupt

    return progress


def start_and_stop(folder: Path) -> int:
    """Bytes that a fetch which was stopped by Ctrl-C left."""
    with pytest.raises(KeyboardInterrupt):
        fetched(folder, stop_after(CUT))
    kept = part_of(folder).stat().st_size
    assert CUT <= kept < len(CONTENT)
    assert not (folder / MONTH.file_name).exists()
    return kept


def test_a_month_is_downloaded_once(server: TripServer, tmp_path: Path) -> None:
    first = fetched(tmp_path / "new" / "folder")
    assert first.path.read_bytes() == CONTENT
    assert (first.sidecar.bytes, first.sidecar.rows) == (len(CONTENT), 40_000)
    assert first.sidecar.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert first.sidecar.url == f"{server.url}/green_tripdata_2023-01.parquet"
    assert not first.from_cache
    assert not part_of(first.path.parent).exists()

    again = fetched(tmp_path / "new" / "folder")
    assert again == Fetched(first.path, first.sidecar, from_cache=True)
    assert len(server.asked) == 1


@pytest.mark.usefixtures("server")
def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIP_DATA_DIR", str(tmp_path / "months"))
    assert fetch(MONTH).path == tmp_path / "months" / MONTH.file_name


@pytest.mark.usefixtures("server")
def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    fetched(tmp_path, lambda done, total: told.append((done, total)))
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert len(told) > 3
    assert told == sorted(told)
    with progress_bar("green/2023-01") as progress:
        fetched(tmp_path, progress)


def test_a_broken_connection_is_gone_on_from(server: TripServer, tmp_path: Path) -> None:
    server.cuts = [CUT, CUT]
    assert fetched(tmp_path).path.read_bytes() == CONTENT
    starts = [int(headers["Range"][len("bytes=") : -1]) for headers in server.asked[1:]]
    assert 0 < starts[0] < starts[1] < len(CONTENT)


def test_a_stopped_fetch_is_gone_on_from(server: TripServer, tmp_path: Path) -> None:
    kept = start_and_stop(tmp_path)
    told: list[int] = []
    assert fetched(tmp_path, lambda done, _: told.append(done)).path.read_bytes() == CONTENT
    assert told[0] == kept
    assert server.asked[1]["Range"] == f"bytes={kept}-"
    assert server.asked[1]["If-Range"].startswith('"')


def test_a_fetch_stopped_after_the_last_byte_downloads_nothing(
    server: TripServer, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fetched(tmp_path, stop_after(len(CONTENT)))
    assert fetched(tmp_path).path.read_bytes() == CONTENT
    assert len(server.asked) == 1


@pytest.mark.parametrize(("name", "value"), [("knows_ranges", False), ("starts_early_by", 100)])
def test_a_server_that_cannot_go_on_starts_anew(
    server: TripServer, tmp_path: Path, name: str, value: int
) -> None:
    setattr(server, name, value)
    start_and_stop(tmp_path)
    assert fetched(tmp_path).path.read_bytes() == CONTENT


@pytest.mark.parametrize("form", [None, 'W/"{}"'])
def test_without_a_strong_etag_nothing_is_gone_on_from(
    server: TripServer, tmp_path: Path, form: str | None
) -> None:
    server.etag_form = form
    start_and_stop(tmp_path)
    assert fetched(tmp_path).path.read_bytes() == CONTENT
    assert "Range" not in server.asked[-1]


@pytest.mark.parametrize("heeds_if_range", [True, False])
@pytest.mark.parametrize("content", [OTHER_CONTENT, trip_files.parquet(trip_files.columns(300))])
def test_a_file_that_changed_is_not_mixed(
    server: TripServer, tmp_path: Path, content: bytes, *, heeds_if_range: bool
) -> None:
    server.heeds_if_range = heeds_if_range
    start_and_stop(tmp_path)
    server.files[MONTH.file_name] = content
    assert fetched(tmp_path).path.read_bytes() == content


def test_a_part_of_another_address_is_not_gone_on_from(
    server: TripServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_and_stop(tmp_path)
    monkeypatch.setenv("TRIP_DATA_URL", f"{server.url}/mirror")
    server.files[f"mirror/{MONTH.file_name}"] = OTHER_CONTENT
    assert fetched(tmp_path).path.read_bytes() == OTHER_CONTENT
    assert "Range" not in server.asked[-1]


def test_a_damaged_file_in_the_cache_is_fetched_anew(server: TripServer, tmp_path: Path) -> None:
    path = fetched(tmp_path).path
    for damage in (CONTENT[:-1], CONTENT[:-1] + b"?", b""):
        path.write_bytes(damage)
        assert not fetched(tmp_path).from_cache
        assert path.read_bytes() == CONTENT
    (tmp_path / f"{MONTH.file_name}.json").write_text("{")
    assert not fetched(tmp_path).from_cache
    assert len(server.asked) == 5


def test_two_fetches_at_once_download_once(server: TripServer, tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=300)

    def one(_: int) -> Fetched:
        both.wait()
        return fetched(tmp_path)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(one, range(2)))
    assert sorted(result.from_cache for result in results) == [False, True]
    assert results[0].path.read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_server_that_is_busy_is_asked_again(server: TripServer, tmp_path: Path) -> None:
    server.statuses = [503, 429, 500]
    assert fetched(tmp_path).path.read_bytes() == CONTENT
    server.statuses = [503] * 9
    (tmp_path / MONTH.file_name).unlink()
    with pytest.raises(Unreachable, match="cannot be downloaded: the server answers 503 after 5"):
        fetched(tmp_path)


@pytest.mark.parametrize("status", [403, 404])
def test_a_month_that_is_not_published_is_said(
    server: TripServer, tmp_path: Path, status: int
) -> None:
    server.statuses = [status]
    sentence = r"TLC has no green trips of 2023-01 at http://.*2023-01\.parquet: it publishes"
    with pytest.raises(UserError, match=sentence) as caught:
        fetched(tmp_path)
    assert not isinstance(caught.value, Unreachable)
    assert len(server.asked) == 1


def test_an_answer_of_another_kind_is_said(server: TripServer, tmp_path: Path) -> None:
    server.statuses = [410]
    with pytest.raises(UserError, match="cannot be downloaded: the server answers 410"):
        fetched(tmp_path)


def test_a_host_that_is_away_loses_nothing(
    server: TripServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = start_and_stop(tmp_path)
    with monkeypatch.context() as away:
        away.setattr(server, "statuses", [502] * 5)
        with pytest.raises(Unreachable, match="fetching again resumes from there"):
            fetched(tmp_path)
    with TripServer({}) as closed:
        url = closed.url
    with pytest.raises(
        Unreachable, match=r"the connection failed \(ConnectionError\) after 5 attempts"
    ):
        fetch(MONTH, tmp_path / "other", url_base=url, sleep=lambda _: None)
    fetched(tmp_path)
    assert server.asked[-1]["Range"] == f"bytes={kept}-"


def test_an_address_that_is_none_is_said(tmp_path: Path) -> None:
    for base in ("mirror", "gopher://mirror"):
        with pytest.raises(UserError, match=r"cannot be requested: .*is TRIP_DATA_URL right"):
            fetch(MONTH, tmp_path, url_base=base, sleep=lambda _: None)


def test_a_length_that_is_too_long_is_no_whole_file(server: TripServer, tmp_path: Path) -> None:
    server.longer_by = 10
    with pytest.raises(UserError, match=r"cannot be downloaded: .* after 5 attempts"):
        fetched(tmp_path)
    assert not (tmp_path / MONTH.file_name).exists()


def test_a_length_that_is_too_short_is_no_whole_file(server: TripServer, tmp_path: Path) -> None:
    server.longer_by = -10
    with pytest.raises(
        UserError, match=r"gave is not a complete Parquet file \(.*\): fetch it again"
    ):
        fetched(tmp_path)
    server.longer_by = 0
    assert fetched(tmp_path).path.read_bytes() == CONTENT


@pytest.mark.usefixtures("server")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    part_of(tmp_path).symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\)"):
        fetched(tmp_path)


@pytest.mark.usefixtures("server")
def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written .*name another folder"):
        fetched(tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<html>Sign in</html>", "is not a complete Parquet file"),
        (b"", "is not a complete Parquet file"),
        (trip_files.parquet(trip_files.columns(0)), "has no rows"),
    ],
)
def test_what_is_no_month_of_trips_is_not_kept(
    server: TripServer, tmp_path: Path, content: bytes, sentence: str
) -> None:
    server.files[MONTH.file_name] = content
    with pytest.raises(UserError, match=f"2023-01.parquet gave {sentence}"):
        fetched(tmp_path)
    assert not (tmp_path / MONTH.file_name).exists()
    assert not part_of(tmp_path).exists()


def test_a_footer_that_counts_other_rows_is_found(tmp_path: Path) -> None:
    content = trip_files.parquet(trip_files.columns(1_000))
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    # Thrift writes 1,000 as a zigzag varint, first as the file's number of rows.
    wrong = content[footer:].replace(b"\xd0\x0f", b"\xd2\x0f", 1)
    (path := tmp_path / "trips.parquet").write_bytes(content[:footer] + wrong)
    with pytest.raises(cache.Damaged, match="says it has 1,001 rows, and 1,000 can be read"):
        cache.count_rows(path)
