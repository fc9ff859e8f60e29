"""The cycle as a Prefect flow: steps are tasks with retries; slow ones are cached.

Starts a Prefect server for the duration of a run, unless PREFECT_API_URL names one. `schedule` runs
it repeatedly: trains on the month before the newest, and validates on the newest.
`training.flow_settings` must be applied before this module is imported.
"""

import asyncio
import contextlib
import datetime as dt
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import msgspec
from botocore.exceptions import ConnectionError as AwsUnreachable
from botocore.exceptions import HTTPClientError
from prefect import flow, task
from prefect.cache_policies import INPUTS, NO_CACHE
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import Flow
from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.tasks import Task
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from infra.common import console, ports
from infra.common.console import UserError
from infra.common.paths import OUT
from training import cycle, local_server, tracking
from training.cycle import Cycle, CyclePlan
from training.models.catalogue import kind_of
from training.provenance import provenance
from training.train import TrainedModel
from trips.data.download import Unreachable
from trips.rules import RuleSet

_PAUSES_SECONDS: Final = (10.0, 60.0, 300.0)
_KEPT: Final = dt.timedelta(days=1)
"""A flow rerun after a failure resumes from the cache; next month's starts afresh."""
_TRAINED_BY: Final = (
    *("train", "validate", "name", "rules", "seed", "kind", "hyperparameters"),
    "challenger",
)
"""The fields of a plan that the trained version depends on."""
_NETWORK_TROUBLE: Final = (Unreachable, AwsUnreachable, HTTPClientError)
_Plain = dict[str, Any]
AnyFlow = Flow[..., Any]


