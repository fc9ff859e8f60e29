"""Runs Terraform (or OpenTofu) on a folder of HCL."""

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from packaging.version import InvalidVersion, Version

from infra.common import surroundings
from infra.common.console import UserError, err
from infra.common.paths import LOCALSTACK, TERRAFORM
from infra.common.processes import Children

MIRROR_VARIABLE: Final = "TERRAFORM_PROVIDER_MIRROR"
_DATA: Final = LOCALSTACK / "terraform"
"""Caches the provider between runs."""
_REGISTRY_FOLDER: Final = "registry.terraform.io"
_SEARCH_DEPTH: Final = 6
_NEVER_SEARCHED: Final = {
    *("proc", "sys", "dev", "node_modules", ".terraform", ".localstack"),
    "tmp",  # world-writable, and the provider found would be executed
}


class Terraform:
    """Terraform with its own state in `folder`, in the given environment.

    `configuration` is the folder of HCL, `profile` the name of a values file in its envs/, if any,
    `data` Terraform's data directory for this configuration.
    """

    def __init__(
        self,
        children: Children,
        folder: Path,
        environment: Mapping[str, str],
        *,
        configuration: Path = TERRAFORM,
        profile: str | None = "local",
        data: Path = _DATA,
    ) -> None:
        self._children = children
        self._binary = find_binary()
        self._configuration = configuration
        self._profile = profile
        self.state = folder / "terraform.tfstate"
        # Relative to where Terraform runs, so the checkout's path, which may contain anything, is
        # in no argument.
        state = shlex.quote(
            f"-state={os.path.relpath(self.state.resolve(), configuration.resolve())}"
        )
        self.settings = {
            "TF_DATA_DIR": str(data),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "TF_REGISTRY_DISCOVERY_RETRY": "0",
            "TF_CLI_ARGS_apply": f"{state} -backup=-",
            "TF_CLI_ARGS_destroy": f"{state} -backup=-",
            "TF_CLI_ARGS_plan": state,
            "TF_CLI_ARGS_output": state,
        }
        # Terraform would warn about a missing file on every command.
        if (file := environment.get("TF_CLI_CONFIG_FILE")) and not Path(file).exists():
            self.settings["TF_CLI_CONFIG_FILE"] = str(_write_config(""))
        self._environment = {
            "GOGC": "400",  # a quarter less CPU for a tenth more memory, where unset
            **surroundings.for_terraform(environment),
            **self.settings,
        }

    def check(self) -> None:
        """Checks that the HCL is formatted and valid. Raises `UserError`."""
        code, said = self.run("fmt", "-check", "-recursive", "-no-color")
        if code != 0:
            raise UserError(f"HCL is not formatted, run `make format`: {_one_line(said)}")
        self.init()
        code, said = self.run("validate", "-no-color")
        if code != 0:
            raise UserError(f"terraform validate failed: {_one_line(said)}")

    def init(self) -> None:
        """Installs the provider: the cached one, the registry's, or one from a mirror on disk."""
        code, said = self.run("init", "-no-color")
        if code != 0 and "registry" in said:
            mirror = find_mirror(self._environment)
            if mirror is None:
                raise UserError(
                    "Terraform's registry cannot be reached, and no unpacked provider mirror was "
                    f"found on the disk: connect to the internet once, or name a mirror in "
                    f"{MIRROR_VARIABLE} (terraform said: {_one_line(said)})"
                )
            err.print(f"  Terraform's registry cannot be reached: the provider comes from {mirror}")
            self._environment["TF_CLI_CONFIG_FILE"] = str(
                _write_config(f"filesystem_mirror {{\n    path = {json.dumps(str(mirror))}\n  }}")
            )
            code, said = self.run("init", "-no-color")
        if code != 0:
            raise UserError(f"terraform init failed: {_one_line(said)}")

    def apply(self, variables: Mapping[str, str]) -> None:
        self._run_json("apply", variables)

    def destroy(self, variables: Mapping[str, str]) -> None:
        self._run_json("destroy", variables)

    def values(self, variables: Mapping[str, str]) -> list[str]:
        """Flags for the profile's values and the variables, which override them."""
        profile = [] if self._profile is None else [f"-var-file=envs/{self._profile}.tfvars"]
        return [*profile, *(f"-var={name}={value}" for name, value in variables.items())]

    def outputs(self) -> dict[str, Any]:
        code, said = self.run("output", "-json", "-no-color")
        if code != 0:
            raise UserError(f"terraform output failed: {_one_line(said)}")
        return {name: output["value"] for name, output in json.loads(said).items()}

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of a Terraform command."""
        child = self._start(*arguments)
        said, _ = child.communicate()
        self._children.let_go(child.pid)
        return child.returncode, said.decode(errors="replace")

    def _run_json(self, verb: str, variables: Mapping[str, str]) -> None:
        """Applies or destroys. Raises `UserError` with Terraform's own diagnostics."""
        child = self._start(verb, "-auto-approve", "-json", *self.values(variables))
        said, _ = child.communicate()
        self._children.let_go(child.pid)
        if child.returncode != 0:
            raise UserError(f"terraform {verb} failed: {'; '.join(_diagnostics(said))}")

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self._children.start(
            [self._binary, f"-chdir={self._configuration}", *arguments],
            self._environment,
            output=subprocess.PIPE,
            errors=subprocess.STDOUT,
        )


