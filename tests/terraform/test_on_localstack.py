"""The complete example on LocalStack: applied, planned again, run, alarmed, changed, destroyed."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from localstack_client.session import Session

from infra import emulator, package
from infra.common import ports, surroundings
from infra.common.paths import TERRAFORM
from infra.common.processes import Children
from infra.stack import local_architecture
from ride_scoring import aws
from tests.store import Publisher
from tests.terraform.deployment import Deployment, a_changed_package, unexplained

pytestmark = [pytest.mark.localstack, pytest.mark.thorough]

FORGETS: Final = {
    # Tags that come with the call that makes them.
    "aws_kinesis_stream": frozenset({"tags", "tags_all"}),
    "aws_cloudwatch_composite_alarm": frozenset({"tags", "tags_all"}),
    "aws_cloudwatch_metric_alarm": frozenset({"tags", "tags_all"}),
    # The key of its environment is not kept, so that a new version is wanted at each plan.
    "aws_lambda_function": frozenset(
        {"kms_key_arn", "version", "qualified_arn", "qualified_invoke_arn", "last_modified"}
    ),
    "aws_lambda_alias": frozenset({"function_version"}),
}
"""What LocalStack does not keep, by the resource's type."""
_PATIENCE_SECONDS: Final = 600


class Standing:
    """The example on a LocalStack of its own."""

    def __init__(self, deployment: Deployment, endpoint: str) -> None:
        self.deployment = deployment
        self.outputs = deployment.outputs()
        exports = re.findall(r"export (\w+)=(\S+)", self.outputs["environment"])
        self.environment = {**emulator.TEST_ACCOUNT, "AWS_ENDPOINT_URL": endpoint, **dict(exports)}
        self.store = Publisher(aws.connect(self.environment).s3, self.environment["MODEL_BUCKET"])
        self._session = Session("test", "test", localstack_host=endpoint.removeprefix("http://"))

    def client(self, service: str) -> Any:
        return self._session.client(service)

    def simulator(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "stream_sim", *command],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self) -> list[dict[str, Any]]:
        """The function's log, as far as it is JSON."""
        group = f"/aws/lambda/{self.outputs['function_name']}"
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        lines = [event["message"] for page in pages for event in page["events"]]
        return [json.loads(line) for text in lines for line in text.splitlines() if _is_json(line)]

    def serving(self) -> set[str]:
        """The versions of the function that answer to the alias, out of many calls."""
        functions = self.client("lambda")
        name = self.outputs["function_name"]
        return {
            functions.invoke(FunctionName=name, Qualifier="live", Payload=b'{"Records": []}')[
                "ExecutedVersion"
            ]
            for _ in range(30)
        }


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    package.build(package.SCORING, local_architecture())
    folder = tmp_path_factory.mktemp("localstack")
    variables = {
        "architecture": local_architecture(),
        "enhanced_fan_out": "false",  # LocalStack takes streams alone for event sources
    }
    with Children() as children:
        localstack = emulator.LocalStack(folder / "state", ports.free_port())
        localstack.start(children, os.environ)
        settings = {**emulator.OWN_ACCOUNT, "AWS_ENDPOINT_URL": localstack.endpoint}
        environment = surroundings.toward(ports.HOST, os.environ, settings, ours=True)
        with Deployment(
            folder / "terraform",
            environment,
            configuration=TERRAFORM / "examples" / "complete",
            profile=None,
            variables=variables,
        ) as deployment:
            deployment.apply()
            yield Standing(deployment, localstack.endpoint)


def test_the_plan_after_the_first_apply_is_empty(standing: Standing) -> None:
    left = unexplained(standing.deployment.plan(), FORGETS)
    assert left == [], left


