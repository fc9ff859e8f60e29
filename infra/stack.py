"""The whole system on one endpoint: brought up from nothing and taken down again."""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from infra import emulator, package
from infra.common import console, ports, reaper, surroundings
from infra.common.console import UserError
from infra.common.paths import LOCALSTACK
from infra.common.processes import Children
from infra.common.steps import Steps
from infra.emulator import LocalStack
from infra.package import Architecture
from infra.terraform import Terraform
from ride_scoring.errors import UNREADABLE

STANDING: Final = LOCALSTACK / "stack"
"""State of the stack that `make up` leaves standing."""
_RECORD: Final = "endpoint.json"
_STANDS_ALREADY: Final = re.compile(r"already exists|AlreadyExists|ResourceInUse|AlreadyOwned")
_STOP_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 60.0
"""A busy LocalStack can take long to report that it is healthy."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
NAMES: Final = {"MODEL_NAME": "model_name", "MODEL_ALIAS": "model_alias"}
"""Names that publisher and function must agree on: environment variable to Terraform variable."""


class Endpoint(msgspec.Struct, frozen=True):
    """A stack's endpoint, and the environment that a command needs to work with it.

    `localstack_pid` is None if the endpoint is not ours to stop.
    """

    url: str
    localstack_pid: int | None
    settings: dict[str, str]

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        return surroundings.toward(self.host, base, self.settings, ours=self.is_ours)

    @property
    def host(self) -> str:
        return emulator.host_of(self.url)

    @property
    def is_ours(self) -> bool:
        return self.localstack_pid is not None


class TrainedModel(msgspec.Struct, frozen=True):
    """The fields shown of the output of `training train`."""

    name: str
    version: str
    rmse_minutes: float


class Verdict(msgspec.Struct, frozen=True):
    """RMSE of the champion minus the challenger's."""

    difference_minutes: float


class Promotion(msgspec.Struct, frozen=True):
    """The fields used of the output of `training promote`."""

    promoted: bool
    before: str | None
    verdict: Verdict


class StepFailed(UserError):
    """One of the project's own commands failed; it has already printed why."""

    def __init__(self, module: str, code: int) -> None:
        super().__init__(f"`python -m {module}` ended with exit code {code}")


def open_endpoint(
    children: Children,
    folder: Path,
    port: int | None,
    steps: Steps,
    functions_endpoint: str | None = None,
) -> Endpoint:
    """Uses the endpoint in AWS_ENDPOINT_URL, or starts a LocalStack. Raises `UserError`."""
    registry = {}
    # A separate registry, so the champion in the user's own one does not change.
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        registry["MLFLOW_TRACKING_URI"] = surroundings.sqlite_address(folder / "mlflow.db")
    if given := os.environ.get("AWS_ENDPOINT_URL"):
        if port:
            raise UserError(
                f"PORT={port} is the port of a new LocalStack, but AWS_ENDPOINT_URL="
                f"{console.without_password(given)} names a running one: unset one of them"
            )
        with steps.step("localstack", f"using the endpoint {given}"):
            if not emulator.answers(given):
                raise UserError(
                    f"nothing answers at AWS_ENDPOINT_URL={given}: start it, or unset it"
                )
            folder.mkdir(parents=True, exist_ok=True)
        pid = None
        account = {
            name: value for name, value in emulator.TEST_ACCOUNT.items() if name not in os.environ
        }
        settings = {**account, **registry, "AWS_ENDPOINT_URL": given}
    else:
        localstack = LocalStack(folder, port or ports.free_port(), functions_endpoint)
        with steps.step("localstack", f"LocalStack {emulator.VERSION} on {localstack.endpoint}"):
            pid = localstack.start(children, os.environ)
        settings = {**emulator.OWN_ACCOUNT, **registry, "AWS_ENDPOINT_URL": localstack.endpoint}
    endpoint = Endpoint(settings["AWS_ENDPOINT_URL"], pid, settings)
    _write(folder, endpoint)
    return endpoint


