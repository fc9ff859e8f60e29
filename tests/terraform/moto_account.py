"""An account on moto that enforces IAM, as AWS does, and credentials in it for a policy.

moto checks actions against policies, and knows the resources of S3 and SQS alone. It is taught here
which ones the other calls are about, and that a statement counts only where its conditions are met.
Its mapping would run the function in Docker, inside PutRecords, and is left out.
"""

import json
import threading
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from moto.awslambda.models import LambdaBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.iam.access_control import IAMPolicyStatement, PermissionResult
from moto.kinesis.responses import KinesisResponse
from moto.kinesis.utils import decompose_shard_iterator
from moto.kms.responses import KmsResponse
from moto.logs.responses import LogsResponse
from moto.server import ThreadedMotoServer
from werkzeug.wrappers import Response

from infra import emulator
from infra.common import ports

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ACCOUNT: Final = "123456789012"
REGION: Final = emulator.TEST_ACCOUNT["AWS_REGION"]
_MET: Final = {
    ("Bool", "aws:SecureTransport"): "true",  # AWS is spoken to over TLS
    ("StringEquals", "kms:ViaService"): f"s3.{REGION}.amazonaws.com",  # the calls that S3 makes
    ("StringEquals", "aws:SourceAccount"): ACCOUNT,
    ("StringEquals", "s3:ResourceAccount"): ACCOUNT,
}

MOTO_FORGETS: Final = {
    # An alias's mapping is answered with the function's ARN.
    "aws_lambda_event_source_mapping": frozenset({"function_name"}),
    # The format and levels of its log are not kept, so that a new version is wanted at each plan.
    "aws_lambda_function": frozenset(
        {"logging_config", "version", "qualified_arn", "qualified_invoke_arn", "last_modified"}
    ),
    "aws_lambda_alias": frozenset({"function_version"}),
}
"""What moto does not keep, by the resource's type."""
_NAMES: Final = {
    "xray:TraceSegments": "xray:PutTraceSegments",  # moto takes the path for the action
    "xray:TelemetryRecords": "xray:PutTelemetryRecords",
}


class MotoAccount:
    """moto's one account; `enforcing` switches IAM on for a while."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.environment = {**emulator.TEST_ACCOUNT, "AWS_ENDPOINT_URL": endpoint}
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        self._administrator = self.assume("administrator", statements(everything))

    def client(self, service: Any, keys: Mapping[str, str] | None = None) -> Any:
        settings = {**self.environment, **(keys or {})}
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=settings.get("AWS_SESSION_TOKEN"),
        )

    def administrator(self, service: Any) -> Any:
        """A client of someone who may do everything."""
        return self.client(service, self._administrator)

    def assume(self, role: str, policy: str) -> dict[str, str]:
        """Credentials of a role with the policy as its only one, as an environment holds them."""
        iam = self.client("iam")
        trust = statements()
        arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        iam.put_role_policy(RoleName=role, PolicyName="only", PolicyDocument=policy)
        given = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
        }

    @contextmanager
    def enforcing(self) -> Iterator[None]:
        """Every call is checked against the policies of whoever makes it."""
        self._unchecked_calls("0")
        try:
            yield
        finally:
            self._unchecked_calls("inf")

    def _unchecked_calls(self, count: str) -> None:
        """https://docs.getmoto.org/en/latest/docs/iam.html"""
        _post(f"{self.endpoint}/moto-api/reset-auth", count)


