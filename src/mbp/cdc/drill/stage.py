"""Where a scenario plays: a source, a warehouse, a reader in a process of its own, load, and the watcher."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2

from mbp.building.dbt_process import demand, environment, run_dbt
from mbp.cdc.drill import market
from mbp.cdc.drill.compare import Compared, compare
from mbp.cdc.drill.proxy import Proxy
from mbp.cdc.shape import own_columns
from mbp.cdc.source import SLOT, TABLES, Source, drop_slot, slot_state
from mbp.errors import MbpError
from mbp.hooks.decide import State
from mbp.hooks.watch import watch_once
from mbp.warehouse import connect
from mbp.warehouse.raw_tables import raw_tables
from mbp.warehouse.server import PostgresServer

HOOK = "cdc_delay"
# What the watcher reads; the seeds of the sheet among it, without tests.
MEASURES = ("+models/marts/reliability", "--exclude-resource-type", "test", "unit_test")
PAUSE_SECONDS = 0.02
PATIENCE_SECONDS = 300.0
STOP_SECONDS = 60.0


@dataclass
class Stage:
    """One scenario's own source and warehouse.

    Attributes:
        root: an isolated copy of the project; its state folder, ledger and outbox are its own.
        said: what the readers told, by line.
    """

    root: Path
    target: str
    server: PostgresServer
    warehouse_server: PostgresServer
    source: Source
    proxy: Proxy
    settings: Mapping[str, str]
    seed: int
    said: list[str] = field(default_factory=list)
    peak_memory_mb: float = 0.0

    @contextmanager
    def reader(self) -> Iterator[subprocess.Popen[str]]:
        """A reader until the block ends."""
        process = self.start()
        try:
            yield process
        finally:
            self.stop(process)

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
        program = [
            sys.executable,
            "-m",
            "mbp.cli",
            "cdc",
            *(command or ("run",)),
            "--target",
            self.target,
        ]
        process = subprocess.Popen(
            program,
            cwd=self.root,
            env=own,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def stop(self, process: subprocess.Popen[str]) -> int:
        """Asks it to end; its exit code."""
        self._remember_memory(process)
        if process.poll() is None:
            process.terminate()
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            self.said.append(
                f"(the reader did not end within {STOP_SECONDS:.0f} s of being asked to)"
            )
            return process.wait()

    def kill(self, process: subprocess.Popen[str]) -> None:
        """kill -9."""
        self._remember_memory(process)
        process.kill()
        process.wait()

    def command(self, *command: str) -> int:
        """A command of `mbp cdc` to its end; its exit code."""
        return self.start(*command).wait(PATIENCE_SECONDS)

    @contextmanager
    def load(self) -> Iterator[None]:
        """Random transactions at the source until the block ends; interruptions of the source are waited out."""
        ending = threading.Event()
        thread = threading.Thread(target=self._load, args=(ending,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join(60)

    def execute(self, *statements: str) -> None:
        """At the source, by its administrator."""
        market.execute(self.server, self.source.database, *statements)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """From the warehouse."""
        with environment(self.settings), connect(self.root, self.target, read_only=True) as opened:
            return opened.query(sql)[1]

    def caught_up(self) -> float:
        """Waits until a change made now is in the warehouse; seconds.

        Raises:
            MbpError: it does not arrive.
        """
        mark = f"mark-{time.time_ns()}"
        begun = time.monotonic()
        wait_for(lambda: self._marked(mark), "the source accepts a change")
        wait_for(
            lambda: bool(self.rows(f"select 1 from raw_mbp.markets where market_id = '{mark}'")),
            "a change of the source arrives",
        )
        return time.monotonic() - begun

    def slot(self) -> dict[str, Any] | None:
        """As the administrator sees it: not through the proxy."""
        return slot_state(self.administrator)

    @property
    def administrator(self) -> Source:
        """The source with all rights."""
        one = self.server
        return Source(one.host, one.port, one.user, one.password, self.source.database)

    def compared(self) -> list[Compared]:
        """Every table, row for row. Call it when nothing is under way."""
        found = []
        for name, columns in raw_tables(self.root).items():
            if not name.startswith("mbp."):
                continue
            listed = ", ".join(column for column, _ in own_columns(columns))
            table = name.removeprefix("mbp.")
            log = self.rows(f"select {listed}, __op, __source_lsn from raw_{name}")
            connection = self.server.connect(self.source.database)
            with connection.cursor() as cursor:
                cursor.execute("set timezone = 'UTC'")
                cursor.execute(f"select {listed} from {table}")
                found.append(compare(table, cursor.fetchall(), log))
            connection.close()
        return found

    def watched(self, now: datetime) -> tuple[State, str, float | None]:
        """Measures the lag with dbt and lets the watcher look, at an instant: (state, decision, seconds to detect)."""
        own = {**self.settings, "MBP_NOW": now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")}
        with environment(own):
            demand(
                run_dbt(
                    self.root,
                    ["build", "--target", self.target, "--select", *MEASURES],
                    quiet=True,
                )
            )
            watched = watch_once(self.root, self.target)
        (state,) = [one for one in watched.outcome.states if one.hook_id == HOOK]
        decided = [one for one in watched.outcome.opened if one.hook_id == HOOK]
        if not decided:
            return state, "none", None
        one = decided[0]
        told = f"{'+'.join(one.actions)} ({one.owner})"
        return state, told, (one.decided_at - one.breached_at).total_seconds()

    def move_into(self, folder: Path) -> None:
        """Puts what the reader writes into a folder: the DuckDB file, or the largest table of the warehouse."""
        if self.target == "duckdb":
            path = Path(self.settings["MBP_DUCKDB_PATH"])
            shutil.move(path, folder / path.name)
            path.symlink_to(folder / path.name)
            return
        place = folder / "tablespace"
        place.mkdir(mode=0o700)
        self.warehouse_server.own(place)
        self.at_warehouse(
            f"create tablespace quota location '{place}'",
            "alter table raw_mbp.quotes set tablespace quota",
        )

    def move_back(self) -> None:
        """Undoes `move_into`."""
        if self.target == "duckdb":
            path = Path(self.settings["MBP_DUCKDB_PATH"])
            real = path.resolve()
            path.unlink()
            shutil.move(real, path)
            return
        self.at_warehouse(
            "alter table raw_mbp.quotes set tablespace pg_default", "drop tablespace quota"
        )

    def at_warehouse(self, *statements: str) -> None:
        """By the administrator of its server."""
        connection = self.warehouse_server.connect(self.settings["MBP_PG_DATABASE"])
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        connection.close()

    def close(self) -> None:
        """Lets go of what the source keeps."""
        for _ in range(100):
            drop_slot(self.administrator)
            if self.slot() is None:
                break
            time.sleep(0.1)

    def _marked(self, mark: str) -> bool:
        self.execute(market.row("markets", mark, 1))
        return True

    def _load(self, ending: threading.Event) -> None:
        self.seed += 1
        for transaction in market.transactions(self.seed):
            if ending.wait(PAUSE_SECONDS):
                return
            try:
                self.execute(transaction)
            except psycopg2.Error:
                time.sleep(0.2)

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None  # noqa: S101 - it was asked for
        for line in process.stderr:
            self.said.append(line.rstrip())

    def _remember_memory(self, process: subprocess.Popen[str]) -> None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        except OSError:
            return
        for line in status.splitlines():
            if line.startswith("VmHWM"):
                self.peak_memory_mb = max(self.peak_memory_mb, int(line.split()[1]) / 1024)


def wait_for(question: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Asks until it is so; what is not reachable for the moment is not so.

    Raises:
        MbpError: it did not become so in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if question():
                return
        except (psycopg2.Error, MbpError):
            pass
        time.sleep(0.1)
    raise MbpError(
        f"after {seconds:.0f} s it is still not so that {what}", cure="read what the reader said"
    )


def begun(stage: Stage) -> bool:
    """Whether the first snapshot is in the warehouse."""
    position = stage.rows(f"select max(position) from raw_mbp._cdc_position where slot = '{SLOT}'")
    return (position[0][0] or -1) > 0


__all__ = ["TABLES", "Stage", "begun", "wait_for"]
