"""A market's own PostgreSQL: the four tables, set up for change data capture, and what fills them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from mbp.warehouse.server import PostgresServer

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


# A whole valid row of each table, by key, text and number; a key that is there already gets other values.
ROWS = {
    "markets": (
        "insert into markets (market_id, template_id, name, category, truth_source, status, opened_at, closes_at,"
        " resolution_deadline, min_liquidity, created_at, updated_at) values ('{key}', 'tpl', '{text} {number}',"
        " 'drill', 'table', 'open', now(), now() + interval '9 days', now() + interval '10 days', {number}.00000001,"
        " now(), now()) on conflict (market_id) do update set name = excluded.name, updated_at = now()"
    ),
    "quotes": (
        "insert into quotes (quote_id, market_id, quoted_at, price, volume, depth_2pct, twap_5m) values ('{key}',"
        " 'mkt-1', now(), 0.12345678, {number}, 99.5, null)"
        " on conflict (quote_id) do update set volume = excluded.volume"
    ),
    "resolutions": (
        "insert into resolutions (resolution_id, market_id, started_at, rule_version, source_kind, source_ref,"
        " decided_value, decided_at, decided_by_hash, evidence_uri, audit_trace_id) values ('{key}', '{key}', now(),"
        " '1.0.0', 'table', '{number}', 'YES', now(), repeat('a', 64), '{text}', 'trace-{number}')"
        " on conflict (resolution_id) do update set source_ref = excluded.source_ref"
    ),
    "abuse_events": (
        "insert into abuse_events (abuse_event_id, market_id, detected_at, kind, severity, action_taken, user_id_hash,"
        " details) values ('{key}', 'mkt-1', now(), 'burst', 'low', 'alert_only', repeat('b', 64), '{text} {number}')"
        " on conflict (abuse_event_id) do update set details = excluded.details"
    ),
}
KEY_COLUMNS = {
    "markets": "market_id",
    "quotes": "quote_id",
    "resolutions": "resolution_id",
    "abuse_events": "abuse_event_id",
}


def row(table: str, key: str, number: int) -> str:
    """Insert of a row, or an update of the one that is there."""
    text = TEXTS[number % len(TEXTS)].replace("'", "''")
    return ROWS[table].format(key=key, number=number, text=text)


def transactions(seed: int) -> Iterator[str]:
    """Random transactions on all four tables, without end; the same for the same seed.

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
