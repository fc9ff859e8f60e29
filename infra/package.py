"""Builds a function's Lambda zip, reproducibly, from sources and pinned dependencies, and its
bill of materials.

No Docker: wheels are selected for Lambda's platform by name, so any machine can build it. Byte code
is included: compiling it on the first start can exceed Lambda's init timeout.
"""

import csv
import fcntl
import fnmatch
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from infra import bill_of_materials
from infra.common.console import UserError
from infra.common.paths import BUILD, FUNCTION_SOURCES, REQUIREMENTS, ROOT, UV
from infra.common.processes import Children

Architecture = Literal["x86_64", "arm64"]

_PLATFORMS: Final[dict[Architecture, str]] = {
    # Lambda's Amazon Linux 2023 has glibc 2.34.
    "x86_64": "x86_64-manylinux_2_28",
    "arm64": "aarch64-manylinux_2_28",
}
_PROJECT: Final = ROOT / "pyproject.toml"
_MAX_UNZIPPED_BYTES: Final = 250 * 1024 * 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
_TASK_ROOT: Final = "/var/task"
_FOLDER_PREFIX: Final = "unfinished-"
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can store."""

_NEVER_RUN: Final = (
    ".lock",  # uv's own
    "bin/*",  # commands
    "*/tests/*",
    "*/__pycache__/*",  # recompiled below
    "*.pyi",
    "*.h",
    "*.pxd",
    "*.pyx",
    "*/include/*",
)
"""Left out of every function's zip."""


class Function(msgspec.Struct, frozen=True):
    """What a zip is built for.

    `name` is that of its zip, of its pins in infra/requirements and of its optional dependencies in
    pyproject.toml. terraform/package.tf lists names and sources too.
    """

    name: str
    sources: tuple[Path, ...]
    """Folders of Python packages."""
    left_out: tuple[str, ...] = ()
    """Patterns of further files that it never uses,"""
    kept: tuple[str, ...] = ()
    """except for these."""

    @property
    def requirements(self) -> Path:
        return REQUIREMENTS / f"{self.name}.txt"


SCORING: Final = Function(
    name="function",
    sources=(FUNCTION_SOURCES,),
    left_out=(
        "botocore/data/*/*",  # AWS service models: the function does not use botocore's clients
        "onnxruntime/quantization/*",  # for creating and converting models, not for running them
        "onnxruntime/tools/*",
        "onnxruntime/transformers/*",
    ),
    kept=("botocore/data/xray/*",),  # X-Ray's library creates a client if tracing is on
)
FUNCTIONS: Final = (SCORING,)


class Package(msgspec.Struct, frozen=True):
    """A built zip and its bill of materials. Sizes are bytes."""

    path: Path
    bill: Path
    sha256: str
    zipped_bytes: int
    unzipped_bytes: int
    rebuilt: bool


def package_path(function: Function, architecture: Architecture) -> Path:
    return BUILD / f"{function.name}-{architecture}.zip"


def build(function: Function, architecture: Architecture) -> Package:
    """Builds the zip, unless the existing one was built from the same inputs."""
    with _alone():
        return _build(function, architecture)


