"""The whole on moto: applied, planned again, changed, and every right of every policy tried."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from infra import package
from infra.stack import local_architecture
from ride_scoring import aws
from tests import registered
from tests.factories import event_json
from tests.store import Publisher
from tests.terraform import role_calls
from tests.terraform.deployment import Deployment, a_changed_package, unexplained
from tests.terraform.moto_account import (
    ACCOUNT,
    MOTO_FORGETS,
    MotoAccount,
    moto_account,
    standing,
    statements,
)
from tests.terraform.role_calls import Refused, Surroundings
from training.cli import app as training

pytestmark = pytest.mark.thorough

RIGHTS: Final = (
    *(("ReadEvents", action, 0) for action in (
        "kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords",
        "kinesis:GetShardIterator", "kinesis:ListShards",
    )),
    ("WritePredictions", "kinesis:PutRecords", 0),
    ("WritePredictions", "kinesis:PutRecords", 1),
    ("ReadModel", "s3:GetObject", 0),
    ("WriteRejects", "s3:PutObject", 0),
    ("WriteFailures", "s3:PutObject", 0),
    ("FindFailuresBucket", "s3:ListBucket", 0),
    ("WriteLog", "logs:CreateLogStream", 0),
    ("WriteLog", "logs:PutLogEvents", 0),
    ("WriteTraces", "xray:PutTraceSegments", 0),
    ("WriteTraces", "xray:PutTelemetryRecords", 0),
    ("UseKey", "kms:Decrypt", 0),
    ("UseKey", "kms:GenerateDataKey", 0),
    ("UseFormerKeys", "kms:Decrypt", 0),
)  # fmt: skip
"""Each right of the function's role: a statement's name, an action, which of its resources."""
_ANYTHING: Final = statements({"Effect": "Allow", "Action": "*", "Resource": "*"})


@pytest.fixture(scope="module")
def account() -> Iterator[MotoAccount]:
    with moto_account() as account:
        yield account


@pytest.fixture(scope="module")
def deployed(
    account: MotoAccount, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    package.build(package.SCORING, local_architecture())
    kms = account.client("kms")
    key, former_key = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
    folder = tmp_path_factory.mktemp("moto")
    variables = {
        "architecture": local_architecture(),
        "kms_key_arn": key,
        "former_kms_key_arns": json.dumps([former_key]),
        "tracing": "true",
        "shadow_alias": "challenger",
        "shadow_stream": "true",
    }
    environment = {**os.environ, **account.environment}
    with Deployment(folder, environment, profile="local", variables=variables) as deployment:
        deployment.apply()
        yield deployment


@pytest.fixture(scope="module")
def world(account: MotoAccount, deployed: Deployment) -> Surroundings:
    resources, outputs = deployed.resources(), deployed.outputs()
    function = resources["module.scoring_function.aws_lambda_function.this"]
    publisher = Publisher(aws.connect(account.environment).s3, outputs["model_bucket"])
    publisher.publish("101", 2.0)
    publisher.publish("102", 3.0, alias="challenger")
    kinesis = account.client("kinesis")
    for data in (event_json(), b"{"):
        kinesis.put_record(StreamName=outputs["events_stream_name"], Data=data, PartitionKey="1")
    return Surroundings(
        account=account,
        settings=function["environment"][0]["variables"],
        events_stream=resources["module.events_stream.aws_kinesis_stream.this"]["arn"],
        log_group=resources["module.scoring_function.aws_cloudwatch_log_group.this"]["name"],
        rejects_bucket=outputs["rejects_bucket"],
        key=function["kms_key_arn"],
        former_key=_former_key(resources),
        failure_queue=None,
    )


def _former_key(resources: Mapping[str, Any]) -> str:
    policy = resources["module.scoring_function.aws_iam_role_policy.this"]["policy"]
    (statement,) = [
        statement
        for statement in json.loads(policy)["Statement"]
        if statement["Sid"] == "UseFormerKeys"
    ]
    return str(statement["Resource"])


def test_a_request_that_is_retried_gets_the_first_response(account: MotoAccount) -> None:
    iam = account.client("iam")
    created = [iam.create_policy(PolicyName=name, PolicyDocument=_ANYTHING) for name in ("a", "b")]
    assert created[0]["Policy"]["Arn"] != created[1]["Policy"]["Arn"]

    def same_request(request: Any, **_: object) -> None:
        request.headers["amz-sdk-invocation-id"] = "the same"

    iam.meta.events.register("before-send.iam.CreatePolicy", same_request)
    first, again = (
        iam.create_policy(PolicyName="c", PolicyDocument=_ANYTHING)["Policy"] for _ in range(2)
    )
    assert first["PolicyId"] == again["PolicyId"]
    for policy in (*(answer["Policy"] for answer in created), first):
        iam.delete_policy(PolicyArn=policy["Arn"])


def test_what_is_set_aside_stays_in_the_account(role: Mapping[str, Any]) -> None:
    (statement,) = [one for one in role["Statement"] if one["Sid"] == "WriteFailures"]
    assert statement["Condition"] == {"StringEquals": {"s3:ResourceAccount": ACCOUNT}}


@pytest.fixture(scope="module")
def role(deployed: Deployment) -> dict[str, Any]:
    """The policy of the function's role."""
    policy = deployed.resources()["module.scoring_function.aws_iam_role_policy.this"]["policy"]
    return dict(json.loads(policy))


