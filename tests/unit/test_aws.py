"""The function's own AWS client against boto3: what it sends, where to, and with which settings."""

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.utils import get_environ_proxies

from ride_scoring import aws
from ride_scoring.aws import endpoints as aws_endpoints
from ride_scoring.aws import route as aws_route
from ride_scoring.errors import AwsError, SettingsError
from tests.aws_servers import Asked, Server, answer
from tests.person import forget_aws

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_REGION": "eu-west-1",
}
SESSION = {"AWS_SESSION_TOKEN": "FwoGZXIvYXdzE//token+with/slashes=="}
RECORDS: list[dict[str, Any]] = [
    {"Data": b'{"a": 1}', "PartitionKey": "1"},
    {"Data": bytes(range(256)), "PartitionKey": 'zö"\\e'},
]
TWO_IN = b'{"FailedRecordCount":0,"Records":[{"SequenceNumber":"1"},{"SequenceNumber":"2"}]}'

UNCOMPARED = {"user-agent", "expect", "amz-sdk-invocation-id", "amz-sdk-request"}
"""What boto3 says about itself and about how it waits; neither is signed."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_aws(monkeypatch)


@pytest.fixture(autouse=True)
def frozen_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sign at one moment."""
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment)


def theirs(service: str, url: str, keys: Mapping[str, str], **config: Any) -> Any:
    """boto3's client, with one attempt."""
    return cast("Any", boto3).client(
        service,
        endpoint_url=url,
        region_name=keys["AWS_REGION"],
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=keys.get("AWS_SESSION_TOKEN"),
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def ours(url: str, keys: Mapping[str, str]) -> aws.Aws:
    return aws.connect({**keys, "AWS_ENDPOINT_URL": url})


def essence(asked: Asked) -> Asked:
    return asked._replace(
        headers={name: value for name, value in asked.headers.items() if name not in UNCOMPARED}
    )


def assert_same(server: Server) -> None:
    their_request, our_request = server.asked
    assert "Signature=" in our_request.headers["authorization"]
    our_essence, their_essence = essence(our_request), essence(their_request)
    assert our_essence.headers == their_essence.headers
    assert our_essence == their_essence


ODD_KEYS = [
    "models/ride-duration/aliases/champion.json",
    "a b+c/ü 😀/d~e=f&g?h#i%20",
    "//two//slashes/",
    "/first",
    "dots/../../x/./y",
    "a:b@c!$'()*,;[]{}|\\^`\"<>",
    "-._~AZaz09",
]


@pytest.mark.parametrize("keys", [KEYS, KEYS | SESSION], ids=["long-term", "session"])
@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_get_is_boto3s_to_the_last_byte(server: Server, key: str, keys: dict[str, str]) -> None:
    theirs("s3", server.url, keys, response_checksum_validation="when_required").get_object(
        Bucket="my-bucket", Key=key, IfNoneMatch='"abc"'
    )["Body"].read()
    ours(server.url, keys).s3.get("my-bucket", key, unless_etag='"abc"')
    assert_same(server)


@pytest.mark.parametrize("keys", [KEYS, KEYS | SESSION], ids=["long-term", "session"])
@pytest.mark.parametrize("body", [b"", b"{}\n" * 50_000, "é".encode()])
@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_put_is_boto3s_to_the_last_byte(
    server: Server, key: str, body: bytes, keys: dict[str, str]
) -> None:
    theirs("s3", server.url, keys).put_object(
        Bucket="my-bucket", Key=key, Body=body, ContentType="application/x-ndjson"
    )
    ours(server.url, keys).s3.put("my-bucket", key, body, "application/x-ndjson")
    assert_same(server)


@pytest.mark.parametrize("keys", [KEYS, KEYS | SESSION], ids=["long-term", "session"])
def test_put_records_is_boto3s_to_the_last_byte(server: Server, keys: dict[str, str]) -> None:
    server.will(answer(body=TWO_IN))
    theirs("kinesis", server.url, keys).put_records(Records=RECORDS, StreamName="predictions")
    assert ours(server.url, keys).kinesis.put_records(server.asked[0].body, 2) == [None, None]
    assert_same(server)


@pytest.mark.parametrize("path", ["", "/", "/base", "/base/"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_configured_endpoint_is_spoken_to_as_boto3_does(
    server: Server, host: str, path: str
) -> None:
    server.will(answer(body=TWO_IN))
    url = f"http://{host}:{server.port}{path}"
    theirs("s3", url, KEYS, response_checksum_validation="when_required").get_object(
        Bucket="my.bucket", Key="k"
    )["Body"].read()
    ours(url, KEYS).s3.get("my.bucket", "k")
    assert_same(server)
    server.asked.clear()
    theirs("kinesis", url, KEYS).put_records(Records=RECORDS, StreamName="predictions")
    ours(url, KEYS).kinesis.put_records(server.asked[0].body, 2)
    assert_same(server)


PARTITIONS = json.loads(
    (Path(botocore.__file__).parent / "data" / "partitions.json").read_text(encoding="utf-8")
)["partitions"]
REGIONS = [
    region
    for partition in PARTITIONS
    for region in partition["regions"]
    if not region.endswith("-global")
] + ["eu-west-99", "cn-east-7", "us-gov-north-1", "us-isob-south-3", "eusc-de-west-2"]


@pytest.fixture(scope="module")
def rulesets() -> Callable[[str], Any]:
    """botocore's own endpoint rules, as its clients apply them to each request."""
    session = botocore.session.Session()
    session.set_credentials("a", "b")
    clients = {name: session.create_client(name, "eu-west-1") for name in ("s3", "kinesis")}
    return lambda service: cast("Any", clients[service])._ruleset_resolver._provider


@pytest.mark.parametrize("bucket", ["my-bucket", "my.bucket"])
@pytest.mark.parametrize("dual_stack", [False, True])
@pytest.mark.parametrize("fips", [False, True])
def test_every_region_of_every_partition_has_boto3s_endpoints(
    rulesets: Callable[[str], Any], bucket: str, *, fips: bool, dual_stack: bool
) -> None:
    variant = {"AWS_USE_FIPS_ENDPOINT": str(fips), "AWS_USE_DUALSTACK_ENDPOINT": str(dual_stack)}
    parameters = {"UseFIPS": fips, "UseDualStack": dual_stack}
    for region in REGIONS:
        environment = {"AWS_REGION": region, **variant}
        if region.startswith("cn-") and fips:  # boto3 refuses those of S3 at the first call
            for endpoint in (aws_endpoints.s3, aws_endpoints.kinesis):
                with pytest.raises(SettingsError, match="FIPS"):
                    endpoint(environment)
            continue
        s3_url = rulesets("s3").resolve_endpoint(
            Region=region, Bucket=bucket, UseGlobalEndpoint=region == "us-east-1", **parameters
        )
        kinesis_url = rulesets("kinesis").resolve_endpoint(
            Region=region, OperationType="data", **parameters
        )
        origin, path = aws_endpoints.object_address(aws_endpoints.s3(environment), bucket, "k")
        assert f"{origin}{path}" == f"{s3_url.url}/k"
        assert str(aws_endpoints.kinesis(environment).origin) == kinesis_url.url


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "us-gov-west-1", "cn-north-1"])
def test_requests_of_boto3_go_to_the_hosts_that_are_spoken_to(region: str) -> None:
    sent: list[str] = []

    def catch(request: Any, **_: object) -> None:
        sent.append(request.url)
        raise ConnectionAbortedError

    keys = {"region_name": region, "aws_access_key_id": "a", "aws_secret_access_key": "b"}
    s3, kinesis = (cast("Any", boto3).client(service, **keys) for service in ("s3", "kinesis"))
    for client in (s3, kinesis):
        client.meta.events.register("before-send", catch)
    with pytest.raises(ConnectionAbortedError):
        s3.get_object(Bucket="my-bucket", Key="k")
    with pytest.raises(ConnectionAbortedError):
        kinesis.put_records(Records=RECORDS, StreamName="predictions")
    environment = {"AWS_REGION": region}
    origin, path = aws_endpoints.object_address(aws_endpoints.s3(environment), "my-bucket", "k")
    assert sent == [f"{origin}{path}", f"{aws_endpoints.kinesis(environment).origin}/"]


@pytest.mark.parametrize(
    ("variables", "s3_port", "kinesis_port"),
    [
        ({"AWS_ENDPOINT_URL": "http://h:1"}, 1, 1),
        ({"AWS_ENDPOINT_URL": "http://h:1", "AWS_ENDPOINT_URL_S3": "http://h:2"}, 2, 1),
        ({"AWS_ENDPOINT_URL": "http://h:1", "AWS_ENDPOINT_URL_KINESIS": "http://h:3"}, 1, 3),
        (
            {"KINESIS_ENDPOINT_URL": "http://h:4", "AWS_ENDPOINT_URL_KINESIS": "http://h:3"},
            443,
            4,
        ),
        (
            {
                "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE",
                "AWS_ENDPOINT_URL": "http://h:1",
                "KINESIS_ENDPOINT_URL": "http://h:4",
            },
            443,
            443,
        ),
        ({"AWS_ENDPOINT_URL": ""}, 443, 443),
    ],
)
def test_the_most_particular_endpoint_variable_wins(
    variables: dict[str, str], s3_port: int, kinesis_port: int
) -> None:
    environment = {"AWS_REGION": "eu-west-1", **variables}
    assert aws_endpoints.s3(environment).origin.port == s3_port
    assert aws_endpoints.kinesis(environment).origin.port == kinesis_port


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (KEYS | {"AWS_REGION": ""}, "AWS_REGION"),
        (KEYS | {"AWS_REGION": "aws-global"}, "not a region"),
        (KEYS | {"AWS_REGION": "evil.example/"}, "not a region"),
        (KEYS | {"AWS_REGION": "atlantis-1"}, "no AWS partition"),
        (KEYS | {"AWS_ENDPOINT_URL": "localhost:4566"}, "AWS_ENDPOINT_URL must"),
        (KEYS | {"AWS_ENDPOINT_URL": "http://h:port"}, "AWS_ENDPOINT_URL is not a URL"),
        (KEYS | {"AWS_ENDPOINT_URL": "https://u:hidden@h"}, "without a query"),
        (KEYS | {"AWS_SECRET_ACCESS_KEY": ""}, "lacks AWS_SECRET_ACCESS_KEY"),
        (KEYS | {"AWS_SESSION_TOKEN": "hidden\nX-Evil: 1"}, "printable ASCII without spaces"),
        (KEYS | {"AWS_CA_BUNDLE": "/no/such.pem"}, "/no/such.pem"),
        (KEYS | {"HTTPS_PROXY": "https://u:hidden@proxy"}, "HTTPS_PROXY"),
        ({"AWS_REGION": "eu-west-1"}, "profiles and credential files are not read"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(
    environment: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        aws.connect(environment)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "bucket", ["ab", "Upper", "under_score", "a..b", "-a-", "a/b", "x" * 64, "b--eun1-az1--x-s3"]
)
def test_a_bucket_name_that_aws_would_refuse_is_never_sent(server: Server, bucket: str) -> None:
    with pytest.raises(AwsError) as refused:
        ours(server.url, KEYS).s3.get(bucket, "k")
    assert refused.value.code == "InvalidBucketName"
    assert not server.connections


def test_an_empty_key_never_lists_a_bucket(server: Server) -> None:
    with pytest.raises(AwsError):
        ours(server.url, KEYS).s3.get("my-bucket", "")
    assert not server.connections


@pytest.mark.parametrize("url", ["https://s3.eu-west-1.amazonaws.com", "http://minio.lan:9000"])
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HTTPS_PROXY": "http://upper:1", "HTTP_PROXY": "http://upper:2"},
        {"https_proxy": "http://lower:1", "HTTPS_PROXY": "http://upper:1"},
        {"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "http://p:1", "NO_PROXY": "amazonaws.com"},
        {"HTTPS_PROXY": "http://p:1", "HTTP_PROXY": "http://p:1", "no_proxy": "*"},
        {"HTTP_PROXY": "http://p:1", "NO_PROXY": "minio.lan"},
        {"HTTP_PROXY": "http://p:1", "NO_PROXY": "minio.lan:9001"},
    ],
)
def test_proxies_are_those_that_boto3_would_take(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    origin, _ = aws_endpoints.parsed_url("URL", url)
    proxy = aws_route.proxy_for(variables, origin)
    assert (proxy and str(proxy.origin)) == get_environ_proxies(url).get(origin.scheme)


def test_a_proxy_is_asked_for_the_whole_url_and_given_its_password(server: Server) -> None:
    proxy = server.url.replace("://", "://user:p%40ss@")
    environment = KEYS | {"AWS_ENDPOINT_URL": "http://s3.example", "http_proxy": proxy}
    aws.connect(environment).s3.get("my-bucket", "k")
    asked = server.asked[0]
    assert asked.path == "http://s3.example/my-bucket/k"
    assert asked.headers["host"] == "s3.example"
    assert asked.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


def test_a_proxy_is_asked_for_a_tunnel_to_https_and_sees_no_signature(server: Server) -> None:
    server.will(answer(403))
    with pytest.raises(AwsError):
        aws.connect(KEYS | {"HTTPS_PROXY": server.url}).kinesis.put_records(b"{}", 0)
    assert [(asked.method, asked.path) for asked in server.asked] == [
        ("CONNECT", "kinesis.eu-west-1.amazonaws.com:443")
    ]
    assert "authorization" not in server.asked[0].headers


def test_importing_it_imports_no_client_of_botocore() -> None:
    program = """
import json, sys
import ride_scoring.aws
ride_scoring.aws.connect(json.loads(sys.argv[1]))
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(KEYS)],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(done.stdout))
    assert "botocore.auth" in loaded
    assert not loaded & {
        "boto3",
        "botocore.args",
        "botocore.client",
        "botocore.config",
        "botocore.credentials",
        "botocore.endpoint_provider",
        "botocore.hooks",
        "botocore.loaders",
        "botocore.model",
        "botocore.parsers",
        "botocore.regions",
        "botocore.session",
        "botocore.signers",
        "asyncio",
        "numpy",
        "xml.sax",
    }
