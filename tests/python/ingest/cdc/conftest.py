"""A source and a warehouse of its own, on both engines."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lab.postgres_server import PostgresServer
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.capture import SlotReader
from mbp.ingest.cdc.market_source import MarketSource, drop_slot, slot_state
from mbp.ingest.initialise import initialise
from mbp.ingest.raw_tables import raw_tables
from mbp.runs.dbt_process import environment
from mbp.warehouse import connect
from tests.python.ingest.cdc import market


@pytest.fixture(scope="session")
def market_server() -> Iterator[PostgresServer]:
    with PostgresServer(market.SETTINGS) as server:
        yield server


@pytest.fixture(autouse=True)
def contracts_read_once(monkeypatch: pytest.MonkeyPatch, project_root: Path) -> None:
    """Each reader reads the contracts; here they stay the same, and reading them takes most of a test's time."""
    known = _tables(project_root)
    for module in ("capture", "replay", "landing"):
        monkeypatch.setattr(f"mbp.ingest.cdc.{module}.raw_tables", lambda _: dict(known))


@cache
def _tables(root: Path) -> dict[str, list[tuple[str, str]]]:
    return raw_tables(root)


@dataclass
class Pair:
    """A source and a warehouse of its own."""

    root: Path
    target: str
    server: PostgresServer
    source: MarketSource

    def read(self) -> int:
        return self.reader().run(once=True)

    def reader(self, said: list[str] | None = None) -> SlotReader:
        told = said if said is not None else []
        return SlotReader(self.root, self.target, self.source, told.append, lambda: False)

    def execute(self, *statements: str) -> None:
        market.execute(self.server, self.source.database, *statements)

    def program_environment(self) -> dict[str, str]:
        """For a reader in a process of its own."""
        return {
            **os.environ,
            "MBP_SOURCE_HOST": self.source.host,
            "MBP_SOURCE_PORT": str(self.source.port),
            "MBP_SOURCE_USER": self.source.user,
            "MBP_SOURCE_PASSWORD": str(self.source.password),
            "MBP_SOURCE_DATABASE": self.source.database,
        }

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with connect(self.root, self.target, read_only=True) as warehouse:
            return warehouse.query(sql)[1]

    def at_warehouse(self, statement: str) -> None:
        with connect(self.root, self.target) as warehouse:
            warehouse.execute(statement)

    def at_source(self, sql: str) -> list[tuple[Any, ...]]:
        connection = self.server.connect(self.source.database)
        with connection.cursor() as cursor:
            cursor.execute("set timezone = 'UTC'")
            cursor.execute(sql)
            found = cursor.fetchall()
        connection.close()
        return found

    def reconciles(self) -> None:
        """Row for row: what the log adds up to is what the source has; no change appears twice."""
        columns = "quote_id, market_id, quoted_at, price, volume, depth_2pct, twap_5m"
        log = self.rows(f"select {columns}, __op, __source_lsn from raw_mbp.quotes")
        expected = {row[0]: row[1:] for row in self.at_source(f"select {columns} from quotes")}
        assert market.state(log) == expected
        positions = [(row[0], row[-1]) for row in log]
        assert len(positions) == len(set(positions))


@pytest.fixture(params=["duckdb", "postgres"])
def pair(
    request: pytest.FixtureRequest,
    project_root: Path,
    market_server: PostgresServer,
    postgres_server: PostgresServer,
    postgres_database: str,
    tmp_path: Path,
) -> Iterator[Pair]:
    settings = {
        **postgres_server.environment(postgres_database),
        "MBP_DUCKDB_PATH": str(tmp_path / "mbp.duckdb"),
    }
    columns = change_shape.by_name(_tables(project_root))
    database = f"market_{request.param}"
    with environment(settings):
        with connect(project_root, request.param) as warehouse:
            initialise(project_root, warehouse)
        source = market.create(market_server, database, columns)
        found = Pair(project_root, request.param, market_server, source)
        yield found
    # The slot belongs to the cluster, not to the database; a reader that was killed may still hold it.
    for _ in range(1200):
        administrator = MarketSource(
            market_server.host,
            market_server.port,
            market_server.user,
            market_server.password,
            database,
        )
        drop_slot(administrator)
        if slot_state(administrator) is None:
            break
        time.sleep(0.1)
    market_server.drop_database(database)
