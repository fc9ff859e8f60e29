"""Evaluates a registered version on any data, as a child run of its training run."""

from collections.abc import Sequence

import mlflow
import msgspec
from mlflow import MlflowClient

from training import assess, datasets
from training.evaluation.evaluation import Evaluation
from training.registry import versions
from training.registry.loaded import loaded


class EvaluatedVersion(msgspec.Struct, frozen=True):
    """A version and its evaluation; `run_id` is the evaluation's."""

    name: str
    version: str
    run_id: str
    evaluation: Evaluation


def evaluate(
    client: MlflowClient,
    name: str,
    which: str,
    validate: Sequence[str],
    seed: int,
    *,
    unknown_data: bool = False,
) -> EvaluatedVersion:
    """Evaluates the version with that alias or number, as the function would serve it.

    Uses its own validation data unless `validate` names others. Raises `UserError`, also if it may
    have been trained on them, unless `unknown_data` allows that.
    """
    version = versions.chosen(client, name, which)
    with loaded(client, version) as found:
        if validate:
            rules = found.lineage.rules if found.lineage else "function"
            validation = datasets.read_validation(validate, rules)
        else:
            validation = datasets.validation_of(found.require_lineage())
        found.require_unseen(validation, unknown_data=unknown_data)
        assessment = assess.assess(found.fitted, validation, found.seen(validation.trips), seed)
    tags = {"mlflow.parentRunId": str(version.run_id)} if version.run_id else {}
    with mlflow.start_run(run_name=f"evaluate version {version.version}", tags=tags) as run:
        mlflow.log_params({"version": version.version, "validate": validation.data.name})
        assess.log(client, run.info.run_id, assessment)
    return EvaluatedVersion(name, versions.number(version), run.info.run_id, assessment.evaluation)
