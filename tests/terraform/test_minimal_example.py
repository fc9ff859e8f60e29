"""The minimal example on moto: applied, planned again, destroyed."""

import os
from pathlib import Path

from infra import package
from infra.paths import TERRAFORM
from infra.stack import local_architecture
from tests.terraform.deployment import Deployment, unexplained
from tests.terraform.moto_account import MOTO_FORGETS, moto_account, standing


def test_the_minimal_example_stands_and_leaves_nothing(tmp_path: Path) -> None:
    package.build(local_architecture())
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
        minimal.destroy()
        assert standing(account) == []
