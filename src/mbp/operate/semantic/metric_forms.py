"""An answer as a table, CSV, JSON or Markdown, and as a chart: lines over time, a reliability diagram, bars.

plotext draws in the terminal, Vega-Lite (altair, vl-convert) into files. Nothing is fetched, and a page holds all it
needs.
"""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from itertools import cycle
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.files import atomic_path
from mbp.core.reporting.spreadsheet import csv_for_people
from mbp.core.wording import inline, many
from mbp.operate.semantic.calibration import horizons, reliability_diagram
from mbp.operate.semantic.query import Answer

NOTHING = "-"
MIDNIGHT = time()
MARKS = "ox+*#@"
SUFFIXES = (".html", ".png", ".svg")
WIDTH, HEIGHT, LEGEND = 80, 20, 10
Series = Mapping[str, list[tuple[Any, float]]]


def written(answer: Answer, form: str) -> str:
    """The answer as text, csv, json or markdown, ending in a newline."""
    return _WRITERS[form](answer)


def empty_in_words(answer: Answer) -> str:
    """Why there is no row."""
    names = ", ".join(answer.metrics)
    if answer.nothing_anywhere:
        return f"{names}: nothing was ever measured in this warehouse"
    return f"{names}: the query is valid, and nothing was measured under its conditions"


def _heading(answer: Answer, name: str) -> str:
    unit = answer.units.get(name) if name in answer.metrics else None
    return f"{name} ({unit})" if unit else name


