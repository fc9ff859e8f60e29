"""The files of an MLflow model directory, on disk, in S3 or in the model store.

Files are read one by one, so a way of loading that needs only one or two fetches no others.
"""

import errno
import hashlib
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from ride_scoring.errors import AwsError, ModelRefused, ModelUnavailable
from ride_scoring.ports import Objects

COPY_PREFIX: Final = "ride-scoring-model-"
"""How the names of folders begin that hold copies of the store's models."""


class ModelFiles(Protocol):
    """A model directory. Paths are relative to it; one that leads out raises `ModelRefused`."""

    def find(self, path: str) -> bytes | None:
        """The file's content, or None where there is no such file. Raises `ModelUnavailable`."""
        ...

    def sha256(self, path: str) -> str | None:
        """The file's digest, in hexadecimal, or None where there is no such file."""
        ...

    def mlflow_location(self) -> str:
        """What `mlflow.pyfunc.load_model` takes: all files of the directory are there."""
        ...


class Directory:
    """A model directory on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find(self, path: str) -> bytes | None:
        target = self._root / inside(path)
        if not target.resolve().is_relative_to(self._root.resolve()):
            raise ModelRefused(f"{path} is a link that leads out of the model directory")
        try:  # regular files only: reading a pipe may block for ever
            return target.read_bytes() if target.is_file() else None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # no file can have the name
                return None
            raise

    def sha256(self, path: str) -> str | None:
        return _digest(self.find(path))

    def mlflow_location(self) -> str:
        return str(self._root)


class S3Directory:
    """A model directory under a prefix in S3, as MLflow's tracking server writes it."""

    def __init__(self, s3: Objects, bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix.strip("/")

    def find(self, path: str) -> bytes | None:
        key = f"{self._prefix}/{inside(path)}".lstrip("/")
        try:
            found = self._s3.get(self._bucket, key)
        except AwsError as error:
            # A role that may not list the bucket is told AccessDenied for a missing key.
            if error.code in {"NoSuchKey", "AccessDenied"}:
                return None
            raise ModelUnavailable(f"s3://{self._bucket}/{key} cannot be read: {error}") from error
        return found.body if found else None

    def sha256(self, path: str) -> str | None:
        return _digest(self.find(path))

    def mlflow_location(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"


def inside(path: str) -> PurePosixPath:
    """The path, where it stays inside the model directory. Raises `ModelRefused`."""
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts or "\0" in path:
        raise ModelRefused(f"the model names the file {path!r}, outside the model directory")
    return relative


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()