def test_the_plan_after_the_first_apply_is_empty(deployed: Deployment) -> None:
    left = unexplained(deployed.plan(), MOTO_FORGETS)
    assert left == [], left


def test_the_role_has_the_rights_that_are_tried_here_and_no_other(role: dict[str, Any]) -> None:
    rights = [
        (statement["Sid"], action, index)
        for statement in role["Statement"]
        for action in _listed(statement["Action"])
        for index in range(len(_listed(statement["Resource"])))
    ]
    assert sorted(rights) == sorted(RIGHTS)


def test_with_all_its_rights_the_function_does_its_work(
    world: Surroundings, role: dict[str, Any]
) -> None:
    keys = world.account.assume("whole", json.dumps(role))
    with world.account.enforcing():
        role_calls.run_all(world, keys)


@pytest.mark.parametrize("right", RIGHTS, ids=lambda right: "-".join(map(str, right)))
def test_with_any_one_right_less_it_does_not(
    world: Surroundings, role: dict[str, Any], right: tuple[str, str, int]
) -> None:
    keys = world.account.assume("-".join(map(str, right)).replace(":", "."), _without(role, right))
    with world.account.enforcing(), pytest.raises(Refused):
        role_calls.run_all(world, keys)


def test_what_the_function_never_does_its_role_may_not(
    world: Surroundings, role: dict[str, Any], deployed: Deployment
) -> None:
    keys = world.account.assume("curious", json.dumps(role))
    models, rejects = deployed.outputs()["model_bucket"], world.rejects_bucket
    s3, kinesis, logs, iam, functions, kms = (
        world.account.client(service, keys)
        for service in ("s3", "kinesis", "logs", "iam", "lambda", "kms")
    )
    model = {"Bucket": models, "Key": "models/ride-duration/aliases/champion.json"}
    events, predictions = "ride-events", "ride-predictions"
    never: dict[str, Callable[[], object]] = {
        "move an alias": lambda: s3.put_object(**model, Body=b"{}"),
        "delete a model": lambda: s3.delete_object(**model),
        "read another model": lambda: s3.get_object(Bucket=models, Key="models/other/x.json"),
        "read a package": lambda: s3.get_object(Bucket=models, Key="packages/x.zip"),
        "list models": lambda: s3.list_objects_v2(Bucket=models),
        "read rejects": lambda: s3.get_object(Bucket=rejects, Key="rejects/x"),
        "delete rejects": lambda: s3.delete_object(Bucket=rejects, Key="rejects/x"),
        "write beside rejects": lambda: s3.put_object(Bucket=rejects, Key="x", Body=b""),
        "unversion a bucket": lambda: s3.put_bucket_versioning(
            Bucket=rejects, VersioningConfiguration={"Status": "Suspended"}
        ),
        "send rides": lambda: kinesis.put_records(
            StreamName=events, Records=[{"Data": b"{}", "PartitionKey": "1"}]
        ),
        "read predictions": lambda: kinesis.list_shards(StreamName=predictions),
        "put one prediction": lambda: kinesis.put_record(
            StreamName=predictions, Data=b"{}", PartitionKey="1"
        ),
        "delete a stream": lambda: kinesis.delete_stream(StreamName=events),
        "make a log": lambda: logs.create_log_group(logGroupName="/aws/lambda/other"),
        "write another's log": lambda: logs.create_log_stream(
            logGroupName="/aws/lambda/other", logStreamName="x"
        ),
        "give itself rights": lambda: iam.put_role_policy(
            RoleName="ride-scoring", PolicyName="more", PolicyDocument=statements()
        ),
        "change its code": lambda: functions.update_function_code(
            FunctionName="ride-scoring", ZipFile=b""
        ),
        "delete its key": lambda: kms.schedule_key_deletion(KeyId=world.key),
        "use another key": lambda: kms.generate_data_key(
            KeyId="arn:aws:kms:us-east-1:123456789012:key/other", KeySpec="AES_256"
        ),
    }
    with world.account.enforcing():
        assert [what for what, call in never.items() if role_calls.allowed(call)] == []


