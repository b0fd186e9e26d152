"""A small writer of charts as SVG: grouped bars, stacked bars, lines; linear or logarithmic."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 860, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 74, 48
_COLOURS = ("#9aa5b1", "#2f6fde", "#17a398", "#e0952b", "#c0455e", "#7a5ac8", "#4d5761")
_FONT = "font-family='system-ui, sans-serif' font-size='12'"
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Axis:
    """From values to heights on the page."""

    label: str
    most: float
    logarithmic: bool = False
    least: float = 0.0
    """Above 0 where the axis is logarithmic."""

    def place(self, value: float) -> float:
        """Share of the height, 0 at the foot; values outside are on the edge."""
        if self.logarithmic:
            span = math.log(self.most) - math.log(self.least)
            share = (math.log(max(value, self.least)) - math.log(self.least)) / span
        else:
            share = (value - self.least) / (self.most - self.least)
        return min(1.0, max(0.0, share))

    def ticks(self) -> list[float]:
        """Round values that are marked."""
        if self.logarithmic:
            low, high = math.floor(math.log10(self.least)), math.ceil(math.log10(self.most))
            powers = [step * 10.0**power for power in range(low, high + 1) for step in (1, 2, 5)]
            return [value for value in powers if self.least <= value <= self.most]
        step = round_step((self.most - self.least) / _TICKS)
        count = math.floor((self.most - self.least) / step + 1e-9)
        return [self.least + number * step for number in range(count + 1)]


@dataclass(frozen=True, slots=True)
class Series:
    """One colour: a value for each group, or for each place on the axis; None leaves a gap."""

    name: str
    values: Sequence[float | None]
    high: Sequence[float | None] = ()
    """Upper ends of whiskers."""
    colour: int | None = None
    """Number of its colour; None: by its place."""


def _colour(series: Series, number: int) -> str:
    return _COLOURS[(number if series.colour is None else series.colour) % len(_COLOURS)]


def round_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))


@dataclass(slots=True)
class Chart:
    """One picture."""

    title: str
    groups: Sequence[str]
    axis: Axis
    bound: tuple[str, float] | None = None
    """A line across, with what it means."""
    foot: str = ""
    _parts: list[str] = field(default_factory=list)

    def bars(self, series: Sequence[Series]) -> str:
        """Groups of bars side by side."""
        return self._drawn(series, self._bars)

    def stack(self, series: Sequence[Series]) -> str:
        """One bar for each group, its parts on top of each other."""
        return self._drawn(series, self._stack)

    def lines(self, series: Sequence[Series]) -> str:
        """A line for each series over the groups."""
        return self._drawn(series, self._lines)

    def _drawn(self, series: Sequence[Series], draw: Callable[[Sequence[Series]], None]) -> str:
        self._parts = []
        self._frame()
        draw(series)
        self._bound_line()
        self._legend(series)
        return "\n".join(
            [
                f"<svg xmlns='http://www.w3.org/2000/svg' width='{_WIDTH}' height='{_HEIGHT}' "
                f"viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' {_FONT}>",
                f"<title>{escape(self.title)}</title>",
                "<rect width='100%' height='100%' fill='#ffffff'/>",
                *self._parts,
                "</svg>\n",
            ]
        )

    def _y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - self.axis.place(value) * (_HEIGHT - _TOP - _BOTTOM)

    def _slot(self) -> float:
        return (_WIDTH - _LEFT - _RIGHT) / len(self.groups)

    def _text(self, x: float, y: float, text: str, anchor: str = "middle", more: str = "") -> None:
        self._parts.append(
            f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='#222b35'{more}>"
            f"{escape(text)}</text>"
        )

    def _line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        self._parts.append(
            f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' {style}/>"
        )

    def _frame(self) -> None:
        self._text(_LEFT, 22, self.title, "start", " font-size='16' font-weight='600'")
        self._text(_LEFT, 62, self.axis.label, "start")
        for value in self.axis.ticks():
            self._line(_LEFT, self._y(value), _WIDTH - _RIGHT, self._y(value), "stroke='#e3e7eb'")
            self._text(_LEFT - 8, self._y(value) + 4, f"{value:g}", "end")
        for number, name in enumerate(self.groups):
            self._text(_LEFT + (number + 0.5) * self._slot(), _HEIGHT - _BOTTOM + 18, name)
        self._text(_WIDTH - _RIGHT, _HEIGHT - 8, self.foot, "end", " font-size='11'")

    def _legend(self, series: Sequence[Series]) -> None:
        x = float(_LEFT)
        for number, each in enumerate(series):
            self._rectangle(x, 34, 11, 11, _colour(each, number), each.name)
            self._text(x + 16, 44, each.name, "start")
            x += 34 + 6.6 * len(each.name)

    def _rectangle(
        self, x: float, y: float, width: float, height: float, colour: str, tip: str
    ) -> None:
        self._parts.append(
            f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}' "
            f"fill='{colour}'><title>{escape(tip)}</title></rect>"
        )

    def _bars(self, series: Sequence[Series]) -> None:
        slot, foot = self._slot(), _HEIGHT - _BOTTOM
        width = slot * 0.8 / len(series)
        for number, each in enumerate(series):
            colour = _colour(each, number)
            for group, value in enumerate(each.values):
                if value is None:
                    continue
                x, y = _LEFT + group * slot + slot * 0.1 + number * width, self._y(value)
                tip = f"{self.groups[group]}, {each.name}: {value:.3g}"
                self._rectangle(x, y, width * 0.92, foot - y, colour, tip)
                high = each.high[group] if each.high else None
                if high is not None:
                    middle = x + width * 0.46
                    self._line(middle, y, middle, self._y(high), "stroke='#222b35'")

    def _stack(self, series: Sequence[Series]) -> None:
        slot = self._slot()
        for group, name in enumerate(self.groups):
            below = 0.0
            for number, each in enumerate(series):
                value = max(0.0, each.values[group] or 0.0)
                low, high = self._y(below), self._y(below + value)
                tip = f"{name}, {each.name}: {value:.3g}"
                colour = _colour(each, number)
                x = _LEFT + (group + 0.25) * slot
                self._rectangle(x, high, slot * 0.5, low - high, colour, tip)
                below += value

    def _lines(self, series: Sequence[Series]) -> None:
        slot = self._slot()
        for number, each in enumerate(series):
            colour = _colour(each, number)
            points = [
                (_LEFT + (group + 0.5) * slot, self._y(value), value)
                for group, value in enumerate(each.values)
                if value is not None
            ]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
            self._parts.append(
                f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>"
            )
            for x, y, value in points:
                self._parts.append(
                    f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.5' fill='{colour}'>"
                    f"<title>{escape(each.name)}: {value:.3g}</title></circle>"
                )

    def _bound_line(self) -> None:
        if self.bound is not None:
            name, value = self.bound
            y = self._y(value)
            style = "stroke='#c0455e' stroke-dasharray='5 4'"
            self._line(_LEFT, y, _WIDTH - _RIGHT, y, style)
            self._text(_WIDTH - _RIGHT - 4, y - 5, name, "end")
