import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from infra.common.console import UserError
from stream_sim.verify.account import Account, Accuracy, Counts, Findings, Survived
from stream_sim.verify.report import html_page
from stream_sim.verify.timeline import LatencyClass, Timeline
from tests import run_findings

HOSTILE = "<script>alert('1')</script> & \"</style>\" {{ 7 * 7 }}"
NOTHING = Account(
    rides=Counts(0, 0, 0, 0, 0, 0, 0),
    reasons={},
    models={},
    faults={},
    accuracy={},
    unanswered=0,
    latency_ms=None,
    rides_per_second=None,
    lost=[],
    unexpected_count=0,
    unexpected=[],
)
PALETTE = re.compile(r"--([\w-]+): (#[0-9a-f]{6})")


class _Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.paths: dict[str, list[str]] = {}
        self.headings: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        found = dict(attrs)
        if tag == "path":
            self.paths.setdefault(found["class"] or "", []).append(found["d"] or "")

    def handle_data(self, data: str) -> None:
        self.text += re.sub(r"\s+", " ", data)
        if self.tags[-1:] in (["h2"], ["h3"]) and data.strip():
            self.headings.append(data)

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


def _rendered(findings: Findings) -> _Page:
    return _Page(html_page.render(findings))


def test_the_report_says_first_that_every_ride_is_accounted_for() -> None:
    text = _rendered(run_findings.findings()).text
    verdict = text.index("All 18,400 rides are accounted for: 18,163 predicted, 237 rejected.")
    assert verdict < text.index("Throughput")
    assert "Of 1,284 rides sent with a fault, all had the expected outcome." in text
    assert "What went wrong" not in text


def test_the_report_says_first_what_went_wrong() -> None:
    text = _rendered(run_findings.with_losses()).text
    assert "Of 18,400 rides, 12 are lost, 3 failed, 3 had an unexpected outcome." in text
    assert "5f3c09ab-0-4011" in text
    assert "5f3c09ab-0-8: rejected as schema, though it had to be predicted" in text
    assert "In doubt: 25 rides." in text
    assert "✗ 3 not" in text


def test_the_report_holds_the_numbers_of_the_account() -> None:
    found = _rendered(run_findings.with_losses())
    for number in (
        "18,400",
        "18,148",
        "237",
        "14",
        "40",
        "25",
        "288",
        "210 ms",
        "1.18 s",
        "1.58 s",
    ):
        assert number in found.text, number
    for number in ("4.31 min", "4.07 min", "-0.05", "+0.12", "11,600", "6,148"):
        assert number in found.text, number


def test_the_report_says_how_the_run_was_configured_and_of_what_versions() -> None:
    text = _rendered(run_findings.findings()).text
    for fact in (
        "5f3c09ab",
        "14 January 2023, 13:31:00 UTC",
        "ride-scoring-rejects",
        "ride-predictions",
    ):
        assert fact in text
    assert "duplicate=0.002, late=0.004" in text
    assert "3.13.9" in text


def test_a_reject_that_no_fault_called_for_is_told_from_those_sent_on_purpose() -> None:
    account = run_findings.account(
        reasons={"out_of_range": 5},
        faults={"zone-0": Survived(2, 2), "broken-meter": Survived(1, 1)},
    )
    html = html_page.render(run_findings.findings(account=account))
    assert "<code>out_of_range</code></th><td>5</td><td>3</td>" in html


def test_what_several_parts_have_in_common_is_said_once() -> None:
    options = run_findings.run().options
    runs = [run_findings.run(part=i, parts=3, options=options | {"offset": i}) for i in (0, 1)]
    text = _rendered(run_findings.findings(runs=runs)).text
    assert "2 of 3 parts" in text
    assert "0; 1" in text
    assert text.count("day:seconds=60") == 1


def test_only_the_first_of_many_lost_rides_are_named() -> None:
    lost = [f"5f3c09ab-0-{number}" for number in range(1_000)]
    rides = msgspec.structs.replace(run_findings.COUNTS, lost=7_000)
    account = run_findings.account(rides=rides, lost=lost)
    text = _rendered(run_findings.findings(account=account)).text
    assert "Lost: 7,000" in text
    assert "5f3c09ab-0-49 " in text
    assert "5f3c09ab-0-50 " not in text


def test_the_same_findings_give_the_same_page() -> None:
    assert html_page.render(run_findings.findings()) == html_page.render(run_findings.findings())


def test_the_page_refers_to_nothing_outside_itself() -> None:
    html = html_page.render(run_findings.with_losses())
    found = _Page(html)
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(found.tags)
    assert not found.values("src") + found.values("href")
    assert not re.search(r"https?:|url\(|@import", html)
    assert "default-src 'none'; style-src 'unsafe-inline'" in found.values("content")


