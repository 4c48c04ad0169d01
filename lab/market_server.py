"""A PostgreSQL with the tables of the contracts, set up for change data capture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lab.postgres_server import PostgresServer
from mbp.ingest.cdc.market_source import ROLE, MarketSource, setup_sql

PASSWORD = "of the reader"  # noqa: S105 - of a server that lives as long as the run


def create(
    server: PostgresServer,
    database: str,
    columns: Mapping[str, Sequence[tuple[str, str]]],
    template: str | None = None,
) -> MarketSource:
    """The tables as the contracts have them, their keys, and the reader's role."""
    server.create_database(database, template)
    connection = server.connect(database)
    with connection.cursor() as cursor:
        for table, listed in columns.items():
            inner = ", ".join(
                f"{name} {kind}{' primary key' if place == 0 else ''}"
                for place, (name, kind) in enumerate(listed)
            )
            cursor.execute(f"create table {table} ({inner})")
        for statement in setup_sql(columns):
            cursor.execute(statement)
        cursor.execute(f"alter role {ROLE} password '{PASSWORD}'")
    connection.close()
    return MarketSource(server.host, server.port, ROLE, PASSWORD, database)
