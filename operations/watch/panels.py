"""Panels of the live page, each of which shows its part of a snapshot."""

from collections.abc import Iterable, Sequence
from typing import Final

from rich.text import Text
from textual.app import ComposeResult, RenderResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import DataTable, Label, Sparkline, Static

from operations.watch.city import city
from operations.watch.figures import Figures, Places, Trend
from operations.watch.plain import serving_now
from ride_scoring.domain.events import LAST_ZONE
from ride_scoring.domain.zones import borough_of

_NONE: Final = "-"
_LATELY: Final = "5 minutes"
_IN_ALL: Final = "since the start"


class Strip(Horizontal):
    """The most important figures, side by side."""

    _NAMES = ("in", "out", "backlog", "p50", "rejects", "model")

    def compose(self) -> ComposeResult:
        for name in self._NAMES:
            yield Static(id=name)

    def show(self, figures: Figures) -> None:
        latency = figures.latency_ms
        said = (
            f"{figures.in_per_second:,.0f}/s",
            f"{figures.out_per_second:,.0f}/s",
            f"{figures.backlog:,}",
            f"{latency.p50:,.0f} ms" if latency else _NONE,
            f"{sum(figures.rejects.values()):,}",
            " ".join(serving_now(figures) or (_NONE,)),
        )
        for name, text in zip(self._NAMES, said, strict=True):
            value = Text(f"{text}\n", style="bold", overflow="ellipsis", no_wrap=True)
            self.query_one(f"#{name}", Static).update(value.append(name, style="not bold dim"))


class Curve(Horizontal):
    """A name, a figure and a sparkline."""

    def __init__(self, name: str) -> None:
        super().__init__(id=f"curve-{name}", classes="curve")
        self._label = name

    def compose(self) -> ComposeResult:
        yield Label(self._label)
        yield Sparkline([], summary_function=max)

    def show(self, said: str, values: Sequence[float]) -> None:
        self.query_one(Label).update(f"{self._label:<4}{said}")
        # A sparkline's baseline is its minimum; the extra zero puts it at zero.
        self.query_one(Sparkline).data = [0.0, *values]


class Curves(Vertical):
    """Several curves under one title."""

    def __init__(self, title: str, names: Iterable[str]) -> None:
        super().__init__(*map(Curve, names), classes="panel")
        self.border_title = title
        self.border_subtitle = _LATELY

    def curve(self, name: str) -> Curve:
        return self.query_one(f"#curve-{name}", Curve)


class Rates(Curves):
    """Rides per second, in and out."""

    def __init__(self) -> None:
        super().__init__("rides a second", ("in", "out"))

    def show(self, trend: Trend) -> None:
        self.curve("in").show(f"most {max(trend.taken_in):,}", trend.taken_in)
        self.curve("out").show(f"most {max(trend.predicted):,}", trend.predicted)


class Latencies(Curves):
    """Percentiles of the time from a ride's arrival to that of its prediction."""

    def __init__(self) -> None:
        super().__init__("from arrival to prediction", ("p50", "p95", "p99"))

    def show(self, figures: Figures, trend: Trend) -> None:
        for name in ("p50", "p95", "p99"):
            went = [getattr(slot, name) if slot else 0.0 for slot in trend.latency_ms]
            now = figures.latency_ms
            self.curve(name).show(f"{getattr(now, name):,.0f} ms" if now else _NONE, went)


class City(Widget):
    """The map of pickups, filling the available space."""

    def __init__(self) -> None:
        super().__init__(classes="panel")
        self.border_title = "pickups"
        self._pickups: Sequence[int] = [0] * (LAST_ZONE + 1)

    def show(self, places: Places) -> None:
        rides = sum(places.boroughs.values())
        busiest = next(iter(places.boroughs.items()), None)
        self.border_subtitle = f"{busiest[0]} {busiest[1] / rides:.0%}" if busiest else ""
        self._pickups = places.pickups
        self.refresh()

    def render(self) -> RenderResult:
        return city(self._pickups, self.size.width, self.size.height)


class Rows(DataTable[Text]):
    """A table that is rewritten on every update, with numbers first, so that any truncation is on
    the right."""

    def __init__(self, title: str, since: str, *columns: str) -> None:
        super().__init__(cursor_type="none", zebra_stripes=True, classes="panel")
        self.can_focus = False
        self.border_title = title
        self.border_subtitle = since
        self._names = columns

    def on_mount(self) -> None:
        self.add_columns("rides", *self._names)

    def show(self, rows: Iterable[tuple[int, str] | tuple[int, str, str]]) -> None:
        self.clear()
        for rides, *words in rows:
            self.add_row(Text(f"{rides:,}", justify="right"), *map(Text, words))


class Pairs(Rows):
    """The pairs of zones with the most rides."""

    def __init__(self) -> None:
        super().__init__("busiest pairs", _LATELY, "from", "to")

    def show_places(self, places: Places) -> None:
        self.show(
            (pair.rides, _place(pair.pickup_zone), _place(pair.dropoff_zone))
            for pair in places.busiest
        )


class Boroughs(Rows):
    """Pickups by borough."""

    def __init__(self) -> None:
        super().__init__("boroughs", _LATELY, "from")

    def show_places(self, places: Places) -> None:
        self.show((rides, name) for name, rides in places.boroughs.items())


class Models(Rows):
    """The models that made predictions, most recent first."""

    def __init__(self) -> None:
        super().__init__("models", _IN_ALL, "model", "role")

    def show_figures(self, figures: Figures) -> None:
        self.show(
            (served.predictions, f"{served.model} {served.version}", served.role)
            for served in figures.served
        )


class Rejects(Rows):
    """Rejects by reason, rides that the mapping gave up on, and repeated predictions."""

    def __init__(self) -> None:
        super().__init__("rejects", _IN_ALL, "reason")

    def show_figures(self, figures: Figures) -> None:
        besides = {"(failed)": figures.failed, "(predicted again)": figures.repeated}
        reasons = sorted(figures.rejects.items(), key=lambda item: -item[1])
        self.show((rides, what) for what, rides in [*reasons, *besides.items()] if rides)


def _place(zone: int) -> str:
    return f"{zone:>3} {borough_of(zone)}"
