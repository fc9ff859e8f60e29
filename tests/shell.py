"""A person's shell: commands in, one after the other, what they print out."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from infra.common.paths import ROOT

_DONE = "__done__"


class Shell:
    """One bash in a checkout's root; what a command exports or sources is there for the next."""

    def __init__(self, environment: Mapping[str, str], root: Path = ROOT) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bash.communicate()

    def run(self, command: str) -> str:
        """What the command prints; a command that fails fails the test."""
        code, said = self._run(command)
        assert code == 0, f"{command}\n{said}"
        return said

    def fails(self, command: str) -> str:
        """What a command prints that must fail."""
        code, said = self._run(command)
        assert code != 0, f"{command}\n{said}"
        return said

    def _run(self, command: str) -> tuple[int, str]:
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{command} </dev/null\necho {_DONE} $?\n")
        self._bash.stdin.flush()
        said = ""
        for line in self._bash.stdout:
            before, done, code = line.partition(_DONE)
            said += before
            if done:
                return int(code), said
        raise AssertionError(f"bash ended in {command}\n{said}")


def commands_in(page: str, section: str) -> list[str]:
    """The commands in the `sh` blocks of one section of a page."""
    text = (ROOT / page).read_text()
    (body,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```sh\n(.*?)^```", body, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def readme_commands(section: str) -> list[str]:
    return commands_in("README.md", section)
