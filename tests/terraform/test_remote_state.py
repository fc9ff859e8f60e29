"""State in S3, as terraform/envs/backend.tf has it, on moto: kept, encrypted, and locked."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.common.paths import TERRAFORM
from infra.common.processes import Children
from infra.terraform import find_binary
from tests.terraform.moto_account import MotoAccount, moto_account

pytestmark = pytest.mark.thorough

KEY = "ride-prod/terraform.tfstate"


@pytest.fixture(scope="module")
def account() -> Iterator[MotoAccount]:
    with moto_account() as account:
        account.client("s3").create_bucket(Bucket="states")
        yield account


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """A folder whose one resource is Terraform's own, beside the real backend."""
    shutil.copy(TERRAFORM / "envs" / "backend.tf", tmp_path)
    shutil.copytree(TERRAFORM / "envs", tmp_path / "envs")
    (tmp_path / "main.tf").write_text('resource "terraform_data" "this" {\n  input = "kept"\n}\n')
    return tmp_path


def terraform(account: MotoAccount, configuration: Path, *arguments: str) -> tuple[int, str]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TF_")},
        **account.environment,
        "TF_INPUT": "0",
    }
    with Children() as children:
        code, said = children.run(
            [find_binary(), f"-chdir={configuration}", *arguments, "-no-color"],
            environment,
            errors=None,
        )
    return code, said.decode()


def test_state_is_kept_in_the_bucket_and_one_at_a_time_changes_it(
    account: MotoAccount, configuration: Path
) -> None:
    code, said = terraform(
        account,
        configuration,
        *("init", "-backend-config=envs/prod.s3.tfbackend", "-backend-config=bucket=states"),
    )
    assert code == 0, said
    assert terraform(account, configuration, "apply", "-auto-approve")[0] == 0
    s3 = account.client("s3")
    kept = s3.get_object(Bucket="states", Key=KEY)
    assert b'"kept"' in kept["Body"].read()
    assert kept["ServerSideEncryption"] == "AES256"
    assert not (configuration / "terraform.tfstate").exists()

    lock = b'{"ID": "1", "Who": "someone else", "Operation": "OperationTypeApply"}'
    s3.put_object(Bucket="states", Key=f"{KEY}.tflock", Body=lock)
    code, _ = terraform(account, configuration, "apply", "-auto-approve", "-lock-timeout=0s")
    assert code == 1
    s3.delete_object(Bucket="states", Key=f"{KEY}.tflock")
    assert terraform(account, configuration, "apply", "-auto-approve")[0] == 0