def _may_pass(task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Whether a retry can help: only for network errors, not for what a user must fix."""
    error = state.result(raise_on_failure=False)
    if not isinstance(error, _NETWORK_TROUBLE):
        return False
    console.err.print(f"  {task.name} is tried again: {error}", markup=False)
    return True


_RETRIED: Final[_Plain] = {
    "retries": len(_PAUSES_SECONDS),
    "retry_delay_seconds": list(_PAUSES_SECONDS),
    "retry_condition_fn": _may_pass,
}
_ANEW: Final[_Plain] = {**_RETRIED, "cache_policy": NO_CACHE, "persist_result": False}
_CACHED: Final[_Plain] = {
    **_RETRIED,
    "cache_policy": INPUTS - "plan",
    "cache_expiration": _KEPT,
    "result_serializer": "json",
}
"""The plan is not part of the cache key: a rerun with another bucket does not train again."""


@task(**_ANEW)
def fetch_data(source: str) -> str:
    return cycle.fetch_data(source)


@task(**_ANEW)
def validate_data(source: str, rules: RuleSet) -> _Plain:
    return _plain(cycle.validate_data(source, rules))


@task(**_CACHED)
def train_model(plan: _Plain, depends_on: _Plain) -> _Plain:  # noqa: ARG001 - cache key
    return _plain(cycle.train_model(_plan(plan)))


@task(**_CACHED)
def evaluate_model(plan: _Plain, version: str, depends_on: _Plain) -> _Plain:  # noqa: ARG001 - as above
    return _plain(cycle.evaluate_model(_plan(plan), version))


@task(**_ANEW)
def promote_model(plan: _Plain, version: str) -> _Plain:
    return _plain(cycle.promote_model(_plan(plan), version))


@task(**_ANEW)
def publish_model(plan: _Plain) -> _Plain | None:
    published = cycle.publish_model(_plan(plan))
    return None if published is None else _plain(published)


@flow(name="ride-duration")
def life_of_a_version(plan: _Plain) -> _Plain:
    """Runs a plan, given as its fields; returns the fields of its `Cycle`. Fails with the step's
    `UserError`."""
    planned = _plan(plan)
    digests = [fetch_data(source) for source in planned.sources]
    reports = [validate_data(source, planned.rules) for source in planned.sources]
    trained = _trained(plan, digests)
    version, run_id = trained["version"], trained["run_id"]
    measured_by = {"run_id": run_id, "sha256": digests, "seed": planned.seed}
    evaluated = evaluate_model(plan, version, measured_by)
    promotion = promote_model(plan, version)
    published = publish_model(plan) if planned.model_bucket else None
    return {
        "data": reports,
        "trained": trained,
        "evaluated": evaluated,
        "promotion": promotion,
        "published": published,
    }


def _trained(plan: _Plain, digests: list[str]) -> _Plain:
    """The version trained earlier on the same data and code, if registered; else a new one."""
    origin = provenance()
    depends_on = {
        **{field: plan[field] for field in _TRAINED_BY},
        "sha256": digests,
        "registry": tracking.shown(),
        "git_commit": origin.git_commit,
        "environment": origin.environment_sha256,
    }
    trained = train_model(plan, depends_on)
    if not cycle.is_registered(msgspec.convert(trained, TrainedModel)):
        trained = train_model.with_options(refresh_cache=True)(plan, depends_on)
    return trained


def _say_why(flow: AnyFlow, flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - Prefect's
    """Prints why a scheduled run failed; the schedule goes on."""
    error = state.result(raise_on_failure=False)
    if isinstance(error, UserError):
        console.err.print(f"error: {error}", markup=False)
    elif isinstance(error, BaseException):
        traceback.print_exception(error)


@flow(name="ride-duration-monthly", on_failure=[_say_why])
def monthly(name: str, kind: str, alias: str, model_bucket: str | None, seed: int = 0) -> _Plain:
    """The cycle of the newest month that should be published by now."""
    plan = cycle.of_month(cycle.newest_month(), name, kind, alias, model_bucket, seed)
    done = life_of_a_version(_plain(plan))
    console.out.print(str(msgspec.convert(done, Cycle)), markup=False)
    return done


def run(plan: CyclePlan) -> Cycle:
    """Runs the flow once."""
    with _server():
        return msgspec.convert(life_of_a_version(_plain(plan)), Cycle)


def schedule(
    cron: str, name: str, kind: str, alias: str, model_bucket: str | None, seed: int
) -> None:
    """Runs the monthly flow on the schedule `cron`, in UTC, until stopped. Promotions move `alias`.

    Raises `UserError` if `cron` or `kind` is invalid.
    """
    kind_of(kind)
    try:
        CronSchedule(cron=cron)
    except ValidationError as error:
        raise UserError(
            f"--cron {cron!r} is no cron expression: write five fields, such as '0 6 5 * *'"
        ) from error
    with _server() as address:
        runner = _Runner(name=f"{name} {cron}", limit=1)
        runner.add_flow(
            monthly,
            name=f"{name} {cron}",
            cron=cron,
            parameters={
                "name": name,
                "kind": kind,
                "alias": alias,
                "model_bucket": model_bucket,
                "seed": seed,
            },
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        console.err.print(
            f"{name} is trained at {cron!r} (UTC), as {address} shows; Ctrl-C ends it", markup=False
        )
        asyncio.run(_until_stopped(runner))


@contextmanager
def _server() -> Iterator[str]:
    """The server in PREFECT_API_URL, or one of ours. The one that Prefect starts itself does not
    run schedules, and Ctrl-C ends it before us."""
    if named := PREFECT_API_URL.value():
        yield named
        return
    port = ports.free_port()
    address = f"http://{ports.HOST}:{port}"
    options = ["--host", ports.HOST, "--port", str(port)]
    command = [sys.executable, "-m", "prefect", "server", "start", *options]
    log = OUT / "prefect" / "server.log"
    with (
        local_server.running("Prefect's server", command, os.environ, f"{address}/api/health", log),
        temporary_settings({PREFECT_API_URL: f"{address}/api"}),
    ):
        yield address


class _Runner(Runner):
    def handle_sigterm(self, *_: object) -> None:
        """Shuts down as on Ctrl-C; Prefect's own handler sometimes aborts the interpreter."""
        signal.raise_signal(signal.SIGINT)


async def _until_stopped(runner: Runner) -> NoReturn:
    """On a signal, stops without waiting for the current run, as Prefect would."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    serving = asyncio.create_task(runner.start())
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if runner.started:
        await runner.astop()
    elif stopped.is_set():
        serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    raise KeyboardInterrupt


def _plain(found: msgspec.Struct) -> _Plain:
    return dict(msgspec.to_builtins(found))


def _plan(plan: _Plain) -> CyclePlan:
    return msgspec.convert(plan, CyclePlan)
