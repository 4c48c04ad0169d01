"""Schemas and relations of the warehouse, and a fingerprint of their rows."""

from __future__ import annotations

from mbp.core.errors import MbpError
from mbp.warehouse.connection import Rows, Warehouse, quote_identifier

LIVE, SNAPSHOTS, READERS = "marts", "snapshot", "published"


def place(schema: str, name: str) -> str:
    """A relation as SQL."""
    return f"{quote_identifier(schema)}.{quote_identifier(name)}"


def exists(warehouse: Warehouse, schema: str, name: str) -> bool:
    """Whether the relation is there and may be seen."""
    _, rows = warehouse.query(
        "select 1 from information_schema.tables"
        f" where table_schema = {warehouse.mark} and table_name = {warehouse.mark}",
        [schema, name],
    )
    return bool(rows)


def fingerprint(warehouse: Warehouse, schema: str, name: str) -> tuple[int, str]:
    """(rows, digest). The digest does not depend on the order; it names the engine that computed it,
    because another release of it may compute another."""
    if warehouse.engine == "postgres":
        version, hashed = "current_setting('server_version_num')", "hash_record_extended(t, 0)"
        wide = "numeric"
    else:
        version, hashed, wide = "version()", "hash(t)", "hugeint"
    _, rows = warehouse.query(
        f"select count(*), {version}, coalesce(sum(cast({hashed} as {wide})), 0)"
        f" from {place(schema, name)} as t"
    )
    count, release, total = rows[0]
    return int(count), f"{warehouse.engine} {release}: {total}"


def query(warehouse: Warehouse, sql: str, what: str) -> tuple[list[str], Rows]:
    """Column names and rows.

    Args:
        what: the relation, for the message.

    Raises:
        MbpError: it cannot be read.
    """
    # Here and not above: what only asks whether a relation exists needs no engine.
    import duckdb
    import psycopg2

    try:
        return warehouse.query(sql)
    except (duckdb.Error, psycopg2.Error) as error:
        message = f"{what} cannot be read: {str(error).splitlines()[0]}"
        raise MbpError(message, fix="run `mbp build`") from error
