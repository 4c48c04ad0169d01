"""Measures change data capture on this machine: rates, lag and memory of the reader, and what a kill -9 costs.

Usage: make bench, or python -m lab.bench capture. BENCH_EVENTS (200000), BENCH_LAG_SECONDS (30) and BENCH_KILLS
(1000) set the sizes. Beside our reader, in the same run: PostgreSQL's native subscription, which goes from server to
server only and is the limit.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.bench.figures import Figure
from lab.drill import market
from lab.market_server import PASSWORD, create
from lab.postgres_server import PostgresServer
from mbp.core.errors import MbpError
from mbp.core.paths import project_root
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.capture import SlotReader
from mbp.ingest.cdc.market_source import MarketSource, drop_slot, slot_state
from mbp.ingest.initialise import initialise
from mbp.ingest.raw_tables import raw_tables
from mbp.runs.dbt_process import environment
from mbp.warehouse import connect

EVENTS = int(os.environ.get("BENCH_EVENTS", "200000"))
LAG_SECONDS = int(os.environ.get("BENCH_LAG_SECONDS", "30"))
KILLS = int(os.environ.get("BENCH_KILLS", "1000"))
TRANSACTIONS_PER_SECOND = 200
# A killed reader has lived between so many seconds: from its start to the middle of its stream.
LIFE_SECONDS = (0.02, 0.6)
GOALS = {"postgres": 40_000, "duckdb": 30_000}
LAG_GOAL_SECONDS = 1.0
MEMORY_GOAL_MB = 300
# Its log is sent when it is flushed: without this, up to 0.2 s after the commit.
SOURCE_SETTINGS = {**market.SETTINGS, "synchronous_commit": "on"}
ROOT = project_root()


@dataclass(frozen=True)
class Pair:
    """A source with the market's tables, and an empty warehouse of a target."""

    target: str
    server: PostgresServer
    source: MarketSource
    settings: Mapping[str, str]

    def execute(self, *statements: str) -> None:
        connection = self.server.connect(self.source.database)
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with environment(self.settings), connect(ROOT, self.target, read_only=True) as warehouse:
            return warehouse.query(sql)[1]

    def reader(self) -> SlotReader:
        """Made before anything is timed: reading the contracts is no part of a rate."""
        with environment(self.settings):
            return SlotReader(ROOT, self.target, self.source, lambda _: None, lambda: False)


def measure(_: Path) -> list[Figure]:
    """Rates beside the native subscription, lag and memory, and that no kill loses or repeats a change."""
    figures: list[Figure] = []
    with (
        PostgresServer(SOURCE_SETTINGS) as server,
        PostgresServer({"wal_level": "logical"}) as warehouse,
        tempfile.TemporaryDirectory(prefix="mbp-bench-") as folder,
    ):
        native = ("native subscription", _native(server, warehouse))
        on = f"{EVENTS:,} inserts in transactions of 1,000"
        for target, goal in GOALS.items():
            with _pair(server, warehouse, Path(folder), target, "drain") as pair:
                rate = _drain(pair)
            name = f"changes drained into {target}"
            figures.append(Figure(name, on, rate, "events/s", *native, goal=goal))
            with _pair(server, warehouse, Path(folder), target, "lag") as pair:
                figures += _lag(pair)
            with _pair(server, warehouse, Path(folder), target, "kill") as pair:
                figures += _kills(pair)
    return figures


@contextmanager
def _pair(
    server: PostgresServer, warehouse: PostgresServer, folder: Path, target: str, what: str
) -> Iterator[Pair]:
    name = f"{what}_{target}"
    warehouse.create_database(f"warehouse_{name}")
    settings = {
        **warehouse.environment(f"warehouse_{name}"),
        "MBP_DUCKDB_PATH": str(folder / f"{name}.duckdb"),
    }
    source = create(server, name, change_shape.by_name(raw_tables(ROOT)))
    with environment(settings), connect(ROOT, target) as opened:
        initialise(ROOT, opened)
    pair = Pair(target, server, source, settings)
    try:
        yield pair
    finally:
        administrator = MarketSource(server.host, server.port, server.user, server.password, name)
        while slot_state(administrator) is not None:
            drop_slot(administrator)
            time.sleep(0.05)
        server.drop_database(name)