def test_names_that_are_html_are_shown_as_they_are() -> None:
    account = run_findings.account(
        models={HOSTILE: 3},
        accuracy={HOSTILE: Accuracy(3, 0, 1.0, 1.0, 0.0)},
        reasons={HOSTILE: 1},
        faults={HOSTILE: Survived(1, 0)},
        unexpected=[HOSTILE],
        unexpected_count=1,
    )
    run = run_findings.run(
        run=HOSTILE, stream=HOSTILE, options={HOSTILE: [HOSTILE]}, versions={HOSTILE: HOSTILE}
    )
    findings = run_findings.findings(
        account=account, runs=[run], predictions_stream=HOSTILE, rejects_bucket=HOSTILE
    )
    found = _rendered(findings)
    assert "script" not in found.tags
    assert found.text.count(HOSTILE) == 15


def test_every_chart_has_a_title_and_a_description() -> None:
    found = _rendered(run_findings.findings())
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    assert found.values("role").count("img") == 4
    for id_ in found.values("aria-labelledby") + found.values("aria-describedby"):
        assert id_ in ids


def test_a_run_of_nothing_has_no_charts() -> None:
    found = _rendered(run_findings.findings(Timeline(0.0), account=NOTHING))
    assert "No ride was sent." in found.text
    assert "Nothing was sent, and nothing came." in found.text
    assert "Nothing was rejected." in found.text
    assert "path" not in found.tags


def test_a_run_without_predictions_has_a_chart_of_what_was_sent_alone() -> None:
    timeline = Timeline(0.0)
    timeline.count("sent", run_findings.seconds(5))
    rides = Counts(sent=5, predicted=0, rejected=0, failed=0, lost=5, repeated=0, redriven=0)
    account = msgspec.structs.replace(NOTHING, rides=rides, lost=["5f3c09ab-0-0"])
    found = _rendered(run_findings.findings(timeline, account=account))
    assert found.values("role").count("img") == 1
    assert "Nothing was predicted." in found.text


@pytest.mark.parametrize("seconds", [1, 600, 40_000])
def test_charts_stay_within_their_bounds_however_long_a_run_is(seconds: int) -> None:
    found = _rendered(run_findings.findings(run_findings.alike(seconds)))
    for path in (path for paths in found.paths.values() for path in paths):
        assert all(0 <= float(at) <= 100 for at in re.findall(r"-?[\d.]+", path)), path


def test_rates_are_counts_divided_by_the_width_of_their_bins() -> None:
    # Ten rides a second for 4,000 seconds: bins have grown to 8 seconds.
    found = _rendered(run_findings.findings(run_findings.alike(4_000)))
    assert "Rides were sent at up to 10 a second" in found.text
    assert "A step is 8 s." in found.text


def test_a_line_is_broken_where_nothing_was_predicted() -> None:
    whole = _rendered(run_findings.findings()).paths["line c"][1]
    broken = _rendered(run_findings.with_losses()).paths["line c"]
    assert whole.count("M") < max(line.count("M") for line in broken)


def test_latencies_that_lie_far_apart_are_drawn_on_a_logarithmic_axis() -> None:
    near, far = run_findings.alike(10), run_findings.alike(10)
    far.predicted(run_findings.seconds(1) + run_findings.BEGAN_AT, run_findings.seconds(1) + 9_000)
    assert "arrived, on a logarithmic axis" not in _rendered(run_findings.findings(near)).text
    assert "arrived, on a logarithmic axis" in _rendered(run_findings.findings(far)).text


def test_a_distribution_of_many_classes_counts_every_prediction() -> None:
    classes = [LatencyClass(1.04**power, 5) for power in range(440)]
    findings = run_findings.findings(latency_classes=classes)
    [area] = _rendered(findings).paths["area a"]
    heights = [100 - float(y) for y in re.findall(r"([\d.]+)H", area)]
    # Eight classes of 440 in each bar, on an axis that ends at 2 %.
    assert heights == pytest.approx([100 * 8 / 440 / 2 * 100] * len(heights), abs=0.1)
    assert len(heights) == 55


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / html_page.REPORT).mkdir()
    with pytest.raises(UserError, match=r"report\.html cannot be written \(Is a directory\)"):
        html_page.write(tmp_path, run_findings.findings())


def test_the_report_is_written_into_the_folder(tmp_path: Path) -> None:
    path = html_page.write(tmp_path, run_findings.findings())
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == html_page.render(run_findings.findings())


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_what_they_are_drawn_on(scheme: int) -> None:
    html = html_page.render(run_findings.findings())
    colours = dict(PALETTE.findall(html.split(":root {")[1 + scheme].split("}")[0]))
    for ground in (colours["page"], colours["panel"]):
        for line in ("a", "b", "c"):
            assert _contrast(colours[line], ground) >= 3, line
        for text in ("text", "quiet", "good", "bad"):
            assert _contrast(colours[text], ground) >= 4.5, text


def _contrast(one: str, other: str) -> float:
    """The ratio that WCAG 2 defines, 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i:j], 16) / 255 for i, j in pairwise((1, 3, 5, 7))]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