def _table(answer: Answer) -> str:
    heads = [_heading(answer, name) for name in answer.columns]
    cells = _cells(answer)
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    first_metric = len(answer.columns) - len(answer.metrics)

    def line(row: list[str]) -> str:
        messages = [
            text.rjust(width) if place >= first_metric else text.ljust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(messages).rstrip()

    return (
        "\n".join([line(heads), line(["-" * width for width in widths]), *map(line, cells)]) + "\n"
    )


def _markdown(answer: Answer) -> str:
    heads = [inline(_heading(answer, name)) for name in answer.columns]
    rows = [
        heads,
        ["---"] * len(heads),
        *([inline(cell) for cell in row] for row in _cells(answer)),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _json(answer: Answer) -> str:
    document = {
        "metrics": [{"name": name, "unit": answer.units.get(name)} for name in answer.metrics],
        "columns": list(answer.columns),
        "rows": [[_exact(value) for value in row] for row in answer.rows],
        "notes": list(answer.notes),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _cells(answer: Answer) -> list[list[str]]:
    """Every value for people; days alone only where a column holds nothing but days."""
    columns = list(zip(*answer.rows, strict=True))
    days = [
        all(
            value is None or not isinstance(value, datetime) or value.time() == MIDNIGHT
            for value in column
        )
        for column in columns
    ]
    return [
        [_shown(value, day) for value, day in zip(row, days, strict=True)] for row in answer.rows
    ]


def _shown(value: Any, day: bool) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if day else f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float | Decimal):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return str(value)


def _exact(value: Any) -> Any:
    """JSON and CSV keep every digit; an instant is a clock in UTC."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date):
        return value.isoformat()
    return value


_WRITERS: dict[str, Callable[[Answer], str]] = {
    "text": _table,
    "csv": lambda answer: csv_for_people(
        answer.columns, ([_exact(value) for value in row] for row in answer.rows)
    ),
    "json": _json,
    "markdown": _markdown,
}


def in_terminal(answer: Answer, width: int = WIDTH) -> str:
    """The chart as text of at most `width` columns.

    Raises:
        MbpError: nothing can be drawn, or the extra `charts` is not installed.
    """
    plotext = _library("plotext")
    axis, series = ("mean forecast", {}) if answer.bins else _series(answer)
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(width, HEIGHT)
    plotext.title(f"{_title(answer)}: share that came true" if answer.bins else _title(answer))
    plotext.xlabel(axis)
    if answer.bins:
        plotext.plot([0, 1], [0, 1], marker=".")
        for mark, (hours, total) in zip(cycle(MARKS), horizons(answer.bins).items(), strict=False):
            bins = [each for each in answer.bins if each.horizon_hours == hours]
            plotext.scatter(
                [each.forecast for each in bins],
                [each.outcome for each in bins],
                label=f"{hours} h, {many(total, 'forecast')}",
                marker=mark,
            )
    elif _is_time(series):
        plotext.date_form("Y-m-d H:M")
        for name, points in series.items():
            plotext.plot(
                [f"{at:%Y-%m-%d %H:%M}" for at, _ in points], [y for _, y in points], label=name
            )
    else:
        names = list(dict.fromkeys(str(x) for points in series.values() for x, _ in points))
        values = [
            [{str(x): y for x, y in points}.get(name, 0.0) for name in names]
            for points in series.values()
        ]
        plotext.multiple_bar(names, values, labels=list(series))
    text: str = plotext.uncolorize(plotext.build())
    lines = [line.rstrip() for line in text.splitlines()]
    lines += [
        f"{each.horizon_hours:>5} h: forecast {each.forecast:.3f}, {each.outcome:.0%} came true,"
        f" {many(each.forecasts, 'forecast')}"
        for each in answer.bins
    ]
    if len(series) > LEGEND:  # plotext leaves a legend out that does not fit
        lines.append(f"{len(series)} series; for a legend ask for fewer (--where) or --save")
    return "\n".join(lines) + "\n"


def save(answer: Answer, path: Path) -> None:
    """Writes the chart as .html (it needs no network), .png or .svg, by the ending of the path.

    Raises:
        MbpError: another ending, nothing can be drawn, or the extra `charts` is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise MbpError(
            f"{path.name} has none of the endings {', '.join(SUFFIXES)}", fix="give it one of them"
        )
    content = (_reliability if answer.bins else _drawn)(answer, path.suffix)
    try:
        with atomic_path(path) as draft:
            draft.write_bytes(content if isinstance(content, bytes) else content.encode())
    except OSError as error:
        raise MbpError(
            f"cannot be written: {error.strerror}", path=path, fix="name another file"
        ) from error


def _drawn(answer: Answer, suffix: str) -> str | bytes:
    altair = _library("altair")
    _library("vl_convert")
    axis, series = _series(answer)
    rows = [
        {"x": x.isoformat() if isinstance(x, date) else str(x), "y": y, "series": name}
        for name, points in series.items()
        for x, y in points
    ]
    time = _is_time(series)
    chart = altair.Chart(altair.Data(values=rows), title=_title(answer), width=640, height=320)
    mark = chart.mark_line(point=True) if time else chart.mark_bar()
    encoded = mark.encode(
        x=altair.X("x", type="temporal" if time else "nominal", title=axis),
        y=altair.Y("y", type="quantitative", title=_title(answer), stack=None),
        color=altair.Color("series", type="nominal", title=None),
        **({} if time else {"xOffset": altair.XOffset("series", type="nominal")}),
    )
    form: dict[str, Any] = {"format": suffix.removeprefix(".")}
    if suffix == ".html":
        form["inline"] = True
    made = io.BytesIO() if suffix == ".png" else io.StringIO()
    encoded.save(made, **form)
    return made.getvalue()


def _reliability(answer: Answer, suffix: str) -> str | bytes:
    """The diagram of the site."""
    drawing = reliability_diagram(answer.bins)
    if suffix == ".png":
        made: bytes = _library("vl_convert").svg_to_png(drawing, scale=2)
        return made
    page = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Reliability diagram</title>'
    return f"{page}{drawing}</html>" if suffix == ".html" else drawing


def _series(answer: Answer) -> tuple[str, Series]:
    """(name of the axis, points by series): the first time of the answer is the axis, else its first dimension."""
    width = len(answer.columns) - len(answer.metrics)
    if not width:
        raise MbpError("one number is no chart", fix="group it: --by day")
    times = [
        place
        for place in range(width)
        if all(isinstance(row[place], date) for row in answer.rows) and answer.rows
    ]
    axis = times[0] if times else 0
    series: dict[str, list[tuple[Any, float]]] = {}
    for row in answer.rows:
        others = [str(row[place]) for place in range(width) if place != axis]
        for place, metric in enumerate(answer.metrics, start=width):
            if row[place] is None:
                continue  # a gap is no zero
            name = ", ".join([*([metric] if len(answer.metrics) > 1 else []), *others]) or metric
            series.setdefault(name, []).append((row[axis], float(row[place])))
    if not series:
        raise MbpError("nothing was measured, so nothing is drawn", fix="ask for another time")
    return answer.columns[axis], series


def _is_time(series: Series) -> bool:
    return all(isinstance(x, date | datetime) for points in series.values() for x, _ in points)


def _title(answer: Answer) -> str:
    return ", ".join(
        f"{metric} ({answer.units[metric]})" if answer.units.get(metric) else metric
        for metric in answer.metrics
    )


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MbpError(
            f"charts need {name}, which is not installed",
            fix="pip install 'mbp-data-contracts[charts]'",
        ) from error
