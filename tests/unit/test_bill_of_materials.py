"""What is said of the distributions in a folder: a document that CycloneDX's own schema takes."""

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra import bill_of_materials

DIGEST = "ab" * 32
PROJECT = """
[project]
name = "rides"
version = "2.0"
license = "Apache-2.0"

[project.optional-dependencies]
function = ["Some.Reader==1.0", "writer==2.0"]
"""
PINS = f"""\
some-reader==1.0 \\
    --hash=sha256:{"1" * 64} \\
    --hash=sha256:{"2" * 64}
    # via rides (pyproject.toml)
writer==2.0 ; sys_platform == "linux" \\
    --hash=sha256:{"3" * 64}
"""


def install(folder: Path, name: str, version: str, *lines: str) -> None:
    """The metadata of a distribution, as an installer leaves it."""
    held = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    held.mkdir()
    told = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines]
    (held / "METADATA").write_text("\n".join(told) + "\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install(
        tmp_path,
        "Some.Reader",
        "1.0",
        "License-Expression: MIT OR Apache-2.0",
        "Requires-Dist: writer >=1",
        "Requires-Dist: not-in-the-zip",
        "Requires-Dist: third; extra == 'more'",
        "Requires-Dist: third; python_version < '3'",
    )
    install(tmp_path, "writer", "2.0", "License: MIT")
    install(tmp_path, "third", "3.0", "License: MIT")
    return tmp_path


def written(folder: Path, digest: str = DIGEST) -> str:
    return bill_of_materials.document(folder, PINS, "function", PROJECT, digest)


def components(document: str) -> dict[str, Any]:
    return {item["name"]: item for item in json.loads(document)["components"]}


def test_it_is_what_the_schema_takes(folder: Path) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written(folder)) is None


def test_each_distribution_is_named_as_the_index_names_it(folder: Path) -> None:
    found = components(written(folder))
    assert [(name, item["version"], item["purl"]) for name, item in found.items()] == [
        ("some-reader", "1.0", "pkg:pypi/some-reader@1.0"),
        ("third", "3.0", "pkg:pypi/third@3.0"),
        ("writer", "2.0", "pkg:pypi/writer@2.0"),
    ]


def test_each_has_the_digests_that_its_pin_allows(folder: Path) -> None:
    found = components(written(folder))
    digests = {
        name: [(told["alg"], told["content"][0]) for told in item.get("hashes", [])]
        for name, item in found.items()
    }
    assert digests == {
        "some-reader": [("SHA-256", "1"), ("SHA-256", "2")],
        "writer": [("SHA-256", "3")],
        "third": [],
    }


def test_it_is_of_the_function_and_of_that_zip(folder: Path) -> None:
    function = json.loads(written(folder))["metadata"]["component"]
    assert (function["name"], function["version"], function["type"]) == (
        "rides",
        "2.0",
        "application",
    )
    assert function["hashes"] == [{"alg": "SHA-256", "content": DIGEST}]


def test_what_needs_what_leaves_out_extras_and_what_is_not_in_the_zip(folder: Path) -> None:
    edges = json.loads(written(folder))["dependencies"]
    needed = {edge["ref"]: edge.get("dependsOn", []) for edge in edges}
    assert needed == {
        "rides": ["pkg:pypi/some-reader@1.0", "pkg:pypi/writer@2.0"],
        "pkg:pypi/some-reader@1.0": ["pkg:pypi/writer@2.0"],
        "pkg:pypi/writer@2.0": [],
        "pkg:pypi/third@3.0": [],
    }


def test_the_same_zip_is_said_to_be_the_same_and_another_another(folder: Path) -> None:
    assert written(folder) == written(folder)
    serials = {json.loads(written(folder, digest))["serialNumber"] for digest in ("a", "b", "a")}
    assert len(serials) == 2


CLASSIFIER = "Classifier: License :: OSI Approved ::"


@pytest.mark.parametrize(
    ("lines", "licences"),
    [
        (["License-Expression: BSD-3-Clause AND MIT"], ["BSD-3-Clause AND MIT"]),
        (["License-Expression: MIT", "License: Apache 2.0", f"{CLASSIFIER} ISC"], ["MIT"]),
        (["License: mit", f"{CLASSIFIER} MIT No Attribution License (MIT-0)"], ["MIT"]),
        (["License: Apache License 2.0"], ["Apache-2.0"]),
        (["License: 3-Clause BSD License"], ["BSD-3-Clause"]),
        (["License: a\n        whole text", f"{CLASSIFIER} BSD License"], ["BSD License"]),
        (
            ["License: Dual License", f"{CLASSIFIER} BSD License", f"{CLASSIFIER} Zlib"],
            ["BSD License", "Zlib"],
        ),
        (["License: Ours", "Classifier: Topic :: Rides"], ["none"]),
        ([], ["none"]),
    ],
)
def test_the_licence_is_what_says_most_in_the_metadata(
    tmp_path: Path, lines: list[str], licences: list[str]
) -> None:
    install(tmp_path, "writer", "2.0", *lines)
    document = written(tmp_path)
    assert sorted(bill_of_materials.licences(document)) == licences
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document) is None
