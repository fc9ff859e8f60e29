"""A checkout in a folder whose name nobody who writes scripts thinks of."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.common.paths import BUILD, LOCALSTACK, ROOT

STRANGE: Final = "it's (R&D) ü"
_AUTHOR: Final = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.com")
_ENVIRONMENTS: Final = (
    *(".uv", ".venv"),
    *(".localstack/venv", ".localstack/runtime", ".localstack/checkov"),
)


def strange_checkout(folder: Path) -> Path:
    """What git knows of this checkout, in a repository of its own, with nothing that is in no
    commit; environments and packages are this one's."""
    root = folder / STRANGE
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
    (root / LOCALSTACK.name).mkdir()
    for name in _ENVIRONMENTS:
        (root / name).symlink_to(ROOT / name)
    shutil.copytree(BUILD, root / BUILD.name, ignore=shutil.ignore_patterns(".lock"))
    for arguments in (["init"], ["add", "--all"], ["commit", "--message", "a clone"]):
        subprocess.run(["git", *_AUTHOR, *arguments], cwd=root, capture_output=True, check=True)
    return root


def sources_of(root: Path) -> Mapping[str, str]:
    """What lets the environments of this checkout run the sources of another."""
    folders = (root, root / "lambda", root / "infra" / "localstack")
    return {"PYTHONPATH": ":".join(map(str, folders))}
