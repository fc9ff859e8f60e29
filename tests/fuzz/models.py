"""Pointers, manifests, MLmodel files and skops schemas in; a `Finding` where one is not refused in
words, asks for what is not its own, or makes the process do what no model may.
"""

import contextlib
import functools
import hashlib
import io
import posixpath
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ride_scoring.errors import ModelRefused, ModelUnavailable
from ride_scoring.models import compiled, mlmodel, model, pyfunc, sklearn_flavor, store
from ride_scoring.models.files import Directory
from ride_scoring.models.model import LoadedModel
from ride_scoring.models.store import AliasPointer, ModelStore
from tests import models
from tests.factories import NOW, MemoryS3
from tests.fuzz import guard
from tests.fuzz.finding import require
from tests.store import Publisher

_NAME: Final = "ride-duration"
_OWN: Final = f"models/{_NAME}/"
_FUZZED: Final = "fuzzed.skops"
_SCHEMA: Final = "schema.json"
_TREES: Final = ["sklearn.tree._tree.Tree"]
_SMALL: Final = 100
_MOST_GROWN: Final = 10
"""Times: a character may be written in ten, as an escape."""
_IMPORTED_LATE: Final = pyfunc
"""Where it is first used: the fuzzer sees modules alone that were imported under its eyes."""


def pointer(data: bytes) -> None:
    """An alias's pointer; `@manifest@` in it is the digest of the manifest of version 1."""
    objects = _published()
    key = store.manifest_key(_NAME, "1")
    body = data.replace(b"@manifest@", _sha256(objects["models", key]))
    with contextlib.suppress(ModelRefused):
        _load(objects, store.decode_pointer(body))


def manifest(data: bytes) -> None:
    """A manifest whose digest is right; `@<path>@` in it is the digest of the file of that path."""
    body = data
    for path, content in models.compiled_directory(2.0).items():
        body = body.replace(f"@{path}@".encode(), _sha256(content))
    key = store.manifest_key(_NAME, "1")
    digest = _sha256(body).decode()
    _load(_published() | {("models", key): body}, AliasPointer("1", digest, None, NOW))


def _load(objects: Mapping[tuple[str, str], bytes], named: AliasPointer) -> None:
    _warm_up()
    s3 = MemoryS3()
    s3.objects.update(objects)
    with guard.only_reads(), contextlib.suppress(ModelRefused, ModelUnavailable):
        said, loaded = ModelStore(s3, "models", _NAME).load(named, allow_pickle=False)
        require((said.name, said.version) == (_NAME, named.version), f"{said} serves as {named}")
        _require_lean(loaded)
    others = [key for key in s3.asked if not _is_own(key)]
    require(not others, f"the store was asked for {others}")


def _is_own(key: str) -> bool:
    """As it is, and as HTTP clients read it."""
    return key.startswith(_OWN) and posixpath.normpath(key).startswith(_OWN)


@functools.cache
def _published() -> dict[tuple[str, str], bytes]:
    s3 = MemoryS3()
    Publisher(s3).publish("1", 2.0)
    return s3.objects


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def mlmodel_file(data: bytes) -> None:
    """An MLmodel file beside a model in skops."""
    directory = _directory()
    (directory / mlmodel.FILE).write_bytes(data)
    _warm_up()
    with guard.only_reads(directory), contextlib.suppress(ModelRefused):
        said = mlmodel.read(Directory(directory))
        grown = len(repr(said)) / (len(data) + _SMALL)
        require(grown <= _MOST_GROWN, f"an MLmodel file grows {grown:.0f} times as it is read")
        _require_lean(model.load(Directory(directory)))


def skops_schema(data: bytes) -> None:
    """The schema of a model in skops, in an archive with a few arrays."""
    directory = _directory()
    (directory / _FUZZED).write_bytes(_archive(data))
    _warm_up()
    with guard.only_reads(directory), contextlib.suppress(ModelRefused):
        sklearn_flavor.load(Directory(directory), _described(), allow_pickle=False)


@functools.cache
def _described() -> mlmodel.Description:
    flavor = models.skops_flavor(pickled_model=_FUZZED, skops_trusted_types=_TREES)
    return mlmodel.Description({"sklearn": flavor}, None, has_params=False, run_id=None)


def _archive(schema: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr(_SCHEMA, schema)
        for name, array in _arrays().items():
            made.writestr(name, array)
    return archive.getvalue()


@functools.cache
def _arrays() -> Mapping[str, bytes]:
    """skops names arrays by their addresses; these are named by their places."""
    with zipfile.ZipFile(io.BytesIO(models.compiled_directory(2.0)["model.skops"])) as archive:
        names = [name for name in archive.namelist() if name != _SCHEMA]
        return {f"{place}.npy": archive.read(name) for place, name in enumerate(names)}


@functools.cache
def _directory() -> Path:
    """With a model in it, and one outside that no model may name."""
    outer = Path(_kept().name)
    content = models.compiled_directory(2.0)["model.skops"]
    (outer / "outside.skops").write_bytes(content)
    (inner := outer / "model").mkdir()
    (inner / "model.skops").write_bytes(content)
    return inner


@functools.cache
def _kept() -> tempfile.TemporaryDirectory[str]:
    """Until the process ends."""
    return tempfile.TemporaryDirectory(prefix="fuzz-")


@functools.cache
def _warm_up() -> None:
    """Libraries look at the machine when they are first used; later, no model makes them."""
    files = dict(models.compiled_directory(2.0))
    with tempfile.TemporaryDirectory() as name:
        directory = models.write(files, Path(name))
        model.load(Directory(directory))
        (directory / compiled.FILE).unlink()
        model.load(Directory(directory))


def _require_lean(loaded: LoadedModel) -> None:
    require(loaded.way != "pyfunc", "a model was given to MLflow, which may run its code")
