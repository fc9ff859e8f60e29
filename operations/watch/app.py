"""Shows snapshots of a deployment on a terminal page, updated every second."""

from collections.abc import Callable
from typing import ClassVar, Final

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Static

from operations.watch.feed import Contact, Sight
from operations.watch.panels import Boroughs, City, Latencies, Models, Pairs, Rates, Rejects, Strip
from operations.watch.plain import silence

REFRESH_SECONDS: Final = 1.0
_DARK: Final = "textual-dark"
_LIGHT: Final = "textual-light"
_BEHIND_MS: Final = 2_000


class WatchApp(App[None]):
    """`look` returns the current snapshot; its exceptions end the app and are kept in `error`."""

    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - as Textual types it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("p", "pause", "pause"),
        Binding("d", "dark", "dark or light"),
    ]
    CSS_PATH = "app.tcss"

    def __init__(
        self, title: str, look: Callable[[], Sight], duration: float | None = None
    ) -> None:
        """Exits after `duration` seconds, if given."""
        super().__init__()
        self.title = title
        self.error: Exception | None = None
        self._look = look
        self._duration = duration
        self._paused = False

    def compose(self) -> ComposeResult:
        with Horizontal(id="head"):
            yield Static(self.title, id="title", markup=False)
            yield Static(id="contact", markup=False)
        yield Strip()
        with Horizontal(id="curves"):
            yield Rates()
            yield Latencies()
        with Horizontal(id="tables"):
            yield City()
            with Vertical(id="places"):
                yield Pairs()
                yield Boroughs()
            with Vertical(id="outcomes"):
                yield Models()
                yield Rejects()
        yield Footer()

    def on_mount(self) -> None:
        self.theme = _DARK
        self.set_interval(REFRESH_SECONDS, self.show)
        if self._duration is not None:
            self.set_timer(self._duration, self.exit)
        self.call_after_refresh(self.show)

    def show(self) -> None:
        """Updates the page, unless it is paused or shutting down."""
        if self._paused or not self.is_running:
            return
        try:
            sight = self._look()
        except Exception as error:  # noqa: BLE001 - reported after the page has closed
            self.error = error
            self.exit()
            return
        self.query_one(Strip).show(sight.figures)
        self.query_one(Rates).show(sight.trend)
        self.query_one(Latencies).show(sight.figures, sight.trend)
        self.query_one(City).show(sight.places)
        self.query_one(Pairs).show_places(sight.places)
        self.query_one(Boroughs).show_places(sight.places)
        self.query_one(Models).show_figures(sight.figures)
        self.query_one(Rejects).show_figures(sight.figures)
        self._say(_state(sight.contact), alarming=sight.contact.silent_seconds is not None)

    def action_pause(self) -> None:
        self._paused = not self._paused
        if self._paused:
            self._say("paused", alarming=False)
        else:
            self.show()

    def action_dark(self) -> None:
        self.theme = _LIGHT if self.theme == _DARK else _DARK

    def _say(self, said: str, *, alarming: bool) -> None:
        contact = self.query_one("#contact", Static)
        contact.update(said)
        contact.set_class(alarming, "alarming")


def _state(contact: Contact) -> str:
    if said := silence(contact):
        return said
    if contact.millis_behind > _BEHIND_MS:
        return f"reading what is {contact.millis_behind / 1000:,.0f} s old"
    return "up to date"