def find_mirror(environment: Mapping[str, str]) -> Path | None:
    """The parent of an unpacked `registry.terraform.io` that has the AWS provider for this system.

    If the variable names a folder, only that is considered; otherwise the disk is searched.
    """
    if named := environment.get(MIRROR_VARIABLE):
        folder = Path(named).expanduser()
        folder = folder.parent if folder.name == _REGISTRY_FOLDER else folder
        if not _holds_provider(folder):
            raise UserError(
                f"{MIRROR_VARIABLE} names {named}, which holds no AWS provider from 5.100 to "
                f"below 7 for {_system()} in {_REGISTRY_FOLDER}/hashicorp/aws"
            )
        return folder
    return next((folder for folder in _mirrors(Path("/")) if _holds_provider(folder)), None)


def _mirrors(root: Path) -> Iterator[Path]:
    """Folders containing a `registry.terraform.io`, on the root's device, breadth first."""
    device = root.stat().st_dev
    level = [root]
    for _ in range(_SEARCH_DEPTH):
        deeper: list[Path] = []
        for folder in level:
            for child in _folders(folder, device):
                if child.name == _REGISTRY_FOLDER:
                    yield folder
                elif child.name not in _NEVER_SEARCHED:
                    deeper.append(child)
        level = deeper


def _folders(folder: Path, device: int) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if entry.is_dir(follow_symlinks=False)
                and entry.stat(follow_symlinks=False).st_dev == device
            ]
    except OSError:
        return []  # not readable


def _holds_provider(folder: Path) -> bool:
    provider = folder / _REGISTRY_FOLDER / "hashicorp" / "aws"
    found = provider.glob(f"*/{_system()}/terraform-provider-aws*")
    return any(_fits(file.parent.parent.name) and _may_be_run(file) for file in found)


def _fits(version: str) -> bool:
    """Whether terraform/versions.tf accepts this version."""
    try:
        return Version("5.100") <= Version(version) < Version("7")
    except InvalidVersion:
        return False


def _may_be_run(file: Path) -> bool:
    """Whether the file is executable, and writable only by root or us."""
    status = file.stat()
    ours = status.st_uid in {0, os.getuid()}
    return status.st_size > 0 and os.access(file, os.X_OK) and ours and not status.st_mode & 0o022


def _system() -> str:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{sys.platform}_{machine}"


def _write_config(installation: str) -> Path:
    path = _DATA / "terraform.rc"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f"provider_installation {{\n  {installation or 'direct {}'}\n}}\n"
    path.write_text(text, encoding="utf-8")
    return path


def find_binary() -> str:
    """Terraform's path, or OpenTofu's. Raises `UserError`."""
    for name in ("terraform", "tofu"):
        if found := shutil.which(name):
            return found
    raise UserError(
        "terraform is not on PATH: install Terraform 1.10 or later (or OpenTofu), then try again"
    )


def _diagnostics(said: bytes) -> list[str]:
    """The errors in Terraform's machine-readable output."""
    sentences = []
    for line in said.splitlines():
        try:
            entry: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        diagnostic = entry.get("diagnostic", {})
        if diagnostic.get("severity") == "error":
            sentences.append(_one_line(diagnostic.get("detail") or diagnostic["summary"]))
    return sentences or [_one_line(said.decode(errors="replace"))]


def _one_line(text: str) -> str:
    """The text without Terraform's box drawing and line breaks."""
    return re.sub(r"[\s│╷╵]+", " ", text).strip()
