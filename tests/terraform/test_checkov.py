"""checkov's rules on all of the HCL: what they find is mended, or has its reason beside it."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.common.paths import LOCALSTACK, TERRAFORM

pytestmark = pytest.mark.thorough


def checked(folder: Path) -> dict[str, Any]:
    """checkov's report. It asks nothing of the network."""
    done = subprocess.run(
        [
            *(LOCALSTACK / "checkov" / "bin" / "checkov", "--directory", folder),
            *("--framework", "terraform", "--skip-download", "--quiet", "--output", "json"),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


def test_no_rule_is_broken_without_a_reason() -> None:
    report = checked(TERRAFORM)
    broken = [
        f"{found['check_id']} {found['resource']}" for found in report["results"]["failed_checks"]
    ]
    assert broken == []
    assert report["summary"]["passed"] > 100


def test_every_rule_that_is_set_aside_has_its_reason_beside_it() -> None:
    lines = [
        line
        for file in TERRAFORM.rglob("*.tf")
        for line in file.read_text().splitlines()
        if "checkov:" in line
    ]
    assert lines
    assert [
        line for line in lines if not re.search(r"# checkov:skip=CKV2?_AWS_\d+:\w.{8,}", line)
    ] == []


def test_a_bucket_that_is_opened_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "bucket"
    shutil.copytree(TERRAFORM / "modules" / "bucket", folder)
    main = folder / "main.tf"
    opened = main.read_text().replace("block_public_acls       = true", "block_public_acls = false")
    main.write_text(opened)
    found = {failed["check_id"] for failed in checked(folder)["results"]["failed_checks"]}
    assert "CKV_AWS_53" in found
