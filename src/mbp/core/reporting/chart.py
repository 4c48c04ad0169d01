"""A line chart as SVG text: what was measured over time, and the target that it is held to.

The picture is complete: colours are given as attributes, so that it is correct as a separate file, and a
page that knows the classes may set others. It has a title and a description for screen readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from jinja2 import Template

from mbp.core.templates import templates

WIDTH, HEIGHT = 360, 132
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 22
# A line along the frame would be invisible: this share of what is shown is left free.
ROOM = 0.12


@dataclass(frozen=True)
class Point:
    """One measurement.

    Attributes:
        value: None where there was nothing to measure: the line is broken there.
        missed: whether it is off the target; the colour is not the only sign, its mark is larger.
    """

    at: datetime
    value: float | None
    missed: bool = False


@dataclass(frozen=True)
class _Frame:
    """From instants and values to places in the picture."""

    first: datetime
    span_seconds: float
    low: float
    high: float

    def across(self, at: datetime) -> float:
        width = WIDTH - LEFT - RIGHT
        if not self.span_seconds:
            return LEFT + width / 2
        return LEFT + width * (at - self.first).total_seconds() / self.span_seconds

    def down(self, value: float) -> float:
        height = HEIGHT - TOP - BOTTOM
        return TOP + height * (self.high - value) / (self.high - self.low)

    def place(self, point: Point) -> tuple[str, str]:
        return f"{self.across(point.at):.1f}", f"{self.down(point.value or 0.0):.1f}"


def line_chart(
    points: Sequence[Point],
    target: float | None,
    *,
    name: str,
    title: str,
    description: str,
    target_text: str = "",
) -> str:
    """The chart. Equal arguments give equal text.

    Args:
        points: oldest first.
        target: where the target line runs; None draws none.
        name: letters, digits, - and _; ids of the picture begin with it, so it is given once a page.
        title, description: for people; escaped here, like every text.
        target_text: written at the target line, such as `target <=800 ms`.
    """
    known = [point for point in points if point.value is not None]
    values = [point.value for point in known if point.value is not None]
    shown = values if target is None else [*values, target]
    frame = _frame(points, shown) if values else None
    text = _template().render(
        points=points,
        marked=[point for point in known if point.missed or point is known[-1]],
        pieces=_pieces(frame, points) if frame else (),
        frame=frame,
        target=target,
        name=name,
        title=title,
        description=description,
        target_text=target_text,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        bottom=HEIGHT - BOTTOM,
    )
    return text.rstrip("\n")


@cache
def _template() -> Template:
    environment = templates("mbp.core.reporting")
    environment.filters["short"] = short
    return environment.get_template("line_chart.svg.j2")


def short(value: float) -> str:
    """A number in the few characters that an axis has room for."""
    for limit, sign in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (1e3 if sign == 'k' else limit):.3g}{sign}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"  # noqa: PLR2004 (three digits)


def _frame(points: Sequence[Point], shown: Sequence[float]) -> _Frame:
    low, high = min(shown), max(shown)
    room = (high - low) * ROOM or abs(high) * ROOM or 1.0
    # A measurement that cannot be negative has no space below zero.
    bottom = 0.0 if low >= 0 and low < room + (high - low) / 2 else low - room
    span = (points[-1].at - points[0].at).total_seconds()
    return _Frame(points[0].at, span, bottom, high + room)


def _pieces(frame: _Frame, points: Sequence[Point]) -> list[list[tuple[str, str]]]:
    """The places of the line, which is broken where a value is missing."""
    pieces: list[list[tuple[str, str]]] = [[]]
    for point in points:
        if point.value is not None:
            pieces[-1].append(frame.place(point))
        elif pieces[-1]:
            pieces.append([])
    return pieces