def _drain(pair: Pair) -> float:
    pair.reader().run(once=True)
    pair.execute(*(market.quotes(first, 1000) for first in range(0, EVENTS, 1000)))
    reader = pair.reader()
    begun = time.perf_counter()
    rows = reader.run(once=True)
    return rows / (time.perf_counter() - begun)


def _lag(pair: Pair) -> list[Figure]:
    """200 transactions a second into a reader in a separate process; lag from the data, memory from the kernel."""
    program = [sys.executable, "-m", "mbp.cli.main", "cdc", "run", "--target", pair.target]
    own = {
        **os.environ,
        **pair.settings,
        "MBP_SOURCE_HOST": pair.source.host,
        "MBP_SOURCE_PORT": str(pair.source.port),
        "MBP_SOURCE_USER": pair.source.user,
        "MBP_SOURCE_PASSWORD": PASSWORD,
        "MBP_SOURCE_DATABASE": pair.source.database,
    }
    process = subprocess.Popen(program, cwd=ROOT, env=own, stderr=subprocess.DEVNULL)
    while (results := slot_state(pair.source)) is None or not results["active"]:
        time.sleep(0.1)
    ends = time.monotonic() + LAG_SECONDS
    number, pause, next_at = 0, 1 / TRANSACTIONS_PER_SECOND, time.monotonic()
    connection = pair.server.connect(pair.source.database)
    with connection.cursor() as cursor:
        while time.monotonic() < ends:
            cursor.execute(market.quotes(number, 1))
            number, next_at = number + 1, next_at + pause
            time.sleep(max(0.0, next_at - time.monotonic()))
    connection.close()
    memory = _peak_memory_mb(process.pid)
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    lags = [
        float(row[0])
        for row in pair.rows(
            "select extract(epoch from _loaded_at) - __source_ts_ms / 1000.0 from raw_mbp.quotes where __op = 'c'"
        )
    ]
    p50, p95 = (statistics.quantiles(lags, n=100)[place] for place in (49, 94))
    on = f"{pair.target}, {TRANSACTIONS_PER_SECOND} transactions/s for {LAG_SECONDS} s"
    return [
        Figure("lag of capture, median", on, p50, "s"),
        Figure("lag of capture, p95", on, p95, "s", goal=LAG_GOAL_SECONDS),
        Figure("most memory of capture", on, memory, "MB", goal=MEMORY_GOAL_MB),
        Figure("changes missing", on, number - len(lags), "changes", goal=0),
    ]


def _kills(pair: Pair) -> list[Figure]:
    """kill -9 at random moments while random transactions go on; then a count of what is lost or twice."""
    chance = random.Random(1)  # noqa: S311
    stopping = threading.Event()
    load = threading.Thread(target=_load, args=(pair, stopping))
    load.start()
    # A fork that has imported everything already: its life is the reader's work, not Python's start.
    fork = multiprocessing.get_context("fork")
    reader, alive = pair.reader(), 0
    for _ in range(KILLS):
        child = fork.Process(target=reader.run, kwargs={"once": False})
        child.start()
        time.sleep(chance.uniform(*LIFE_SECONDS))
        alive += child.is_alive()
        child.kill()
        child.join()
    stopping.set()
    load.join()
    pair.reader().run(once=True)
    key = "quote_id, market_id, quoted_at, price, volume, depth_2pct, twap_5m"
    with _source_cursor(pair) as cursor:
        cursor.execute(f"select {key} from quotes")
        expected = {row[0]: row for row in cursor.fetchall()}
    log = pair.rows(f"select {key}, __op, __source_lsn from raw_mbp.quotes order by __source_lsn")
    streamed = [row for row in log if row[-2] != "r"]
    state: dict[str, tuple[Any, ...]] = {}
    for row in log:
        if row[-2] == "d":
            state.pop(row[0], None)
        else:
            state[row[0]] = row[:-2]
    lost = sum(state.get(name) != row for name, row in expected.items())
    lost += len(state.keys() - expected.keys())
    twice = len(streamed) - len({(row[0], row[-1]) for row in streamed})
    if alive < KILLS // 2:
        raise MbpError(f"{alive} of {KILLS} kills met a reader", fix="measure on a quieter machine")
    on = f"{pair.target}, {KILLS:,} kills -9 under load"
    return [
        Figure("changes lost", on, lost, "changes", goal=0),
        Figure("changes twice", on, twice, "changes", goal=0),
    ]


