"""A warehouse of simulated quotes for measurements: built, its newest share lying ready for the daily run."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from lab.bench.tools import RELATION, quotes_contract
from lab.postgres_server import PostgresServer
from lab.simulate.parameters import QUOTES_PER_MARKET
from mbp.contracts import Contract
from mbp.core.errors import MbpError
from mbp.core.files import write_text
from mbp.ingest.initialise import initialise
from mbp.quality.compiled_tests import rule_queries
from mbp.runs.dbt_process import environment
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.connection import PostgresWarehouse

BIN = Path(sys.executable).parent
DBT = str(BIN / "dbt")
POSTGRES = "postgres"
NEW_SHARE = 0.01
# One for each kind of daily run that is measured.
LATER_SHARES = 2
# People trade in the last eight hours. Of so few days, the shares that arrive later are the last six, whatever the size.
DAYS = 8
# More of them, a month long, do not fit into the simulated log's positions: each is quoted more often then.
MARKETS_AT_MOST = 40_000
DEFAULT_MEMORY = "16GiB"
# Of a server that is used, not of one for tests; the same for every tool.
POSTGRES_SETTINGS = {
    "shared_buffers": "2GB",
    "work_mem": "256MB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "8GB",
}


@dataclass(frozen=True)
class BenchWarehouse:
    """One warehouse of one size, built; its newest shares arrive later, one at a time.

    Attributes:
        later: (after, until) of the arrivals of each share that is not there yet.
    """

    root: Path
    scratch: Path
    engine: str
    changes: Mapping[str, str]
    contract: Contract
    later: Sequence[tuple[str | None, str | None]]
    queries: Mapping[str, str]
    rows: int

    @property
    def rules(self) -> list[str]:
        return [rule.id for rule in self.contract.rules]


@contextmanager
def built(root: Path, scratch: Path, engine: str, size: int) -> Iterator[BenchWarehouse]:
    """A warehouse in which all but the newest shares of quotes are built.

    Raises:
        MbpError: the market cannot be simulated, or the project does not build on it.
    """
    history = scratch / "history"
    simulate(root, history, size, DAYS)
    with server(scratch, engine) as places:
        changes = {
            **places,
            "MBP_RAW": "loaded",
            "MBP_NOW": "end_of_data",
            "DBT_PROFILES_DIR": str(profile(root, scratch)),
            "DBT_TARGET_PATH": str(scratch / "target"),
            "DBT_LOG_PATH": str(scratch / "logs"),
        }
        with environment(changes):
            with connect(root, engine) as warehouse:
                initialise(root, warehouse)
                edges = thresholds(history, LATER_SHARES)
                deliver(warehouse, history, scratch, None, edges[0])
            build(root, engine, changes)
            later = tuple(itertools.pairwise((*edges, None)))
            yield BenchWarehouse(
                root, scratch, engine, changes, quotes_contract(root), later, {}, 0
            )


def simulate(root: Path, history: Path, size: int, days: int = 30) -> None:
    """A market with about so many quotes."""
    markets = min(size // QUOTES_PER_MARKET, MARKETS_AT_MOST)
    command = [str(BIN / "mbp"), "simulate", "--quotes", str(size), "--markets", str(markets)]
    run([*command, "--days", str(days), "--format", "parquet", "--output", str(history)], root, {})


def arrive(world: BenchWarehouse, number: int) -> None:
    """Delivers one of the shares that came later."""
    after, until = world.later[number]
    with connect(world.root, world.engine) as warehouse:
        deliver(warehouse, world.scratch / "history", world.scratch, after, until)
        settle(warehouse)


def thresholds(history: Path, shares: int) -> list[str]:
    """Arrival times that separate the newest shares of quotes, one by one, the earliest first."""
    cuts = [1 - NEW_SHARE * number for number in range(shares, 0, -1)]
    with duckdb.connect() as files:
        files.execute("set TimeZone = 'UTC'")
        [(seconds_text,)] = files.execute(
            f"select quantile_disc(_loaded_at, {cuts})::varchar[]"
            f" from read_parquet('{history}/mbp.quotes/*.parquet')"
        ).fetchall()
    return [str(cell) for cell in seconds_text]


def settle(warehouse: Warehouse) -> None:
    """What PostgreSQL does by itself in a quiet hour."""
    if warehouse.engine == POSTGRES:
        warehouse.execute("vacuum analyze")


def count(world: BenchWarehouse) -> int:
    """Rows of the table that is measured, after the last build."""
    with connect(world.root, world.engine) as warehouse:
        settle(warehouse)
        return int(warehouse.query(f"select count(*) from {RELATION}")[1][0][0])


def compiled(world: BenchWarehouse) -> Mapping[str, str]:
    return rule_queries(world.root, world.engine, world.changes)


@contextmanager
def server(scratch: Path, engine: str) -> Iterator[Mapping[str, str]]:
    """The variables that lead to an empty warehouse."""
    if engine != POSTGRES:
        yield {"MBP_DUCKDB_PATH": str(scratch / "mbp.duckdb")}
        return
    with PostgresServer(POSTGRES_SETTINGS) as running:
        running.create_database("bench")
        yield running.environment("bench")


def profile(root: Path, scratch: Path) -> Path:
    """The example's profile, with a bound on the memory of DuckDB; its folder."""
    text = (root / "profiles.example.yml").read_text("utf-8")
    memory = os.environ.get("BENCH_MEMORY", DEFAULT_MEMORY)
    setting = "        TimeZone: UTC\n"
    if setting not in text:
        raise MbpError("no settings of DuckDB", path="profiles.example.yml", fix="restore it")
    folder = scratch / "profiles"
    write_text(
        folder / "profiles.yml", text.replace(setting, f"{setting}        memory_limit: {memory}\n")
    )
    return folder


