"""A market's own PostgreSQL: the four tables, set up for change data capture, and load."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from mbp.cdc.source import ROLE, Source, setup_sql
from mbp.warehouse.server import PostgresServer

PASSWORD = "of the reader"
TEXTS = ("plain", "", "ünïcode ✓ 日本", 'quote " and, comma', "line\nbreak\ttab", "\\N", "NULL")


def create(
    server: PostgresServer, database: str, columns: dict[str, Sequence[tuple[str, str]]]
) -> Source:
    """The tables as the contracts have them, their keys, and the reader's role."""
    server.create_database(database)
    connection = server.connect(database)
    with connection.cursor() as cursor:
        for table, listed in columns.items():
            inner = ", ".join(
                f"{name} {kind}{' primary key' if place == 0 else ''}"
                for place, (name, kind) in enumerate(listed)
            )
            cursor.execute(f"create table {table} ({inner})")
        for statement in setup_sql():
            cursor.execute(statement)
        cursor.execute(f"alter role {ROLE} password '{PASSWORD}'")
    connection.close()
    return Source(server.host, server.port, ROLE, PASSWORD, database)


def execute(server: PostgresServer, database: str, *statements: str) -> None:
    """Each statement is a transaction of its own."""
    connection = server.connect(database)
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    connection.close()


def quotes(first: int, count: int) -> str:
    """Insert of so many quotes in one statement."""
    return (
        "insert into quotes (quote_id, market_id, quoted_at, price, volume, depth_2pct, twap_5m)"
        " select 'q-' || n, 'mkt-1', timestamptz '2026-01-05 00:00:00.123456+00' + n * interval '1 second',"
        " 0.12345678, n, 99.5, 0.12345678"
        f" from generate_series({first}, {first + count - 1}) as n"
    )


def changes(seed: int, count: int) -> list[str]:
    """Random transactions on quotes: inserts, updates of the key's row, deletes, reinsertions."""
    chance = random.Random(seed)  # noqa: S311
    found = []
    for number in range(count):
        key = f"q-{chance.randrange(40)}"
        text = TEXTS[number % len(TEXTS)].replace("'", "''")
        insert = (
            "insert into quotes (quote_id, market_id, volume) values"
            f" ('{key}', '{text}', {number}) on conflict (quote_id) do update set volume = excluded.volume"
        )
        delete = f"delete from quotes where quote_id = '{key}'"
        found.append(chance.choice([insert, insert, delete, f"{insert}; {delete}; {insert}"]))
    return found


def state(rows: Sequence[tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """What a change log adds up to: key -> values; rows are (key, values..., op, position) in any order."""
    latest: dict[str, tuple[Any, ...]] = {}
    for row in sorted(rows, key=lambda one: one[-1]):
        if row[-2] == "d":
            latest.pop(row[0], None)
        else:
            latest[row[0]] = tuple(row[1:-2])
    return latest
