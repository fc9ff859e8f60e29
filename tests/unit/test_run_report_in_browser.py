"""The report as a browser shows it: headless Chromium, with no network."""

import re
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from stream_sim.verify.account import Accuracy, Findings, Survived
from stream_sim.verify.report import html_page
from tests import run_findings

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LIGHT, DARK = 1, 0
"""What Chromium calls the schemes."""
LONG = "a_name_without_a_place_to_break_" * 10

# A page cannot be narrower than 500 px in a window of Chromium's; in a frame it can.
FRAME = """<!doctype html><title>not loaded</title><script>
function measure(frame) {
  const root = frame.contentDocument.documentElement;
  const charts = [...root.querySelectorAll(".chart svg")].map((chart) => chart.clientHeight);
  document.title = [root.clientWidth, root.scrollWidth, ...charts].join(" ");
}
</script><iframe src="report.html" style="width: WIDTHpx; height: 800px; border: 0"
onload="measure(this)"></iframe>"""

Chromium = Callable[..., subprocess.CompletedProcess[str]]


def _long_names() -> Findings:
    account = run_findings.account(
        models={LONG: 12_345_678},
        accuracy={LONG: Accuracy(12_000_000, 5, 4.3, 2.9, -0.1)},
        reasons={LONG: 12_345_678},
        faults={LONG: Survived(12_345_678, 3)},
        rides=msgspec.structs.replace(run_findings.COUNTS, sent=123_456_789, lost=2),
        lost=[LONG, LONG],
    )
    run = run_findings.run(run=LONG, stream=LONG, options={LONG: [LONG]}, versions={LONG: LONG})
    return run_findings.findings(account=account, runs=[run], rejects_bucket=LONG)


@pytest.fixture
def chromium(tmp_path: Path) -> Chromium:
    """Opens a file, or the report, with further flags; answers when the browser has ended."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")

    def run(*flags: str, file: str = html_page.REPORT) -> subprocess.CompletedProcess[str]:
        command = [
            found,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--enable-logging=stderr",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={tmp_path / 'profile'}",
            *flags,
            (tmp_path / file).as_uri(),
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)

    return run


@pytest.fixture
def report(tmp_path: Path) -> str:
    return html_page.write(tmp_path, run_findings.findings()).read_text(encoding="utf-8")


def _screenshot(chromium: Chromium, path: Path, scheme: int) -> NDArray[np.uint8]:
    """Red, green and blue, shape (height, width, 3)."""
    chromium(
        f"--blink-settings=preferredColorScheme={scheme}",
        "--window-size=1200,1500",
        f"--screenshot={path}",
    )
    rgba = matplotlib.image.imread(path)
    return np.round(rgba[:, :, :3] * 255).astype(np.uint8)


def _colours(html: str, scheme: int) -> dict[str, tuple[int, ...]]:
    """The sheet's variables in a scheme."""
    _, light, dark, *_ = html.split(":root {")
    block, _, _ = (light if scheme == LIGHT else dark).partition("}")
    found = re.findall(r"--([\w-]+): #([0-9a-f]{6})", block)
    return {name: tuple(bytes.fromhex(value)) for name, value in found}


def _pixels(image: NDArray[np.uint8], colour: tuple[int, ...]) -> int:
    return int((image == colour).all(axis=2).sum())


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_page_is_drawn_in_the_scheme_that_the_reader_prefers(
    chromium: Chromium, report: str, tmp_path: Path, scheme: int
) -> None:
    image = _screenshot(chromium, tmp_path / "page.png", scheme)
    colours = _colours(report, scheme)
    assert tuple(image[2, 2]) == colours["page"]
    for name in ("panel", "line", "text", "a", "b", "c", "good"):
        assert _pixels(image, colours[name]) > 50, name
    other = _colours(report, DARK if scheme == LIGHT else LIGHT)
    assert _pixels(image, other["page"]) == 0


def test_the_page_asks_for_nothing(chromium: Chromium, report: str) -> None:
    shown = chromium("--dump-dom")
    assert shown.stdout.count("<path") == report.count("<path")
    assert "CONSOLE" not in shown.stderr


def test_a_page_that_asks_for_something_is_refused_it(
    chromium: Chromium, report: str, tmp_path: Path
) -> None:
    asking = report.replace("</header>", '<img src="http://127.0.0.1:9/x.png"></header>')
    (tmp_path / "asking.html").write_text(asking, encoding="utf-8")
    assert "violates" in chromium("--dump-dom", file="asking.html").stderr


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("found", [run_findings.with_losses, _long_names])
def test_nothing_is_wider_than_the_screen(
    chromium: Chromium, tmp_path: Path, width: int, found: Callable[[], Findings]
) -> None:
    html_page.write(tmp_path, found())
    (tmp_path / "frame.html").write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    dom = chromium("--allow-file-access-from-files", "--dump-dom", file="frame.html").stdout
    [title] = re.findall("<title>(.*?)</title>", dom)
    visible, needed, *charts = map(int, title.split())
    assert visible == needed == width
    assert len(charts) == 4
    assert min(charts) > 150


def test_a_reader_who_prefers_dark_prints_on_white(
    chromium: Chromium, report: str, tmp_path: Path
) -> None:
    path = tmp_path / "page.pdf"
    chromium(f"--blink-settings=preferredColorScheme={DARK}", f"--print-to-pdf={path}")
    pdf = path.read_bytes()
    filled = b" ".join(
        zlib.decompress(stream)
        for stream in re.findall(rb"/FlateDecode.*?stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    )
    light, dark = _colours(report, LIGHT), _colours(report, DARK)
    assert _pdf_colour(light["a"]) in filled
    assert not any(_pdf_colour(dark[name]) in filled for name in ("a", "page", "panel", "text"))
    assert re.search(rb"/MediaBox \[0 0 59[45]\S* 84[12]", pdf), "the paper is not A4"
    assert 2 <= len(re.findall(rb"/Type /Page\b", pdf)) <= 4


def _pdf_colour(colour: tuple[int, ...]) -> bytes:
    """As a page's content names it: parts of 1, four digits, none that say nothing."""
    parts = (f"{channel / 255:.4f}".strip("0").rstrip(".") or "0" for channel in colour)
    return " ".join(parts).encode()
