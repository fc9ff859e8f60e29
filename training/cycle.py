"""The lifecycle of one version: data ▸ validate ▸ train ▸ evaluate ▸ promote ▸ publish.

Each step takes and returns plain data, so that `run` can call them in sequence, and `training.flow`
can make them Prefect tasks.
"""

import datetime as dt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import msgspec
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from infra.common.console import UserError
from infra.common.steps import Steps
from training import datasets, names, tracking
from training.evaluate import EvaluatedVersion, evaluate
from training.models.catalogue import kind_of
from training.promote import Promotion, promote
from training.registry import artifacts, versions
from training.store.bucket import store_bucket
from training.store.pointers import Pointer
from training.store.publish import Published, publish
from training.train import TrainedModel, train
from trips import data
from trips.data.months import Month
from trips.data.report import DataReport
from trips.data.source import open_source
from trips.rules import RuleSet

_PUBLISHED_AFTER_MONTHS = 2
"""TLC publishes a month's trips about two months after its end."""


class CyclePlan(msgspec.Struct, frozen=True):
    """The inputs of one cycle: training and validation data (months, paths or URLs), the registered
    model's name, its kind and the kind's hyperparameters by name, and the store's bucket; without
    one nothing is published."""

    train: tuple[str, ...]
    validate: tuple[str, ...]
    name: str
    kind: str
    hyperparameters: dict[str, Any]
    model_bucket: str | None
    rules: RuleSet = "function"
    seed: int = 0
    margin_minutes: float = 0.0
    champion: str = names.CHAMPION
    challenger: str = names.CHALLENGER

    @property
    def sources(self) -> tuple[str, ...]:
        return (*self.train, *self.validate)


class Cycle(msgspec.Struct, frozen=True):
    """The result of a plan. `published` is None if the store already points to the champion, or no
    bucket is given."""

    data: tuple[DataReport, ...]
    trained: TrainedModel
    evaluated: EvaluatedVersion
    promotion: Promotion
    published: Published | None

    def __str__(self) -> str:
        """A one-sentence summary."""
        version = f"{self.trained.name} version {self.trained.version}"
        alias, reasons = self.promotion.alias, "; ".join(self.promotion.reasons)
        became = f"is {alias}" if self.promotion.promoted else f"is not promoted: {reasons}"
        if self.published is None:
            return f"{version} {became}"
        served = f"version {self.published.version} is published to s3://{self.published.bucket}"
        return f"{version} {became}; {served}"


def of_month(
    validate: str, name: str, kind: str, champion: str, model_bucket: str | None, seed: int
) -> CyclePlan:
    """A plan that trains on the month before and validates on this month. Raises `UserError` for an
    invalid month or kind, or if the freshly trained version would get the serving alias."""
    month = Month.parse(validate)
    plan = CyclePlan(
        train=(str(month.before()),),
        validate=(str(month),),
        name=name,
        kind=kind,
        hyperparameters=msgspec.to_builtins(kind_of(kind).hyperparameters()),
        model_bucket=model_bucket,
        seed=seed,
        champion=champion,
    )
    if plan.challenger == champion:
        raise UserError(
            f"{champion} serves, and what is trained becomes {plan.challenger} first: let another "
            "alias serve"
        )
    return plan


def newest_month(today: dt.date | None = None) -> str:
    """The newest month of green taxi trips that should be published by now."""
    today = today or dt.datetime.now(dt.UTC).date()
    months = today.year * 12 + today.month - 1 - _PUBLISHED_AFTER_MONTHS
    return f"{months // 12}-{months % 12 + 1:02}"


def run(plan: CyclePlan) -> Cycle:
    """Runs all steps. Raises `UserError` if one fails; the effects of earlier steps remain."""
    for source in plan.sources:
        fetch_data(source)
    reports = tuple(validate_data(source, plan.rules) for source in plan.sources)
    trained = train_model(plan)
    evaluated = evaluate_model(plan, trained.version)
    promotion = promote_model(plan, trained.version)
    published = publish_model(plan) if plan.model_bucket else None
    return Cycle(reports, trained, evaluated, promotion, published)


def fetch_data(source: str) -> str:
    """Downloads the data unless present; returns their SHA-256."""
    return open_source(source).sha256


def validate_data(source: str, rules: RuleSet) -> DataReport:
    """Raises `UserError` if too few trips remain after the rules."""
    (report,) = data.read([source], rules).reports
    return report


def train_model(plan: CyclePlan) -> TrainedModel:
    found = datasets.read(plan.train, plan.validate, plan.rules)
    kind = kind_of(plan.kind)
    chosen = msgspec.convert(plan.hyperparameters, kind.hyperparameters)
    return train(found, plan.name, plan.challenger, kind, chosen, plan.seed, Steps())


def is_registered(trained: TrainedModel) -> bool:
    """Whether the registry has this very version, not another with the same number."""
    try:
        found = versions.by_number(tracking.client(), trained.name, trained.version)
    except UserError:
        return False
    return found.run_id == trained.run_id


def evaluate_model(plan: CyclePlan, version: str) -> EvaluatedVersion:
    client = tracking.client()
    return evaluate(client, plan.name, version, plan.validate, plan.seed)


def promote_model(plan: CyclePlan, version: str) -> Promotion:
    """Promotes the version. If it is already champion, returns the promotion that made it so."""
    client = tracking.client()
    champion = versions.find_alias(client, plan.name, plan.champion)
    if champion is not None and versions.number(champion) == version:
        earlier = _last_promotion(champion, plan.champion)
        if earlier is not None:
            return earlier
    return promote(
        *(client, plan.name, version, plan.champion, plan.validate),
        margin_minutes=plan.margin_minutes,
        force=False,
        seed=plan.seed,
        steps=Steps(),
    )


def publish_model(plan: CyclePlan) -> Published | None:
    """Publishes the champion if the store is behind: the last publish may have failed."""
    client, s3, bucket = tracking.client(), boto3.client("s3"), plan.model_bucket or ""
    if not _store_is_behind(
        client, Pointer(store_bucket(s3, bucket), plan.name, plan.champion), plan
    ):
        return None
    return publish(client, s3, bucket, plan.name, plan.champion)


def _store_is_behind(client: MlflowClient, pointer: Pointer, plan: CyclePlan) -> bool:
    champion = versions.find_alias(client, plan.name, plan.champion)
    if champion is None:
        return False
    version, named = versions.number(champion), pointer.named
    if named is None or not named.moves:
        return named is None or named.version != version
    last = named.moves[-1]
    was_taken_back = last.why == "rollback" and last.before == version
    return named.version != version and not was_taken_back


def _last_promotion(version: ModelVersion, alias: str) -> Promotion | None:
    with TemporaryDirectory() as folder:
        names = artifacts.take_files(tracking.client(), version, artifacts.PROMOTIONS, Path(folder))
        files = [(Path(folder) / name).read_bytes() for name in sorted(names)]
    promotions = [msgspec.json.decode(file, type=Promotion) for file in files]
    return next(
        (found for found in reversed(promotions) if found.promoted and found.alias == alias), None
    )
