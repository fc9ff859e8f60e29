"""Whatever a terminal can show, and wherever output goes, a command finds what it finds, and says
in one sentence what could not be printed."""

import codecs
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.common import output
from infra.common.paths import ROOT

ENCODINGS = (
    *("utf-8", "ascii", "latin-1", "iso8859-15", "cp1252", "cp437", "cp850", "mac_roman"),
    *("koi8-r", "shift_jis", "gbk", "utf-16"),
)
REPLAY = ("stream_sim", "replay-seed", "3")
PLAN = ("operations", "plan", "--rides-per-second", "3000")
COMPARE = (
    *("training", "compare", "--train", "synthetic:600:1", "--validate", "synthetic:400:2"),
    *("--page", "out/test/report.html"),
)
HELP = ("training", "--help")
ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""A machine whose files and arguments are not UTF-8 either, as far as Python can tell."""


def written(text: str, encoding: str) -> bytes:
    stream = io.BytesIO()
    taken = output._as(output._Output, io.TextIOWrapper(stream, encoding=encoding))
    taken.write(text)
    taken.flush()
    return stream.getvalue()


@pytest.fixture(scope="module", autouse=True)
def prepared() -> None:
    """The error handler, which a command line registers when it begins."""
    codecs.register_error("nearest", output._nearest)


@given(st.text(st.characters() | st.sampled_from("→…✓\udc80\ud83d"), max_size=50))
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_text_can_be_written_in_every_encoding(encoding: str, text: str) -> None:
    written(text, encoding)


@given(st.text(st.characters(codec="ascii")))
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8"])
def test_what_can_be_shown_is_not_changed(encoding: str, text: str) -> None:
    assert written(text, encoding).replace(os.linesep.encode(), b"\n").decode(encoding) == text


def test_what_cannot_be_shown_is_the_nearest() -> None:
    assert written("2 → 3 … ✓ ü\udcff │─┼ 😀", "ascii") == rb"2 -> 3 ... + u\xff |-+ \U0001f600"
    assert written("ü →", "latin-1") == b"\xfc ->"


@given(st.text(st.characters(exclude_categories=["Cs"])))
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_says_the_same_in_every_encoding(encoding: str, text: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        said = output.readable_json(json.dumps([text], ensure_ascii=False))
    assert json.loads(written(said, encoding).decode(encoding)) == [text]


def run(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> "subprocess.CompletedProcess[bytes]":
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**base, **(environment or {})},
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        check=False,
        timeout=600,
    )


@pytest.fixture(scope="module")
def replayed() -> list[str]:
    """What a history says where everything can be shown."""
    done = run(REPLAY, {"PYTHONIOENCODING": "utf-8"})
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


@pytest.mark.few(1)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "shift_jis"])
def test_a_history_breaks_nothing_because_it_cannot_be_shown(
    replayed: list[str], encoding: str
) -> None:
    done = run(REPLAY, {"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    said = done.stdout.decode(encoding).splitlines()
    assert [line.replace("...", "…") for line in said] == replayed


@pytest.mark.thorough
@pytest.mark.skipif(
    not str(ROOT).isascii(),
    reason="where files are taken for ASCII, msgspec cannot be imported from such a folder",
)
@pytest.mark.parametrize("command", [REPLAY, PLAN, COMPARE, HELP], ids=lambda c: c[1].strip("-"))
def test_commands_work_in_a_terminal_that_is_not_utf_8(command: Sequence[str]) -> None:
    done = run(command, ASCII_LOCALE)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout


@pytest.mark.thorough
@pytest.mark.parametrize("command", [REPLAY, PLAN, HELP], ids=lambda c: c[1].strip("-"))
def test_a_standard_output_that_takes_no_more_is_one_sentence(command: Sequence[str]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    reading, unread = os.pipe()
    os.close(reading)
    for number, why in ((full, "no space left on device"), (unread, "broken pipe")):
        done = run(command, stdout=number)
        os.close(number)
        assert done.returncode == 1
        assert done.stderr.decode() == (
            f"error: cannot write to standard output ({why}): the output is incomplete\n"
        )


def closed(command: Sequence[str], redirection: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirection}', "bash", sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=600,
    )


def test_without_a_standard_output_nothing_is_begun() -> None:
    done = closed(REPLAY, ">&-")
    assert done.returncode == 1
    assert done.stderr == b"error: standard output is closed\n"


@pytest.mark.thorough
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_run_does_not_end_because_nobody_hears_of_it(redirection: str, tmp_path: Path) -> None:
    done = closed((*PLAN, "--out", str(tmp_path)), redirection)
    assert (done.returncode, b"a month" in done.stdout) == (0, True)
    failed = closed(("operations", "plan", "--tfvars", "nowhere.tfvars"), redirection)
    assert (failed.returncode, failed.stdout) == (1, b"")