def deliver(
    warehouse: Warehouse, history: Path, scratch: Path, after: str | None, until: str | None
) -> None:
    """Raw rows that arrived after the one instant and no later than the other; without end where that is None."""
    bounds = [f"_loaded_at > timestamptz '{after}'"] if after else []
    bounds += [f"_loaded_at <= timestamptz '{until}'"] if until else []
    wanted = " and ".join(bounds) or "true"
    with duckdb.connect() as files:
        files.execute("set TimeZone = 'UTC'")
        for folder in sorted(path for path in history.iterdir() if path.is_dir()):
            source = f"read_parquet('{folder}/*.parquet')"
            names = [row[0] for row in files.execute(f"describe from {source}").fetchall()]
            rows = f"select {', '.join(names)} from {source} where {wanted} order by _loaded_at"
            relation = f"raw_{folder.name}"
            if not isinstance(warehouse, PostgresWarehouse):
                warehouse.execute(f"insert into {relation} ({', '.join(names)}) {rows}")
                continue
            csv = scratch / "rows.csv"
            files.execute(f"copy ({rows}) to '{csv}' (header false, nullstr '\\N')")
            copy = f"copy {relation} ({', '.join(names)}) from stdin (format csv, null '\\N')"
            with csv.open("rb") as lines, warehouse.connection.cursor() as cursor:
                cursor.copy_expert(copy, lines)
            csv.unlink()


def build(root: Path, engine: str, changes: Mapping[str, str]) -> None:
    """Everything from nothing by the project's own build, with the tests of a day: they leave its mark.

    Raises:
        MbpError: it left no mark, so a daily run would check all rows.
    """
    command = [DBT, "build", "--quiet", "--target", engine, "--full-refresh"]
    run([*command, "--exclude", "tag:nightly", "resource_type:unit_test"], root, changes)
    with connect(root, engine) as warehouse:
        sql = "select dataset from verification.datasets_verified where dataset = 'mbp_quotes'"
        marks = warehouse.query(sql)[1]
    if len(marks) != 1:
        raise MbpError(
            "the build left no mark of what it verified", fix="see why a test did not run"
        )


def plant(world: BenchWarehouse) -> None:
    """A quote that arrives now, copied from the newest one, with a price outside of its bounds."""
    with connect(world.root, world.engine) as warehouse:
        columns = warehouse.query("select * from raw_mbp.quotes where 1 = 0")[0]
        values = {
            "quote_id": "'planted'",
            "price": "1.5",
            "_loaded_at": "_loaded_at + interval '1 second'",
        }
        picked = ", ".join(values.get(name, name) for name in columns)
        warehouse.execute(
            f"insert into raw_mbp.quotes ({', '.join(columns)}) select {picked} from raw_mbp.quotes"
            " order by _loaded_at desc, quote_id limit 1"
        )


def run(command: Sequence[str], root: Path, changes: Mapping[str, str]) -> None:
    finished = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        message = " ".join((finished.stdout + finished.stderr).split())[-1500:]
        raise MbpError(f"{' '.join(command[:3])} failed: {message}", fix="fix what it says")
