"""Rows of the warehouse as text: the same rows give the same bytes on both engines, in whatever order they come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from mbp.core.reporting.spreadsheet import csv_for_people
from mbp.warehouse import Warehouse
from mbp.warehouse.connection import Rows, quote_identifier
from mbp.warehouse.relations import query


def relation(warehouse: Warehouse, name: str) -> bytes:
    """All rows of `schema.relation`.

    Raises:
        MbpError: it cannot be read.
    """
    quoted = ".".join(quote_identifier(part) for part in name.split("."))
    columns, rows = query(warehouse, f"select * from {quoted}", name)
    return as_csv(columns, rows)


def as_csv(columns: Sequence[str], rows: Rows) -> bytes:
    """CSV after RFC 4180, rows sorted; what is null is empty, as empty text is."""
    messages = sorted([_told(value) for value in row] for row in rows)
    return csv_for_people(columns, messages).encode("utf-8")


def _told(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value)
