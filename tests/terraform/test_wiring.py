"""Every variable of terraform/ reaches the resource that it is for, through whatever module."""

import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from infra.terraform import Terraform
from tests.terraform.planning import (
    PACKAGE,
    Planned,
    empty_account,
    initialised,
    names_of_variables,
    plan,
)
from tests.terraform.reaches import LIFECYCLE, PLANS, PROFILES, REACHES, TAGS, TOLD

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def account() -> Iterator[dict[str, str]]:
    with empty_account() as environment:
        yield environment


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wiring")


@pytest.fixture(scope="module")
def terraform(account: dict[str, str], folder: Path) -> Iterator[Terraform]:
    with initialised(folder, account) as made:
        yield made


@pytest.fixture(scope="module")
def planned(terraform: Terraform, folder: Path) -> Callable[[str], Planned]:
    """The plan of a name, made when it is first asked for."""
    return cache(lambda name: plan(terraform, folder, PLANS[name]))


@pytest.mark.parametrize("name", PLANS)
def test_variables_reach_what_they_are_for(planned: Callable[[str], Planned], name: str) -> None:
    made = planned(name)
    rows = [row for row in REACHES if row[0] == name]
    wrong = [(row, found) for row in rows if (found := made.value(row[2], row[3])) != row[4]]
    assert wrong == []


@pytest.mark.parametrize(
    ("argument", "made_from"),
    [
        ("environment", "local.scoring_environment"),
        ("environment_variables", "var.environment_variables"),
        ("policy", "data.aws_iam_policy_document.scoring.json"),
    ],
)
def test_what_scoring_is_told_and_may_do_reaches_its_function(
    planned: Callable[[str], Planned], argument: str, made_from: str
) -> None:
    assert made_from in planned("most").mentions("scoring_function", argument)


def test_the_digest_that_is_told_is_the_zips(planned: Callable[[str], Planned]) -> None:
    digest = hashlib.sha256(PACKAGE.read_bytes()).hexdigest()
    assert planned("most").outputs["package_sha256"] == digest
    assert planned("image").outputs["package_sha256"] is None


def test_every_variable_is_among_them() -> None:
    assert {row[1] for row in REACHES} | {*TOLD, "former_kms_key_arns"} == set(names_of_variables())


def test_every_variable_is_set_in_a_plan() -> None:
    assert set().union(*PLANS.values()) == set(names_of_variables())


def test_all_that_takes_tags_has_them(planned: Callable[[str], Planned]) -> None:
    resources = planned("most").resources
    tagged = {where: values["tags"] for where, values in resources.items() if "tags" in values}
    assert tagged
    assert [where for where, tags in tagged.items() if tags != TAGS] == []


def test_where_nothing_goes_by_its_age_there_is_no_lifecycle(
    planned: Callable[[str], Planned],
) -> None:
    assert not [where for where in planned("others").resources if LIFECYCLE in where]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_plans(
    account: dict[str, str], terraform: Terraform, tmp_path: Path, profile: str
) -> None:
    data = Path(terraform.settings["TF_DATA_DIR"])
    with initialised(tmp_path, account, profile=profile, data=data) as profiled:
        made = plan(profiled, tmp_path, {"package": PACKAGE})
    wrong = [row for row in PROFILES[profile] if made.value(row[0], row[1]) != row[2]]
    assert wrong == []
