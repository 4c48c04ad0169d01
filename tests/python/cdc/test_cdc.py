"""From a real PostgreSQL into both warehouses: every value, no gap, no loss, no repetition."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.python.cdc import market

from mbp.building.dbt_process import environment
from mbp.cdc import shape
from mbp.cdc.run import Reader
from mbp.cdc.source import SLOT, Source, drop_slot, setup_sql, slot_state
from mbp.cdc.status import read_status
from mbp.errors import MbpError
from mbp.warehouse import connect
from mbp.warehouse.initialise import initialise
from mbp.warehouse.raw_tables import raw_tables
from mbp.warehouse.server import PostgresServer

MARKET_SETTINGS = {"wal_level": "logical", "max_wal_senders": "10", "max_replication_slots": "10"}


@pytest.fixture(scope="module")
def market_server() -> Iterator[PostgresServer]:
    with PostgresServer(MARKET_SETTINGS) as server:
        yield server


@dataclass
class Pair:
    """A source and a warehouse of its own."""

    root: Path
    target: str
    server: PostgresServer
    source: Source

    def read(self) -> int:
        return self.reader().run(once=True)

    def reader(self, said: list[str] | None = None) -> Reader:
        told = said if said is not None else []
        return Reader(self.root, self.target, self.source, told.append, lambda: False)

    def execute(self, *statements: str) -> None:
        market.execute(self.server, self.source.database, *statements)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with connect(self.root, self.target, read_only=True) as warehouse:
            return warehouse.query(sql)[1]

    def at_source(self, sql: str) -> list[tuple[Any, ...]]:
        connection = self.server.connect(self.source.database)
        with connection.cursor() as cursor:
            cursor.execute("set timezone = 'UTC'")
            cursor.execute(sql)
            found = cursor.fetchall()
        connection.close()
        return found

    def reconciles(self) -> None:
        """Row for row: what the log adds up to is what the source has; no change stands twice."""
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
    columns = shape.by_name(raw_tables(project_root))
    database = f"market_{request.param}"
    with environment(settings):
        with connect(project_root, request.param) as warehouse:
            initialise(project_root, warehouse)
        source = market.create(market_server, database, columns)
        found = Pair(project_root, request.param, market_server, source)
        yield found
    # The slot belongs to the cluster, not to the database; a reader that was killed may still hold it.
    for _ in range(100):
        administrator = Source(
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


def test_snapshot_and_stream_have_every_value(pair: Pair) -> None:
    values = "), (".join(
        f"'m-{place}', {quoted(text)}, '2026-01-05 00:00:00.123456+00', 12345.12345678"
        for place, text in enumerate(market.TEXTS)
    )
    insert = f"insert into markets (market_id, name, opened_at, min_liquidity) values ({values})"
    pair.execute(insert, "insert into markets (market_id) values ('m-null')")
    assert pair.read() == len(market.TEXTS) + 1 + 4  # and one heartbeat per table
    assert {row[0] for row in pair.rows("select __op from raw_mbp.markets")} == {"r"}
    pair.execute(
        insert.replace("'m-", "'n-"),
        "update markets set min_liquidity = 0.00000001 where market_id = 'm-0'",
        "update markets set market_id = 'moved' where market_id = 'm-1'",
        "delete from markets where market_id = 'm-2'",
    )
    pair.read()
    columns = "market_id, name, opened_at, min_liquidity"
    log = pair.rows(f"select {columns}, __op, __source_lsn from raw_mbp.markets")
    expected = {row[0]: row[1:] for row in pair.at_source(f"select {columns} from markets")}
    found = market.state(log)
    # The old key of a moved row stays in the log until it is deleted by its own change.
    assert {key: found[key] for key in expected} == expected
    assert found["m-null"] == (None, None, None)
    assert pair.rows("select count(*) from raw_mbp.markets where _loaded_at is null") == [(0,)]
    lags = pair.rows(
        "select min(extract(epoch from _loaded_at) - __source_ts_ms / 1000.0) from raw_mbp.markets"
    )
    assert float(lags[0][0]) >= 0


def test_reading_again_adds_nothing(pair: Pair) -> None:
    pair.execute(market.quotes(1, 100))
    pair.read()
    before = pair.rows("select count(*) from raw_mbp.quotes")
    pair.read()
    pair.read()
    assert pair.rows("select count(*) from raw_mbp.quotes") == before == [(100,)]
    pair.reconciles()


def test_a_transaction_larger_than_a_batch_is_whole(pair: Pair) -> None:
    pair.read()
    pair.execute(market.quotes(1, 45_000), "update quotes set volume = volume + 1")
    pair.read()
    assert pair.rows("select __op, count(*) from raw_mbp.quotes group by 1 order by 1") == [
        ("c", 45_000),
        ("u", 45_000),
    ]
    pair.reconciles()


def test_large_values_that_an_update_left_alone_are_kept(pair: Pair) -> None:
    pair.read()
    large = "repeat(md5(random()::text), 4000)"
    pair.execute(
        f"insert into abuse_events (abuse_event_id, details) select 'a', string_agg({large}, '')"
        " from generate_series(1, 3)",
        "update abuse_events set kind = 'burst'",
    )
    pair.read()
    (expected,) = pair.at_source("select md5(details) from abuse_events")
    found = pair.rows("select md5(details), __op from raw_mbp.abuse_events order by __source_lsn")
    assert found == [(expected[0], "c"), (expected[0], "u")]


def test_a_reader_that_is_killed_loses_and_repeats_nothing(pair: Pair) -> None:
    """kill -9 at arbitrary moments, under load; the snapshot is among the moments."""
    pair.execute(market.quotes(1000, 3000))
    program = [sys.executable, "-m", "mbp.cli", "cdc", "run", "--target", pair.target]
    settings = {
        **os.environ,
        "MBP_SOURCE_HOST": pair.source.host,
        "MBP_SOURCE_PORT": str(pair.source.port),
        "MBP_SOURCE_USER": pair.source.user,
        "MBP_SOURCE_PASSWORD": str(pair.source.password),
        "MBP_SOURCE_DATABASE": pair.source.database,
    }
    for number in range(6):
        process = subprocess.Popen(
            program,
            cwd=pair.root,
            env=settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 0.9 + 0.17 * number
        seed = 0
        while time.monotonic() < deadline:
            pair.execute(*market.changes(100 * number + seed, 20))
            seed += 1
        process.kill()
        process.wait()
    for _ in range(100):
        slot = slot_state(pair.source)
        if slot is None or not slot["active"]:
            break
        time.sleep(0.1)
    pair.read()
    pair.reconciles()


def test_a_reader_that_is_asked_to_stop_ends_well(pair: Pair) -> None:
    pair.execute(market.quotes(1, 10))
    settings = {
        **os.environ,
        "MBP_SOURCE_HOST": pair.source.host,
        "MBP_SOURCE_PORT": str(pair.source.port),
        "MBP_SOURCE_USER": pair.source.user,
        "MBP_SOURCE_PASSWORD": str(pair.source.password),
        "MBP_SOURCE_DATABASE": pair.source.database,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "mbp.cli", "cdc", "run", "--target", pair.target],
        cwd=pair.root,
        env=settings,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(2.5)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert "position" in said
    assert str(pair.source.password) not in said
    pair.reconciles()


def test_status_tells_lag_and_slot(pair: Pair) -> None:
    with pytest.raises(MbpError, match="nothing was ever read"):
        read_status(pair.root, pair.target, pair.source)
    pair.execute(market.quotes(1, 10))
    pair.read()
    found = read_status(pair.root, pair.target, pair.source)
    tables = {one.table: one for one in found.tables}
    assert tables["quotes"].rows == 10
    for one in found.tables:
        # Quiet tables have a lag, because heartbeats take their way.
        assert one.lag_p95_seconds is not None
        assert 0 <= one.lag_p95_seconds < 30
        assert one.heartbeat_age_seconds is not None
    assert found.slot is not None
    assert found.slot["active"] is False
    assert found.slot["retained_bytes"] >= 0


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("alter table quotes drop column depth_2pct", "quotes.depth_2pct is gone from the source"),
        ("alter table quotes rename column price to prize", "quotes.price is gone from the source"),
        ("alter table quotes alter column price type text", "quotes.price has another type"),
        (
            "alter table quotes alter column market_id type text[] using array[market_id]",
            "another type",
        ),
        ("alter table quotes replica identity default", "does not send old rows whole"),
    ],
)
def test_a_source_that_breaks_the_contract_stops_before_a_wrong_row(
    pair: Pair, statement: str, told: str
) -> None:
    pair.execute(market.quotes(1, 5))
    pair.read()
    before = pair.rows("select count(*) from raw_mbp.quotes")
    pair.execute(statement, "insert into quotes (quote_id) values ('after')")
    with pytest.raises(MbpError, match=told):
        pair.read()
    assert pair.rows("select count(*) from raw_mbp.quotes") == before


def test_a_new_column_is_reported_and_its_rows_arrive(pair: Pair) -> None:
    pair.read()
    pair.execute(
        "alter table quotes add column mood text",
        "insert into quotes (quote_id, mood) values ('q', 'good')",
    )
    said: list[str] = []
    pair.reader(said).run(once=True)
    assert "drift: quotes has columns without a contract: mood" in said
    assert pair.rows("select quote_id from raw_mbp.quotes") == [("q",)]


def test_the_loader_role_is_enough_for_the_warehouse(pair: Pair) -> None:
    """On PostgreSQL it appends to the logs and moves the position, and may change no row of a log."""
    pair.execute(market.quotes(1, 5))
    with environment({"MBP_PG_ROLE": "mbp_loader"}):
        pair.read()
    pair.reconciles()


def test_a_duckdb_file_that_is_held_is_waited_for(pair: Pair) -> None:
    pair.execute(market.quotes(1, 5))
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, os, sys, time; held = duckdb.connect(os.environ['MBP_DUCKDB_PATH']);"
            " print('held', flush=True); time.sleep(2)",
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    pair.read()
    holder.wait()
    pair.reconciles()


def test_a_warehouse_that_was_not_initialised_is_told(pair: Pair) -> None:
    with connect(pair.root, pair.target) as warehouse:
        warehouse.execute("drop table raw_mbp._cdc_position")
    with pytest.raises(MbpError, match="run `mbp db init`"):
        pair.read()


def test_truncate_is_an_event_and_not_silence(pair: Pair) -> None:
    pair.execute(market.quotes(1, 5))
    pair.read()
    pair.execute("truncate quotes")
    with pytest.raises(MbpError, match="quotes was emptied at the source"):
        pair.read()


def test_a_lost_slot_is_not_passed_over(pair: Pair) -> None:
    pair.read()
    drop_slot(pair.source)
    pair.execute(market.quotes(1, 5))
    with pytest.raises(MbpError, match="the slot is gone"):
        pair.read()


def test_the_slot_of_another_warehouse_is_left_alone(pair: Pair) -> None:
    pair.read()
    with connect(pair.root, pair.target) as warehouse:
        warehouse.execute("delete from raw_mbp._cdc_position")
    with pytest.raises(MbpError, match="has a slot mbp_cdc already"):
        pair.read()
    assert slot_state(pair.source) is not None


def test_a_snapshot_that_was_cut_off_begins_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.execute(market.quotes(1, 5))
    with monkeypatch.context() as patched:
        patched.setattr(
            "mbp.cdc.run.snapshot_rows", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            pair.read()
    assert slot_state(pair.source) is not None
    said: list[str] = []
    pair.reader(said).run(once=True)
    assert said[0] == "the last snapshot did not end; it begins again"
    pair.reconciles()


def test_a_source_that_was_not_set_up_is_refused(pair: Pair) -> None:
    pair.execute("drop publication mbp_cdc")
    with pytest.raises(MbpError, match=f"the publication {SLOT} lacks abuse_events, markets"):
        pair.read()
    wrong = Source(pair.source.host, pair.source.port, pair.source.user, "wrong", "nowhere")
    with pytest.raises(MbpError, match="cannot be reached") as caught:
        Reader(pair.root, pair.target, wrong, lambda _: None, lambda: True).run(once=True)
    assert "password" in str(caught.value).lower()
    assert "'wrong'" not in str(caught.value)


def test_the_reader_may_read_and_replicate_and_no_more(pair: Pair) -> None:
    connection = pair.source.connect()
    with connection.cursor() as cursor:
        for statement in (
            "delete from quotes",
            "update quotes set volume = 1",
            "create table x (y int)",
        ):
            with pytest.raises(Exception, match="permission denied"):
                cursor.execute(statement)
            connection.rollback()
    connection.close()
    assert not any("superuser" in statement for statement in setup_sql())


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
