"""The function's own AWS client against servers that fail it, and its credentials over time."""

import datetime as dt
import ipaddress
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from botocore.loaders import Loader
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ride_scoring import aws
from ride_scoring.aws import credentials as aws_credentials
from ride_scoring.aws.credentials import Credentials, CredentialSource, FixedCredentials
from ride_scoring.aws.endpoints import Endpoint, Origin
from ride_scoring.aws.http import IDLE_SECONDS, Http
from ride_scoring.aws.route import Proxy, tls_context
from ride_scoring.errors import AwsError, SettingsError
from tests.aws_servers import (
    HOST,
    Behaviour,
    Server,
    answer,
    close,
    drip,
    raw,
    reset,
    silence,
    then_close,
)
from tests.person import forget_aws

SECRET = "wJalrXUtnFEMI-do-not-tell"  # noqa: S105 - opens nothing
TOKEN = "session-token-do-not-tell"  # noqa: S105 - opens nothing
KEYS = FixedCredentials(Credentials("AKIDEXAMPLE", SECRET, TOKEN))

ONE_SENT = b'{"StreamName":"s","Records":[{"Data":"cGF5bG9hZA==","PartitionKey":"payload"}]}'
ONE_IN = b'{"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1", "ShardId": "s-0"}]}'

CALL_SECONDS = 0.3
SLACK_SECONDS = 0.4
"""What a busy machine may add."""