def standing_endpoint(folder: Path) -> Endpoint | None:
    """The endpoint recorded in the folder by an earlier command, if it is still up.

    Raises `UserError` if that cannot be determined: forgetting it would orphan the stack.
    """
    try:
        endpoint = msgspec.json.decode((folder / _RECORD).read_bytes(), type=Endpoint)
    except (FileNotFoundError, *UNREADABLE):
        return None
    if endpoint.localstack_pid is None:
        if not emulator.answers(endpoint.url):
            raise UserError(
                f"the stack at {endpoint.url} does not answer: start the endpoint again, or remove "
                f"{folder} if the stack is gone"
            )
        return endpoint
    # Check both: another program may have taken the pid or the port of a LocalStack that exited.
    deadline = time.monotonic() + _ANSWER_SECONDS
    while reaper.leads_a_group(endpoint.localstack_pid):
        if emulator.healthy(endpoint.url):
            return endpoint
        if time.monotonic() > deadline:
            raise UserError(
                f"process {endpoint.localstack_pid} at {endpoint.url} does not answer: end it, or "
                f"remove {folder} if it is not LocalStack"
            )
        time.sleep(0.2)
    return None


def close_endpoint(folder: Path, endpoint: Endpoint) -> None:
    """Stops LocalStack, if ours, with its functions, and deletes the stack's state."""
    if endpoint.localstack_pid is not None:
        reaper.end({endpoint.localstack_pid}, _STOP_SECONDS)
    shutil.rmtree(folder, ignore_errors=True)


