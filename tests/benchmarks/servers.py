"""What the functions talk to, each in a process of its own: the stub, with and without TLS, and
moto. A folder of objects goes in; environments that lead there, and what was put, come out.
"""

import contextlib
import datetime as dt
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import boto3
import botocore
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from infra.common.paths import ROOT
from infra.emulator import TEST_ACCOUNT
from tests.benchmarks import cores, stub
from tests.benchmarks.published import STREAM

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

_MOTO: Final = (
    "import logging, sys; from moto.server import ThreadedMotoServer; "
    "from localstack_processes import shard; shard.install(); "  # moto's own loses rides
    "logging.getLogger('werkzeug').setLevel(logging.ERROR); "
    f"server = ThreadedMotoServer(ip_address='{stub.HOST}', port=0, verbose=False); "
    "server.start(); print(server.get_host_and_port()[1], flush=True); sys.stdin.read()"
)
_opener: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Goes to the endpoint itself, whatever proxy leads to the world."""


class Server(Protocol):
    """Counts the predictions that it took since it began, those in aggregates one by one."""

    def taken(self) -> int: ...


class Stub:
    """The stub, as its clients see it: the environments lead AWS's clients to it."""

    def __init__(self, port: str, tls_port: str, certificates: Path) -> None:
        endpoint = f"http://{stub.HOST}:{port}"
        self.environment = {**TEST_ACCOUNT, "AWS_ENDPOINT_URL": endpoint}
        self.tls_environment = {
            **TEST_ACCOUNT,
            "AWS_ENDPOINT_URL": f"https://{stub.HOST}:{tls_port}",
            "AWS_CA_BUNDLE": str(certificates),
        }
        self._control = f"{endpoint}{stub.TAKEN_PATH}"

    def taken(self) -> int:
        return self._asked().user_records

    def last_prediction(self) -> bytes:
        """The last one that was put, as it was before it was packed."""
        return stub.user_data(self._asked().last)[-1]

    def _asked(self) -> stub.Taken:
        with _opener.open(self._control) as answer:
            return msgspec.json.decode(answer.read(), type=stub.Taken)


class Moto:
    """moto, its bucket filled and its stream of one shard made."""

    def __init__(self, port: str, objects: Path) -> None:
        self.environment = {**TEST_ACCOUNT, "AWS_ENDPOINT_URL": f"http://{stub.HOST}:{port}"}
        session = boto3.Session("test", "test", region_name=TEST_ACCOUNT["AWS_REGION"])
        endpoint = self.environment["AWS_ENDPOINT_URL"]
        s3 = session.client("s3", endpoint_url=endpoint)
        self._kinesis: KinesisClient = session.client("kinesis", endpoint_url=endpoint)
        for bucket in objects.iterdir():
            s3.create_bucket(Bucket=bucket.name)
            for key, content in stub.objects_in(bucket).items():
                s3.put_object(Bucket=bucket.name, Key=key.removeprefix("/"), Body=content)
        self._kinesis.create_stream(StreamName=STREAM, ShardCount=1)
        self._iterator = self._kinesis.get_shard_iterator(
            StreamName=STREAM, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        self._taken = 0

    def taken(self) -> int:
        while True:
            answer = self._kinesis.get_records(ShardIterator=self._iterator)
            if not answer["Records"]:
                return self._taken
            self._iterator = answer["NextShardIterator"]
            self._taken += sum(
                len(stub.user_records(record["Data"])) for record in answer["Records"]
            )


@contextlib.contextmanager
def running_stub(objects: Path, folder: Path) -> Iterator[Stub]:
    """Its certificate and the bundle that holds it, with all others, are written to `folder`."""
    certificate, bundle = folder / "stub.pem", folder / "bundle.pem"
    _write_certificate(certificate, bundle)
    program = ["-m", "tests.benchmarks.stub", str(objects), str(certificate)]
    with _running(program, ports=2) as (port, tls_port):
        yield Stub(port, tls_port, bundle)


@contextlib.contextmanager
def running_moto(objects: Path) -> Iterator[Moto]:
    with _running(["-c", _MOTO], ports=1) as (port,):
        yield Moto(port, objects)


@contextlib.contextmanager
def _running(program: Sequence[str], ports: int) -> Iterator[list[str]]:
    """A server on the core that the functions are not on. It ends with its standard input."""
    with cores.on(cores.SERVER):
        process = subprocess.Popen(
            [sys.executable, *program],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield [process.stdout.readline().strip() for _ in range(ports)]
        finally:
            process.stdin.close()


def _write_certificate(certificate: Path, bundle: Path) -> None:
    """A certificate with its key, and all that are usually trusted with it among them: a client
    pays for the whole list, as it does at AWS.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stub")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(stub.HOST))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    certificate.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    trusted = Path(botocore.__file__).with_name("cacert.pem").read_bytes()
    bundle.write_bytes(trusted + b"\n" + pem)
