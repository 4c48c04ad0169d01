"""An answer as a table, CSV, JSON or Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from mbp.core.markdown import inline
from mbp.core.reporting.spreadsheet import csv_for_people
from mbp.operate.semantic.query import Answer

NOTHING = "-"
MIDNIGHT = time()


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


def _csv(answer: Answer) -> str:
    return csv_for_people(answer.columns, ([_exact(value) for value in row] for row in answer.rows))


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
    "csv": _csv,
    "json": _json,
    "markdown": _markdown,
}
