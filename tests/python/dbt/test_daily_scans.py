"""A daily run reads what is new: of a table with much old data its statements read a few blocks, but for those named.

The built sample becomes the newest days of a warehouse with years before them: each table gets copies of its rows,
older by some days each, under other keys. DuckDB counts the rows that a scan read after it skipped blocks by their
minima and maxima. Nothing is timed.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper

from mbp.runs.dbt_process import EARLIER_PARSE, run_dbt
from tests.python.built import Built

# A block has 122,880 rows, but in a file that was written so: then so many copies of the sample's quotes fill twenty.
BLOCK = 2048
COPIES = 12
# A table of fewer rows has a few blocks, and reading one of them says nothing.
SEVERAL = 10 * BLOCK
# Trades are fewer than quotes: they get more copies.
TWINS = 8
COPIED = ("sample_mbp", "intermediate", "marts", "reliability", "semantic", "verification")
# What says how far a build is, and not what it has.
MARKS = ("applied_logs", "datasets_verified", "looked_at", "runs", "warehouse")
NODE = re.compile(r'"node_id": "\w+\.mbp\.(\w+)')
# Node and table -> scans of most of its rows: what a day cannot do without. Another one, or one more, is a loss.
KEYS = {
    # New keys are searched among all old ones: one may be a change of any of them, or collide with it.
    ("int_mbp__quotes_latest", "int_mbp__quotes_latest"): 1,
    ("int_mbp__trades_latest", "int_mbp__trades_latest"): 1,
    ("mbp_quotes", "mbp_quotes"): 1,
    # The trade itself, and the trades of a quote that changed.
    ("mbp_trades", "mbp_trades"): 2,
}
RULES = {
    # How many rows there are: no column is read.
    ("mbp_quotes_volume", "mbp_quotes"): 1,
    ("mbp_trades_volume", "mbp_trades"): 1,
    # Averages are judged all; two numbers of each row, or one.
    ("twap_bound", "int_mbp__quotes_twap"): 1,
    ("twap_reconciles", "int_mbp__quotes_twap"): 1,
    # The first trade of each market.
    ("closed_market_no_trades", "mbp_trades"): 1,
}


MEASURES = {
    # A deleted quote whose arrival nobody knows: nothing is read where no arrival is missing.
    ("int_mbp__quotes_twap", "int_mbp__quotes_twap"): 1,
    # One row for each five minutes, with or without a change.
    ("kpi_cdc_lag_lag_id_unique", "kpi_cdc_lag"): 1,
}


def older(column: str, kind: str, number: str = "n") -> str:
    """What a copy has in a column: earlier by three days each, under another key."""
    if kind.startswith("TIMESTAMP"):
        # The beginning of all time stays.
        return f"case when {column} > '1971-01-01' then {column} - {number} * interval '3 days' else {column} end"
    if kind == "DATE":
        return f"cast({column} - interval '3 days' * {number} as date)"
    if column == "__source_ts_ms":
        return f"{column} - {number} * 259200000"
    if column in ("__source_lsn", "log_position"):
        return f"{column} - {number} * 1000000"
    if column == "trade_id":
        return f"{column} || '-' || {number} || '-' || twin"
    if column.endswith("_id") and column not in ("template_id", "kpi_id", "audit_trace_id"):
        return f"{column} || '-' || {number}"
    return column


def aged(original: Path, file: Path) -> dict[str, int]:
    """Copies a warehouse and gives it years of old rows and some new ones; the rows of each table of several blocks."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{original}' as original (read_only)")
        connection.execute(f"attach '{file}' as {file.stem} (row_group_size {BLOCK})")
        connection.execute(f"copy from database original to {file.stem}")
        connection.execute(f"use {file.stem}")
        connection.execute("detach original")
        age(connection)
        arrive(connection)
        return dict(
            connection.execute(
                "select table_name, estimated_size from duckdb_tables()"
                f" where not temporary and estimated_size > {SEVERAL}"
            ).fetchall()
        )


def age(connection: duckdb.DuckDBPyConnection) -> None:
    """Puts copies of all rows before them, the oldest first."""
    found = connection.execute(
        "select c.table_schema || '.' || c.table_name,"
        " list({'name': column_name, 'kind': data_type} order by ordinal_position)"
        " from information_schema.columns as c inner join duckdb_tables() as t on c.table_schema = t.schema_name"
        f" and c.table_name = t.table_name where c.table_schema in {COPIED} and c.table_name not in {MARKS}"
        " group by all having bool_or(data_type like 'TIMESTAMP%')"
    ).fetchall()
    for table, columns in found:
        aged = [older(one["name"], one["kind"]) for one in columns]
        twins = TWINS if any(one["name"] == "trade_id" for one in columns) else 1
        connection.execute(f"create or replace temp table newest as from {table}")
        connection.execute(f"delete from {table}")
        connection.execute(
            f"insert into {table} select {', '.join(aged)} from range({COPIES}, 0, -1) as copies(n),"
            f" range({twins}) as twins(twin), newest order by n desc"
        )
        connection.execute(f"insert into {table} from newest")


