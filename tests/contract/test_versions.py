"""`python -m infra prune-versions` against moto, by way of the command line."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

import boto3
import pytest

from infra.common.paths import ROOT
from tests.contract.conftest import moto_settings

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

FUNCTION = "ride-scoring"


def prune(*options: str, function: str = FUNCTION) -> subprocess.CompletedProcess[str]:
    base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "infra", "prune-versions", *options],
        cwd=ROOT,
        env={**base, **moto_settings(), "FUNCTION_NAME": function},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def zipped(text: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("handler.py", text)
    return file.getvalue()


@pytest.fixture
def function(aws: boto3.Session) -> "LambdaClient":
    """A function with versions 1 to 12, as twelve deployments leave it."""
    role = aws.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]
    client = aws.client("lambda")
    client.create_function(
        FunctionName=FUNCTION,
        Runtime="python3.13",
        Role=role["Arn"],
        Handler="handler.handler",
        Code={"ZipFile": zipped("1")},
        Publish=True,
    )
    for number in range(2, 13):
        client.update_function_code(
            FunctionName=FUNCTION, ZipFile=zipped(f"{number}"), Publish=True
        )
    return client


def there(client: "LambdaClient") -> list[str]:
    listed = client.list_versions_by_function(FunctionName=FUNCTION)["Versions"]
    return sorted(version["Version"] for version in listed)


def texts(numbers: Sequence[int]) -> list[str]:
    return sorted([*map(str, numbers), "$LATEST"])


def test_the_newest_versions_stay_and_those_that_an_alias_points_to(
    function: "LambdaClient",
) -> None:
    function.create_alias(
        FunctionName=FUNCTION,
        Name="live",
        FunctionVersion="4",
        RoutingConfig={"AdditionalVersionWeights": {"7": 0.1}},
    )
    function.create_alias(FunctionName=FUNCTION, Name="before", FunctionVersion="2")
    done = prune()
    assert (done.returncode, done.stderr) == (0, "")
    assert there(function) == texts([2, 4, 7, 10, 11, 12])
    assert "version 1 deleted\n" in done.stdout
    assert done.stdout.endswith("6 versions kept (2, 4, 7, 10, 11, 12), 6 deleted\n")
    again = prune("--json")
    assert json.loads(again.stdout) == {
        "function": FUNCTION,
        "kept": [2, 4, 7, 10, 11, 12],
        "deleted": [],
        "dry_run": False,
    }


@pytest.mark.thorough
def test_a_dry_run_says_what_would_go_and_nothing_does(function: "LambdaClient") -> None:
    done = prune("--keep", "1", "--dry-run", "--json")
    assert json.loads(done.stdout) == {
        "function": FUNCTION,
        "kept": [12],
        "deleted": [*range(1, 12)],
        "dry_run": True,
    }
    said = prune("--keep", "11", "--dry-run").stdout.splitlines()
    assert said[0] == "version 1 would be deleted"
    assert said[1].endswith("1 would be deleted")
    assert there(function) == texts(range(1, 13))


@pytest.mark.thorough
def test_what_cannot_be_pruned_is_one_sentence(function: "LambdaClient") -> None:
    unnamed = prune("--function", "")
    assert unnamed.returncode == 1
    assert unnamed.stderr == "error: '' is not the name of a function: give --function\n"
    unknown = prune(function="rides")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith("error: there is no function rides: give --function, or")
    assert prune("--keep", "0").returncode == 2
    assert there(function) == texts(range(1, 13))
