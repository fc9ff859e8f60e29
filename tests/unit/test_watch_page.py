"""The live page, driven by Textual's pilot, on a board that is fed by hand."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING

import pytest
from textual.pilot import Pilot

from infra.common.console import UserError
from operations.watch.app import WatchApp
from operations.watch.board import Board
from operations.watch.city import city
from operations.watch.feed import Contact, Sight
from ride_scoring.domain.events import LAST_ZONE, Prediction, Ride, RideDuration
from ride_scoring.streams.records import Reject

if TYPE_CHECKING:
    from ride_scoring.identity import Role

BEGAN = datetime(2023, 1, 14, 12, 0, tzinfo=UTC)
NOW = BEGAN + timedelta(seconds=61)
SIZES = [(80, 24), (120, 40)]


class Deployment:
    """What a page looks at: a minute of 20 rides a second, nine of ten predicted."""

    def __init__(self) -> None:
        self.board = Board(BEGAN)
        self.contact = Contact(None, None, 0)
        self.error: Exception | None = None
        for number in range(1_200):
            self.ride(number, BEGAN + timedelta(seconds=number / 20))

    def ride(self, number: int, at: datetime) -> None:
        ride = Ride(74, 75 + number % 2, 1.0)
        event_id = f"s:{number}"
        self.board.took_in(at, ride)
        if number % 10 == 0:
            self.board.rejected(Reject(event_id, "not_json", "", "", "key", at, at))
            return
        later = at + timedelta(milliseconds=200)
        roles: list[tuple[Role, str]] = [("champion", "3"), ("shadow", "4")]
        for role, version in roles:
            minutes = RideDuration(1.0, number)
            names = ("ride-duration", version, minutes, event_id, "run", role)
            self.board.predicted(later, Prediction(*names, ride, at, later))

    def look(self) -> Sight:
        if self.error:
            raise self.error
        board = self.board
        return Sight(board.figures(NOW, 10), board.trend(NOW), board.places(NOW), self.contact)


def shown(app: WatchApp) -> str:
    """The page's text, line by line."""
    texts = re.findall(r"<text[^>]*y=\"([\d.]+)\"[^>]*>(.*?)</text>", app.export_screenshot())
    lines: dict[str, str] = {}
    for y, text in texts:
        lines[y] = lines.get(y, "") + unescape(text).replace("\xa0", " ")
    return "\n".join(lines.values())


def drive(
    deployment: Deployment,
    script: Callable[[WatchApp, Pilot[None]], Awaitable[None]],
    size: tuple[int, int] = (120, 40),
) -> WatchApp:
    app = WatchApp("ride-events ▸ ride-predictions", deployment.look)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            app.show()
            await pilot.pause()
            await script(app, pilot)

    asyncio.run(run())
    return app


@pytest.mark.parametrize("size", SIZES)
def test_the_page_shows_what_the_board_holds(size: tuple[int, int]) -> None:
    async def script(app: WatchApp, _: Pilot[None]) -> None:
        page = shown(app)
        for text in (
            *("ride-events", "ride-predictions", "up to date"),
            *("20/s", "18/s", "backlog", "ride-duration 3"),
            *("p50", "p95", "p99", "200 ms", "most 20"),
            *("busiest pairs", " 74 Manhattan", " 75 ", "Manhattan 100%"),
            *("1,080", "120", "not_json"),
            *("quit", "pause"),
        ):
            assert text in page, page

    drive(Deployment(), script, size)


def test_the_wide_page_has_boroughs_and_roles() -> None:
    async def script(app: WatchApp, pilot: Pilot[None]) -> None:
        assert "boroughs" in shown(app)
        assert "shadow" in shown(app)
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "boroughs" not in shown(app)
        assert "busiest pairs" in shown(app)

    drive(Deployment(), script)


def test_a_page_on_nothing() -> None:
    deployment = Deployment()
    deployment.board = Board(NOW)

    async def script(app: WatchApp, _: Pilot[None]) -> None:
        assert "0/s" in shown(app)
        assert "pickups" in shown(app)

    drive(deployment, script)


def test_a_page_that_is_paused_stands_still() -> None:
    deployment = Deployment()

    async def script(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press("p")
        assert "paused" in shown(app)
        for number in range(2_000, 2_900):
            deployment.ride(number, NOW - timedelta(seconds=3))
        app.show()
        await pilot.pause()
        assert "1,890" not in shown(app)
        await pilot.press("p")
        await pilot.pause()
        assert "1,890" in shown(app)
        assert "up to date" in shown(app)

    drive(deployment, script)


def test_a_look_that_comes_when_the_page_is_gone_is_not_shown() -> None:
    async def script(_app: WatchApp, _pilot: Pilot[None]) -> None: ...

    drive(Deployment(), script).show()


def test_the_page_can_be_light() -> None:
    async def script(app: WatchApp, pilot: Pilot[None]) -> None:
        assert app.current_theme.dark
        await pilot.press("d")
        assert not app.current_theme.dark
        await pilot.press("d")
        assert app.current_theme.dark

    drive(Deployment(), script)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_a_key_ends_the_page(key: str) -> None:
    async def script(app: WatchApp, pilot: Pilot[None]) -> None:
        await pilot.press(key)
        await pilot.pause()
        assert app._exit

    assert drive(Deployment(), script).return_code == 0


def test_an_endpoint_that_is_away_is_said_and_so_is_what_is_late() -> None:
    deployment = Deployment()

    async def script(app: WatchApp, pilot: Pilot[None]) -> None:
        for contact, said in (
            (
                Contact(12.2, "Could not connect [to it]", 0),
                "no response for 12 s (Could not connect",
            ),
            (Contact(None, None, 9_400), "reading what is 9 s old"),
            (Contact(None, None, 100), "up to date"),
        ):
            deployment.contact = contact
            app.show()
            await pilot.pause()
            assert said in shown(app)

    drive(deployment, script)


def test_what_ends_the_reading_ends_the_page() -> None:
    deployment = Deployment()

    async def script(app: WatchApp, pilot: Pilot[None]) -> None:
        deployment.error = UserError("the stream 's' does not exist")
        app.show()
        await pilot.pause()

    assert drive(deployment, script).error is deployment.error


@pytest.mark.parametrize(("width", "height"), [(1, 1), (5, 2), (30, 10), (200, 80)])
def test_a_map_has_the_size_that_there_is_room_for(width: int, height: int) -> None:
    drawn = city([0] * (LAST_ZONE + 1), width, height)
    lines = drawn.plain.split("\n")
    assert len(lines) == height
    assert {len(line) for line in lines} == {width}


def test_a_busy_zone_is_brighter_than_a_quiet_one() -> None:
    pickups = [0] * (LAST_ZONE + 1)
    quiet = {span.style for span in city(pickups, 40, 20).spans}
    pickups[132] = 1_000  # the airport, the largest zone
    busy = {span.style for span in city(pickups, 40, 20).spans}
    assert busy - quiet
