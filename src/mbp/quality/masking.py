"""Sample rows without personal values: a failing row may be shown to anybody who reads a log."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

# The masked form, which macros/engine/publish.sql writes for readers too.
DIGITS = 4
MASKED = re.compile(rf"…[0-9a-f]{{{DIGITS}}}")
# Columns that dbt's own tests and expectations add to count rows; they never hold a data value.
COUNTS = frozenset({"n_records", "failures", "row_count", "num_rows"})


@dataclass(frozen=True)
class Classification:
    """Column names of the project by class.

    Attributes:
        personal: names that are personal in any dataset: one is enough.
        open: names that some dataset publishes and none classifies as personal.
    """

    personal: frozenset[str]
    open: frozenset[str]


def mask(value: Any) -> Any:
    """A stand-in, equal for equal values: the first 4 hex digits of the sha-256; null stays."""
    if value is None:
        return None
    return f"…{hashlib.sha256(str(value).encode('utf-8')).hexdigest()[:DIGITS]}"


def masked_columns(
    columns: Sequence[str],
    *,
    sql: str,
    dialect: str,
    rule_columns: Iterable[str],
    classification: Classification,
) -> frozenset[str]:
    """Which of the output `columns` may hold a personal value.

    A column is masked by its own name; because an alias in `sql` is computed from a personal one;
    or because the query reads a personal column and nothing says that this output is not it
    (`from_field`, `value_field`, `unique_field`). SQL that cannot be read masks everything.
    """
    personal = {name.lower() for name in classification.personal}
    try:
        tree = sqlglot.parse_one(sql, read=dialect)
    except SqlglotError:
        return frozenset(columns)
    aliases = _named_sources(tree)
    grown = True
    while grown:
        derived = {name for name, sources in aliases if sources & personal} - personal
        grown = bool(derived)
        personal |= derived
    read = {column.name.lower() for column in tree.find_all(exp.Column)}
    reads_personal = bool((read | {name.lower() for name in rule_columns}) & personal)
    return frozenset(
        column
        for column in columns
        if column.lower() in personal
        or (
            reads_personal
            and column.lower() not in classification.open
            and column.lower() not in COUNTS
        )
    )


def _named_sources(tree: exp.Expr) -> list[tuple[str, set[str]]]:
    """Every output name in the query with the columns that its value is computed from."""
    named: list[tuple[str, exp.Expr]] = [(alias.alias, alias) for alias in tree.find_all(exp.Alias)]
    for union in tree.find_all(exp.SetOperation):
        # The columns of a union carry the names of its first part, by position.
        for first, second in zip(union.left.selects, union.right.selects, strict=False):
            named.append((first.alias_or_name, second))
    return [
        (name.lower(), {column.name.lower() for column in node.find_all(exp.Column)})
        for name, node in named
    ]


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
