"""What is the same for every function holds for one that is not scoring: it is packed, deployed on
moto and refused once its sources are others, while nothing but data names it."""

import json
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Final

import pytest

from infra import package
from infra.common.paths import REQUIREMENTS, RUNTIME_PYTHON, TERRAFORM
from infra.stack import local_architecture
from tests.terraform.deployment import Deployment, unexplained
from tests.terraform.moto_account import MOTO_FORGETS, moto_account
from tests.terraform.planning import refused

pytestmark = pytest.mark.thorough

HANDLER: Final = """\
import six


def handler(event, context):
    return {"echoed": six.ensure_str(event)}
"""
PROJECT: Final = """\
[project]
name = "rides"
version = "2.0"
license = "Apache-2.0"

[project.optional-dependencies]
second = ["six"]
"""
CALL: Final = """\
variable "architecture" {
  type = string
}

resource "aws_s3_bucket" "packages" {
  bucket = "packages"
}

data "aws_iam_policy_document" "second" {
  statement {
    sid       = "WriteEchoes"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.packages.arn}/echoes/*"]
  }
}

module "second_function" {
  source = "./modules/function"

  name           = "ride-second"
  description    = "Says what it was told."
  handler        = "echo.handler.handler"
  environment    = { ECHOES = aws_s3_bucket.packages.id }
  policy         = { name = "second", json = data.aws_iam_policy_document.second.json }
  package        = local.packages.second
  package_bucket = aws_s3_bucket.packages.id
  architecture   = var.architecture
}
"""
WHERE: Final = "module.second_function"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout that has another function than ours, and is packed in place of ours."""
    root = tmp_path / "checkout"
    sources = root / "lambda" / "echo"
    sources.mkdir(parents=True)
    (sources / "__init__.py").touch()
    (sources / "handler.py").write_text(HANDLER)
    (pins := root / "infra" / "requirements").mkdir(parents=True)
    ours = (REQUIREMENTS / "function.txt").read_text()
    (pin,) = re.findall(r"^six==(?:.*\\\n)*.*\n", ours, re.MULTILINE)
    (pins / "second.txt").write_text(pin)
    (root / "pyproject.toml").write_text(PROJECT)

    terraform = root / "terraform"
    shutil.copytree(TERRAFORM / "modules" / "function", terraform / "modules" / "function")
    shutil.copy(TERRAFORM / "versions.tf", terraform)
    packages = (TERRAFORM / "package.tf").read_text()
    row = 'function = ["lambda/ride_scoring"]'
    assert row in packages
    (terraform / "package.tf").write_text(packages.replace(row, 'second = ["lambda/echo"]'))
    (terraform / "main.tf").write_text(CALL)

    monkeypatch.setattr(package, "ROOT", root)
    monkeypatch.setattr(package, "BUILD", root / "build")
    monkeypatch.setattr(package, "REQUIREMENTS", pins)
    monkeypatch.setattr(package, "_PROJECT", root / "pyproject.toml")
    return root


def built(checkout: Path) -> package.Package:
    second = package.Function(
        name="second", sources=(checkout / "lambda" / "echo",), left_out=("six-*/LICENSE",)
    )
    return package.build(second, local_architecture())


def test_it_is_packed_with_its_own_sources_and_dependencies(checkout: Path, tmp_path: Path) -> None:
    made = built(checkout)
    assert made.path == checkout / "build" / f"second-{local_architecture()}.zip"
    with zipfile.ZipFile(made.path) as archive:
        names = {name for name in archive.namelist() if name.endswith((".py", "LICENSE"))}
        archive.extractall(tmp_path / "task")
    assert names == {"echo/__init__.py", "echo/handler.py", "six.py"}
    bill = json.loads(made.bill.read_text())
    assert [held["name"] for held in bill["components"]] == ["six"]
    assert {edge["ref"]: edge.get("dependsOn", []) for edge in bill["dependencies"]} == {
        "rides": ["pkg:pypi/six@1.17.0"],
        "pkg:pypi/six@1.17.0": [],
    }
    code = "from echo.handler import handler; print(handler(b'a ride', None))"
    said = subprocess.run(
        [RUNTIME_PYTHON, "-c", code], cwd=tmp_path / "task", capture_output=True, check=True
    )
    assert said.stdout == b"{'echoed': 'a ride'}\n"


def test_it_stands_with_its_own_rights_and_is_refused_once_it_is_old(
    checkout: Path, tmp_path: Path
) -> None:
    built(checkout)
    with (
        moto_account() as account,
        Deployment(
            tmp_path,
            {**os.environ, **account.environment},
            configuration=checkout / "terraform",
            profile=None,
            variables={"architecture": local_architecture()},
        ) as second,
    ):
        second.apply()
        assert unexplained(second.plan(), MOTO_FORGETS) == []
        stands = second.resources()
        function = stands[f"{WHERE}.aws_lambda_function.this"]
        assert (function["function_name"], function["handler"]) == (
            "ride-second",
            "echo.handler.handler",
        )
        assert function["environment"][0]["variables"] == {
            "POWERTOOLS_SERVICE_NAME": "ride-second",
            "TRACING": "false",
            "ECHOES": "packages",
        }
        policy = json.loads(stands[f"{WHERE}.aws_iam_role_policy.this"]["policy"])
        assert [(one["Sid"], one["Action"]) for one in policy["Statement"]] == [
            ("WriteEchoes", "s3:PutObject"),
            ("WriteLog", ["logs:PutLogEvents", "logs:CreateLogStream"]),
        ]

        with (checkout / "lambda" / "echo" / "handler.py").open("a") as source:
            source.write("# changed\n")
        code, said = refused(second.terraform, tmp_path, {"architecture": local_architecture()})
        assert (code, "is older than its sources" in said) == (1, True), said
        built(checkout)
        assert f"{WHERE}.aws_lambda_function.this" in {one.address for one in second.plan()}
        second.destroy()
