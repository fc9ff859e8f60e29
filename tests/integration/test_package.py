"""The zip: the same bytes each time, small enough, and with nothing in it that it needs not."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from infra import package, stack
from infra.paths import RUNTIME_PYTHON


@pytest.fixture(scope="module")
def built() -> package.Package:
    return package.build(stack.local_architecture())


def test_it_is_built_again_to_the_same_bytes(
    built: package.Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "BUILD", tmp_path)
    again = package.build(stack.local_architecture())
    assert again.rebuilt
    assert again.sha256 == built.sha256


def test_it_is_not_built_again_while_nothing_changes(built: package.Package) -> None:
    again = package.build(stack.local_architecture())
    assert not again.rebuilt
    assert again.sha256 == built.sha256


def test_its_entries_are_sorted_and_of_one_time(built: package.Package) -> None:
    with zipfile.ZipFile(built.path) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert "ride_scoring/handler.py" in names
    assert not [name for name in names if "/tests/" in name]
    assert built.unzipped_bytes < 250 * 2**20


def test_its_byte_code_is_trusted_unchecked(built: package.Package) -> None:
    with zipfile.ZipFile(built.path) as archive:
        header = archive.read("ride_scoring/__pycache__/handler.cpython-313.pyc")[:8]
    # https://peps.python.org/pep-0552/: bit 0 says hash-based, bit 1 says check the source.
    assert int.from_bytes(header[4:8], "little") == 0b01


def test_it_holds_all_that_the_function_imports(built: package.Package, tmp_path: Path) -> None:
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(tmp_path)
    code = "import ride_scoring.handler, skops.io, sklearn.ensemble, zoneinfo; print('whole')"
    done = subprocess.run(
        [RUNTIME_PYTHON, "-c", code],
        env={"PYTHONPATH": str(tmp_path), "PYTHONTZPATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "whole\n", done.stderr