def statements(*all_of_them: Mapping[str, Any]) -> str:
    """A policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": all_of_them})


def _post(url: str, text: str = "") -> None:
    request = urllib.request.Request(  # noqa: S310 - moto's own address
        url, data=text.encode(), headers={"Content-Type": "text/plain"}
    )
    urllib.request.urlopen(request).close()  # noqa: S310 - moto's own address


@contextmanager
def moto_account() -> Iterator[MotoAccount]:
    with pytest.MonkeyPatch.context() as patch:
        _teach(patch)
        server = ThreadedMotoServer(ip_address=ports.HOST, port=0, verbose=False)
        server.start()
        assert server._server is not None
        server._server.app = _answering_retries(server._server.app)
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        try:
            _post(f"{endpoint}/moto-api/reset")  # moto's state is its process's
            yield MotoAccount(endpoint)
        finally:
            _post(f"{endpoint}/moto-api/reset")
            server.stop()


def standing(account: MotoAccount) -> list[str]:
    """What a deployment may leave in an account."""
    asked = {
        ("kinesis", "list_streams", "StreamNames"): {},
        ("s3", "list_buckets", "Buckets"): {},
        ("lambda", "list_functions", "Functions"): {},
        ("lambda", "list_event_source_mappings", "EventSourceMappings"): {},
        ("logs", "describe_log_groups", "logGroups"): {},
        ("cloudwatch", "describe_alarms", "MetricAlarms"): {},
        ("cloudwatch", "describe_alarms", "CompositeAlarms"): {},
        ("cloudwatch", "list_dashboards", "DashboardEntries"): {},
        ("sns", "list_topics", "Topics"): {},
        ("sqs", "list_queues", "QueueUrls"): {},
        ("iam", "list_policies", "Policies"): {"Scope": "Local"},
        ("iam", "list_roles", "Roles"): {},
    }
    left = [
        str(item)
        for (service, call, found), arguments in asked.items()
        for item in getattr(account.client(service), call)(**arguments).get(found, [])
    ]
    return [item for item in left if "administrator" not in item]


def _teach(patch: pytest.MonkeyPatch) -> None:
    for response, resource in (
        (KinesisResponse, _stream_arn),
        (KmsResponse, _key_arn),
        (LogsResponse, _log_arn),
    ):
        patch.setattr(response, "_determine_resource", resource, raising=False)
    # It keeps a composite alarm's rule as it keeps all else of an alarm, but is not asked to.
    patch.setattr(
        CloudWatchResponse,
        "put_composite_alarm",
        CloudWatchResponse.put_metric_alarm,
        raising=False,
    )
    patch.setattr(LambdaBackend, "send_kinesis_message", lambda *_, **__: None)
    decided = IAMPolicyStatement.is_action_permitted

    def is_action_permitted(self: Any, action: str, *others: Any, **named: Any) -> PermissionResult:
        if not _conditions_met(self._statement):
            return PermissionResult.NEUTRAL
        plain = {name: part for name, part in self._statement.items() if name != "Condition"}
        return decided(IAMPolicyStatement(plain), _NAMES.get(action, action), *others, **named)

    patch.setattr(IAMPolicyStatement, "is_action_permitted", is_action_permitted)


def _answering_retries(application: "WSGIApplication") -> "WSGIApplication":
    """What was asked before under the same invocation ID gets the response that it got then.

    A client whose connection is reset, which happens when the machine is busy, retries. Without
    this a resource that its first attempt created would be refused: it already exists.
    """
    lock = threading.Lock()
    attempts: dict[str, threading.Lock] = {}
    responses: dict[str, Response] = {}

    def answer(environ: "WSGIEnvironment", respond: "StartResponse") -> Iterable[bytes]:
        invocation = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        if invocation is None or environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return application(environ, respond)
        with lock:
            attempt = attempts.setdefault(invocation, threading.Lock())
        with attempt:  # a retry waits for the attempt before it
            response = responses.get(invocation)
            if response is None:
                response = Response.from_app(application, environ, buffered=True)
                if response.status_code < 500:  # what failed is tried again
                    responses[invocation] = response
        return response(environ, respond)

    return answer


def _conditions_met(statement: Mapping[str, Any]) -> bool:
    return all(
        _MET[test, key] in ([values] if isinstance(values, str) else values)
        for test, conditions in statement.get("Condition", {}).items()
        for key, values in conditions.items()
    )


def _stream_arn(self: Any) -> str:
    asked = json.loads(self.body)
    if named := asked.get("ConsumerARN") or asked.get("StreamARN"):
        return str(named)
    iterator = asked.get("ShardIterator")
    name = decompose_shard_iterator(iterator)[0] if iterator else asked.get("StreamName", "*")
    return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{name}"


def _key_arn(self: Any) -> str:
    key = json.loads(self.body).get("KeyId", "*")
    return key if key.startswith("arn:") else f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"


def _log_arn(self: Any) -> str:
    asked = json.loads(self.body)
    group, stream = asked.get("logGroupName", "*"), asked.get("logStreamName", "*")
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:{stream}"
