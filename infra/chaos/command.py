"""`python -m infra chaos`: sends rides while injecting faults; none may be lost."""

import shutil
import subprocess
from typing import Final

import msgspec
from rich.table import Table

from infra import lifecycle
from infra.chaos.faults import Deck
from infra.chaos.killer import Killer
from infra.chaos.moves import Moves
from infra.chaos.proxy import Proxy
from infra.common import console, ports
from infra.common.console import UserError
from infra.common.paths import OUT
from infra.common.steps import Steps
from infra.stack import Stack, StepFailed
from infra.traffic import FAULTS, Account, sending, verified, watched, write_summary

_OUT: Final = OUT / "chaos"
_REPORT: Final = _OUT / "report.html"
RATE: Final = 150
"""Rides per second: what one shard sustains when it is stalled half of the time."""
_VARIABLES: Final = {"timeout_seconds": "10", "retry_attempts": "1"}
"""The shortest timeout allowed, so that functions often time out, and so few retries that batches
are given up on and reach the failure destination."""
_DEADLINE_SECONDS: Final = 120
_MUST_BITE_MINUTES: Final = 10.0
"""Shorter runs may not hit every kind of fault."""
_LONGEST_PAUSE: Final = 1 / 8
"""Longest pause between two model moves, as a share of the run, so that short runs have some too.
"""


class Summary(msgspec.Struct, frozen=True):
    """out/chaos/summary.json. `clean`: every ride has its expected outcome. `given_up`: rides that
    the event source mapping gave up on and that had no outcome before the redrive."""

    minutes: float
    seed: int
    clean: bool
    rides: dict[str, int]
    unexpected: int
    given_up: int
    models: dict[str, int]
    latency_ms: dict[str, float] | None
    kills: int
    timeouts: int
    faults: dict[str, int]
    moves: dict[str, int]
    seconds: dict[str, float]

    def missing(self) -> list[str]:
        """What never happened."""
        happened = {"kills": self.kills, "timeouts": self.timeouts, **self.faults, **self.moves}
        missing = [name for name, count in happened.items() if not count]
        return [*missing, *(["predictions of a second model"] if len(self.models) < 2 else [])]

    def complaint(self) -> str | None:
        """Why the run failed, as a sentence; None if it did not."""
        if not self.clean:
            named_in = console.seen_from_here(_REPORT)
            return f"some rides did not have the expected outcome: {named_in} names them"
        if self.minutes >= _MUST_BITE_MINUTES and (missing := self.missing()):
            return f"chaos caused no {', '.join(missing)}: run it again"
        return None


def chaos(port: int | None, minutes: float, seed: int) -> None:
    """Runs the chaos test. Exit code 1 if a ride is lost, failed or unexpected or, in a run of ten
    minutes or more, if a kind of fault never occurred."""
    port, steps, deck = port or ports.free_port(), Steps(), Deck(seed)
    with (
        Proxy(port, deck) as proxy,
        lifecycle.thrown_away(port, steps, proxy.url, _VARIABLES) as (deployed, model),
    ):
        shutil.rmtree(_OUT, ignore_errors=True)
        pid = deployed.endpoint.localstack_pid
        assert pid is not None  # noqa: S101 - a throwaway stack runs its own LocalStack
        killer, moves = Killer(pid, seed), Moves(deployed, model, seed)
        with steps.step("train again", "a second version trained"):
            moves.train()
        with (
            steps.step("chaos", f"{minutes:g} minutes of rides, and what goes wrong"),
            watched(deployed),
            proxy.biting(),
            killer.killing(),
        ):
            _send(deployed, moves, minutes * 60, seed)
        with steps.step("verify", "rides counted") as step:
            before = _verified_before_redrive(deployed)
            step.line += f", {before.rides['failed']:,} of them given up on"
        with steps.step("redrive", "dead letters sent again, and counted") as step:
            deployed.command("operations", "redrive", "--from", "failures")
            account = verified(deployed, _OUT, _DEADLINE_SECONDS)
            step.line += f": {account.rides['redriven']:,}"
        summary = Summary(
            minutes=minutes,
            seed=seed,
            clean=account.clean,
            rides=account.rides,
            unexpected=account.unexpected_count,
            given_up=before.rides["failed"],
            models=account.models,
            latency_ms=account.latency_ms,
            kills=killer.kills,
            timeouts=killer.timeouts(),
            faults=deck.counts(),
            moves=dict(moves.counts),
            seconds=steps.seconds,
        )
    write_summary(_OUT, summary)
    console.out.print(_table(summary))
    if complaint := summary.complaint():
        raise UserError(complaint)


def _send(deployed: Stack, moves: Moves, seconds: float, seed: int) -> None:
    """Sends rides for that many seconds, moving models meanwhile."""
    asked = ("--duration", f"{seconds:g}", "--rate", str(RATE), "--seed", str(seed))
    with sending(deployed, _OUT, *asked, *FAULTS) as send:
        while send.poll() is None:
            try:
                send.wait(moves.pause(seconds * _LONGEST_PAUSE))
            except subprocess.TimeoutExpired:
                moves.next()


def _verified_before_redrive(deployed: Stack) -> Account:
    """The account before the redrive, with complaints written to a file: `verify` reports batches
    given up on as errors, and as unexpected if the function had predicted them but was killed
    before returning."""
    complaints = _OUT / "before-redrive.txt"
    with complaints.open("wb") as said:
        try:
            return verified(deployed, _OUT, _DEADLINE_SECONDS, errors=said.fileno())
        except StepFailed as error:
            said_in = console.seen_from_here(complaints)
            raise UserError(f"{error}: {said_in} says why") from error


def _table(summary: Summary) -> Table:
    table = Table(title="What became of the rides", show_header=False, title_justify="left")
    table.add_row("minutes", f"{summary.minutes:g}")
    happened = {"kills": summary.kills, "timeouts": summary.timeouts}
    for counts in (
        *(summary.rides, {"unexpected": summary.unexpected, "given up on": summary.given_up}),
        *(summary.models, happened, summary.moves, summary.faults),
    ):
        table.add_section()
        for name, count in counts.items():
            table.add_row(name, f"{count:,}")
    table.caption = str(console.seen_from_here(_REPORT))
    return table
