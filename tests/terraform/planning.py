"""A configuration planned against an account: variables in, the planned values or a refusal out."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from moto.server import ThreadedMotoServer

from infra import emulator, terraform
from infra.common import ports
from infra.common.paths import TERRAFORM
from infra.common.processes import Children
from infra.terraform import Terraform

PACKAGE: Final = TERRAFORM / "tests" / "fixtures" / "package.zip"
"""Stands for the function's zip: a plan reads its digest alone."""


class Refusal(NamedTuple):
    """How a plan ended, and what it said in one line."""

    code: int
    said: str


class Planned:
    """The values that a plan would give to resources, by their addresses, and to outputs."""

    def __init__(self, shown: Mapping[str, Any]) -> None:
        self.resources = dict(_resources(shown["planned_values"]["root_module"]))
        outputs = shown["planned_values"].get("outputs", {})
        self.outputs = {name: told.get("value") for name, told in outputs.items()}
        self._calls = shown["configuration"]["root_module"].get("module_calls", {})

    def value(self, address: str, path: str) -> Any:
        """One argument, as `ephemeral_storage.0.size`; None where it does not exist."""
        found: Any = self.resources.get(address, {})
        for part in path.split("."):
            try:
                found = found[int(part) if isinstance(found, list) else part]
            except (LookupError, ValueError):
                return None
        return found

    def mentions(self, module: str, argument: str) -> list[str]:
        """What an argument of a module's call is made from."""
        return list(self._calls[module]["expressions"][argument]["references"])


@contextmanager
def initialised(
    folder: Path,
    environment: Mapping[str, str],
    *,
    configuration: Path = TERRAFORM,
    profile: str | None = None,
    data: Path | None = None,
) -> Iterator[Terraform]:
    """Terraform on the configuration, its state in `folder`, and there what it installs, or where
    another has installed it already.
    """
    with Children() as children:
        made = Terraform(
            children,
            folder,
            environment,
            configuration=configuration,
            profile=profile,
            data=data or folder / "data",
        )
        if data is None:
            made.init()
        yield made


@contextmanager
def empty_account() -> Iterator[dict[str, str]]:
    """moto, as the environment that leads to it and to no other account."""
    server = ThreadedMotoServer(ip_address=ports.HOST, port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    try:
        yield {**ours, **emulator.TEST_ACCOUNT, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    finally:
        server.stop()


def plan(runs: Terraform, folder: Path, variables: Mapping[str, Any]) -> Planned:
    file = folder / "plan"
    code, said = _plan(runs, folder, variables, f"-out={file}")
    assert code == 0, said[said.find("Error:") :]
    code, said = runs.run("show", "-json", str(file))
    assert code == 0, said
    return Planned(json.loads(said))


def refused(runs: Terraform, folder: Path, variables: Mapping[str, Any]) -> Refusal:
    code, said = _plan(runs, folder, variables)
    return Refusal(code, terraform._one_line(said))


def names_of_variables() -> list[str]:
    """The variables that terraform/ takes."""
    declared = (TERRAFORM / "variables.tf").read_text()
    return re.findall(r'^variable "(\w+)"', declared, flags=re.MULTILINE)


def _plan(
    runs: Terraform, folder: Path, variables: Mapping[str, Any], *flags: str
) -> tuple[int, str]:
    file = folder / "variables.tfvars.json"  # `-var` has no null
    file.write_text(json.dumps(variables, default=str))
    return runs.run("plan", "-no-color", *flags, *runs.values({}), f"-var-file={file}")


def _resources(module: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in module.get("resources", []):
        if entry["mode"] == "managed":
            yield entry["address"], entry.get("values", {})  # none where all is yet to be known
    for child in module.get("child_modules", []):
        yield from _resources(child)
