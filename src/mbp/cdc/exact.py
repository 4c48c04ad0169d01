"""Whether a value of the source fits its column exactly, told from its text.

Engines differ in what they do with one that does not: PostgreSQL rounds a fraction that is too long and keeps NaN,
DuckDB rounds and refuses. A value that would arrive as another value is refused here, on every engine alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

Fits = Callable[[str], object]
# The instants of ISO 8601 between the years 1 and 9999, as `mbp load` takes them; microseconds at the most.
INSTANT = re.compile(
    r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6}0*)?"
    r"(Z|[+-][0-9]{2}(:?[0-9]{2}(:[0-9]{2})?)?)"
)
BOOLEAN = re.compile("t|f|true|false")
INTEGER = re.compile(r"-?[0-9]{1,18}|-?[0-8][0-9]{18}")
DECIMAL = re.compile(r"decimal\(([0-9]+),\s*([0-9]+)\)")


def misfit(row: Sequence[str | None], columns: Sequence[tuple[str, str]]) -> str | None:
    """The first column whose value does not fit, and why, without the value; None: all fit."""
    for value, (name, kind) in zip(row, columns, strict=True):
        if value is not None and not fits(kind)(value):
            return f"{name} is not an exact {kind}"
    return None


def misfits(
    rows: Sequence[Sequence[str | None]], columns: Sequence[tuple[str, str]]
) -> dict[int, str]:
    """Place of a row that does not fit -> why. Looks column by column: rows that do not fit are rare."""
    found: dict[int, str] = {}
    for place, (_, kind) in enumerate(columns):
        good = fits(kind)
        for number, row in enumerate(rows):
            value = row[place]
            if value is not None and not good(value):
                found[number] = misfit(row, columns) or "does not fit"
    return found


@lru_cache
def fits(kind: str) -> Fits:
    """The test for values of a type of the raw tables.

    Raises:
        KeyError: a type that raw tables do not have.
    """
    if kind == "text":
        return _is_text
    decimal = DECIMAL.fullmatch(kind)
    if decimal:
        precision, scale = int(decimal[1]), int(decimal[2])
        whole = f"0*[0-9]{{0,{precision - scale}}}"
        fraction = rf"(\.[0-9]{{0,{scale}}}0*)?" if scale else r"(\.0*)?"
        return re.compile(rf"-?(?=\.?[0-9]){whole}{fraction}").fullmatch
    return {
        "timestamptz": INSTANT,
        "boolean": BOOLEAN,
        "bigint": INTEGER,
    }[kind].fullmatch


def _is_text(value: str) -> bool:
    """PostgreSQL's text cannot hold the character of number zero."""
    return "\0" not in value
