"""A line chart as SVG text: what was measured over time, and the target that it is held to.

The picture is complete: colours are given as attributes, so that it is correct as a separate file, and a
page that knows the classes may set others. It has a title and a description for screen readers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

WIDTH, HEIGHT = 360, 132
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 12, 22
# A line along the frame would be invisible: this share of what is shown is left free.
ROOM = 0.12
# Height of a letter above its base line.
LETTER = 9
FONT = 'font-family="system-ui, sans-serif" font-size="11"'


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
    values = [point.value for point in points if point.value is not None]
    name = escape(name)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-labelledby="{name}-title {name}-text">',
        f'<title id="{name}-title">{escape(title)}</title>',
        f'<desc id="{name}-text">{escape(description)}</desc>',
    ]
    if not values:
        lines += [_text(WIDTH / 2, HEIGHT / 2, "no measurement", "middle"), "</svg>"]
        return "\n".join(lines)
    frame = _frame(points, values if target is None else [*values, target])
    lines += _axes(frame, points)
    if target is not None:
        lines += _target(frame, target, target_text)
    lines += _line(frame, points)
    return "\n".join([*lines, "</svg>"])


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


def _axes(frame: _Frame, points: Sequence[Point]) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value in (frame.low, (frame.low + frame.high) / 2, frame.high):
        y = frame.down(value)
        yield (
            f'<line class="chart-grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"'
            ' stroke="#d5d9e0" stroke-width="1"/>'
        )
        yield _text(LEFT - 6, y + 4, short(value), "end")
    first, last = points[0].at, points[-1].at
    if first == last:
        yield _text((LEFT + right) / 2, bottom + 16, f"{first:%m-%d %H:%M}", "middle")
        return
    yield _text(LEFT, bottom + 16, f"{first:%m-%d %H:%M}", "start")
    yield _text(right, bottom + 16, f"{last:%m-%d %H:%M}", "end")


def _target(frame: _Frame, target: float, told: str) -> Iterator[str]:
    y = frame.down(target)
    yield (
        f'<line class="chart-target" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
        ' stroke="#8a5300" stroke-width="1.5" stroke-dasharray="5 4"/>'
    )
    # Under the line where there is no room above it.
    place = y - 4 if y - 4 >= LETTER else y + 13
    yield _text(WIDTH - RIGHT - 2, place, told, "end", "chart-target-text", "#8a5300")


def _line(frame: _Frame, points: Sequence[Point]) -> Iterator[str]:
    piece: list[str] = []
    pieces = [piece]
    for point in points:
        if point.value is not None:
            piece.append(f"{frame.across(point.at):.1f},{frame.down(point.value):.1f}")
        elif piece:
            pieces.append(piece := [])
    for places in pieces:
        if len(places) > 1:
            yield (
                f'<polyline class="chart-line" points="{" ".join(places)}" fill="none"'
                ' stroke="#2f5fb3" stroke-width="1.75" stroke-linejoin="round"/>'
            )
        elif places:
            yield _dot(places[0], 2.0, "chart-dot", "#2f5fb3")
    known = [point for point in points if point.value is not None]
    for point in known:
        if point.missed or point is known[-1]:
            place = f"{frame.across(point.at):.1f},{frame.down(point.value or 0.0):.1f}"
            kind, colour = ("chart-missed", "#b3261e") if point.missed else ("chart-dot", "#2f5fb3")
            yield _dot(place, 4.0 if point.missed else 3.0, kind, colour)


def _dot(place: str, radius: float, kind: str, colour: str) -> str:
    x, y = place.split(",")
    return f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius:g}" fill="{colour}"/>'


def _text(
    x: float, y: float, told: str, anchor: str, kind: str = "chart-text", colour: str = "#59616e"
) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {FONT} fill="{colour}">'
        f"{escape(told)}</text>"
    )
