"""What verifying a made-up run comes to: a day in a minute, with a burst and faults."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import numpy as np

from stream_sim.ledger import Run
from stream_sim.verify.account import Account, Accuracy, Counts, Findings, Latency, Survived
from stream_sim.verify.timeline import Floats, Timeline

BEGAN_AT: Final = 1_673_703_060.0
MODEL: Final = "ride-duration 3"

COUNTS: Final = Counts(
    sent=18_400, predicted=18_163, rejected=237, failed=0, lost=0, repeated=14, redriven=0
)


def run(**changes: Any) -> Run:
    first = Run(
        run="5f3c09ab",
        part=0,
        parts=1,
        began_at=BEGAN_AT,
        stream="ride-events",
        options={
            "stream": "ride-events",
            "duration": 60.0,
            "rate": 300.0,
            "shapes": ["day:seconds=60", "burst:at=37,times=5,seconds=3"],
            "faults": ["duplicate=0.002", "late=0.004", "huge=0.001", "aggregated=0.05"],
            "malformed": 0.012,
            "aggregate": False,
            "trips": None,
            "drifts": [],
            "seed": 7,
        },
        versions={"stream_sim": "0.1.0", "Python": "3.13.9", "boto3": "1.44.5", "git": "6f4abb9"},
    )
    return msgspec.structs.replace(first, **changes)


def account(**changes: Any) -> Account:
    whole = Account(
        rides=COUNTS,
        reasons={"kpl_damaged": 31, "not_json": 74, "out_of_range": 96, "schema": 36},
        models={MODEL: 18_163},
        faults={
            "aggregated": Survived(920, 920),
            "broken-meter": Survived(44, 44),
            "cut-off": Survived(74, 74),
            "damaged-kpl": Survived(31, 31),
            "duplicate": Survived(37, 37),
            "huge": Survived(18, 18),
            "late": Survived(73, 73),
            "no-distance": Survived(36, 36),
            "zone-0": Survived(51, 51),
        },
        accuracy={MODEL: Accuracy(17_600, 563, 4.314, 2.871, -0.052)},
        unanswered=0,
        latency_ms=Latency(210.0, 1_180.0, 1_580.0),
        rides_per_second=288.4,
        lost=[],
        unexpected_count=0,
        unexpected=[],
    )
    return msgspec.structs.replace(whole, **changes)


def findings(timeline: Timeline | None = None, **changes: Any) -> Findings:
    """Of `a_day_in_a_minute` unless another timeline is given."""
    timeline = timeline or a_day_in_a_minute()
    found = Findings(
        runs=[run()],
        predictions_stream="ride-predictions",
        rejects_bucket="ride-scoring-rejects",
        verified_at=datetime(2023, 1, 14, 13, 33, 5, tzinfo=UTC),
        account=account(latency_ms=_latency(timeline)),
        moments=timeline.moments(),
        latency_classes=timeline.latency_classes(),
    )
    return msgspec.structs.replace(found, **changes)


def with_losses() -> Findings:
    """Rides lost, failed and unexpected; two models; seconds in which nothing came."""
    lost = [f"5f3c09ab-0-{number}" for number in range(4_000, 4_012)]
    wrong = [
        f"5f3c09ab-0-{n}: rejected as schema, though it had to be predicted" for n in (7, 8, 9)
    ]
    faults = {"late": Survived(73, 70), "duplicate": Survived(37, 37)}
    changed = account(
        rides=msgspec.structs.replace(COUNTS, lost=12, predicted=18_148, failed=3, redriven=40),
        models={MODEL: 12_000, "ride-duration 4": 6_148},
        accuracy={
            MODEL: Accuracy(11_600, 400, 4.314, 2.871, -0.052),
            "ride-duration 4": Accuracy(6_000, 148, 4.071, 2.703, 0.118),
        },
        faults=faults,
        unanswered=25,
        lost=lost,
        unexpected_count=3,
        unexpected=wrong,
    )
    return findings(a_day_in_a_minute(silent=range(44, 52)), account=changed)


def seconds(count: int) -> Floats:
    """0, 1, 2 and so on."""
    return np.arange(count, dtype=np.float64)


def alike(count: int) -> Timeline:
    """So many seconds of ten rides each, all alike."""
    timeline = Timeline(BEGAN_AT)
    at = BEGAN_AT + np.repeat(seconds(count), 10)
    timeline.count("sent", at)
    timeline.predicted(at, np.full(len(at), 180.0))
    timeline.erred(at, np.full(len(at), 4.0))
    return timeline


def a_day_in_a_minute(silent: range = range(0)) -> Timeline:
    """Night, two peaks, and a burst that latency has to come down from. Nothing comes while the
    second is `silent`."""
    rng = np.random.default_rng(7)
    timeline = Timeline(BEGAN_AT)
    backlog = 0.0
    for second in range(60):
        sent = int(_rate(second))
        backlog = max(0.0, backlog + sent - 420)
        at = BEGAN_AT + second + rng.random(sent)
        waited = 170 * rng.lognormal(0.0, 0.35, sent) + 1_000 * backlog / 420 * rng.random(sent)
        came = at + waited / 1_000
        heard = ~np.isin((came - BEGAN_AT).astype(int), list(silent))
        timeline.count("sent", at)
        _count_outcomes(timeline, came[heard], waited[heard], rng)
    return timeline


def _latency(timeline: Timeline) -> Latency | None:
    p50, p95, p99 = (timeline.percentile(percent) for percent in (50, 95, 99))
    return None if p50 is None or p95 is None or p99 is None else Latency(p50, p95, p99)


def _rate(second: int) -> float:
    hour = second * 24 / 60
    peaks = sum(
        np.exp(-(((hour - peak) / width) ** 2)) for peak, width in ((8.5, 2.0), (18.5, 3.2))
    )
    return float((40 + 420 * peaks) * (5 if 37 <= second < 40 else 1))


def _count_outcomes(
    timeline: Timeline, came: Floats, waited: Floats, rng: np.random.Generator
) -> None:
    scored = rng.random(len(came)) > 0.013
    timeline.predicted(came[scored], waited[scored])
    timeline.erred(came[scored], rng.normal(0.0, 4.3, int(scored.sum())))
    timeline.count("rejected", came[~scored])
