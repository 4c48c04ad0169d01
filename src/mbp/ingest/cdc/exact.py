"""Whether a value of the source fits its column exactly, decided from its text.

Engines differ in what they do with one that does not: PostgreSQL rounds a fraction that is too long and keeps NaN,
DuckDB rounds and refuses. A value that would arrive as another value is refused here, on every engine alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

# The instants of ISO 8601 between the years 1 and 9999, as `mbp load` takes them; microseconds at the most.
SHAPES = {
    "timestamptz": r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6}0*+)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2}(?::[0-9]{2})?)?)",
    "boolean": "(?:true|false|t|f)",
    "bigint": "(?:-?[0-8][0-9]{18}|-?[0-9]{1,18})(?![0-9])",
}
DECIMAL = re.compile(r"decimal\(([0-9]+),\s*([0-9]+)\)")


def misfit(row: Sequence[str | None], columns: Sequence[tuple[str, str]]) -> str | None:
    """The first column whose value does not fit, and why, without the value; None: all fit."""
    for value, (name, kind) in zip(row, columns, strict=True):
        if value is not None and not fit([value], kind):
            return f"{name} is not an exact {kind}"
    return None


def fitting(row: Sequence[str | None], columns: Sequence[tuple[str, str]]) -> list[str | None]:
    """The values that fit, and null for the others. What a deleted row held is not needed to delete it."""
    cells = zip(row, columns, strict=False)
    kept = [value if value is None or fit([value], kind) else None for value, (_, kind) in cells]
    return [*kept, *row[len(kept) :]]


def misfits(
    rows: Sequence[Sequence[str | None]],
    listed: Sequence[Sequence[str | None]],
    columns: Sequence[tuple[str, str]],
) -> dict[int, str]:
    """Place of a row that does not fit -> why. Whole columns are checked first: such rows are rare.

    Args:
        listed: the same values by column.
    """
    if all(fit(_present(values), kind) for values, (_, kind) in zip(listed, columns, strict=False)):
        return {}
    results = {place: misfit(row, columns) for place, row in enumerate(rows)}
    return {place: reason for place, reason in results.items() if reason}


def fit(values: Sequence[str], kind: str) -> bool:
    """Whether all values fit a type of the raw tables; one expression over all of them.

    Raises:
        KeyError: a type that raw tables do not have.
    """
    joined = "\n".join(values)
    if kind == "text":
        # PostgreSQL's text cannot hold the character of number zero.
        return "\0" not in joined
    if not values:
        return True
    return joined.count("\n") == len(values) - 1 and bool(_lines(kind).fullmatch(joined))


def _present(values: Sequence[str | None]) -> Sequence[str]:
    if None in values:
        return [value for value in values if value is not None]
    return values  # type: ignore[return-value]


@lru_cache
def _lines(kind: str) -> re.Pattern[str]:
    decimal = DECIMAL.fullmatch(kind)
    if decimal:
        precision, scale = int(decimal[1]), int(decimal[2])
        fraction = rf"(?:\.[0-9]{{0,{scale}}}0*+)?" if scale else r"(?:\.0*+)?"
        shape = rf"-?(?=\.?[0-9])0*+[0-9]{{0,{precision - scale}}}{fraction}"
    else:
        shape = SHAPES[kind]
    return re.compile(f"{shape}(?:\n{shape})*+")