def test_each_one_around_the_function_can_do_its_part_with_its_policy_alone(
    world: Surroundings, role: dict[str, Any], deployed: Deployment, tmp_path: Path
) -> None:
    outputs = deployed.outputs()
    policies = around(deployed)
    sent = str(tmp_path / "sent")
    function = world.account.assume("function", json.dumps(role))
    given = {name: world.account.assume(name, policy) for name, policy in policies.items()}
    places = {
        "EVENTS_STREAM_NAME": outputs["events_stream_name"],
        "PREDICTIONS_STREAM_NAME": outputs["predictions_stream_name"],
        "REJECTS_BUCKET": outputs["rejects_bucket"],
    }

    def can(player: str, *command: str) -> None:
        code, said = run(world.account, places | given[player], *command)
        assert code == 0, said

    with world.account.enforcing():
        can("producer", "send", "--count", "20", "--rate", "100", "--out", sent)
        role_calls.run_all(world, function)
        can("reader", "verify", "--out", sent, "--deadline", "20")
        can("reader", "watch", "--plain", "--duration", "3")
        can("redriver", "redrive", "--from", "rejects")
        for player, command in (
            ("reader", ("send", "--count", "1", "--out", str(tmp_path / "other"))),
            ("producer", ("verify", "--out", sent, "--deadline", "2")),
            ("producer", ("watch", "--plain", "--duration", "3")),
            ("reader", ("redrive", "--from", "rejects")),
        ):
            code, said = run(world.account, places | given[player], *command)
            assert code == 1, said
            assert re.search("AWS refused|Forbidden|is not accessible with these", said), said