class Stack:
    """One deployment on an endpoint, with its Terraform state in `folder`.

    `variables` are Terraform's, and override the profile's.
    """

    def __init__(
        self,
        children: Children,
        folder: Path,
        steps: Steps,
        endpoint: Endpoint,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._children = children
        self._folder = folder
        self._steps = steps
        self._architecture = local_architecture()
        named = {NAMES[name]: value for name, value in endpoint.settings.items() if name in NAMES}
        self._variables = {"architecture": self._architecture, **named, **(variables or {})}

    def bring_up(self, trip_file: str | None) -> TrainedModel:
        """Trains a model, builds the package, applies Terraform and publishes the model."""
        model = self._champion(self._train(trip_file))
        self._package()
        self._apply()
        with self._steps.step("publish", "model published"):
            self.command("training", "publish", "--json")
        return model

    def destroy(self) -> None:
        """Destroys what Terraform created."""
        with self._steps.step("destroy", "terraform destroy"):
            self._terraform().destroy(self._variables)

    def command(self, module: str, *arguments: str) -> bytes:
        """The output of one of the project's own commands. Raises `StepFailed`."""
        code, said = self.run(module, *arguments)
        if code != 0:
            raise StepFailed(f"{module} {arguments[0]}", code)
        return said

    def run(self, module: str, *arguments: str, errors: int | None = None) -> tuple[int, bytes]:
        """The exit code and output of one of the project's own commands."""
        return self._children.run(
            [sys.executable, "-m", module, *arguments],
            self.endpoint.environment(os.environ),
            errors=errors,
        )

    def start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts one of the project's own commands; its output goes to standard error."""
        command = [sys.executable, "-m", module, *arguments]
        environment = self.endpoint.environment(os.environ)
        return self._children.start(command, environment, output=sys.stderr.fileno())

    def let_go(self, started: subprocess.Popen[bytes]) -> None:
        """Stops tracking a started command that has exited."""
        self._children.let_go(started.pid)

    def write_environment_file(self) -> Path:
        """Writes a file for a shell to source, with everything that the commands and Terraform
        read."""
        path = self._folder / "env"
        variables = {f"TF_VAR_{name}": value for name, value in self._variables.items()}
        settings = {**self.endpoint.settings, **self._terraform().settings, **variables}
        endpoint = self.endpoint
        path.write_text(
            surroundings.sourced(endpoint.host, settings, ours=endpoint.is_ours), encoding="utf-8"
        )
        return path

    def _train(self, trip_file: str | None) -> TrainedModel:
        with self._steps.step("train", "model trained") as step:
            said = self.command("training", "train", "--json", *([trip_file] if trip_file else []))
            model = msgspec.json.decode(said, type=TrainedModel)
            step.line += f": version {model.version}, RMSE {model.rmse_minutes:.2f} minutes"
        return model

    def _champion(self, trained: TrainedModel) -> TrainedModel:
        """The trained model if promoted; otherwise the champion, measured on the same rides."""
        with self._steps.step("promote", "model promoted") as step:
            promotion = self._promote()
            if promotion.promoted:
                return trained
            step.line = f"version {promotion.before} stays: {trained.version} is no better"
        rmse = trained.rmse_minutes + promotion.verdict.difference_minutes
        return TrainedModel(trained.name, str(promotion.before), rmse)

    def _promote(self) -> Promotion:
        """A model that is no better than the champion is not an error here."""
        with tempfile.TemporaryFile() as complaint:
            code, said = self.run("training", "promote", "--json", errors=complaint.fileno())
            promotion = msgspec.json.decode(said, type=Promotion) if said else None
            if promotion is None or not (promotion.promoted or promotion.before):
                complaint.seek(0)
                console.err.print(complaint.read().decode(errors="replace"), markup=False)
                raise StepFailed("training promote", code)
        return promotion

    def _package(self) -> None:
        with self._steps.step("package", f"package for {self._architecture}") as step:
            built = [package.build(each, self._architecture) for each in package.FUNCTIONS]
            size = sum(one.zipped_bytes for one in built)
            how = "built" if any(one.rebuilt for one in built) else "as it was"
            step.line += f": {size / 2**20:.0f} MiB, {how}"

    def _apply(self) -> None:
        with self._steps.step("apply", "terraform apply"):
            terraform = self._terraform()
            terraform.init()
            with _explained(self.endpoint.url):
                terraform.apply(self._variables)
            outputs = terraform.outputs()
        # Use the deployment's names, not our defaults.
        settings = self.endpoint.settings | exported(outputs["environment"])
        self.endpoint = msgspec.structs.replace(self.endpoint, settings=settings)
        _write(self._folder, self.endpoint)

    def _terraform(self) -> Terraform:
        return Terraform(self._children, self._folder, self.endpoint.environment(os.environ))


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Explains who probably owns a deployment that already exists."""
    try:
        yield
    except UserError as error:
        if not _STANDS_ALREADY.search(str(error)):
            raise
        raise UserError(
            f"a deployment of the same name exists at {console.without_password(url)} already, "
            "and was not created from this checkout: run `make down` where it was, or choose "
            f"another name with TF_VAR_name ({error})"
        ) from error


def names_given(environment: Mapping[str, str]) -> dict[str, str]:
    """The names that the user gives a stack through variables. Raises `UserError`."""
    given: dict[str, str] = {}
    for name, variable in NAMES.items():
        values = {environment.get(name, ""), environment.get(f"TF_VAR_{variable}", "")} - {""}
        if len(values) > 1:
            raise UserError(f"{name} and TF_VAR_{variable} differ: unset one")
        if values:
            given[name] = values.pop()
            if not _NAME.fullmatch(given[name]):
                raise UserError(
                    f"{name}={given[name]!r} is not a valid name: use up to 100 letters, digits, "
                    "dots, underscores and hyphens"
                )
    return given


def exported(text: str) -> dict[str, str]:
    """The variables that Terraform's output `environment` exports."""
    words = [word for line in text.splitlines() for word in shlex.split(line)[1:]]
    return dict(word.split("=", 1) for word in words)


def demo_folder() -> Path:
    """State folder of a demo that leaves nothing standing.

    It depends on the endpoint if that is given, so that a demo after a killed one continues with
    what stands there.
    """
    given = os.environ.get("AWS_ENDPOINT_URL")
    return LOCALSTACK / (f"demo-{urlsplit(given).netloc.replace(':', '-')}" if given else "demo")


def local_architecture() -> Architecture:
    """The architecture that functions run on locally."""
    return "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"


def _write(folder: Path, endpoint: Endpoint) -> None:
    unfinished = folder / f"{_RECORD}.part"
    unfinished.write_bytes(msgspec.json.encode(endpoint))
    unfinished.replace(folder / _RECORD)  # atomic, even if we are killed
