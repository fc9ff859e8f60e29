"""Promotes a challenger to champion, or says why not."""

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

import msgspec
import numpy as np
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from infra.common.console import UserError
from infra.common.steps import Steps
from training import answers, datasets
from training.datasets import Validation
from training.dry_run import dry_run
from training.evaluation import metrics
from training.evaluation.comparison import Verdict, compare
from training.registry import artifacts, versions
from training.registry.loaded import LoadedVersion, loaded


class Promotion(msgspec.Struct, frozen=True):
    """The outcome of a promotion. `before` is the champion that the challenger was compared with;
    None if there was none, and the best constant was used instead. Promoted if there are no
    `reasons`, or if forced."""

    name: str
    alias: str
    version: str
    before: str | None
    promoted: bool
    forced: bool
    validated_on: str
    verdict: Verdict
    parity: str
    reasons: list[str]
    unknown_data: bool = False
    """Whether it was allowed that either was trained on the rides that they were compared on."""


def promote(
    client: MlflowClient,
    name: str,
    which: str,
    alias: str,
    validate: Sequence[str],
    *,
    margin_minutes: float,
    force: bool,
    seed: int,
    unknown_data: bool = False,
    steps: Steps,
) -> Promotion:
    """Moves the alias if the challenger is better overall, worse on no slice, and fit to serve.

    `which` is the challenger's alias or number. Uses the challenger's validation data unless
    `validate` names others. Raises `UserError` if the two cannot be compared, if either may have
    been trained on these and `unknown_data` does not allow that, or if the alias has moved since.
    """
    version = versions.chosen(client, name, which)
    champion = versions.find_alias(client, name, alias)
    if champion is not None and versions.number(champion) == versions.number(version):
        raise UserError(
            f"version {version.version} is {alias} already: train another, or name another with "
            "--alias or --version"
        )
    with ExitStack() as stack:
        with steps.step("load", f"version {version.version} compiled"):
            challenger = stack.enter_context(loaded(client, version))
        validation = _validation(challenger, validate, unknown_data=unknown_data)
        before, faults = _champion_minutes(
            client, champion, validation, force=force, unknown_data=unknown_data
        )
        verdict = _verdict(challenger, before, validation, margin_minutes, seed, steps)
        reasons = [*faults, *verdict.reasons, *_unfit(client, challenger, steps)]
        parity = challenger.directory.parity
    promotion = Promotion(
        name=name,
        alias=alias,
        version=versions.number(version),
        before=versions.number(champion) if champion else None,
        promoted=force or not reasons,
        forced=force and bool(reasons),
        validated_on=validation.data.name,
        verdict=verdict,
        parity=parity,
        reasons=reasons,
        unknown_data=unknown_data,
    )
    if promotion.promoted:
        why: versions.Why = "forced" if promotion.forced else "promote"
        versions.move_alias_from(client, champion, version, alias, why, note(promotion))
    _keep(client, version, promotion)
    return promotion


def _validation(
    challenger: LoadedVersion, validate: Sequence[str], *, unknown_data: bool
) -> Validation:
    """Applies the function's rules, whatever the challenger's: it serves such rides."""
    lineage = None if validate else challenger.require_lineage()
    if lineage is not None and lineage.rules == "function":
        validation = datasets.validation_of(lineage)
    else:
        names = validate or [report.source for report in (lineage.validate if lineage else ())]
        if not names:
            raise UserError(
                f"version {challenger.version.version} was trained by the course's rules, and held "
                "out rides that the function rejects: name data with --validate"
            )
        validation = datasets.read_validation(names, "function")
    challenger.require_unseen(validation, unknown_data=unknown_data)
    return validation


def _champion_minutes(
    client: MlflowClient,
    champion: ModelVersion | None,
    validation: Validation,
    *,
    force: bool,
    unknown_data: bool,
) -> tuple[metrics.Minutes, list[str]]:
    """The champion's minutes, shape (n,), or those of the best constant; and any problems."""
    minutes = validation.trips.duration_minutes
    constant = np.full(len(minutes), minutes.mean())
    if champion is None:
        return constant, []
    try:
        with loaded(client, champion) as serving:
            serving.require_unseen(validation, unknown_data=unknown_data)
            return serving.fitted.minutes(validation.trips), []
    except UserError as error:
        if force:
            return constant, [f"it was compared with the best constant alone: {error}"]
        raise UserError(f"{error}; or promote with --force") from error


def _verdict(
    challenger: LoadedVersion,
    before: metrics.Minutes,
    validation: Validation,
    margin_minutes: float,
    seed: int,
    steps: Steps,
) -> Verdict:
    trips = validation.trips
    with steps.step("compare", f"compared on {len(trips):,} rides") as step:
        verdict = compare(
            trips,
            before,
            challenger.fitted.minutes(trips),
            challenger.seen(trips),
            seed,
            margin_minutes,
        )
        step.line += f": RMSE {_gain(verdict)}"
    return verdict


def _unfit(client: MlflowClient, challenger: LoadedVersion, steps: Steps) -> list[str]:
    """Why the function could not serve it."""
    with steps.step("dry run", "dry run of the function on the golden rows"):
        version, directory = challenger.version, challenger.directory.path
        if artifacts.carries(client, version, artifacts.GOLDEN_ROWS):
            rows = artifacts.golden_rows(version)
        else:
            rows = answers.golden_rows(directory, answers.drawn(), constant=True)
        fault = dry_run(directory, rows)
    uncompiled = f"it is not compiled: {challenger.directory.parity}"
    return [
        *([] if challenger.directory.compiled else [uncompiled]),
        *([] if fault is None else [fault]),
    ]


def _gain(verdict: Verdict) -> str:
    minutes = verdict.difference_minutes
    return f"{abs(minutes):.3f} minutes {'lower' if minutes >= 0 else 'higher'}"


def note(promotion: Promotion) -> str:
    """The reason for the move, for people to read."""
    against = f"version {promotion.before}" if promotion.before else "the best constant"
    gain = _gain(promotion.verdict)
    said = f"its RMSE is {gain} than that of {against}, on {promotion.validated_on}"
    if promotion.unknown_data:
        said += ", which either may have been trained on"
    return f"forced though {'; '.join(promotion.reasons)}; {said}" if promotion.forced else said


def _keep(client: MlflowClient, version: ModelVersion, promotion: Promotion) -> None:
    """Stores the promotion with the version, whatever its outcome."""
    if not version.run_id:  # registered from files alone: the alias's own history tells of it
        return
    name = f"{artifacts.PROMOTIONS}/{datetime.now(UTC):%Y%m%dT%H%M%S.%f}.json"
    client.log_dict(str(version.run_id), msgspec.to_builtins(promotion), name)
