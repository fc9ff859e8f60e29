import difflib
from pathlib import Path

import msgspec
import pytest

from infra.common.console import UserError
from infra.common.paths import TERRAFORM
from operations.plan import variables
from operations.plan.limits import limits
from operations.plan.plan import plan
from tests.plans import real_basis


def tfvars(tmp_path: Path, text: str) -> Path:
    (path := tmp_path / "here.tfvars").write_text(text)
    return path


def test_what_a_file_does_not_set_has_terraforms_default(tmp_path: Path) -> None:
    found = variables.read(tfvars(tmp_path, "memory_mb = 512 # half a GB\n"))
    assert found.memory_mb == 512
    assert (found.batch_size, found.events_shards) == (500, 1)


def test_null_is_on_demand_for_shards_and_the_default_for_what_cannot_be_null(
    tmp_path: Path,
) -> None:
    found = variables.read(tfvars(tmp_path, "events_shards = null\nmemory_mb = null\n"))
    assert found.events_shards is None
    assert found.memory_mb == 1024


def test_values_are_read_as_terraform_reads_them(tmp_path: Path) -> None:
    text = """
        predictions_shards = "3"
        tracing            = "true"
        shard_metrics      = ["IncomingBytes", "IncomingBytes"]
        canary             = { stable_version = "7", weight = 0.1 }
        tags               = { team = "rides" }
    """
    found = variables.read(tfvars(tmp_path, text))
    assert (found.predictions_shards, found.tracing) == (3, True)
    assert found.shard_metrics == {"IncomingBytes"}
    assert found.versions == 2


def test_variables_that_cost_nothing_are_left_to_terraform(tmp_path: Path) -> None:
    text = """
        former_kms_key_arns = ["no ARN"]
        discard_models      = true
        alarm_thresholds    = { silent_minutes = 5 }
        shadow_stream       = true # without a shadow_alias
    """
    assert variables.read(tfvars(tmp_path, text)).shadow_stream


def test_every_variable_that_costs_is_one_of_terraforms() -> None:
    declared = (TERRAFORM / "variables.tf").read_text()
    for field in msgspec.structs.fields(variables.Deployment):
        assert f'variable "{field.name}" {{' in declared


@pytest.mark.parametrize(
    "path", sorted((TERRAFORM / "envs").glob("*.tfvars")), ids=lambda path: path.stem
)
def test_every_environment_can_be_priced(path: Path) -> None:
    deployment, basis = variables.read(path), real_basis()
    made = plan(100.0, path.name, deployment, basis)
    assert made.total.month_usd > 10
    assert made.carried
    assert limits(deployment, basis)[0].rides_per_second >= 1_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("memory = 512", "sets memory, and there is no such variable: the nearest is memory_mb"),
        ("zzz = 1", "there is no such variable"),
        ('resource "a" "b" {}', "sets resource, and there is no such variable"),
        ('memory_mb = "lots"', "sets memory_mb to 'lots'"),
        ("memory_mb = 64", "sets memory_mb to 64, which is not allowed"),
        ("memory_mb = 512.5", "sets memory_mb to 512.5"),
        ("memory_mb = [512]", r"sets memory_mb to \[512\], and it is a number"),
        ("memory_mb = true", "sets memory_mb to True, and it is a number"),
        ("memory_mb = 2 * 512", "sets memory_mb to '.*2 \\* 512.*', which is not allowed"),
        ("events_shards = 0", "sets events_shards to 0, which is not allowed"),
        ("tracing = 1", "sets tracing to 1, and it is a bool"),
        ("shard_metrics = true", "sets shard_metrics to True, and it is a set"),
        ('architecture = "riscv"', "sets architecture to 'riscv'"),
        ("memory_mb = ", "is not valid HCL at line 1"),
        ("a = 1\nmemory_mb = {", "is not valid HCL"),
    ],
)
def test_a_file_that_cannot_be_applied_is_one_sentence(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tfvars(tmp_path, text + "\n")
    with pytest.raises(UserError, match=said) as caught:
        variables.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_nearest_name_is_the_one_that_was_meant(tmp_path: Path) -> None:
    for name in ("event_shards", "batchsize", "parallelisation_factor", "outputAggregation"):
        with pytest.raises(UserError) as caught:
            variables.read(tfvars(tmp_path, f"{name} = 1\n"))
        meant = str(caught.value).rpartition(" ")[2]
        assert difflib.SequenceMatcher(None, name, meant).ratio() > 0.8


def test_a_file_that_is_not_there_or_no_text_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.tfvars does not exist: name a file"):
        variables.read(tmp_path / "nowhere.tfvars")
    with pytest.raises(UserError, match="cannot be read"):
        variables.read(tmp_path)
    (path := tmp_path / "here.tfvars").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read"):
        variables.read(path)
