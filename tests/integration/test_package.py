"""The zip: the same bytes each time, small enough, and with nothing in it that it needs not."""

import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra import package, stack
from infra.paths import FUNCTION_SOURCES, ROOT, RUNTIME_PYTHON, UV
from ride_scoring import compiled, kpl
from tests.factories import event_json, kinesis_event
from tests.models import compiled_directory, write


@pytest.fixture(scope="module")
def built() -> package.Package:
    return package.build(stack.local_architecture())


def test_it_is_built_again_to_the_same_bytes(
    built: package.Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "BUILD", tmp_path)
    again = package.build(stack.local_architecture())
    assert again.rebuilt
    assert again.sha256 == built.sha256


def test_it_is_not_built_again_while_nothing_changes(built: package.Package) -> None:
    again = package.build(stack.local_architecture())
    assert not again.rebuilt
    assert again.sha256 == built.sha256


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


def invoked(python: Path, task_root: Path, settings: Mapping[str, str]) -> dict[str, Any]:
    """What the function in a folder answers to a plain and an aggregated record, on AWS itself as
    far as it can tell: no endpoint is given, and none is called.
    """
    aggregate = kpl.pack([("a", event_json()), ("b", event_json())], "1")
    code = (
        "import json, sys\n"
        "from ride_scoring import handler\n"
        "print(json.dumps(handler.handler(json.loads(sys.argv[1]), None)))"
    )
    done = subprocess.run(
        [python, "-c", code, json.dumps(kinesis_event(event_json(), aggregate))],
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
    said = invoked(RUNTIME_PYTHON, image, settings)
    minutes = [item["prediction"]["ride_duration"] for item in said["predictions"]]
    assert minutes == pytest.approx([7.32] * 3)


def test_the_image_runs_the_handler() -> None:
    assert 'CMD ["ride_scoring.handler.handler"]' in DOCKERFILE