def test_rides_come_through_it(standing: Standing, tmp_path: Path) -> None:
    standing.store.publish("1", 2.0)
    standing.store.publish("2", 3.0, alias="challenger")
    standing.simulator("send", "--count", "300", "--rate", "300", "--out", str(tmp_path))
    told = standing.simulator("verify", "--out", str(tmp_path), "--deadline", "60", "--json")
    rides = json.loads(told)["rides"]
    assert rides["sent"] == 300
    assert rides["predicted"] + rides["rejected"] == 300
    kinesis = standing.client("kinesis")
    shadowed = kinesis.describe_stream_summary(StreamName="complete-shadow-predictions")
    assert shadowed["StreamDescriptionSummary"]["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"


def test_a_refused_model_raises_its_alarm_and_someone_is_told(standing: Standing) -> None:
    inbox = a_subscriber(standing)
    standing.store.put("models/ride-duration/aliases/champion.json", b"{")

    def refused() -> list[dict[str, Any]]:
        standing.client("kinesis").put_record(
            StreamName="complete-events", Data=b"{}", PartitionKey="1"
        )
        return [line for line in standing.log() if "RefusedModels" in line]

    for line in eventually(refused):
        count_as_cloudwatch_does(standing, line)
    (message,) = eventually(
        lambda: standing.client("sqs").receive_message(QueueUrl=inbox).get("Messages", [])
    )
    told = json.loads(json.loads(message["Body"])["Message"])
    assert told["AlarmName"] == "complete-model-refused"
    assert told["NewStateValue"] == "ALARM"
    standing.store.point("champion", "1")


def test_every_metric_that_is_watched_is_one_that_the_function_emits(standing: Standing) -> None:
    emitted = {
        (name["Name"], tuple(sorted(dimensions)))
        for line in standing.log()
        if "_aws" in line
        for directive in line["_aws"]["CloudWatchMetrics"]
        for dimensions in directive["Dimensions"]
        for name in directive["Metrics"]
    }
    services = {line["service"] for line in standing.log() if "_aws" in line}
    watched = watched_metrics(standing)
    assert {name for name, *_ in watched} >= {"Records", "Rejects", "RefusedModels"}
    assert {(name, tuple(sorted(dimensions))) for name, dimensions in watched} <= emitted
    assert {dict(dimensions)["service"] for _, dimensions in named_dimensions(standing)} == services


def test_the_key_decrypts_filters_for_this_regions_lambda_and_this_function_alone(
    standing: Standing,
) -> None:
    policy = json.loads(standing.deployment.resources()["aws_kms_key.this"]["policy"])
    (filters,) = [one for one in policy["Statement"] if one["Sid"] == "Filters"]
    assert filters["Principal"] == {"Service": "lambda.us-east-1.amazonaws.com"}
    context = "kms:EncryptionContext:aws:lambda"
    conditions = filters["Condition"]["ArnLike"]
    here = "us-east-1:000000000000"
    function = f"arn:aws:lambda:{here}:function:complete-scoring"
    stream = f"arn:aws:kinesis:{here}:stream/complete-events"
    assert sorted(conditions[f"{context}:FunctionArn"]) == [function, f"{function}:*"]
    assert sorted(conditions[f"{context}:EventSourceArn"]) == [stream, f"{stream}/consumer/*"]
    assert conditions["aws:SourceArn"] == f"arn:aws:lambda:{here}:event-source-mapping:*"


def test_a_new_version_is_tried_and_taken_back_and_taken(
    standing: Standing, tmp_path: Path
) -> None:
    deployment = standing.deployment
    stable = deployment.outputs()["function_version"]
    deployment.apply(
        package=str(a_changed_package(tmp_path)),
        canary=json.dumps({"stable_version": stable, "weight": 0.5}),
    )
    newest = deployment.outputs()["newest_function_version"]
    assert deployment.outputs()["function_version"] == stable != newest
    assert standing.serving() == {stable, newest}
    alarms = standing.client("cloudwatch").describe_alarms(AlarmNamePrefix="complete-canary-")
    assert len(alarms["MetricAlarms"]) == 3

    back = json.dumps({"stable_version": stable, "weight": 0})
    assert not any(change.replaces for change in deployment.plan(canary=back))
    deployment.apply(canary=back)
    assert standing.serving() == {stable}

    deployment.apply(canary="null")
    taken = deployment.outputs()
    assert taken["function_version"] == taken["newest_function_version"]
    assert standing.serving() == {taken["newest_function_version"]}
    assert not any(change.replaces for change in deployment.plan(shards="3", batch_size="200"))


def test_destroying_it_leaves_nothing(standing: Standing) -> None:
    standing.deployment.destroy()
    assert standing.deployment.resources() == {}
    for service, call, found in (
        ("kinesis", "list_streams", "StreamNames"),
        ("s3", "list_buckets", "Buckets"),
        ("lambda", "list_functions", "Functions"),
        ("lambda", "list_event_source_mappings", "EventSourceMappings"),
        ("logs", "describe_log_groups", "logGroups"),
        ("cloudwatch", "describe_alarms", "MetricAlarms"),
        ("cloudwatch", "describe_alarms", "CompositeAlarms"),
        ("sns", "list_topics", "Topics"),
    ):
        assert getattr(standing.client(service), call)().get(found, []) == [], call


def a_subscriber(standing: Standing) -> str:
    """A queue that gets what the alarms' topic is told: its address."""
    queues = standing.client("sqs")
    url = str(queues.create_queue(QueueName="on-call")["QueueUrl"])
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    standing.client("sns").subscribe(
        TopicArn=standing.outputs["alarm_topic_arn"],
        Protocol="sqs",
        Endpoint=arn["Attributes"]["QueueArn"],
    )
    return url


def count_as_cloudwatch_does(standing: Standing, line: Mapping[str, Any]) -> None:
    """Metrics out of a line of the log, as CloudWatch takes them out and LocalStack does not."""
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for dimensions in directive["Dimensions"]:
            for metric in directive["Metrics"]:
                values = line[metric["Name"]]
                standing.client("cloudwatch").put_metric_data(
                    Namespace=directive["Namespace"],
                    MetricData=[
                        {
                            "MetricName": metric["Name"],
                            "Dimensions": [{"Name": n, "Value": line[n]} for n in dimensions],
                            "Value": value,
                        }
                        for value in (values if isinstance(values, list) else [values])
                    ],
                )


def named_dimensions(standing: Standing) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """The function's own metrics that alarms and the dashboard look at, with their dimensions."""
    cloudwatch = standing.client("cloudwatch")
    found: list[tuple[str, tuple[tuple[str, str], ...]]] = []
    for alarm in cloudwatch.describe_alarms()["MetricAlarms"]:
        queries = [query for query in alarm.get("Metrics", []) if "MetricStat" in query]
        for metric in [alarm, *(query["MetricStat"]["Metric"] for query in queries)]:
            if metric.get("Namespace") == "RideScoring":
                pairs = tuple((each["Name"], each["Value"]) for each in metric["Dimensions"])
                found.append((metric["MetricName"], pairs))
    body = json.loads(cloudwatch.get_dashboard(DashboardName="complete")["DashboardBody"])
    for widget in body["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            if metric[0] == "RideScoring":
                named = [part for part in metric if isinstance(part, str)]
                pairs = tuple(zip(named[2::2], named[3::2], strict=True))
                found.append((named[1], pairs))
    return found


def watched_metrics(standing: Standing) -> set[tuple[str, tuple[str, ...]]]:
    return {
        (name, tuple(dimension for dimension, _ in dimensions))
        for name, dimensions in named_dimensions(standing)
    }


def eventually[T](look: Callable[[], list[T]]) -> list[T]:
    """What is found, once something is."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(1)
    return found


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
