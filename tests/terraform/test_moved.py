"""A deployment from before there were modules is taken over: moved, not made again."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.common.paths import TERRAFORM
from tests.terraform.deployment import Deployment, unexplained
from tests.terraform.moto_account import MOTO_FORGETS, moto_account
from tests.terraform.planning import PACKAGE

pytestmark = pytest.mark.thorough


def moves() -> Mapping[str, str]:
    """terraform/moved.tf: where things stood, by where they are now."""
    text = (TERRAFORM / "moved.tf").read_text()
    return {to: was for was, to in re.findall(r"from = (\S+)\n\s*to   = (\S+)", text)}


def test_what_stood_before_is_moved_and_nothing_is_destroyed(tmp_path: Path) -> None:
    with (
        moto_account() as account,
        Deployment(
            tmp_path,
            {**os.environ, **account.environment},
            profile=None,
            variables={"package": str(PACKAGE)},
        ) as deployment,
    ):
        deployment.apply()
        stood = set(deployment.resources())
        assert len(moves()) == (TERRAFORM / "moved.tf").read_text().count("moved {")
        for now, was in moves().items():
            state = f"-state={deployment.terraform.state}"
            code, said = deployment.terraform.run("state", "mv", state, now, was)
            assert code == 0, said
        assert unexplained(deployment.plan(), MOTO_FORGETS) == []
        deployment.apply()
        assert set(deployment.resources()) == stood
        deployment.destroy()
