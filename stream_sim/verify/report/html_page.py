"""Writes `report.html`: one file that needs no network and runs no script."""

from pathlib import Path
from typing import Final

import jinja2

from infra.common.console import UserError
from stream_sim.verify.account import Findings
from stream_sim.verify.report import charts, words

REPORT: Final = "report.html"
_MOST_NAMED: Final = 50


def write(folder: Path, findings: Findings) -> Path:
    """Write the page into the folder, and return its path. Raises `UserError`."""
    path = folder / REPORT
    try:
        path.write_text(render(findings), encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}): free some space, or make it writable"
        ) from None
    return path


def render(findings: Findings) -> str:
    """The page; the same findings give the same text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = "{:,}".format
    environment.filters["milliseconds"] = words.milliseconds
    environment.filters["number"] = words.number
    account, moments = findings.account, findings.moments
    return environment.get_template("report.html.jinja").render(
        findings=findings,
        account=account,
        verdict=words.verdict(account),
        notes=list(words.notes(account)),
        rejects=[
            (reason, came, words.called_for(account, reason))
            for reason, came in account.reasons.items()
        ],
        began_at=words.began_at(findings.runs),
        verified_at=words.moment(findings.verified_at),
        options=words.options(findings.runs),
        versions=words.versions(findings.runs),
        most_named=_MOST_NAMED,
        throughput=charts.throughput(moments),
        latency_over_time=charts.latency_over_time(moments),
        latency_distribution=charts.latency_distribution(
            findings.latency_classes, account.latency_ms
        ),
        error_over_time=charts.error_over_time(moments),
    )
