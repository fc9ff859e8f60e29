"""Which code and packages a model was built from, and who acts on it."""

import getpass
import hashlib
import importlib.metadata
import os
import platform
import socket
import subprocess
from functools import cache
from typing import Final

import msgspec

from infra.common.paths import ROOT

UNKNOWN: Final = "unknown"
_MADE_OF: Final = ("infra", "lambda", "stream_sim", "training", "trips", "pyproject.toml")
"""Paths of the code and pins that affect a model. Anything else in a checkout, such as a registry,
data or reports, does not."""


class Provenance(msgspec.Struct, frozen=True):
    """`git_commit` ends in "-dirty" if code or pins differ from the commit or if git cannot tell,
    and is "unknown" if git does not track the code. `packages` are the installed ones, as from pip
    freeze."""

    git_commit: str
    python: str
    packages: tuple[str, ...]

    @property
    def environment_sha256(self) -> str:
        """Digest of interpreter version and packages; equal for equal environments."""
        return hashlib.sha256("\n".join((self.python, *self.packages)).encode()).hexdigest()


def provenance() -> Provenance:
    return Provenance(_git_commit(), platform.python_version(), _packages())


def person() -> str:
    """The user to record for an action, as user@host."""
    try:
        user = getpass.getuser()
    except OSError:  # in a container the uid may have no user name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _git_commit() -> str:
    # A checkout that is not a repository may lie within another one.
    known = _git("ls-files", "--error-unmatch", "training/provenance.py")
    commit = _git("rev-parse", "HEAD")
    if not known or not commit:
        return UNKNOWN
    changed = _git("status", "--porcelain", "--untracked-files=all", "--", *_MADE_OF)
    return commit if changed == "" else f"{commit}-dirty"


def _git(*arguments: str) -> str | None:
    """Git's output; None if it fails, is not installed, or this is not a repository."""
    # Set within hooks, among others, these variables point to a different repository.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith("GIT_CONFIG")
    }
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the user's own git
            cwd=ROOT,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@cache
def _packages() -> tuple[str, ...]:
    installed = {
        f"{distribution.name.lower()}=={distribution.version}"
        for distribution in importlib.metadata.distributions()
    }
    return tuple(sorted(installed))
