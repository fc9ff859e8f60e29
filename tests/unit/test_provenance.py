"""Which commit a model says that it was made from, whatever lies around and whoever calls."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from training import provenance
from training.provenance import UNKNOWN

SOURCE: Final = "training/provenance.py"


def git(folder: Path, *arguments: str) -> str:
    author = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.com")
    done = subprocess.run(
        ["git", *author, *arguments], cwd=folder, capture_output=True, check=True, text=True
    )
    return done.stdout.strip()


def write(folder: Path, name: str, text: str = "") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def repository(folder: Path, *names: str) -> str:
    """Makes one with these files in it; its commit."""
    for name in names:
        write(folder, name)
    git(folder, "init")
    git(folder, "add", "--all")
    git(folder, "commit", "--message", str(folder))
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "checkout")
    return tmp_path / "checkout"


@pytest.fixture
def commit(checkout: Path) -> str:
    names = (SOURCE, "lambda/ride_scoring/domain/features.py", "pyproject.toml", "README.md")
    return repository(checkout, *names)


def test_what_training_makes_leaves_a_checkout_clean(checkout: Path, commit: str) -> None:
    for name in ("mlflow.db", "mlflow.db.lock", "mine.db", "mine.db.lock", "mlruns/1/meta.yaml"):
        write(checkout, name)
    write(checkout, "out/training/report.html")
    write(checkout, "2023-01.parquet")
    write(checkout, "README.md", "changed")
    assert provenance.provenance().git_commit == commit


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "name",
    [
        SOURCE,
        "lambda/ride_scoring/domain/features.py",
        "lambda/ride_scoring/new.py",
        "training/models/new.py",
        "stream_sim/new.py",
        "trips/new.py",
        "infra/requirements/project.txt",
        "pyproject.toml",
    ],
)
def test_changed_code_and_pins_do_not(checkout: Path, commit: str, name: str) -> None:
    write(checkout, name, "changed")
    assert provenance.provenance().git_commit == f"{commit}-dirty"


@pytest.mark.parametrize("failing", ["status", "rev-parse", "ls-files"])
def test_what_git_cannot_tell_is_not_called_clean(
    commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    real = shutil.which("git")
    (shim := tmp_path / "bin" / "git").parent.mkdir()
    script = f'#!/bin/sh\n[ "$1" != {failing} ] || exit 128\nexec {real} "$@"\n'
    shim.write_text(script, encoding="utf-8")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shim.parent}:{os.environ['PATH']}")
    expected = f"{commit}-dirty" if failing == "status" else UNKNOWN
    assert provenance.provenance().git_commit == expected


@pytest.mark.few(1)
@pytest.mark.parametrize("variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"])
def test_another_repository_in_the_environment_is_not_asked(
    commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """As in a hook of another repository's."""
    other = tmp_path / "other"
    repository(other, "training/provenance.py")
    values = {
        "GIT_DIR": other / ".git",
        "GIT_WORK_TREE": other,
        "GIT_INDEX_FILE": other / ".git" / "index",
    }
    monkeypatch.setenv(variable, str(values[variable]))
    if variable == "GIT_WORK_TREE":
        monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert provenance.provenance().git_commit == commit


def test_a_copy_inside_of_somebody_elses_repository_is_of_no_commit(
    checkout: Path, tmp_path: Path
) -> None:
    repository(tmp_path, "theirs.py")
    write(checkout, SOURCE)
    assert provenance.provenance().git_commit == UNKNOWN


def test_a_folder_of_a_larger_repository_is_of_its_commit(checkout: Path, tmp_path: Path) -> None:
    commit = repository(tmp_path, f"{checkout.name}/{SOURCE}", "theirs.py")
    write(tmp_path, "theirs.py", "changed")
    assert provenance.provenance().git_commit == commit


def test_without_git_or_a_repository_it_is_unknown(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(checkout, SOURCE)
    assert provenance.provenance().git_commit == UNKNOWN
    monkeypatch.setenv("PATH", str(checkout))
    assert provenance.provenance().git_commit == UNKNOWN
