"""Sample rows without personal values: a failing row may be shown to anybody who reads a log."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

# The masked form, which macros/engine/publish.sql writes for readers too.
DIGITS = 4
MASKED = re.compile(rf"…[0-9a-f]{{{DIGITS}}}")


def mask(value: Any) -> Any:
    """A replacement, equal for equal values: the first 4 hex digits of the sha-256; null stays."""
    if value is None:
        return None
    return f"…{hashlib.sha256(str(value).encode('utf-8')).hexdigest()[:DIGITS]}"


def masked_rows(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], hidden: frozenset[str]
) -> list[dict[str, Any]]:
    """Rows as column -> value, with the values of `hidden` columns masked."""
    return [
        {
            name: mask(value) if name in hidden else value
            for name, value in zip(columns, row, strict=True)
        }
        for row in rows
    ]


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON can carry it: everything that is not a number, boolean or null as text."""
    return {
        name: value if value is None or isinstance(value, bool | int | float) else as_text(value)
        for name, value in row.items()
    }


def as_text(value: Any) -> str:
    """A value for a reader: decimals without an exponent."""
    return format(value, "f") if isinstance(value, Decimal) else str(value)
