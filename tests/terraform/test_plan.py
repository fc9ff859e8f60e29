"""terraform/tests: what each variable does to a plan, and which values are refused.

They run on mocks of AWS, without an account and without a network.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.common.paths import TERRAFORM
from infra.terraform import Terraform
from tests.terraform.planning import initialised

FILES = sorted((TERRAFORM / "tests").glob("*.tftest.hcl"))


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terraform]:
    with initialised(tmp_path_factory.mktemp("plan"), os.environ) as made:
        yield made


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".tftest.hcl"))
def test_of_terraform(terraform: Terraform, file: Path) -> None:
    code, said = terraform.run("test", "-no-color", f"-filter={file.relative_to(TERRAFORM)}")
    assert code == 0, said