def _load(pair: Pair, stopping: threading.Event) -> None:
    """Inserts, updates and deletes of a few keys, some of them together; what was done is counted at the source."""
    chance = random.Random(2)  # noqa: S311
    with _source_cursor(pair) as cursor:
        while not stopping.is_set():
            statements = []
            for _ in range(chance.choice([1, 1, 3, 20])):
                key = f"q-{chance.randrange(500)}"
                statements.append(
                    chance.choice(
                        [
                            f"insert into quotes (quote_id, volume) values ('{key}', {chance.randrange(1000)})"
                            " on conflict (quote_id) do update set volume = excluded.volume",
                            f"delete from quotes where quote_id = '{key}'",
                        ]
                    )
                )
            cursor.execute("; ".join(["begin", *statements, "commit"]))
            time.sleep(0.01)


@contextmanager
def _source_cursor(pair: Pair) -> Iterator[Any]:
    connection = pair.server.connect(pair.source.database)
    with connection.cursor() as cursor:
        cursor.execute("set timezone = 'UTC'")
        yield cursor
    connection.close()


def _native(server: PostgresServer, warehouse: PostgresServer) -> float:
    """PostgreSQL's own subscription of the same inserts, from the moment it is enabled."""
    table = (
        "create table quotes (quote_id text primary key, market_id text, quoted_at timestamptz,"
        " price numeric(18,8), volume numeric(18,8), depth_2pct numeric(18,8), twap_5m numeric(18,8))"
    )
    for postgres_server in (server, warehouse):
        postgres_server.create_database("native")
    at_source, at_target = server.connect("native"), warehouse.connect("native")
    try:
        with at_source.cursor() as source, at_target.cursor() as target:
            source.execute(table)
            source.execute("create publication native for table quotes")
            source.execute("select pg_create_logical_replication_slot('native', 'pgoutput')")
            target.execute(table)
            place = f"host={server.host} port={server.port} user={server.user} dbname=native"
            target.execute(
                f"create subscription native connection '{place} password={server.password}' publication native"
                " with (create_slot = false, slot_name = 'native', copy_data = false, enabled = false)"
            )
            for first in range(0, EVENTS, 1000):
                source.execute(market.quotes(first, 1000))
            begun = time.perf_counter()
            target.execute("alter subscription native enable")
            _until(target, f"select count(*) >= {EVENTS} from quotes")
            seconds = time.perf_counter() - begun
            target.execute("alter subscription native disable")
            target.execute("alter subscription native set (slot_name = none)")
            target.execute("drop subscription native")
            _until(source, "select not active from pg_replication_slots where slot_name = 'native'")
            source.execute("select pg_drop_replication_slot('native')")
    finally:
        at_source.close()
        at_target.close()
    return EVENTS / seconds


def _until(cursor: Any, question: str, pause: Callable[[float], None] = time.sleep) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        cursor.execute(question)
        if cursor.fetchone()[0]:
            return
        pause(0.02)
    raise SystemExit(f"bench: never true: {question}")


def _peak_memory_mb(process_id: int) -> float:
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise SystemExit("bench: the reader has ended")
