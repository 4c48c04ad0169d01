"""The committed sample's world, generated once, and a DuckDB connection that sees its tables."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from lab.simulate import Parameters, RawWorld, generate, schema

LATEST = """
    create temp table {name} as
    select * exclude (__op, __deleted, __source_ts_ms, __source_lsn, _loaded_at, recency)
    from (
        select *, row_number() over (
            partition by {key} order by __source_lsn desc, _loaded_at
        ) as recency
        from {name}_log
    )
    where recency = 1 and __op <> 'd'
"""


def connect(world: RawWorld) -> duckdb.DuckDBPyConnection:
    """Logs as `<table>_log`, the state at the end as `<table>`, telemetry under its own name."""
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    for table, rows in world.items():
        family, name = table.split(".")
        target = f"{name}_log" if family == "mbp" else name
        connection.register("incoming", rows)
        connection.execute(f"create temp table {target} as select * from incoming")
        connection.unregister("incoming")
        if family == "mbp":
            connection.execute(LATEST.format(name=name, key=schema.KEYS[table]))
    return connection


@pytest.fixture(scope="session")
def clean_world() -> RawWorld:
    return generate(Parameters())


@pytest.fixture(scope="session")
def clean(clean_world: RawWorld) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(clean_world) as connection:
        yield connection
