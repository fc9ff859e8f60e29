"""A stack's life: brought up, left standing, taken down; one command in a checkout at a time."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from infra import emulator, stack
from infra.common import console
from infra.common.console import UserError
from infra.common.paths import LOCALSTACK, ROOT
from infra.common.processes import Children
from infra.common.steps import Steps
from infra.stack import Endpoint, Stack, TrainedModel
from infra.terraform import find_binary


def up(port: int | None) -> None:
    """Brings a stack up and leaves it standing; one that stands is brought up to date."""
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
    """A context with a stack of its own, taken down at its end unless it is kept."""
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
    """A context with a stack on a LocalStack of its own, with which all that is on it ends.

    Its functions find AWS at `functions_endpoint`. Raises `UserError`.
    """
    for name in ("AWS_ENDPOINT_URL", "MLFLOW_TRACKING_URI"):
        if os.environ.get(name):
            raise UserError(f"{name} is set, and chaos takes none but its own: unset it")
    folder = LOCALSTACK / "chaos"
    with _alone(folder), Children() as children:
        _clear_remains(folder)
        deployed, model = _bring_up(children, folder, port, steps, functions_endpoint, variables)
        yield deployed, model
        stack.close_endpoint(folder, deployed.endpoint)


@contextmanager
def standing_or_brought_up(port: int | None, steps: Steps) -> Iterator[Stack]:
    """A context with the stack that stands, which is left as it is, or else one of its own."""
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
    find_binary()  # say at once that it is missing, not after a minute of other steps
    rides = os.environ.get("RIDES")
    if rides and not Path(ROOT, rides).is_file():
        raise UserError(f"RIDES={rides} is not there: name a parquet file of TLC trip records")
    names = stack.names_given(os.environ)
    endpoint = stack.standing_endpoint(folder)
    if endpoint is None:
        endpoint = stack.open_endpoint(children, folder, port, steps, functions_endpoint)
    else:
        _require_same(endpoint, port)
    # Names given in this shell win over those that the stack was made with.
    endpoint = msgspec.structs.replace(endpoint, settings=endpoint.settings | names)
    deployed = Stack(children, folder, steps, endpoint, variables)
    return deployed, deployed.bring_up(rides)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two commands on one folder would take each other's stack for what a kill left behind."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                "another demo, soak, chaos, up or down runs in this checkout: wait until it is done"
            ) from None
        yield


def _require_same(standing: Endpoint, port: int | None) -> None:
    """Raises `UserError` where another endpoint is asked for than the one that stands."""
    asked = [os.environ.get("AWS_ENDPOINT_URL"), port and f"http://{emulator.HOST}:{port}"]
    for url in filter(None, asked):
        if url != standing.url:
            raise UserError(f"a stack stands at {standing.url}: `make down` before one at {url}")


def _refuse_the_standing_stack() -> None:
    """In a shell that was set up for the standing stack, a demo would deploy over it."""
    given = os.environ.get("AWS_ENDPOINT_URL")
    standing = stack.standing_endpoint(stack.STANDING) if given else None
    if standing is not None and standing.url == given:
        raise UserError(
            f"your stack stands at AWS_ENDPOINT_URL={given}: `make down` first, or unset it for a "
            "demo of its own"
        )


def _clear_remains(folder: Path) -> None:
    """Stops what a demo that was killed may have left, where it is ours."""
    remains = stack.standing_endpoint(folder)
    if remains is not None and remains.localstack_pid is not None:
        stack.close_endpoint(folder, remains)


def _leave_standing(children: Children, deployed: Stack) -> None:
    if deployed.endpoint.localstack_pid is not None:
        children.let_go(deployed.endpoint.localstack_pid)
    environment = console.seen_from_here(deployed.write_environment_file())
    console.out.print(
        f"""
The stack stands at {deployed.endpoint.url}. Try next:
  source {environment} && source .venv/bin/activate
  python -m stream_sim send --count 1000 --rate 200
  python -m stream_sim verify
  terraform -chdir=terraform plan -var-file=envs/local.tfvars
  make down"""
    )
