"""What users get wrong most: refused by the plan, in a sentence that names it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from infra import package
from infra.common.paths import FUNCTION_SOURCES, REQUIREMENTS, ROOT, TERRAFORM
from infra.terraform import Terraform
from tests.terraform.planning import PACKAGE, empty_account, initialised, plan, refused

pytestmark = pytest.mark.thorough

MISTAKES: Final[dict[str, tuple[dict[str, Any], tuple[str, ...]]]] = {
    "name": ({"name": "Ride"}, ("name must be 2 to 20 lowercase letters",)),
    "settings": (
        {
            "batch_size": 0,
            "batch_window_seconds": 301,
            "image_uri": "example.com/ride-scoring:latest",
        },
        (
            "batch_size must be a whole number from 1 to 10000",
            "batch_window_seconds must be a whole number from 0 to 300",
            "image_uri must name an image by its digest",
        ),
    ),
    "environment": (
        {"environment_variables": {"MODEL_BUCKET": "theirs", "AWS_REGION": "us-east-1"}},
        (
            "environment_variables must not have MODEL_BUCKET: other variables set these",
            "start with a letter, but not with AWS_",
        ),
    ),
    "shadow": (
        {"environment_variables": {"SHADOW_ALIAS": "challenger"}},
        ("environment_variables must not have SHADOW_ALIAS or SHADOW_STREAM_NAME",),
    ),
    "package": (
        {"package": "/nowhere.zip"},
        ("The function's package /nowhere.zip does not exist: run `make package ARCH=x86_64`",),
    ),
}


@pytest.fixture(scope="module")
def account() -> Iterator[dict[str, str]]:
    with empty_account() as environment:
        yield environment


@pytest.fixture(scope="module")
def terraform(
    account: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Terraform]:
    folder = tmp_path_factory.mktemp("refusals")
    with initialised(folder, account) as made:
        yield made


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What Terraform reads of a checkout, with a package that was built from it."""
    copied = tmp_path / "checkout"
    shutil.copytree(TERRAFORM, copied / "terraform")
    shutil.copytree(FUNCTION_SOURCES, copied / FUNCTION_SOURCES.relative_to(ROOT))
    pins = REQUIREMENTS.relative_to(ROOT) / "function.txt"
    (copied / pins).parent.mkdir(parents=True)
    shutil.copy(ROOT / pins, copied / pins)
    (copied / "build").mkdir()
    (copied / "build" / "function-x86_64.zip").write_text("a zip")
    built_from = copied / "build" / "function-x86_64.zip.sources"
    built_from.write_text(package.sources_digest(package.SCORING) + "\n")
    return copied


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_plan_refuses(terraform: Terraform, tmp_path: Path, mistake: str) -> None:
    wrong, sentences = MISTAKES[mistake]
    code, said = refused(terraform, tmp_path, {"package": PACKAGE, **wrong})
    assert (code, [sentence for sentence in sentences if sentence not in said]) == (1, []), said
    assert not terraform.state.exists()


def test_the_plan_refuses_a_region_that_there_is_not(
    account: dict[str, str], tmp_path: Path
) -> None:
    with initialised(tmp_path, {**account, "AWS_REGION": "us-esat-1"}) as elsewhere:
        code, said = refused(elsewhere, tmp_path, {"package": PACKAGE})
    assert (code, "us-esat-1" in said) == (1, True), said


def test_the_plan_refuses_a_package_once_its_sources_are_others(
    account: dict[str, str], tmp_path: Path, checkout: Path
) -> None:
    with initialised(tmp_path, account, configuration=checkout / "terraform") as made:
        plan(made, tmp_path, {})
        with (checkout / "lambda" / "ride_scoring" / "handler.py").open("a") as source:
            source.write("# changed\n")
        code, said = refused(made, tmp_path, {})
        (checkout / "build" / "function-x86_64.zip").unlink()
        missing = refused(made, tmp_path, {})
    assert (code, "function-x86_64.zip is older than its sources" in said) == (1, True), said
    assert "function-x86_64.zip does not exist: run `make package ARCH=x86_64`" in missing.said
