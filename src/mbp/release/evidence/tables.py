"""Rows of the warehouse as text: the same rows give the same bytes on both engines, in whatever order they come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import psycopg2

from mbp.core.errors import MbpError
from mbp.core.reporting.spreadsheet import csv_for_people
from mbp.warehouse import Warehouse
from mbp.warehouse.connection import Rows, quote_identifier


def query(warehouse: Warehouse, sql: str, what: str) -> tuple[list[str], Rows]:
    """Column names and rows.

    Args:
        what: the relation, for the message.

    Raises:
        MbpError: it cannot be read.
    """
    try:
        return warehouse.query(sql)
    except (duckdb.Error, psycopg2.Error) as error:
        told = f"{what} cannot be read: {str(error).splitlines()[0]}"
        raise MbpError(told, cure="run `mbp build`") from error


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
    told = sorted([_told(value) for value in row] for row in rows)
    return csv_for_people(columns, told).encode("utf-8")


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
