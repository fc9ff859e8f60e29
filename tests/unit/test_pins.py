"""All that is installed to run: one version of each, by the digests of its files, from anyone's own
index.
"""

import re
import shlex
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from infra.common.paths import FUNCTION_SOURCES, REQUIREMENTS, ROOT

FILES = sorted(REQUIREMENTS.glob("*.txt"))
DOCKERFILE = FUNCTION_SOURCES.parent / "Dockerfile"
INSTALLERS = {"infra/environments.sh": 3, "lambda/Dockerfile": 1}
"""How often each of them installs."""


def pins(file: Path) -> list[tuple[Requirement, list[str]]]:
    """The requirements of a file, each with the options that follow it; comments are left out."""
    lines = [line.partition(" #")[0] for line in file.read_text(encoding="utf-8").splitlines()]
    joined = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    entries = [entry for entry in joined.replace("\\\n", " ").splitlines() if entry.strip()]
    split = [re.split(r"\s+(?=--)", entry.strip()) for entry in entries]
    return [(Requirement(named), options) for named, *options in split]


def installs(file: str) -> list[list[str]]:
    """The commands of a file that install, as words."""
    text = (ROOT / file).read_text().replace("\\\n", " ")
    found = re.findall(r"pip (?:install|sync) [^\n|&]*", text)
    return [shlex.split(command) for command in found]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_requirement_is_one_version_by_its_digests(file: Path) -> None:
    found = pins(file)
    assert found
    for requirement, options in found:
        (version,) = requirement.specifier
        assert version.operator == "=="
        assert not version.version.endswith("*")
        assert options, requirement
        assert [told for told in options if not _is_digest(told)] == [], requirement


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_requirement_says_where_it_comes_from(file: Path) -> None:
    assert "://" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", INSTALLERS)
def test_what_is_installed_is_held_against_its_digests(file: str) -> None:
    found = installs(file)
    assert len(found) == INSTALLERS[file]
    for words in found:
        own = {"--editable", "--no-deps", "--no-build-isolation"} <= set(words)  # no download
        assert own or "--require-hashes" in words, words


def test_what_the_function_runs_on_is_what_the_project_runs_on() -> None:
    """Two sets that name one distribution name one version of it."""
    function, project = (
        {requirement.name: requirement.specifier for requirement, _ in pins(REQUIREMENTS / name)}
        for name in ("function.txt", "project.txt")
    )
    assert function.items() <= project.items()


def test_the_image_stands_on_the_python_that_the_project_asks_for() -> None:
    (base,) = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    (wanted,) = re.findall(
        r'^requires-python = "==(\d+\.\d+)\.\*"', (ROOT / "pyproject.toml").read_text(), re.M
    )
    assert base.rpartition("/")[2].partition("@")[0] == f"python:{wanted}"


def test_every_module_takes_the_same_providers() -> None:
    """One that takes fewer would keep the others from a version that they take."""
    constraints = {
        file: re.findall(r'"hashicorp/aws"\s+version\s*= "(.*)"', file.read_text())
        for file in (ROOT / "terraform").rglob("versions.tf")
        if ".terraform" not in file.parts
    }
    assert len(constraints) >= len(list((ROOT / "terraform" / "modules").iterdir()))
    assert all(constraints.values())
    assert len({tuple(taken) for taken in constraints.values()}) == 1, constraints


def _is_digest(option: str) -> bool:
    return re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", option) is not None
