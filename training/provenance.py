"""Of what code and which packages a model was made, and who moves it."""

import getpass
import hashlib
import importlib.metadata
import os
import platform
import socket
import subprocess
from typing import Final

import msgspec

from infra.common.paths import ROOT

UNKNOWN: Final = "unknown"
_MADE_OF: Final = ("infra", "lambda", "stream_sim", "training", "trips", "pyproject.toml")
"""Where the code and the pins lie that a model is made of. What else lies in a checkout, such as a
registry, data and reports, makes no difference to it."""


class Provenance(msgspec.Struct, frozen=True):
    """`git_commit` ends in "-dirty" where code or pins in the checkout differed from the commit, or
    where git could not say, and is "unknown" where git does not know the code. `packages` are the
    installed ones, as pip freezes them."""

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
    # A checkout without a repository of its own may lie in somebody else's.
    known = _git("ls-files", "--error-unmatch", "training/provenance.py")
    commit = _git("rev-parse", "HEAD")
    if not known or not commit:
        return UNKNOWN
    changed = _git("status", "--porcelain", "--untracked-files=all", "--", *_MADE_OF)
    return commit if changed == "" else f"{commit}-dirty"


def _git(*arguments: str) -> str | None:
    """What git says; None where it fails, is missing, or this is no repository."""
    # In a hook, and wherever else somebody sets them, these variables name another repository.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith("GIT_CONFIG")
    }
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the person's own git
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


def _packages() -> tuple[str, ...]:
    installed = {
        f"{distribution.name.lower()}=={distribution.version}"
        for distribution in importlib.metadata.distributions()
    }
    return tuple(sorted(installed))
