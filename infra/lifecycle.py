"""The lifecycle of a stack: up, standing, down; one command at a time per checkout."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from infra import stack
from infra.common import console, ports
from infra.common.console import UserError
from infra.common.paths import LOCALSTACK, ROOT
from infra.common.processes import Children
from infra.common.steps import Steps
from infra.stack import Endpoint, Stack, TrainedModel
from infra.terraform import find_binary


def up(port: int | None) -> None:
    """Brings a stack up and leaves it standing; updates one that already stands."""
    with _alone(stack.STANDING), Children() as children:
        standing = _bring_up(children, stack.STANDING, port, Steps())[0]
        _leave_standing(children, standing)


def down() -> None:
    """Takes the standing stack down."""
    with _alone(stack.STANDING), Children() as children:
        endpoint = stack.standing_endpoint(stack.STANDING)
        if endpoint is None:
            shutil.rmtree(stack.STANDING, ignore_errors=True)
            console.err.print("nothing stands")
            return
        Stack(children, stack.STANDING, Steps(), endpoint).destroy()
        stack.close_endpoint(stack.STANDING, endpoint)


@contextmanager
def brought_up(
    port: int | None, steps: Steps, *, keep: bool
) -> Iterator[tuple[Stack, TrainedModel]]:
    """A context with a new stack, taken down at exit unless `keep` is set."""
    folder = stack.STANDING if keep else stack.demo_folder()
    with _alone(folder), Children() as children:
        if not keep:
            _refuse_the_standing_stack()
            _clear_remains(folder)
        deployed, model = _bring_up(children, folder, port, steps)
        yield deployed, model
        if keep:
            _leave_standing(children, deployed)
        else:
            deployed.destroy()
            stack.close_endpoint(folder, deployed.endpoint)


@contextmanager
def thrown_away(
    port: int, steps: Steps, functions_endpoint: str, variables: Mapping[str, str]
) -> Iterator[tuple[Stack, TrainedModel]]:
    """A context with a stack on its own LocalStack, which is stopped at exit with everything on it.

    Its functions reach AWS at `functions_endpoint`. Raises `UserError`.
    """
    for name in ("AWS_ENDPOINT_URL", "MLFLOW_TRACKING_URI"):
        if os.environ.get(name):
            raise UserError(f"{name} is set, but chaos uses only its own: unset it")
    folder = LOCALSTACK / "chaos"
    with _alone(folder), Children() as children:
        _clear_remains(folder)
        deployed, model = _bring_up(children, folder, port, steps, functions_endpoint, variables)
        yield deployed, model
        stack.close_endpoint(folder, deployed.endpoint)


@contextmanager
def standing_or_brought_up(port: int | None, steps: Steps) -> Iterator[Stack]:
    """A context with the standing stack, left as it is, or else with a temporary one."""
    endpoint = stack.standing_endpoint(stack.STANDING)
    if endpoint is None:
        with brought_up(port, steps, keep=False) as (deployed, _):
            yield deployed
    else:
        _require_same(endpoint, port)
        with _alone(stack.STANDING), Children() as children:
            yield Stack(children, stack.STANDING, steps, endpoint)


def _bring_up(
    children: Children,
    folder: Path,
    port: int | None,
    steps: Steps,
    functions_endpoint: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> tuple[Stack, TrainedModel]:
    find_binary()  # fail at once if it is missing, not a minute into the run
    rides = os.environ.get("RIDES")
    if rides and not Path(ROOT, rides).is_file():
        raise UserError(f"RIDES={rides} does not exist: name a parquet file of TLC trip records")
    names = stack.names_given(os.environ)
    endpoint = stack.standing_endpoint(folder)
    if endpoint is None:
        endpoint = stack.open_endpoint(children, folder, port, steps, functions_endpoint)
    else:
        _require_same(endpoint, port)
    # Names set in this shell override those that the stack was created with.
    endpoint = msgspec.structs.replace(endpoint, settings=endpoint.settings | names)
    deployed = Stack(children, folder, steps, endpoint, variables)
    return deployed, deployed.bring_up(rides)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the folder's lock: two commands would take each other's stack for remains of a killed
    run."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                "another demo, soak, chaos, up or down is running in this checkout: "
                "wait until it has finished"
            ) from None
        yield


def _require_same(standing: Endpoint, port: int | None) -> None:
    """Raises `UserError` if a different endpoint than the standing one is requested."""
    asked = [os.environ.get("AWS_ENDPOINT_URL"), port and f"http://{ports.HOST}:{port}"]
    for url in filter(None, asked):
        if url != standing.url:
            raise UserError(
                f"a stack is already running at {standing.url}: run `make down` before "
                f"starting one at {url}"
            )


def _refuse_the_standing_stack() -> None:
    """Guards against a shell set up for the standing stack, where a demo would deploy over it."""
    given = os.environ.get("AWS_ENDPOINT_URL")
    standing = stack.standing_endpoint(stack.STANDING) if given else None
    if standing is not None and standing.url == given:
        raise UserError(
            f"your stack is running at AWS_ENDPOINT_URL={given}: run `make down` first, or "
            "unset it so that the demo starts its own"
        )


def _clear_remains(folder: Path) -> None:
    """Stops what a killed demo may have left, if it is ours."""
    remains = stack.standing_endpoint(folder)
    if remains is not None and remains.localstack_pid is not None:
        stack.close_endpoint(folder, remains)


def _leave_standing(children: Children, deployed: Stack) -> None:
    if deployed.endpoint.localstack_pid is not None:
        children.let_go(deployed.endpoint.localstack_pid)
    environment = console.seen_from_here(deployed.write_environment_file())
    console.out.print(
        f"""
The stack is running at {deployed.endpoint.url}. Try next:
  source {environment} && source .venv/bin/activate
  python -m stream_sim send --count 1000 --rate 200
  python -m stream_sim verify
  terraform -chdir=terraform plan -var-file=envs/local.tfvars
  make down"""
    )