@contextmanager
def _alone() -> Iterator[None]:
    """Holds the build lock: one build would take another's unfinished folder for remains."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(function: Function, architecture: Architecture) -> Package:
    path = package_path(function, architecture)
    wanted = _inputs_digest(function, architecture)
    stamp = path.with_suffix(".inputs")
    beside = (stamp, _sources_stamp(path), _bill(path))
    stood = path.exists() and all(file.exists() for file in beside)
    rebuilt = not (stood and stamp.read_text(encoding="utf-8") == wanted)
    if rebuilt:
        stamp.unlink(missing_ok=True)
        for left_by_a_kill in BUILD.glob(f"{_FOLDER_PREFIX}*"):
            shutil.rmtree(left_by_a_kill)
        with tempfile.TemporaryDirectory(dir=BUILD, prefix=_FOLDER_PREFIX) as folder:
            _fill(Path(folder), function, architecture)
            _zip(Path(folder), path)
            _write_bill(Path(folder), function, path)
        _sources_stamp(path).write_text(sources_digest(function) + "\n", encoding="utf-8")
        stamp.write_text(wanted, encoding="utf-8")
    return _described(path, rebuilt=rebuilt)


def sources_digest(function: Function) -> str:
    """SHA-256 of the zip's sources, computed as in terraform/package.tf: Terraform refuses to
    deploy a zip that was built from sources other than the checkout's."""
    files = [*_source_files(function), function.requirements]
    lines = (
        f"{hashlib.sha256(file.read_bytes()).hexdigest()} {file.relative_to(ROOT).as_posix()}\n"
        for file in files
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sources_stamp(path: Path) -> Path:
    return path.with_name(f"{path.name}.sources")


def _bill(path: Path) -> Path:
    return path.with_suffix(".cdx.json")


def _inputs_digest(function: Function, architecture: Architecture) -> str:
    """Changes whenever the zip or its bill would: covers the sources, pins, building modules,
    project version and compiler version."""
    digest = hashlib.sha256(f"{architecture} {sys.version}".encode())
    makers = [Path(__file__), Path(bill_of_materials.__file__), _PROJECT]
    for file in [function.requirements, *makers, *_source_files(function)]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def _source_files(function: Function) -> list[Path]:
    files = (file for sources in function.sources for file in sources.rglob("*.py"))
    return sorted(files, key=Path.as_posix)


def _fill(folder: Path, function: Function, architecture: Architecture) -> None:
    _install_dependencies(folder, function, architecture)
    for sources in function.sources:
        for source in sources.rglob("*.py"):
            target = folder / source.relative_to(sources.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for file in _left_out(folder, function):
        file.unlink()
    for record in folder.glob("*.dist-info/RECORD"):
        _shorten(record, folder)
    _compile(folder)


def _install_dependencies(folder: Path, function: Function, architecture: Architecture) -> None:
    command: list[str | Path] = [
        *(UV, "pip", "install", "--quiet", "--target", folder),
        *("--python", sys.executable, "--python-platform", _PLATFORMS[architecture]),
        *("--only-binary", ":all:", "--no-deps", "--require-hashes"),
        *("--link-mode", "copy"),  # files are deleted below, which must not affect uv's cache
        *("--requirement", function.requirements),
    ]
    code, said = _run(command, _environment())
    if code != 0:
        raise UserError(
            f"{function.requirements} could not be installed for {architecture}: {said}"
        )


def _left_out(folder: Path, function: Function) -> Iterator[Path]:
    left_out = (*_NEVER_RUN, *function.left_out)
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and _matches(name, left_out) and not _matches(name, function.kept):
            yield file


def _shorten(record: Path, folder: Path) -> None:
    """Removes missing files from a distribution's RECORD. The digests of omitted commands would
    vary, since these start with the path of the checkout's interpreter.
    https://packaging.python.org/en/latest/specifications/recording-installed-packages/
    """
    rows = [
        row
        for row in csv.reader(record.read_text(encoding="utf-8").splitlines())
        if (folder / row[0]).is_file()
    ]
    with record.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _compile(folder: Path) -> None:
    command: list[str | Path] = [
        *(sys.executable, "-m", "compileall", "-q", "-s", folder, "-p", _TASK_ROOT),
        # Unchecked: Lambda's unzipping changes timestamps, and hashing sources slows the start.
        *("--invalidation-mode", "unchecked-hash", folder),
    ]
    # Set constants are serialised in hash order.
    code, said = _run(command, {**_environment(), "PYTHONHASHSEED": "0"})
    if code != 0:
        raise UserError(f"the function's sources do not compile: {said}")


def _environment() -> dict[str, str]:
    """The user's environment, with their package index and proxy, without what would change the
    bytes: how Python compiles, and where it puts the result."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "UV_COMPILE_BYTECODE"))
    }


def _run(command: Sequence[str | Path], environment: Mapping[str, str]) -> tuple[int, str]:
    with Children() as children:
        code, said = children.run(command, environment, errors=subprocess.STDOUT)
    return code, said.decode(errors="replace")


def _zip(folder: Path, path: Path) -> None:
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*")}
    unfinished = path.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, file in sorted(files.items()):
            if file.is_file():
                entry = zipfile.ZipInfo(name, _ZIP_TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (0o755 if file.suffix == ".so" else 0o644) << 16
                archive.writestr(entry, file.read_bytes())
    unfinished.replace(path)


def _write_bill(folder: Path, function: Function, path: Path) -> None:
    written = bill_of_materials.document(
        folder,
        pins=function.requirements.read_text(encoding="utf-8"),
        extra=function.name,
        project=_PROJECT.read_text(encoding="utf-8"),
        zip_sha256=_sha256(path),
    )
    _bill(path).write_text(written, encoding="utf-8")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _described(path: Path, *, rebuilt: bool) -> Package:
    with zipfile.ZipFile(path) as archive:
        unzipped_bytes = sum(entry.file_size for entry in archive.infolist())
    if unzipped_bytes >= _MAX_UNZIPPED_BYTES:
        raise UserError(
            f"{path} unpacks to {unzipped_bytes} bytes, and Lambda takes fewer than "
            f"{_MAX_UNZIPPED_BYTES}: exclude more in infra/package.py"
        )
    zipped_bytes = path.stat().st_size
    return Package(path, _bill(path), _sha256(path), zipped_bytes, unzipped_bytes, rebuilt)
