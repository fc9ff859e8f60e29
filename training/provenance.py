"""Of what code and which packages a model was made, and who moves it."""

import getpass
import hashlib
import importlib.metadata
import os
import platform
import socket
import subprocess

import msgspec

from infra.paths import ROOT

UNKNOWN = "unknown"


class Provenance(msgspec.Struct, frozen=True):
    """`git_commit` ends in "-dirty" where the checkout held changes that are in no commit, and is
    "unknown" outside of one. `packages` are the installed ones, as pip freezes them."""

    git_commit: str
    python: str
    packages: tuple[str, ...]

    @property
    def environment_sha256(self) -> str:
        """One digest for interpreter and packages: the same environment has the same."""
        return hashlib.sha256("\n".join((self.python, *self.packages)).encode()).hexdigest()


def provenance() -> Provenance:
    return Provenance(_git_commit(), platform.python_version(), _packages())


def person() -> str:
    """Who does what is written down."""
    try:
        user = getpass.getuser()
    except OSError:  # a container may run as somebody whom it has no name for
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _git_commit() -> str:
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return UNKNOWN
    return f"{commit}-dirty" if _git("status", "--porcelain") else commit


def _git(*arguments: str) -> str:
    """What git says, and nothing where it is missing or this is no repository."""
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the person's own git
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _packages() -> tuple[str, ...]:
    installed = {
        f"{distribution.name.lower()}=={distribution.version}"
        for distribution in importlib.metadata.distributions()
    }
    return tuple(sorted(installed))