class Clock:
    """Seconds since the epoch, as the test sets them."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Naps:
    """Remembers how long it was asked to wait, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_aws(monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def naps() -> Naps:
    return Naps()


def endpoint(server: Server, scheme: str = "http") -> Endpoint:
    return Endpoint(Origin(scheme, HOST, server.port), "eu-west-1", given=True)


def s3(
    server: Server,
    naps: Callable[[float], None],
    *,
    http: Http | None = None,
    keys: CredentialSource = KEYS,
    jitter: float = 1.0,
) -> aws.S3:
    return aws.S3(
        endpoint(server),
        keys,
        http or Http(None),
        call_seconds=CALL_SECONDS,
        sleep=naps,
        jitter=lambda: jitter,
    )


def kinesis(server: Server, *, keys: CredentialSource = KEYS) -> aws.Kinesis:
    return aws.Kinesis(endpoint(server), keys, Http(None), call_seconds=CALL_SECONDS)


def refused(call: Callable[[], object]) -> AwsError:
    with pytest.raises(AwsError) as caught:
        call()
    return caught.value


def xml(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message></Error>".encode()


BROKEN: dict[str, tuple[Behaviour, str]] = {
    "reset": (reset, "ConnectionResetError"),
    "closed without a word": (close, "RemoteDisconnected"),
    "half a body": (raw(b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 9\r\n\r\nhalf'), "Pro"),
    "half a chunk": (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nha"), "Pro"),
    "half a header": (raw(b"HTTP/1.1 200 OK\r\nContent-Le"), ""),
    "a body without a length": (raw(b'HTTP/1.1 200 OK\r\nETag: "e"\r\n\r\nall?'), "HTTPException"),
    "no HTTP": (raw(b"220 mail.example ESMTP\r\n"), "BadStatusLine"),
    "silence": (silence(0.9), "ReadTimeoutError"),
    "a slow body": (
        drip(b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 900\r\n\r\n' + b"x" * 900, 0.02),
        "ReadTimeoutError",
    ),
    "slow headers": (drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 900, 0.02), "ReadTimeoutError"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_asked_for_again(server: Server, naps: Naps, name: str) -> None:
    broken, _ = BROKEN[name]
    server.will(broken, answer(body=b"whole"))
    got = s3(server, naps).get("models", "k")
    assert got is not None
    assert got.body == b"whole"
    assert len(naps.seconds) == 1


@pytest.mark.parametrize("name", BROKEN)
def test_one_attempt_of_put_records_ends_in_time_however_it_is_broken(
    server: Server, name: str
) -> None:
    broken, code = BROKEN[name]
    server.will(broken)
    client = kinesis(server)
    began = time.monotonic()
    error = refused(lambda: client.put_records(ONE_SENT, 1))
    assert time.monotonic() - began < CALL_SECONDS + SLACK_SECONDS
    assert error.code.startswith(code)
    assert len(server.asked) == 1


def test_one_that_is_not_patient_asks_once(server: Server, naps: Naps) -> None:
    server.will(answer(503), answer(body=b"whole"))
    assert refused(lambda: s3(server, naps).get("models", "k", patient=False)).code == "503"
    assert (len(server.asked), naps.seconds) == (1, [])


def test_a_call_takes_no_longer_than_it_is_given(server: Server) -> None:
    server.will(silence(3.0))
    client = aws.Kinesis(endpoint(server), KEYS, Http(None))
    began = time.monotonic()
    assert refused(lambda: client.put_records(ONE_SENT, 1, 0.2)).code == "ReadTimeoutError"
    assert time.monotonic() - began < 2.0


def test_a_reader_that_stops_reading_holds_a_put_no_longer_than_its_time(naps: Naps) -> None:
    with Server(silence(0.9), read_bodies=False) as server:
        began = time.monotonic()
        error = refused(lambda: s3(server, naps).put("models", "k", bytes(30_000_000), "a/b"))
        assert time.monotonic() - began < 3 * (CALL_SECONDS + SLACK_SECONDS)
    assert error.code == "ReadTimeoutError"


def test_a_port_where_nobody_listens_is_named(server: Server, naps: Naps) -> None:
    client, port = s3(server, naps), server.port
    server.__exit__(None, None, None)
    error = refused(lambda: client.get("models", "some/key"))
    assert error.code == "ConnectionRefusedError"
    assert f"GetObject s3://models/some/key: http://{HOST}:{port}" in str(error)
    assert len(naps.seconds) == 2


@pytest.mark.parametrize(
    "passing",
    [
        answer(500),
        answer(502, b"<html>bad gateway</html>"),
        answer(503, xml("SlowDown")),
        answer(429),
        answer(400, xml("RequestTimeout")),
        answer(400, xml("ThrottlingException")),
        answer(400, xml("RequestLimitExceeded")),
    ],
)
def test_what_passes_is_waited_for(server: Server, naps: Naps, passing: Behaviour) -> None:
    server.will(passing, passing, answer(body=b"at last"))
    got = s3(server, naps, jitter=0.5).get("models", "k")
    assert got is not None
    assert got.body == b"at last"
    assert naps.seconds == [0.1, 0.2]


def test_three_attempts_are_all(server: Server, naps: Naps) -> None:
    server.will(answer(503, xml("SlowDown")))
    error = refused(lambda: s3(server, naps).put("rejects", "k", b"payload", "text/plain"))
    assert error.code == "SlowDown"
    assert len(server.asked) == 3
    assert len(naps.seconds) == 2


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (answer(404, xml("NoSuchKey")), "NoSuchKey"),
        (answer(403, xml("AccessDenied")), "AccessDenied"),
        (answer(403), "403"),
        (answer(400, xml("ExpiredToken")), "ExpiredToken"),
        (answer(418, b"<Code>not a code!</Code>"), "418"),
        (answer(304), "304"),
        (answer(200, b"a page", {"ETag": ""}), "MalformedAnswer"),
    ],
)
def test_what_stays_refused_is_asked_once(
    server: Server, naps: Naps, behaviour: Behaviour, code: str
) -> None:
    server.will(behaviour)
    assert refused(lambda: s3(server, naps).get("models", "k")).code == code
    assert len(server.asked) == 1


def test_an_unchanged_object_is_none(server: Server, naps: Naps) -> None:
    server.will(
        raw(b'HTTP/1.1 304 Not Modified\r\nETag: "e"\r\n\r\n', stay=True), answer(body=b"n")
    )
    client = s3(server, naps)
    assert client.get("models", "k", unless_etag='"e"') is None
    assert client.get("models", "k") == aws.StoredObject(b"n", '"e"')
    assert server.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_not_followed(server: Server, naps: Naps, status: int) -> None:
    with Server() as elsewhere:
        server.will(
            answer(
                status,
                xml("PermanentRedirect"),
                {"Location": f"{elsewhere.url}/k", "x-amz-bucket-region": "ap-south-1"},
            )
        )
        error = refused(lambda: s3(server, naps).get("models", "k"))
        assert "the bucket is in ap-south-1" in str(error)
        assert not elsewhere.connections
    assert len(server.asked) == 1


def test_a_connection_is_used_again(server: Server, naps: Naps) -> None:
    client = s3(server, naps)
    for _ in range(3):
        client.get("models", "k")
    assert server.connections == 1


def test_a_connection_that_the_server_closed_while_idle_costs_no_attempt(server: Server) -> None:
    server.will(answer(body=ONE_IN))
    client = kinesis(server)
    client.put_records(ONE_SENT, 1)
    server.close_connections()
    assert client.put_records(ONE_SENT, 1) == [None]
    assert server.connections == 2


@pytest.mark.parametrize("late", [close, reset])
def test_a_connection_that_dies_under_a_call_before_any_answer_is_replaced_at_once(
    server: Server, late: Behaviour
) -> None:
    server.will(answer(body=ONE_IN), late, answer(body=ONE_IN))
    client = kinesis(server)
    client.put_records(ONE_SENT, 1)
    assert client.put_records(ONE_SENT, 1) == [None]
    assert server.connections == 2


def test_a_fresh_connection_that_dies_is_a_failed_call(server: Server) -> None:
    server.will(answer(body=ONE_IN), close)
    client = kinesis(server)
    client.put_records(ONE_SENT, 1)
    assert refused(lambda: client.put_records(ONE_SENT, 1)).code == "RemoteDisconnected"
    assert len(server.asked) == 3


def test_an_answer_begun_on_a_kept_connection_is_not_asked_for_again(server: Server) -> None:
    server.will(answer(body=ONE_IN), raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"))
    client = kinesis(server)
    client.put_records(ONE_SENT, 1)
    assert refused(lambda: client.put_records(ONE_SENT, 1)).code == "ProtocolError"
    assert len(server.asked) == 2


def test_what_a_server_says_unasked_is_not_taken_for_an_answer(server: Server) -> None:
    def answer_and_hang_up(connection: socket.socket) -> bool:
        answer(body=ONE_IN)(connection)
        time.sleep(0.1)
        return answer(408, b"you were too slow")(connection)

    server.will(answer_and_hang_up, answer(body=ONE_IN))
    client = kinesis(server)
    client.put_records(ONE_SENT, 1)
    time.sleep(0.2)
    assert client.put_records(ONE_SENT, 1) == [None]
    assert server.connections == 2


def test_a_connection_idle_for_long_is_not_trusted(server: Server, naps: Naps) -> None:
    clock = Clock(0)
    client = s3(server, naps, http=Http(None, clock=clock))
    client.get("models", "k")
    clock.now += IDLE_SECONDS
    client.get("models", "k")
    assert server.connections == 2


def test_threads_do_not_share_a_connection(server: Server, naps: Naps) -> None:
    together = threading.Barrier(2, timeout=300)

    def meet(connection: socket.socket) -> bool:
        together.wait()
        return answer(body=b"x")(connection)

    server.will(meet)
    client = s3(server, naps)
    threads = [threading.Thread(target=client.get, args=("models", "k")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert server.connections == 2
    assert not naps.seconds


def test_a_refusal_sent_before_the_body_was_read_is_heard(naps: Naps) -> None:
    with Server(then_close(answer(400, xml("EntityTooLarge"))), read_bodies=False) as server:
        error = refused(lambda: s3(server, naps).put("rejects", "k", bytes(200_000), "a/b"))
    assert error.code in {"EntityTooLarge", "ConnectionResetError"}  # the kernel may drop the first


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        (ONE_IN, [None]),
        (
            b'{"FailedRecordCount":1,"Records":[{"ErrorCode":"InternalFailure","ErrorMessage":"m"}]}',
            ["InternalFailure"],
        ),
    ],
)
def test_each_record_gets_its_own_verdict(
    server: Server, body: bytes, codes: list[str | None]
) -> None:
    server.will(answer(body=body))
    assert kinesis(server).put_records(ONE_SENT, 1) == codes


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"<html>",
        b'{"Records":[]}',
        b'{"Records":[{}]}',
        b'{"Records":[{"SequenceNumber":"1"},{"SequenceNumber":"2"}]}',
    ],
)
def test_an_answer_that_does_not_tell_of_every_record_is_an_error(
    server: Server, body: bytes
) -> None:
    server.will(answer(body=body))
    assert refused(lambda: kinesis(server).put_records(ONE_SENT, 1)).code == "MalformedAnswer"


PUT_RECORDS_ERRORS = [
    error["shape"]
    for error in Loader().load_service_model("kinesis", "service-2")["operations"]["PutRecords"][
        "errors"
    ]
]
PASSING = {
    "InternalFailureException",
    "KMSThrottlingException",
    "ProvisionedThroughputExceededException",
}


@pytest.mark.parametrize(
    "code",
    [
        *PUT_RECORDS_ERRORS,
        "RequestExpired",  # a clock that is wrong
        "SerializationException",
        "UnknownOperationException",
        "MalformedHttpRequestException",
        "NotYetInventedException",
    ],
)
def test_a_refusal_is_hopeless_unless_it_may_pass(server: Server, code: str) -> None:
    server.will(answer(400, msgspec.json.encode({"__type": code})))
    error = refused(lambda: kinesis(server).put_records(ONE_SENT, 1))
    assert (error.code, error.hopeless) == (code, code not in PASSING)


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 408, 413, 418, 429, 499, 500, 502, 503, 504]
)
def test_a_refusal_without_a_code_is_hopeless_by_its_status(server: Server, status: int) -> None:
    """As proxies give them."""
    server.will(answer(status, b"<html>a page</html>"))
    error = refused(lambda: kinesis(server).put_records(ONE_SENT, 1))
    assert (error.code, error.hopeless) == (str(status), status < 500 and status not in {408, 429})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"__type":"ResourceNotFoundException","message":"m"}', "ResourceNotFoundException"),
        (
            b'{"__type":"com.amazonaws.kinesis.v20131202#ValidationException"}',
            "ValidationException",
        ),
        (b"", "400"),
        (b'{"__type":5}', "400"),
        (b"gibberish", "400"),
    ],
)
def test_a_refused_put_records_carries_awss_code(server: Server, body: bytes, code: str) -> None:
    server.will(answer(400, body))
    error = refused(lambda: kinesis(server).put_records(ONE_SENT, 1))
    assert error.code == code
    assert str(error).startswith("PutRecords: ")


