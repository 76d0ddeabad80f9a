"""A chart: its place for marks, its axes, and the marks that several charts share. All of it is SVG.

Coordinates are in units of a pixel at the width that the chart was drawn for; the page scales it to the room
that there is. Charts as wide as the page are drawn twice, for a wide screen and for a phone, so that their
text is readable on both. Colours are classes, because the page has them for light and for dark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from search.reporting.charts.scales import Bands, Scale, Tick, category
from search.reporting.html import Content, Html, joined, number, tag
from studies.sections.distributions import Value

WIDE, HALF = 920, 440
"""Widths that charts are drawn for: that of the page, and of a phone or of two beside each other."""

LETTER = 6.6
"""About what a letter of an axis takes, in pixels."""

RECALL = "recall: part of the positive rows that is predicted so"
PRECISION = "precision: part of the rows predicted positive that is"

CROWDS = ((2000, "swarm"), (400, "many"))
"""With more dots than this in one element, they get a class that makes them smaller."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A trial in a chart, at values of its axes, and moved by parts of them where others lie there too."""

    x: Value
    y: Value
    trial: int
    aside: float = 0.0
    upward: float = 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """The place for marks of one chart.

    Attributes:
        x, y: the axes.
        width, height: of the whole.
        left, right, top, bottom: room around the marks.
    """

    x: Scale
    y: Scale
    width: int = HALF
    height: int = 250
    left: int = 44
    right: int = 10
    top: int = 24
    bottom: int = 38

    def across(self, value: Value) -> float:
        """Pixels from the left."""
        return self.left + self.x.part(value) * self.inner_width

    def down(self, value: Value) -> float:
        """Pixels from the top."""
        return self.top + (1 - self.y.part(value)) * self.inner_height

    @property
    def inner_width(self) -> int:
        """Pixels that the marks have across."""
        return self.width - self.left - self.right

    @property
    def inner_height(self) -> int:
        """Pixels that the marks have from top to bottom."""
        return self.height - self.top - self.bottom

    def axes(self, x_label: str = "", y_label: str = "", *, grid: bool = True) -> Html:
        """Grid lines, labels, and what the axes are of: ``y_label`` stands over its axis."""
        most_x = max(2, self.inner_width // 70)
        right, floor = self.width - self.right, self.height - self.bottom
        across = [(self.left + tick.part * self.inner_width, tick.label) for tick in self.x.ticks(most_x)]
        down = [
            (self.top + (1 - tick.part) * self.inner_height, tick.label)
            for tick in self.y.ticks(max(2, self.inner_height // 40))
        ]
        return joined(
            (line(self.left, y, right, y, "grid") for y, _ in down) if grid else None,
            line(self.left, floor, right, floor, "axis"),
            (text(self.left - 7, y + 4, label, "tick end") for y, label in down),
            self._labels_below(across, floor + 17),
            text(self.left + self.inner_width / 2, self.height - 4, x_label, "label mid")
            if x_label
            else None,
            text(0, 9, y_label, "label") if y_label else None,
        )

    def _labels_below(self, across: Sequence[tuple[float, str]], y: float) -> Html:
        """Leaning, where they would run into each other."""
        room = self.inner_width / max(1, len(across))
        leaning = any(len(label) * LETTER > room for _, label in across)
        if not leaning:
            return joined(text(x, y, label, "tick mid") for x, label in across)
        return joined(
            text(x + 4, y - 4, label, "tick end", transform=f"rotate(-35 {number(x + 4)} {number(y - 4)})")
            for x, label in across
        )

    def svg(self, *marks: Content, says: str) -> Html:
        """The chart; ``says`` is what is read to who can't see it."""
        return svg(self.width, self.height, *marks, says=says)

    def dots(self, found: Iterable[Dot], kind: str) -> Html | None:
        """Trials as dots, all in one element, which is what makes ten thousand of them bearable.

        The script of the page finds the trial that is pointed at by ``data-t``.
        """
        dots = list(found)
        if not dots:
            return None
        path = "".join(f"M{self._place(dot)}h0" for dot in dots)
        crowd = next((name for most, name in CROWDS if len(dots) > most), "")
        trials = " ".join(str(dot.trial) for dot in dots)
        return tag("path", class_=f"dots {kind} {crowd}".rstrip(), d=path, data_t=trials)

    def _place(self, dot: Dot) -> str:
        across = self.across(dot.x) + dot.aside * self.inner_width
        return f"{number(across)} {number(self.down(dot.y) - dot.upward * self.inner_height)}"

    def steps(self, points: Sequence[tuple[Value, Value]], kind: str) -> Html | None:
        """A line that stays at a value until the next, as the best so far does, and on to the right end."""
        if not points:
            return None
        (x, y), *rest = points
        path = f"M{number(self.across(x))} {number(self.down(y))}"
        path += "".join(f"H{number(self.across(x))}V{number(self.down(y))}" for x, y in rest)
        return tag("path", class_=f"line {kind}", d=f"{path}H{self.width - self.right}")

    def curve(
        self, points: Sequence[tuple[Value, Value]], kind: str, trial: int | None = None
    ) -> Html | None:
        """Straight lines from point to point; of one trial, where ``trial`` says which."""
        if not points:
            return None
        places = " ".join(f"{number(self.across(x))},{number(self.down(y))}" for x, y in points)
        return tag(
            "polyline", class_=f"line {kind}", points=places, data_t=None if trial is None else str(trial)
        )


def room_below(scale: Scale) -> int:
    """Pixels for the labels of a chart of half the page's width: more, where categories' names lean."""
    if not isinstance(scale, Bands):
        return 24
    longest = max((len(category(value)) for value in scale.values), default=0)
    crowded = longest * LETTER > (HALF - 54) / max(1, len(scale.values))
    return 16 + round(longest * 4.2) if crowded else 24


def svg(width: float, height: float, *marks: Content, says: str) -> Html:
    """A drawing; ``says`` is what is read to who can't see it."""
    size = f"0 0 {number(width)} {number(height)}"
    return tag(
        "svg", *marks, viewBox=size, role="img", aria_label=says, style=f"max-width:{number(width * 1.1)}px"
    )


def text(x: float, y: float, content: str, kind: str, *, transform: str | None = None) -> Html:
    """Words in a drawing."""
    return tag("text", content, x=x, y=y, class_=kind, transform=transform)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def uprights(ticks: Iterable[Tick], across: tuple[float, float], down: tuple[float, float]) -> Iterator[Html]:
    """Grid lines at the ticks of a level axis, and their labels beneath.

    Args:
        ticks: of the axis.
        across: where it begins, and how long it is.
        down: where the lines begin and end.
    """
    for tick in ticks:
        x = across[0] + tick.part * across[1]
        yield line(x, down[0], x, down[1], "grid")
        yield text(x, down[1] + 17, tick.label, "tick mid")


def box(x: float, y: float, width: float, height: float, kind: str, says: str = "") -> Html:
    """A rectangle; ``says`` is shown to who points at it."""
    shown = tag("title", says) if says else None
    return tag("rect", shown, x=x, y=y, width=max(0.0, width), height=max(0.0, height), class_=kind)


def on_every_screen(draw: Callable[[int], Html]) -> Html:
    """A chart as wide as the page, drawn for a wide screen and for a phone."""
    return joined(tag("div", draw(WIDE), class_="on-wide"), tag("div", draw(HALF), class_="on-narrow"))


def legend(*entries: tuple[str, str]) -> Html:
    """What colours stand for: (class, words)."""
    return tag(
        "div",
        (tag("span", tag("i", class_=f"key {kind}"), words) for kind, words in entries),
        class_="legend",
    )
