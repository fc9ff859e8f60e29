import json
import logging
import re
from collections.abc import Mapping
from typing import Any, cast, get_args

import hcl2
import pytest

from infra.common.paths import TERRAFORM
from operations.plan import emitted, measured
from operations.plan.emitted import Emitted, Metric
from ride_scoring.errors import RejectReason
from ride_scoring.scoring import Scorer
from ride_scoring.shadow.scorer import ShadowResult
from ride_scoring.telemetry import Telemetry
from tests.factories import NOW, FakeModels, FakeRejects, FakeSink, event_json, records


class Context:
    """What a batch's telemetry asks of Lambda's context."""

    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    function_name = "ride-function"
    function_version = "12"
    memory_limit_in_mb = "1024"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:ride-function:live"


def blobs_of_a_batch(capsys: pytest.CaptureFixture[str]) -> list[Mapping[str, Any]]:
    """The metrics that the function itself prints for a batch with good and bad rides."""
    batch = records(event_json(), b"no json", event_json(PULocationID=999), b"\xff")
    scorer = Scorer(FakeModels(), FakeSink(), FakeRejects(), writing_seconds=7.0, now=lambda: NOW)
    result = scorer.score(batch, lambda: 60.0)
    telemetry = Telemetry("ride_scoring")
    telemetry.model_loaded("compiled", 12.0, swapped=False)
    telemetry.model_refused()
    telemetry.batch(batch, result, ShadowResult(1), 3.0, cast("Any", Context()))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [blob for blob in map(json.loads, lines) if "_aws" in blob]


def metrics(blobs: list[Mapping[str, Any]]) -> set[Metric]:
    return {
        Metric(
            directive["Namespace"],
            metric["Name"],
            tuple(sorted((name, str(blob[name])) for name in names)),
        )
        for blob in blobs
        for directive in blob["_aws"]["CloudWatchMetrics"]
        for names in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


def test_every_metric_that_the_function_emits_is_counted_and_no_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counted = emitted.measure(shadow=True)
    seen = metrics(blobs_of_a_batch(capsys))
    reasons = {metric for metric in seen if metric.name == "RejectsByReason"}
    assert {dict(metric.dimensions)["reason"] for metric in reasons} == {
        "not_json",
        "not_utf8",
        "out_of_range",
    }
    assert seen - reasons == counted.metrics
    assert reasons < counted.reject_metrics
    assert {dict(metric.dimensions)["reason"] for metric in counted.reject_metrics} == set(
        get_args(RejectReason)
    )


def test_alarms_look_at_as_many_metrics_as_are_priced() -> None:
    """An alarm on an expression is paid for by each metric in it."""
    module = TERRAFORM / "modules" / "observability"
    alarms = hcl2.loads((module / "alarms.tf").read_text())["locals"][0]
    metrics = sum(len(alarm["metrics"]) for alarm in alarms["ratio_alarms"].values())
    silence = (module / "silence.tf").read_text()
    single = len(alarms["simple_alarms"]) + silence.count('"aws_cloudwatch_metric_alarm"')
    assumed = measured.read().assumed
    assert assumed.alarm_metrics == single + metrics
    assert assumed.composite_alarms == silence.count('"aws_cloudwatch_composite_alarm"')
    assert assumed.canary_alarm_metrics == len(canary_metrics())


def canary_metrics() -> list[str]:
    """What the canary's alarms look at."""
    text = (TERRAFORM / "modules" / "observability" / "canary.tf").read_text()
    return re.findall(r'metric = "(\w+)"', text)


def test_a_shadow_adds_its_metrics() -> None:
    added = emitted.measure(shadow=True).metrics - emitted.measure(shadow=False).metrics
    assert {metric.name for metric in added} == {"ShadowPredictions", "ShadowFailures"}


def test_a_second_version_doubles_the_metrics_that_name_one() -> None:
    for_all = Metric("N", "Records", (("service", "s"),))
    for_one = Metric("N", "Records", (("function_version", "12"), ("service", "s")))
    found = Emitted(frozenset([for_all, for_one]), frozenset(), 0, 0)
    assert found.billed_metrics(rejects=True, versions=1) == 2
    assert found.billed_metrics(rejects=True, versions=2) == 3


def test_a_batch_writes_a_line_and_its_metrics() -> None:
    found = emitted.measure(shadow=False)
    assert 800 < found.batch_bytes < 3_000
    assert 150 < found.reason_bytes < 600


def test_measuring_says_nothing_and_leaves_logging_as_it_was(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Telemetry("ride_scoring")
    before = [getattr(h, "stream", None) for h in logging.getLogger("ride_scoring").handlers]
    emitted.measure(shadow=True)
    after = [getattr(h, "stream", None) for h in logging.getLogger("ride_scoring").handlers]
    assert capsys.readouterr().out == ""
    assert before == after