def test_neither_log_nor_error_tells_a_secret_or_a_payload(
    server: Server, naps: Naps, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.will(answer(400, b'{"__type":"ValidationException","message":"payload"}'))
    errors = [refused(lambda: kinesis(server).put_records(ONE_SENT, 1))]
    server.will(answer(403, xml("AccessDenied") + b"payload"))
    errors += [refused(lambda: s3(server, naps).put("rejects", "k", b"payload", "a/b"))]
    told = caplog.text + "".join(map(repr, errors)) + repr(KEYS)
    for secret in (SECRET, TOKEN, "payload", "cGF5bG9hZA"):
        assert secret not in told


# Credentials


NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def handed_out(name: str, clock: Clock, seconds: float) -> Behaviour:
    expiration = dt.datetime.fromtimestamp(clock() + seconds, dt.UTC)
    keys = {
        "AccessKeyId": name,
        "SecretAccessKey": SECRET,
        "Token": TOKEN,
        "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return answer(body=msgspec.json.encode(keys))


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW.timestamp())


@pytest.fixture
def vault() -> Iterator[Server]:
    """The container endpoint."""
    with Server() as running:
        yield running


@pytest.fixture
def container(vault: Server, clock: Clock, naps: Naps) -> aws_credentials.ContainerCredentials:
    origin, environment = Origin("http", HOST, vault.port), {aws_credentials.TOKEN: "let-me-in"}
    return aws_credentials.ContainerCredentials(
        origin, "/creds", environment, Http(None), clock=clock, sleep=naps
    )


def soon() -> float:
    return time.monotonic() + 1


def test_credentials_are_asked_for_once_and_with_the_token(
    vault: Server, container: CredentialSource, clock: Clock
) -> None:
    vault.will(handed_out("FIRST", clock, 3600))
    assert [container.current(soon()).access_key for _ in range(3)] == ["FIRST"] * 3
    assert [(asked.method, asked.path) for asked in vault.asked] == [("GET", "/creds")]
    assert vault.asked[0].headers["authorization"] == "let-me-in"


def test_credentials_are_renewed_before_they_expire(
    vault: Server, container: CredentialSource, clock: Clock
) -> None:
    vault.will(handed_out("FIRST", clock, 3600), handed_out("SECOND", clock, 7200))
    container.current(soon())
    clock.now += 3600 - aws_credentials.EARLY_SECONDS - 1
    assert container.current(soon()).access_key == "FIRST"
    clock.now += 2
    assert container.current(soon()).access_key == "SECOND"


def test_credentials_that_cannot_be_renewed_are_used_while_they_are_valid(
    vault: Server, container: CredentialSource, clock: Clock
) -> None:
    vault.will(handed_out("FIRST", clock, 3600), answer(500))
    container.current(soon())
    clock.now += 3500
    assert [container.current(soon()).access_key for _ in range(5)] == ["FIRST"] * 5
    assert len(vault.asked) == 2, "an endpoint that fails is not asked at every call"
    vault.will(handed_out("SECOND", clock, 3600))
    clock.now += 60
    assert container.current(soon()).access_key == "SECOND"


def test_expired_credentials_that_cannot_be_renewed_are_an_error(
    vault: Server, container: CredentialSource, clock: Clock
) -> None:
    vault.will(handed_out("FIRST", clock, 3600), answer(500))
    container.current(soon())
    clock.now += 3600
    assert refused(lambda: container.current(soon())).code == "CredentialRetrievalError"
    assert len(vault.asked) == 1 + 3


def test_an_endpoint_that_fails_for_a_moment_is_asked_again(
    vault: Server, container: CredentialSource, clock: Clock
) -> None:
    vault.will(answer(500), close, handed_out("FIRST", clock, 3600))
    assert container.current(soon()).access_key == "FIRST"


@pytest.mark.parametrize(
    "behaviour",
    [
        answer(200, b"{}"),
        answer(200, b"not json"),
        answer(302, headers={"Location": "http://evil.example/"}),
        handed_out("OLD", Clock(NOW.timestamp()), -1),
        handed_out("A\nB", Clock(NOW.timestamp()), 3600),
    ],
)
def test_what_is_no_credentials_is_refused_untold(
    vault: Server, container: CredentialSource, behaviour: Behaviour
) -> None:
    vault.will(behaviour)
    error = refused(lambda: container.current(soon()))
    assert error.code == "CredentialRetrievalError"
    assert SECRET not in repr((error, error.__cause__))


def test_the_token_file_is_read_at_each_renewal(
    vault: Server, clock: Clock, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    environment = {aws_credentials.TOKEN: "unused", aws_credentials.TOKEN_FILE: str(file)}
    source = aws_credentials.ContainerCredentials(
        Origin("http", HOST, vault.port), "/", environment, Http(None), clock=clock
    )
    vault.will(handed_out("FIRST", clock, 10), handed_out("SECOND", clock, 100))
    file.write_text("one")
    source.current(soon())
    file.write_text("two")
    clock.now += 10
    source.current(soon())
    assert [asked.headers["authorization"] for asked in vault.asked] == ["one", "two"]


@pytest.mark.parametrize("content", [None, "two\nlines", "a\r"])
def test_a_token_that_is_missing_or_no_header_is_never_sent(
    vault: Server, clock: Clock, naps: Naps, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    environment = {aws_credentials.TOKEN_FILE: str(tmp_path / "token")}
    source = aws_credentials.ContainerCredentials(
        Origin("http", HOST, vault.port), "/", environment, Http(None), clock=clock, sleep=naps
    )
    assert refused(lambda: source.current(soon())).code == "NoToken"
    assert not vault.asked


def test_credentials_that_aws_calls_expired_are_renewed_once(
    server: Server, vault: Server, container: CredentialSource, clock: Clock, naps: Naps
) -> None:
    vault.will(handed_out("FIRST", clock, 3600), handed_out("SECOND", clock, 3600))
    server.will(answer(400, xml("ExpiredToken")), answer(body=b"x"))
    s3(server, naps, keys=container).get("models", "k")
    assert "FIRST" in server.asked[0].headers["authorization"]
    assert "SECOND" in server.asked[1].headers["authorization"]
    server.will(answer(400, b'{"__type":"ExpiredTokenException"}'))
    error = refused(lambda: kinesis(server, keys=container).put_records(ONE_SENT, 1))
    assert error.code == "ExpiredTokenException"
    assert len(server.asked) == 2 + 2


def test_threads_that_find_credentials_expired_fetch_them_once(
    vault: Server, container: CredentialSource, clock: Clock
) -> None:
    vault.will(handed_out("FIRST", clock, 10), handed_out("SECOND", clock, 3600))
    container.current(soon())
    clock.now += 10
    got: list[str] = []
    threads = [
        threading.Thread(target=lambda: got.append(container.current(soon()).access_key))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert got == ["SECOND"] * 4
    assert len(vault.asked) == 2


def test_a_call_ends_in_time_though_the_credentials_endpoint_hangs(
    server: Server, vault: Server, container: CredentialSource
) -> None:
    vault.will(silence(0.9))
    began = time.monotonic()
    error = refused(lambda: kinesis(server, keys=container).put_records(ONE_SENT, 1))
    assert time.monotonic() - began < CALL_SECONDS + SLACK_SECONDS
    assert error.code == "ReadTimeoutError"
    assert not server.connections


def test_connect_takes_the_containers_credentials_where_the_environment_has_none(
    server: Server, vault: Server
) -> None:
    vault.will(handed_out("CONTAINER", Clock(time.time()), 3600))
    aws.connect(
        {
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": server.url,
            aws_credentials.FULL_URI: f"{vault.url}/creds?role=x",
        }
    ).s3.get("models", "k")
    assert vault.asked[0].path == "/creds?role=x"
    assert "CONTAINER" in server.asked[0].headers["authorization"]
    assert server.asked[0].headers["x-amz-security-token"] == TOKEN


def test_keys_of_the_environment_come_before_the_containers() -> None:
    environment = {
        "AWS_ACCESS_KEY_ID": "ENVIRONMENT",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        aws_credentials.FULL_URI: "http://127.0.0.1:1/",
    }
    source = aws_credentials.source(environment, lambda _: Http(None))
    assert source.current(soon()).access_key == "ENVIRONMENT"


@pytest.mark.parametrize(
    "url", ["http://evil.example/", "http://10.0.0.1/", "http://169.254.169.254/"]
)
def test_a_token_is_not_sent_to_a_strange_host_in_plain_text(url: str) -> None:
    with pytest.raises(SettingsError, match="without https"):
        aws_credentials.source({aws_credentials.FULL_URI: url}, lambda _: Http(None))


@pytest.mark.parametrize(
    "environment",
    [
        {aws_credentials.FULL_URI: "https://vault.example/creds"},
        {aws_credentials.FULL_URI: "http://[::1]:99/creds"},
        {aws_credentials.FULL_URI: "http://127.9.9.9/creds"},
        {aws_credentials.FULL_URI: "http://169.254.170.23/v1/credentials"},
        {aws_credentials.RELATIVE_URI: "/v2/credentials"},
    ],
)
def test_the_hosts_that_botocore_trusts_are_trusted(environment: dict[str, str]) -> None:
    source = aws_credentials.source(environment, lambda _: Http(None))
    assert isinstance(source, aws_credentials.ContainerCredentials)


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    host = x509.SubjectAlternativeName(
        [x509.DNSName("server.test"), x509.IPAddress(ipaddress.ip_address(HOST))]
    )
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(host, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def shake_hands(certificate: Path) -> Callable[[socket.socket], socket.socket]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return lambda connection: context.wrap_socket(connection, server_side=True)


@pytest.fixture
def secure_server(shake_hands: Callable[[socket.socket], socket.socket]) -> Iterator[Server]:
    with Server(wrap=shake_hands) as running:
        yield running


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_tls_trusts_the_bundle_that_the_environment_names(
    secure_server: Server, certificate: Path, naps: Naps, variable: str
) -> None:
    secure_server.will(answer(body=b"x" * 100_000))
    http = Http(tls_context({variable: str(certificate)}))
    client = aws.S3(endpoint(secure_server, "https"), KEYS, http, sleep=naps)
    client.put("models", "k", bytes(500_000), "a/b")
    got = client.get("models", "k")
    assert got is not None
    assert got.body == b"x" * 100_000
    assert secure_server.connections == 1


def test_tls_trusts_nobody_else(secure_server: Server, naps: Naps) -> None:
    client = aws.S3(endpoint(secure_server, "https"), KEYS, Http(tls_context({})), sleep=naps)
    assert refused(lambda: client.get("models", "k")).code == "SSLCertVerificationError"
    assert not secure_server.asked


def test_tls_checks_the_name(secure_server: Server, certificate: Path, naps: Naps) -> None:
    origin = Origin("https", "localhost", secure_server.port)
    http = Http(tls_context({"AWS_CA_BUNDLE": str(certificate)}))
    client = aws.S3(Endpoint(origin, "eu-west-1", given=True), KEYS, http, sleep=naps)
    assert refused(lambda: client.get("models", "k")).code == "SSLCertVerificationError"
    assert not secure_server.asked


def test_slow_bytes_over_tls_end_in_time(secure_server: Server, certificate: Path) -> None:
    secure_server.will(drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 900, 0.02))
    http = Http(tls_context({"AWS_CA_BUNDLE": str(certificate)}))
    client = aws.Kinesis(endpoint(secure_server, "https"), KEYS, http, call_seconds=CALL_SECONDS)
    began = time.monotonic()
    assert refused(lambda: client.put_records(ONE_SENT, 1)).code == "ReadTimeoutError"
    assert time.monotonic() - began < CALL_SECONDS + SLACK_SECONDS


def test_a_proxy_that_opens_its_tunnel_slowly_holds_a_call_no_longer_than_its_time() -> None:
    with Server(drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 900, 0.02)) as server:
        proxy = Proxy(Origin("http", HOST, server.port), {})
        client = aws.Kinesis(
            Endpoint(Origin("https", "kinesis.test", 443), "eu-west-1"),
            KEYS,
            Http(tls_context({}), proxy),
            call_seconds=CALL_SECONDS,
        )
        began = time.monotonic()
        assert refused(lambda: client.put_records(ONE_SENT, 1)).code == "ConnectTimeoutError"
        assert time.monotonic() - began < CALL_SECONDS + SLACK_SECONDS


def test_a_handshake_that_is_never_answered_ends_in_time() -> None:
    def never(_: socket.socket) -> socket.socket:
        time.sleep(0.9)
        raise TimeoutError

    with Server(wrap=never) as server:
        http = Http(tls_context({}), connect_seconds=CALL_SECONDS)
        client = aws.Kinesis(endpoint(server, "https"), KEYS, http, call_seconds=CALL_SECONDS)
        began = time.monotonic()
        assert refused(lambda: client.put_records(ONE_SENT, 1)).code == "ConnectTimeoutError"
        assert time.monotonic() - began < CALL_SECONDS + SLACK_SECONDS


def test_a_slow_reader_over_tls_holds_a_put_no_longer_than_its_time(
    shake_hands: Callable[[socket.socket], socket.socket], certificate: Path
) -> None:
    def sip(connection: socket.socket) -> bool:
        for _ in range(20):
            for _ in range(64):  # a megabyte: less, and the sender would wait long at once
                connection.recv(16_384)
            time.sleep(0.05)
        return False

    with Server(sip, wrap=shake_hands, read_bodies=False) as server:
        http = Http(tls_context({"AWS_CA_BUNDLE": str(certificate)}))
        client = aws.Kinesis(endpoint(server, "https"), KEYS, http, call_seconds=CALL_SECONDS)
        began = time.monotonic()
        assert refused(lambda: client.put_records(bytes(30_000_000), 1)).code == "ReadTimeoutError"
        assert time.monotonic() - began < CALL_SECONDS + SLACK_SECONDS
