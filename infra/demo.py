"""The main job: everything brought up, rides sent and counted, everything taken down again."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.table import Table

from infra import console, emulator, stack
from infra.console import UserError
from infra.paths import LOCALSTACK, OUT, ROOT
from infra.processes import Children
from infra.stack import Endpoint, Stack, StepFailed, TrainedModel
from infra.steps import Steps
from infra.terraform import find_binary

_OUT: Final = OUT / "demo"
_SETUP_SECONDS: Final = LOCALSTACK / "setup-seconds"
"""Written by infra/environments.sh."""
_DEADLINE_SECONDS: Final = 120


class Account(msgspec.Struct, frozen=True):
    """What `python -m stream_sim verify --json` says, as far as it is shown."""

    rides: dict[str, int]
    latency_ms: dict[str, float] | None
    rides_per_second: float | None


class Summary(msgspec.Struct, frozen=True):
    """out/demo/summary.json"""

    rides: dict[str, int]
    latency_ms: dict[str, float] | None
    rides_per_second: float | None
    model: TrainedModel
    seconds: dict[str, float]


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


def demo(port: int | None, *, keep: bool) -> None:
    """Runs the whole; exit code 1 where a ride is lost, failed or unexpected."""
    steps = Steps()
    folder = stack.STANDING if keep else stack.demo_folder()
    with _alone(folder), Children() as children:
        shutil.rmtree(_OUT, ignore_errors=True)
        if not keep:
            _refuse_the_standing_stack()
            _clear_remains(folder)
        deployed, model = _bring_up(children, folder, port, steps)
        with steps.step("stream", "rides sent and counted"):
            deployed.command("stream_sim", "send", "--out", str(_OUT))
            code, said = deployed.run(
                *("stream_sim", "verify", "--out", str(_OUT)),
                *("--deadline", str(_DEADLINE_SECONDS), "--json"),
            )
        if keep:
            _leave_standing(children, deployed)
        else:
            deployed.destroy()
            stack.close_endpoint(folder, deployed.endpoint)
    if not said:
        raise StepFailed("stream_sim verify", code)
    summary = _summary(msgspec.json.decode(said, type=Account), model, steps)
    console.out.print(_table(summary))
    if code != 0:
        raise UserError(f"not every ride came to what it had to: see above and {_written()}")


def _bring_up(
    children: Children, folder: Path, port: int | None, steps: Steps
) -> tuple[Stack, TrainedModel]:
    find_binary()  # say at once that it is missing, not after a minute of other steps
    rides = os.environ.get("RIDES")
    if rides and not Path(ROOT, rides).is_file():
        raise UserError(f"RIDES={rides} is not there: name a parquet file of TLC trip records")
    endpoint = stack.standing_endpoint(folder)
    if endpoint is None:
        endpoint = stack.open_endpoint(children, folder, port, steps)
    else:
        _require_same(endpoint, port)
    deployed = Stack(children, folder, steps, endpoint)
    return deployed, deployed.bring_up(rides)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two commands on one folder would take each other's stack for what a kill left behind."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                "another demo, up or down runs in this checkout: wait until it is done"
            ) from None
        yield


def _require_same(standing: Endpoint, port: int | None) -> None:
    """Raises `UserError` where another endpoint is asked for than the one that stands."""
    asked = os.environ.get("AWS_ENDPOINT_URL") or (port and f"http://{emulator.HOST}:{port}")
    if asked and asked != standing.url:
        raise UserError(f"a stack stands at {standing.url}: `make down` before one at {asked}")


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
    environment = deployed.write_environment_file().relative_to(Path.cwd(), walk_up=True)
    console.out.print(
        f"""
The stack stands at {deployed.endpoint.url}. Try next:
  source {environment} && source .venv/bin/activate
  python -m stream_sim send --count 1000 --rate 200
  python -m stream_sim verify
  terraform -chdir=terraform plan -var-file=envs/local.tfvars
  make down"""
    )


def _summary(account: Account, model: TrainedModel, steps: Steps) -> Summary:
    setup = _setup_seconds()
    summary = Summary(
        rides=account.rides,
        latency_ms=account.latency_ms,
        rides_per_second=account.rides_per_second,
        model=model,
        seconds={"setup": setup, **steps.seconds, "total": round(setup + steps.total(), 1)},
    )
    (_OUT / "summary.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"
    )
    return summary


def _setup_seconds() -> float:
    try:
        return float(_SETUP_SECONDS.read_text())
    except FileNotFoundError:
        return 0.0


def _written() -> Path:
    return (_OUT / "summary.json").relative_to(Path.cwd(), walk_up=True)


def _table(summary: Summary) -> Table:
    table = Table(title="What became of the rides", show_header=False, title_justify="left")
    for name, count in summary.rides.items():
        table.add_row(name, f"{count:,}")
    for name, milliseconds in (summary.latency_ms or {}).items():
        table.add_row(f"latency {name}", f"{milliseconds:,.0f} ms")
    table.add_row("rides per second", f"{summary.rides_per_second or 0:,.0f}")
    model: Any = summary.model
    table.add_row("model", f"{model.name} {model.version}, RMSE {model.rmse_minutes:.2f} minutes")
    table.add_row("seconds", f"{summary.seconds['total']:.0f}")
    table.caption = str(_written())
    return table
