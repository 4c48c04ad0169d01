"""A market's own PostgreSQL: the tables of the contracts, set up for change data capture, and what fills them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from lab.postgres_server import PostgresServer
from lab.simulate import schema
from mbp.ingest.cdc import change_shape
from mbp.ingest.raw_tables import raw_tables

SETTINGS = {"wal_level": "logical", "max_wal_senders": "10", "max_replication_slots": "10"}
TEXTS = ("plain", "", "ünïcode ✓ 日本", 'quote " and, comma', "line\nbreak\ttab", "\\N", "NULL")
KEYS = 400
DELETED_SHARE, MOVED_SHARE = 0.25, 0.05
STATEMENTS = (1, 1, 1, 3, 12)


def execute(server: PostgresServer, database: str, *statements: str) -> None:
    """Each statement is a separate transaction."""
    connection = server.connect(database)
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


def quotes(first: int, count: int) -> str:
    """Insert of so many quotes in one statement; their keys are q-<number>."""
    return (
        "insert into quotes (quote_id, market_id, quoted_at, price, volume, depth_2pct, twap_5m)"
        " select 'q-' || n, 'mkt-1', timestamptz '2026-01-05 00:00:00.123456+00' + n * interval '1 second',"
        " 0.12345678, n, 99.5, 0.12345678"
        f" from generate_series({first}, {first + count - 1}) as n"
    )


KEY_COLUMNS = {name.partition(".")[2]: key for name, key in schema.KEYS.items()}
COLUMNS = change_shape.by_name(raw_tables(schema.PROJECT))


def _value(column: str, kind: str, key: str) -> str:
    """What a row has in a column, by key, text and number."""
    if column == key:
        return "'{key}'"
    values = {"text": "'{text} {number}'", "timestamptz": "now()", "boolean": "true"}
    return values.get(kind, "{number}")


def _insert(table: str) -> str:
    """A whole row; a key that is there already gets other values."""
    key, columns = KEY_COLUMNS[table], COLUMNS[table]
    names = ", ".join(name for name, _ in columns)
    values = ", ".join(_value(name, kind, key) for name, kind in columns)
    changed = ", ".join(f"{name} = excluded.{name}" for name, _ in columns if name != key)
    return f"insert into {table} ({names}) values ({values}) on conflict ({key}) do update set {changed}"


ROWS = {table: _insert(table) for table in COLUMNS}


def row(table: str, key: str, number: int) -> str:
    """Insert of a row, or an update of the one that is there."""
    text = TEXTS[number % len(TEXTS)].replace("'", "''")
    return ROWS[table].format(key=key, number=number, text=text)


def transactions(seed: int) -> Iterator[str]:
    """Random transactions on all tables, without end; the same for the same seed.

    Keys come and go: a quarter of the statements delete, and some give a row another key.
    """
    chance = random.Random(seed)  # noqa: S311
    while True:
        statements = []
        for _ in range(chance.choice(STATEMENTS)):
            table = chance.choice(list(ROWS))
            key = f"k-{chance.randrange(KEYS)}"
            kind, column = chance.random(), KEY_COLUMNS[table]
            if kind < DELETED_SHARE:
                statements.append(f"delete from {table} where {column} = '{key}'")
            elif kind < DELETED_SHARE + MOVED_SHARE:
                other = f"k-{chance.randrange(KEYS)}"
                statements.append(
                    f"update {table} set {column} = '{other}' where {column} = '{key}'"
                    f" and not exists (select 1 from {table} where {column} = '{other}')"
                )
            else:
                statements.append(row(table, key, chance.randrange(10**6)))
        yield "; ".join(statements)
