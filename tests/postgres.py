"""A real PostgreSQL for a test, where its binaries are on the machine."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

_DEBIAN: Final = Path("/usr/lib/postgresql")
_NOBODY: Final = "nobody"
"""PostgreSQL refuses to run as root."""


@contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database; the test is skipped where there is no PostgreSQL."""
    initdb = _binary("initdb")
    user = _NOBODY if os.geteuid() == 0 else None
    with TemporaryDirectory() as data:
        if user:
            shutil.chown(data, user)
        made: list[str | Path] = [
            initdb,
            "-D",
            data,
            "-U",
            "mlflow",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "-N",
        ]
        subprocess.run(made, user=user, check=True, capture_output=True, cwd="/")
        with _running(data, user) as uri:
            yield uri


@contextmanager
def _running(data: str, user: str | None) -> Iterator[str]:
    port = _free_port()
    server = subprocess.Popen(
        [_binary("postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"],
        user=user,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(port, server)
        yield f"postgresql://mlflow@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # it does not wait for its clients then
        server.wait(300)


def _binary(name: str) -> Path:
    # Debian puts them where PATH does not lead.
    candidates = [*sorted(_DEBIAN.glob(f"*/bin/{name}"), reverse=True), shutil.which(name)]
    for candidate in candidates:
        if candidate:
            return Path(candidate)
    pytest.skip(f"{name} does not exist: PostgreSQL is not installed")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while server.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("PostgreSQL does not start")