@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_the_publisher_publishes_and_takes_back_with_its_policy_alone(
    world: Surroundings, deployed: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = world.account.assume("publishes", around(deployed)["publisher"])
    bucket = deployed.outputs()["model_bucket"]
    for name, value in (world.account.environment | keys | {"MODEL_BUCKET": bucket}).items():
        monkeypatch.setenv(name, value)
    with registered.registry(tmp_path), world.account.enforcing():
        for seed in (1, 2):
            registered.trained(alias="champion", seed=seed)
            assert CliRunner().invoke(training, ["publish"]).exit_code == 0
        assert CliRunner().invoke(training, ["rollback"]).exit_code == 0
        s3 = world.account.client("s3", keys)
        assert not role_calls.allowed(lambda: s3.delete_object(Bucket=bucket, Key="models/x"))
        assert not role_calls.allowed(
            lambda: s3.put_object(Bucket=bucket, Key="packages/x.zip", Body=b"")
        )


def around(deployed: Deployment) -> dict[str, str]:
    """The policies of those around the function."""
    return {
        address.split('"')[1]: values["policy"]
        for address, values in deployed.resources().items()
        if address.startswith("aws_iam_policy.around")
    }


def run(account: MotoAccount, environment: Mapping[str, str], *command: str) -> tuple[int, str]:
    """One of the simulator's commands."""
    done = subprocess.run(
        [sys.executable, "-m", "stream_sim", *command],
        env={**os.environ, **account.environment, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_an_environment_that_is_changed_keeps_its_streams_and_buckets(
    deployed: Deployment, world: Surroundings, tmp_path: Path
) -> None:
    changed = {
        "events_shards": "2",
        "batch_size": "100",
        "package": str(a_changed_package(tmp_path)),
        "failure_queue": "true",
    }
    changes = {change.address: change for change in deployed.plan(**changed)}
    replaced = {change.kind for change in changes.values() if change.replaces}
    assert replaced == {"aws_s3_object"}, (
        replaced
    )  # a package is another object: its key is its digest
    assert "shard_count" in changes["module.events_stream.aws_kinesis_stream.this"].differs
    mapping = changes["module.event_source.aws_lambda_event_source_mapping.this"]
    assert {"batch_size", "destination_config"} <= mapping.differs
    function = changes["module.scoring_function.aws_lambda_function.this"]
    assert {"source_code_hash", "s3_key"} <= function.differs

    deployed.apply(**changed)
    kinesis = world.account.client("kinesis")
    open_shards = [
        shard
        for shard in kinesis.list_shards(StreamName="ride-events")["Shards"]
        if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
    ]
    assert len(open_shards) == 2
    assert unexplained(deployed.plan(), MOTO_FORGETS) == []


@pytest.mark.parametrize(
    ("changed", "replaces"),
    [
        (
            {
                "enhanced_fan_out": "true",
                "starting_position": "AT_TIMESTAMP",
                "starting_position_timestamp": "2026-01-31T00:00:00Z",
            },
            True,
        ),
        ({"enhanced_fan_out": "true"}, True),
        ({"parallelization_factor": "2", "batch_size": "7", "mapping_enabled": "false"}, False),
        ({"name": "other"}, True),
    ],
    ids=["fan-out from a time", "fan-out", "settings", "name"],
)
def test_what_makes_a_new_mapping_makes_no_new_stream_or_bucket_but_a_name_does(
    deployed: Deployment, changed: dict[str, str], *, replaces: bool
) -> None:
    """A new mapping reads from its starting position on: docs/operations.md says what to do."""
    replaced = {change.kind for change in deployed.plan(**changed) if change.replaces}
    assert ("aws_lambda_event_source_mapping" in replaced) == replaces
    kept = {"aws_kinesis_stream", "aws_s3_bucket"}
    assert replaced & kept == (kept if "name" in changed else set())


def test_where_a_queue_is_told_of_failures_the_role_writes_to_it_alone(
    deployed: Deployment, world: Surroundings
) -> None:
    resources = deployed.resources()
    policy = json.loads(resources["module.scoring_function.aws_iam_role_policy.this"]["policy"])
    sids = {statement["Sid"] for statement in policy["Statement"]}
    assert sids == {sid for sid, *_ in RIGHTS} - {"WriteFailures", "FindFailuresBucket"} | {
        "TellFailures"
    }
    told = world._replace(failure_queue=resources["aws_sqs_queue.failures[0]"]["url"])
    right = ("TellFailures", "sqs:SendMessage", 0)
    whole = world.account.assume("tells", json.dumps(policy))
    less = world.account.assume("tells-less", _without(policy, right))
    with world.account.enforcing():
        role_calls.lambda_sets_aside(told, whole)
        assert not role_calls.allowed(lambda: role_calls.lambda_sets_aside(told, less))


def test_destroying_it_leaves_nothing(deployed: Deployment, account: MotoAccount) -> None:
    deployed.destroy()
    assert deployed.resources() == {}
    left = standing(account)
    assert [item for item in left if "ride-" in item] == []


def _without(role: Mapping[str, Any], right: tuple[str, str, int]) -> str:
    """The policy, one action on one resource taken out of it."""
    sid, action, index = right
    kept = []
    for statement in role["Statement"]:
        if statement["Sid"] != sid:
            kept.append(statement)
            continue
        actions, resources = _listed(statement["Action"]), _listed(statement["Resource"])
        others = [other for other in actions if other != action]
        kept.append(statement | {"Action": others, "Resource": resources})
        fewer = [resource for at, resource in enumerate(resources) if at != index]
        kept.append(statement | {"Action": [action], "Resource": fewer})
    return statements(*(part for part in kept if part["Action"] and part["Resource"]))


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
