"""The minimal example on moto: applied, planned again, destroyed."""

import os
from pathlib import Path

import pytest

from infra import package
from infra.common.console import UserError
from infra.common.paths import TERRAFORM
from infra.stack import local_architecture
from tests.terraform.deployment import Deployment, unexplained
from tests.terraform.moto_account import MOTO_FORGETS, MotoAccount, moto_account, standing

pytestmark = pytest.mark.thorough


def another_of_its_name_takes_nothing_from_it(account: MotoAccount, folder: Path) -> None:
    """As from a second checkout, which knows nothing of what stands: it is refused, and when what
    it made is taken away again, all that was there before is still there."""
    variables = {
        "name": "minimal",
        "architecture": local_architecture(),
        "failure_queue": "true",
        "encrypt_streams": "false",
    }
    account.client("sqs").create_queue(QueueName="minimal-failures")
    with Deployment(
        folder, {**os.environ, **account.environment}, profile=None, variables=variables
    ) as other:
        with pytest.raises(UserError, match="already exists"):
            other.apply()
        taken = [where for where in other.resources() if "sns" in where or "sqs" in where]
        assert taken == []
        other.destroy()
    queue = account.client("sqs").get_queue_url(QueueName="minimal-failures")["QueueUrl"]
    account.client("sqs").delete_queue(QueueUrl=queue)


def test_the_minimal_example_stands_and_leaves_nothing(tmp_path: Path) -> None:
    package.build(package.SCORING, local_architecture())
    with (
        moto_account() as account,
        Deployment(
            tmp_path,
            {**os.environ, **account.environment},
            configuration=TERRAFORM / "examples" / "minimal",
            profile=None,
            variables={"architecture": local_architecture()},
        ) as minimal,
    ):
        minimal.apply()
        assert unexplained(minimal.plan(), MOTO_FORGETS) == []
        assert "EVENTS_STREAM_NAME=minimal-events" in minimal.outputs()["environment"]
        another_of_its_name_takes_nothing_from_it(account, tmp_path / "other")
        assert unexplained(minimal.plan(), MOTO_FORGETS) == []
        minimal.destroy()
        assert standing(account) == []
