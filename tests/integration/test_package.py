"""The zip: the same bytes each time, small enough, and with nothing in it that it needs not."""

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion

from infra import bill_of_materials, package, stack
from infra.common.console import UserError
from infra.common.paths import FUNCTION_SOURCES, REQUIREMENTS, ROOT, RUNTIME_PYTHON, UV
from ride_scoring.models import compiled
from ride_scoring.streams import kpl
from tests.factories import event_json, kinesis_event
from tests.models import compiled_directory, write

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def built() -> package.Package:
    return package.build(package.SCORING, stack.local_architecture())


def test_it_is_built_again_to_the_same_bytes(
    built: package.Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "BUILD", tmp_path)
    again = package.build(package.SCORING, stack.local_architecture())
    assert again.rebuilt
    assert again.sha256 == built.sha256
    assert again.bill.read_bytes() == built.bill.read_bytes()
    again.bill.unlink()
    assert package.build(package.SCORING, stack.local_architecture()).rebuilt
    assert again.bill.read_bytes() == built.bill.read_bytes()


def test_it_is_the_same_bytes_in_another_checkout(
    built: package.Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands of packages begin with the path of the interpreter that they were installed for."""
    checkout = "it's (R&D) ü"
    environment = tmp_path / checkout / ".venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    monkeypatch.setattr(sys, "executable", str(environment / "bin" / "python"))
    monkeypatch.setattr(package, "BUILD", tmp_path / checkout / "build")
    # Of another person, whose Python compiles otherwise and elsewhere.
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("UV_COMPILE_BYTECODE", "1")
    elsewhere = package.build(package.SCORING, stack.local_architecture())
    assert elsewhere.rebuilt
    assert elsewhere.sha256 == built.sha256
    with zipfile.ZipFile(elsewhere.path) as archive:
        held = set(archive.namelist())
        for name in [name for name in held if name.endswith(".dist-info/RECORD")]:
            listed = {row[0] for row in csv.reader(archive.read(name).decode().splitlines())}
            assert listed <= held, name


def test_it_is_not_built_again_while_nothing_changes(built: package.Package) -> None:
    again = package.build(package.SCORING, stack.local_architecture())
    assert not again.rebuilt
    assert again.sha256 == built.sha256


@pytest.mark.parametrize("pin", ["six==1.17.0", f"six==1.17.0 --hash=sha256:{'0' * 64}"])
def test_a_dependency_without_its_digest_is_not_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pin: str
) -> None:
    (tmp_path / "function.txt").write_text(pin)
    monkeypatch.setattr(package, "BUILD", tmp_path)
    monkeypatch.setattr(package, "REQUIREMENTS", tmp_path)
    with pytest.raises(UserError, match=r"(?s)could not be installed for arm64: .*[Hh]ash"):
        package.build(package.SCORING, "arm64")
    assert not package.package_path(package.SCORING, "arm64").exists()


def test_its_entries_are_sorted_and_of_one_time(built: package.Package) -> None:
    with zipfile.ZipFile(built.path) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names == sorted(names)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert "ride_scoring/handler.py" in names
    assert not [name for name in names if "/tests/" in name]
    assert built.unzipped_bytes < 200e6


def test_its_byte_code_is_trusted_unchecked(built: package.Package) -> None:
    with zipfile.ZipFile(built.path) as archive:
        header = archive.read("ride_scoring/__pycache__/handler.cpython-313.pyc")[:8]
    # https://peps.python.org/pep-0552/: bit 0 says hash-based, bit 1 says check the source.
    assert int.from_bytes(header[4:8], "little") == 0b01


def test_it_scores_with_nothing_beside_it(built: package.Package, tmp_path: Path) -> None:
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(tmp_path / "task")
    (model := tmp_path / "model").mkdir()
    settings = {"MODEL_LOCATION": str(write(compiled_directory(2.0), model)), "TRACING": "true"}
    held = {entry.name for entry in (tmp_path / "task").iterdir()}
    assert not {"sklearn", "scipy", "pandas", "mlflow", "boto3"} & held
    said = invoked(RUNTIME_PYTHON, tmp_path / "task", settings)
    assert [item["prediction"]["ride_duration"] for item in said["predictions"]] == [7.32] * 3


def invoked(
    python: Path,
    task_root: Path,
    settings: Mapping[str, str],
    handler: str = "ride_scoring.handler.handler",
) -> dict[str, Any]:
    """What the function in a folder answers to a plain and an aggregated record, on AWS itself as
    far as it can tell: no endpoint is given, and none is called.
    """
    aggregate = kpl.pack([("a", event_json()), ("b", event_json())], "1")
    code = (
        "import importlib, json, sys\n"
        "module, _, name = sys.argv[2].rpartition('.')\n"
        "handler = getattr(importlib.import_module(module), name)\n"
        "print(json.dumps(handler(json.loads(sys.argv[1]), None)))"
    )
    done = subprocess.run(
        [python, "-c", code, json.dumps(kinesis_event(event_json(), aggregate)), handler],
        cwd=task_root,
        env={
            "PYTHONPATH": str(task_root),
            "PYTHONTZPATH": "",
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "TEST_RUN": "True",
            **settings,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


# Its bill of materials

PERMISSIVE = {
    # They ask for no more than that their text and the author's name go with the code.
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "PSF-2.0", "Zlib"),
    "CC0-1.0",  # gives up all rights
    # python-dateutil's classifiers, which say no version; any version is as permissive as those.
    *("Apache Software License", "BSD License"),
}


def test_its_bill_lists_all_that_is_pinned_for_it_and_no_more(built: package.Package) -> None:
    written = json.loads(built.bill.read_text())
    pins = re.findall(
        r"^([\w.-]+)==(\S+)", (REQUIREMENTS / "function.txt").read_text(), re.MULTILINE
    )
    assert [(held["name"], held["version"]) for held in written["components"]] == pins
    assert [held["name"] for held in written["components"] if not held.get("hashes")] == []


def test_its_bill_is_as_cyclonedx_has_it_and_names_the_zip(built: package.Package) -> None:
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415 - takes two seconds

    written = built.bill.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written) is None
    (digest,) = json.loads(written)["metadata"]["component"]["hashes"]
    assert digest["content"] == hashlib.sha256(built.path.read_bytes()).hexdigest()


def test_all_that_it_holds_is_under_a_permissive_licence(built: package.Package) -> None:
    declared = bill_of_materials.licences(built.bill.read_text())
    named = {name for told in declared for name in re.split(r" (?:AND|OR) ", told)}
    assert named <= PERMISSIVE, named - PERMISSIVE


# The container image, as far as it can be made without Docker: its sources, its pins, its settings.

DOCKERFILE = (FUNCTION_SOURCES.parent / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Dockerfile copies and installs, in a folder."""
    task_root = tmp_path_factory.mktemp("task")
    ((pins, _), (sources, _)) = re.findall(r"^COPY (\S+) (\S+)$", DOCKERFILE, re.MULTILINE)
    command: list[str | Path] = [
        *(UV, "pip", "install", "--quiet", "--python", RUNTIME_PYTHON, "--target", task_root),
        *("--no-deps", "--require-hashes", "--requirement", ROOT / pins),
    ]
    subprocess.run(command, check=True)
    shutil.copytree(ROOT / sources, task_root / "ride_scoring")
    return task_root


def image_settings(**settings: str) -> dict[str, str]:
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    return dict(pair.split("=", 1) for pair in block.replace("\\\n", " ").split()) | settings


@pytest.mark.parametrize("way", ["compiled", "sklearn", "pyfunc"])
def test_the_image_reads_a_model_in_each_of_three_ways(
    image: Path, tmp_path: Path, way: str
) -> None:
    write(compiled_directory(2.0), tmp_path)
    if way != "compiled":
        (tmp_path / compiled.FILE).unlink()
    if way == "pyfunc":  # code of its own is what MLflow alone reads
        text = (tmp_path / "MLmodel").read_text()
        (tmp_path / "code").mkdir()
        (tmp_path / "MLmodel").write_text(text.replace("sklearn:\n", "sklearn:\n    code: code\n"))
    settings = image_settings(
        MODEL_LOCATION=str(tmp_path), MLFLOW_ALLOW_PICKLE_DESERIALIZATION="true"
    )
    (handler,) = json.loads(re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[0])
    said = invoked(RUNTIME_PYTHON, image, settings, handler)
    minutes = [item["prediction"]["ride_duration"] for item in said["predictions"]]
    assert minutes == pytest.approx([7.32] * 3)