def arrive(connection: duckdb.DuckDBPyConnection) -> None:
    """Six hours more of quotes and of their trades, and a correction of some quotes of the hour before."""
    later = {
        "__source_ts_ms": "__source_ts_ms + 21600000",
        "__source_lsn": "__source_lsn + 100000",
        "_loaded_at": "_loaded_at + interval '6 hours'",
    }
    quotes = {"quote_id": "quote_id || '-new'", "quoted_at": "quoted_at + interval '6 hours'"}
    trades = {
        "trade_id": "trade_id || '-new'",
        "quote_id": "quote_id || '-new'",
        "traded_at": "traded_at + interval '6 hours'",
    }
    markets = "select market_id from marts.mbp_markets where status = 'open'"
    recent = f"__op = 'c' and market_id in ({markets}) and _loaded_at"
    of_new = "quote_id || '-new' in (select quote_id from sample_mbp.quotes)"
    for table, changes, rows in (
        ("quotes", {}, f"{recent} > '2026-01-06 23:30:00'"),
        ("quotes", quotes, f"{recent} between '2026-01-06 18:00:00' and '2026-01-07'"),
        ("trades", trades, of_new),
    ):
        replaced = ", ".join(f"{sql} as {name}" for name, sql in {**later, **changes}.items())
        added = connection.execute(
            f"insert into sample_mbp.{table} select * replace ({replaced}) from sample_mbp.{table}"
            f" where {rows} order by _loaded_at"
        ).fetchone()
        assert added and added[0] > 0
    # The first trade of the slice arrived a moment after the quote that it refers to.
    mark = "(select verified_until from verification.datasets_verified where dataset = '{}')"
    moved = connection.execute(
        "update intermediate.int_mbp__quotes_latest"
        f" set loaded_at = {mark.format('mbp_quotes')} - interval '121 minutes' where quote_id = ("
        "select quote_id from intermediate.int_mbp__trades_latest"
        f" where loaded_at >= {mark.format('mbp_trades')} - interval '120 minutes'"
        " order by loaded_at, trade_id limit 1)"
    ).fetchone()
    assert moved == (1,)


def scans(profile: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Table and rows of each scan of a statement."""
    for operator in profile.get("children", ()):
        table = operator["extra_info"].get("Table")
        if table:
            yield table.rpartition(".")[2], int(operator["operator_rows_scanned"])
        yield from scans(operator)


@contextmanager
def whole_tables(sizes: Mapping[str, int]) -> Iterator[Counter[tuple[str, str]]]:
    """Node and table -> how many scans of what dbt executes inside the block read most of that table's rows."""
    found: Counter[tuple[str, str]] = Counter()
    plain = DuckDBCursorWrapper.execute

    def execute(wrapper: Any, sql: str, bindings: Any = None) -> Any:
        node = NODE.search(sql)
        cursor = wrapper._cursor
        cursor.execute("set enable_profiling = 'no_output'")
        # It would put the rows into blocks of the usual size.
        cursor.execute("set checkpoint_threshold = '1 TB'")
        # A profile is of one statement.
        parts = [part.query for part in duckdb.extract_statements(sql)] if bindings is None else []
        for part in parts or [sql]:
            result = plain(wrapper, part, bindings)
            profile = json.loads(cursor.get_profiling_information("json"))
            found.update(
                (node.group(1) if node else "a question of a macro", table)
                for table, rows in scans(profile)
                if rows > sizes.get(table, rows * 2) / 2
            )
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DuckDBCursorWrapper, "execute", execute)
        yield found


def read_whole(built: Built, folder: Path, *options: str) -> Counter[tuple[str, str]]:
    """What a daily run over the aged sample reads whole, of tables with several blocks."""
    original = Path(built.settings["duckdb"]["MBP_DUCKDB_PATH"])
    file = folder / original.name
    sizes = aged(original, file)
    assert {table for _, table in KEYS | RULES} | {"quotes", "trades"} <= sizes.keys()
    (folder / "target").mkdir()
    shutil.copyfile(built.artifacts("duckdb") / EARLIER_PARSE, folder / "target" / EARLIER_PARSE)
    settings = {**built.settings["duckdb"], "MBP_DUCKDB_PATH": str(file)}
    with whole_tables(sizes) as found:
        outcome = run_dbt(
            built.root,
            ["build", "--selector", *options],
            target="duckdb",
            artifacts=folder,
            changes=settings,
            quiet=True,
        )
    assert outcome.problem is None, outcome.problem
    states = {one.node.name: str(one.status) for one in outcome.result}
    assert states["datasets_verified"] == "success", states
    return found


def test_a_daily_run_reads_what_is_new(built: Built, tmp_path: Path) -> None:
    assert read_whole(built, tmp_path, "daily_incremental") == KEYS | RULES


@pytest.mark.slow
def test_a_whole_day_reads_what_is_new(built: Built, tmp_path: Path) -> None:
    assert read_whole(built, tmp_path, "daily") == KEYS | RULES | MEASURES


@pytest.mark.slow
def test_a_day_that_looks_back_for_years_is_told(built: Built, tmp_path: Path) -> None:
    """What the counts would be without the restrictions to what is new."""
    years = ("--vars", json.dumps({"mbp_lookback_minutes": 10**6}))
    found = read_whole(built, tmp_path, "daily_incremental", *years)
    assert found.total() > 2 * sum((KEYS | RULES).values()), found
