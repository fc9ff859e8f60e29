"""terraform/tests: what each variable does to a plan, and which values are refused.

They run on mocks of AWS, without an account and without a network.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from infra.common.paths import TERRAFORM
from tests.terraform.planning import initialised

FILES = sorted((TERRAFORM / "tests").glob("*.tftest.hcl"))


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What Terraform said. One process runs all files, as each that starts loads the provider."""
    with initialised(tmp_path_factory.mktemp("plan"), os.environ) as terraform:
        _, said = terraform.run("test", "-json")
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".tftest.hcl"))
def test_of_terraform(events: list[dict[str, Any]], file: Path) -> None:
    name = str(file.relative_to(TERRAFORM))
    said = [event for event in events if event.get("@testfile", name) == name]
    told = "\n".join(map(json.dumps, said))
    (runs,) = [event["test_abstract"].get(name) for event in said if "test_abstract" in event]
    assert runs, told
    ended = [(run["run"], run["status"]) for run in _ended(said, "test_run")]
    assert ended == [(run, "pass") for run in runs], told
    assert [run["status"] for run in _ended(said, "test_file")] == ["pass"], told


def _ended(events: list[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    return [event[what] for event in events if "status" in event.get(what, {})]
