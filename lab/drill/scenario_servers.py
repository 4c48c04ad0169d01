"""Where a scenario plays: a source, a warehouse, a network between them, and readers in separate processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import duckdb
import psycopg2

from lab.drill import market
from lab.drill.proxy import Proxy
from lab.drill.row_for_row import Compared, compare, log_sql, source_sql, twice_sql
from lab.drill.transactions import Load
from lab.postgres_server import PostgresServer
from mbp.core.errors import MbpError
from mbp.ingest.cdc.change_shape import own_columns
from mbp.ingest.cdc.market_source import SLOT, MarketSource, slot_state
from mbp.ingest.raw_tables import raw_tables
from mbp.runs.dbt_process import environment
from mbp.warehouse import connect

PATIENCE_SECONDS = 300.0
STOP_SECONDS = 60.0
PAUSE_SECONDS = 0.1
MEBIBYTE_IN_KIB = 1024


@dataclass(frozen=True)
class Said:
    """A line that a reader printed, and when (monotonic seconds)."""

    at: float
    line: str


@dataclass
class ScenarioServers:
    """One scenario's own source and warehouse.

    Attributes:
        root: an isolated copy of the project.
        settings: environment of everything that happens here.
        warehouse_server: None where the warehouse is a file.
        quota: the small file system that the reader writes to, in the scenario that fills it.
        begun_at: Unix seconds; arrivals before do not count.
        peak_memory_mib: of the largest reader.
    """

    root: Path
    target: str
    server: PostgresServer
    warehouse_server: PostgresServer | None
    source: MarketSource
    proxy: Proxy
    settings: Mapping[str, str]
    seed: int
    quota: Path | None = None
    begun_at: float = field(default_factory=time.time)
    log_lines: list[Said] = field(default_factory=list)
    peak_memory_mib: float = 0.0
    loads: int = 0

    @contextmanager
    def reader(self) -> Iterator[subprocess.Popen[str]]:
        """A reader until the block ends; then asked to stop."""
        process = self.start()
        try:
            yield process
            self.stop(process)
        finally:
            if process.poll() is None:
                self.kill(process)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """`mbp cdc run`, or another command, through the proxy."""
        host, port = self.proxy.address
        own = {
            **os.environ,
            **self.settings,
            "MBP_SOURCE_HOST": host,
            "MBP_SOURCE_PORT": str(port),
            "MBP_SOURCE_USER": self.source.user,
            "MBP_SOURCE_PASSWORD": str(self.source.password),
            "MBP_SOURCE_DATABASE": self.source.database,
        }
        words = [*(command or ("run",)), "--target", self.target]
        process = subprocess.Popen(
            [sys.executable, "-m", "mbp.cli.main", "cdc", *words],
            cwd=self.root,
            env=own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def stop(self, process: subprocess.Popen[str]) -> int:
        """Asks it to end; its exit code.

        Raises:
            MbpError: it does not.
        """
        self._remember_memory(process)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise MbpError(
                f"the reader did not end within {STOP_SECONDS:.0f} s",
                fix="end it by hand, then run the scenario alone",
            ) from error

    def kill(self, process: subprocess.Popen[str]) -> None:
        """kill -9."""
        self._remember_memory(process)
        process.kill()
        process.wait()

    def command(self, *command: str) -> int:
        """A command of `mbp cdc` to its end; its exit code.

        Raises:
            MbpError: it does not end.
        """
        process = self.start(*command)
        try:
            return process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as error:
            self.kill(process)
            message = " ".join(command)
            raise MbpError(
                f"`mbp cdc {message}` did not end",
                fix="end it by hand, then run the scenario alone",
            ) from error

    def load(self) -> Load:
        """Random transactions at the source, other ones each time."""
        self.loads += 1
        return Load(self.server, self.source.database, self.seed + self.loads)

    def execute(self, *statements: str) -> None:
        """At the source, by its administrator, past the proxy."""
        market.execute(self.server, self.source.database, *statements)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """From the warehouse."""
        with environment(self.settings), connect(self.root, self.target, read_only=True) as opened:
            return opened.query(sql)[1]

    def number(self, sql: str) -> int:
        """One number from the warehouse."""
        return int(self.rows(sql)[0][0])

    def position(self) -> int:
        """Up to where the slot was applied; -1: not yet."""
        results = self.rows(
            f"select max(position) from raw_mbp._cdc_position where slot = '{SLOT}'"
        )
        return -1 if results[0][0] is None else int(results[0][0])

    def caught_up(self) -> float:
        """Waits until a change that is made now is in the warehouse; seconds.

        Raises:
            MbpError: it does not arrive.
        """
        mark, begun = f"mark-{time.time_ns()}", time.monotonic()
        wait_for(lambda: self._marked(mark), "the source accepts a change")
        wait_for(
            lambda: bool(self.rows(f"select 1 from raw_mbp.markets where market_id = '{mark}'")),
            "a change of the source is in the warehouse",
            tail=self.tail,
        )
        return time.monotonic() - begun

    def noticed(self, text: str, since: float) -> float:
        """Waits until a reader says something with `text` in it; seconds after `since` (monotonic).

        Raises:
            MbpError: it does not.
        """
        wait_for(
            lambda: self.heard(text, since) is not None, f"the reader says {text!r}", tail=self.tail
        )
        return cast(float, self.heard(text, since))

    def heard(self, text: str, since: float) -> float | None:
        """How long after `since` a reader said it first; None: never."""
        results = [entry.at for entry in self.log_lines if text in entry.line and entry.at >= since]
        return min(results) - since if results else None

    def tail(self) -> str:
        """The end of what the readers said."""
        return " | ".join(entry.line for entry in self.log_lines[-3:])

    def slot(self) -> dict[str, Any] | None:
        """As the administrator of the source sees it."""
        postgres_server = self.server
        return slot_state(
            MarketSource(
                postgres_server.host,
                postgres_server.port,
                postgres_server.user,
                postgres_server.password,
                self.source.database,
            )
        )

    def compared(self) -> list[Compared]:
        """Every table, row for row. Call it when nothing is under way.

        Raises:
            MbpError: there is no table to compare.
        """
        engine = cast(Literal["duckdb", "postgres"], self.target)
        differences = []
        with environment(self.settings), connect(self.root, self.target, read_only=True) as opened:
            for name, columns in raw_tables(self.root).items():
                family, table = name.split(".")
                if family != "mbp":
                    continue
                own, relation = own_columns(columns), f"raw_mbp.{table}"
                connection = self.server.connect(self.source.database)
                try:
                    with connection.cursor() as cursor:
                        cursor.execute(source_sql(table, own))
                        there = cursor.fetchall()
                finally:
                    connection.close()
                here = opened.query(log_sql(relation, own, engine))[1]
                twice = opened.query(twice_sql(relation, own))[1]
                count = int(opened.query(f"select count(*) from {relation}")[1][0][0])
                differences.append(compare(table, there, here, twice, count))
        if not differences:
            raise MbpError("no table was compared", fix="check the contracts of the tables")
        return differences

    def worst_lag(self) -> float | None:
        """Seconds from commit to arrival of the latest streamed change since the stage began; None: none arrived."""
        arrived = f"_loaded_at >= to_timestamp({self.begun_at})"
        parts = [
            "select extract(epoch from _loaded_at) - cast(__source_ts_ms as double precision) / 1000 as lag"
            f" from raw_mbp.{table} where __op <> 'r' and {arrived}"
            for table in market.KEY_COLUMNS
        ]
        results = self.rows(f"select max(lag) from ({' union all '.join(parts)}) as lags")
        return None if results[0][0] is None else float(results[0][0])

    def _marked(self, mark: str) -> bool:
        self.execute(market.row("markets", mark, 1))
        return True

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        for line in process.stdout:
            self.log_lines.append(Said(time.monotonic(), line.rstrip()))

    def _remember_memory(self, process: subprocess.Popen[str]) -> None:
        """The most that it ever had in memory, as the kernel knows it."""
        with suppress(OSError):
            text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            for line in text.splitlines():
                if line.startswith("VmHWM"):
                    mebibytes = int(line.split()[1]) / MEBIBYTE_IN_KIB
                    self.peak_memory_mib = max(self.peak_memory_mib, mebibytes)


def wait_for(
    question: Callable[[], bool],
    what: str,
    seconds: float = PATIENCE_SECONDS,
    tail: Callable[[], str] = lambda: "",
) -> float:
    """Asks until it is so, and says how long that took; what cannot be reached for the moment is not so.

    Raises:
        MbpError: it did not become so in time.
    """
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        with suppress(psycopg2.OperationalError, psycopg2.InterfaceError, duckdb.Error, MbpError):
            if question():
                return time.monotonic() - begun
        time.sleep(PAUSE_SECONDS)
    message = tail()
    raise MbpError(
        f"after {seconds:.0f} s it is still not so that {what}"
        + (f"; it said: {message}" if message else ""),
        fix="see what it said; run the scenario alone",
    )
