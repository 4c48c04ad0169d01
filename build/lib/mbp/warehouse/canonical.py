"""The canonical form of a relation, in which the same data is equal on every engine.

docs/canonical.md describes it for readers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from mbp.core.errors import MbpError
from mbp.warehouse.connection import Warehouse, quote_identifier

NULL = "\\N"
TYPE_NAMES = {
    "character varying": "string",
    "varchar": "string",
    "text": "string",
    "timestamp with time zone": "instant",
    "timestamp without time zone": "local timestamp",
    "timestamp": "local timestamp",
    "bigint": "integer(64)",
    "integer": "integer(32)",
    "boolean": "boolean",
    "double precision": "float(64)",
    "double": "float(64)",
    "date": "date",
}
# In this order: a boolean is an integer too.
FORMS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    int: str,
    Decimal: lambda value: format(value, "f"),
    float: repr,
    date: lambda value: value.isoformat(),
}


@dataclass(frozen=True)
class CanonicalRelation:
    """A relation in canonical form: (column, type) in order, and rows by their key's text."""

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: Mapping[str, tuple[str, ...]]


def canonical_value(value: Any) -> str:
    """One value as text: instants in UTC with microseconds, decimals with all their places.

    Raises:
        MbpError: a kind of value that has no canonical form.
    """
    if value is None:
        return NULL
    if isinstance(value, str):
        return value.replace("\\", "\\\\")
    if isinstance(value, datetime):
        text = (value.astimezone(UTC) if value.tzinfo else value).isoformat(timespec="microseconds")
        return text.replace("+00:00", "Z")
    for kind, form in FORMS.items():
        if isinstance(value, kind):
            return form(value)
    raise MbpError(
        f"no canonical form for a value of type {type(value).__name__}",
        fix="add its form in mbp.warehouse.canonical",
    )


def canonical_type(data_type: str, precision: int | None, scale: int | None) -> str:
    """An engine's type name as the canonical one; decimals carry precision and scale."""
    name = data_type.lower()
    base = name.split("(")[0].strip()
    if base in ("numeric", "decimal"):
        return f"decimal({precision},{scale})"
    return TYPE_NAMES.get(base, name)


def relation_of(warehouse: Warehouse, schema: str, table: str, key: str) -> CanonicalRelation:
    """Reads `schema.table` in canonical form.

    Raises:
        MbpError: the relation is not there, or `key` is not unique in it.
    """
    mark = warehouse.mark
    _, described = warehouse.query(
        "select column_name, data_type, numeric_precision, numeric_scale"
        " from information_schema.columns"
        f" where table_schema = {mark} and table_name = {mark} order by ordinal_position",
        [schema, table],
    )
    if not described:
        raise MbpError(f"{schema}.{table} is not in the warehouse", fix="build it first")
    columns = tuple((str(row[0]), canonical_type(str(row[1]), row[2], row[3])) for row in described)
    names = [name for name, _ in columns]
    position = names.index(key)
    listed = ", ".join(quote_identifier(name) for name in names)
    _, results = warehouse.query(
        f"select {listed} from {quote_identifier(schema)}.{quote_identifier(table)}"
    )
    rows = {}
    for row in results:
        values = tuple(canonical_value(value) for value in row)
        if values[position] in rows:
            raise MbpError(
                f"{schema}.{table}: the key {key} is not unique: {values[position]}",
                fix="see `mbp quality failures`",
            )
        rows[values[position]] = values
    return CanonicalRelation(f"{schema}.{table} on {warehouse.engine}", columns, rows)


def compare(left: CanonicalRelation, right: CanonicalRelation, limit: int = 20) -> list[str]:
    """Every difference in words, columns first; empty when the two are the same.

    Args:
        limit: how many differing rows to tell before the rest is only counted.
    """
    if left.columns != right.columns:
        return _column_differences(left, right)
    differences = []
    for key in sorted(left.rows.keys() | right.rows.keys()):
        ours, theirs = left.rows.get(key), right.rows.get(key)
        if ours == theirs:
            continue
        if ours is None or theirs is None:
            side = right if ours is None else left
            differences.append(f"row {key}: only in {side.name}")
            continue
        values = zip(left.columns, ours, theirs, strict=True)
        messages = [f"{name}: {a} / {b}" for (name, _), a, b in values if a != b]
        differences.append(f"row {key}: {', '.join(messages)}")
    if len(differences) > limit:
        rest = len(differences) - limit
        differences = [*differences[:limit], f"and {rest} more rows differ"]
    return differences


def _column_differences(left: CanonicalRelation, right: CanonicalRelation) -> list[str]:
    ours: Sequence[str] = [f"{name} {kind}" for name, kind in left.columns]
    theirs: Sequence[str] = [f"{name} {kind}" for name, kind in right.columns]
    only_left = [column for column in ours if column not in theirs]
    only_right = [column for column in theirs if column not in ours]
    if not only_left and not only_right:
        return [f"column order: {left.name} {ours}, {right.name} {theirs}"]
    return [f"column {column}: only in {left.name}" for column in only_left] + [
        f"column {column}: only in {right.name}" for column in only_right
    ]
