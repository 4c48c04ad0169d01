"""Servers that restart, networks that break, files that are held: the reader waits, and nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from mbp.core.errors import MbpError
from mbp.ingest.cdc.market_source import SLOT, slot_state
from mbp.ingest.cdc.watch_source import lock_source
from mbp.ingest.initialise import initialise
from mbp.runs.dbt_process import environment
from mbp.warehouse import connect
from tests.python.ingest.cdc import market
from tests.python.ingest.cdc.conftest import Pair

# Of what happens at once on an idle machine.
DEADLINE = 120


@contextmanager
def running(pair: Pair) -> Iterator[subprocess.Popen[str]]:
    """A reader in a process of its own, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mbp.cli.main", "cdc", "run", "--target", pair.target],
        cwd=pair.root,
        env=pair.program_environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(DEADLINE)


def wait_for(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        try:
            if question():
                return
        except (psycopg2.Error, MbpError):
            pass
        time.sleep(0.2)
    pytest.fail("it did not happen in time")


def has(pair: Pair, quotes: int) -> Callable[[], bool]:
    return lambda: pair.rows("select count(*) from raw_mbp.quotes")[0][0] == quotes


def test_connections_that_are_cut_are_made_again(pair: Pair) -> None:
    """As after a failover: every session of the reader is ended by the server, several times."""
    pair.execute(market.quotes(1, 10))
    with running(pair) as process:
        wait_for(has(pair, 10))
        for number in range(1, 4):
            pair.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mbp-cdc'",
                market.quotes(100 * number, 10),
            )
            wait_for(has(pair, 10 + 10 * number))
        assert process.poll() is None
        process.terminate()
        _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, said
    assert said.count("interrupted, trying again") >= 3
    assert str(pair.source.password) not in said
    pair.reconciles()


def test_one_reader_at_a_time(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.read()
    monkeypatch.setattr("mbp.ingest.cdc.watch_source.LOCK_PATIENCE_SECONDS", 0.3)
    with (
        lock_source(pair.source, patient=False),
        pytest.raises(MbpError, match=f"another reader streams from the slot {SLOT}"),
    ):
        pair.read()
    pair.read()


def test_a_source_that_is_not_there_at_the_beginning_is_a_mistake(pair: Pair) -> None:
    pair.source = type(pair.source)("127.0.0.1", 1, "nobody", "secret", "nowhere")
    begun = time.monotonic()
    with pytest.raises(MbpError, match=r"cannot be reached.*MBP_SOURCE_HOST") as caught:
        pair.read()
    assert time.monotonic() - begun < 30
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("pair", ["postgres"], indirect=True)
def test_the_warehouse_may_go_away_too(pair: Pair) -> None:
    pair.execute(market.quotes(1, 10))
    with running(pair) as process:
        wait_for(has(pair, 10))
        pair.at_warehouse(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        pair.execute(market.quotes(100, 10))
        wait_for(has(pair, 20))
        assert process.poll() is None
    pair.reconciles()


@pytest.mark.parametrize("pair", ["duckdb"], indirect=True)
def test_dbt_and_analysts_work_on_the_duckdb_file_while_it_streams(pair: Pair) -> None:
    """And the reader waits as long as they hold it, longer than any patience, without losing its place."""
    pair.execute(market.quotes(1, 10))
    held = (
        "import duckdb, os, sys, time\n"
        "for _ in range(200):\n"
        "    try:\n"
        "        opened = duckdb.connect(os.environ['MBP_DUCKDB_PATH'])\n"
        "        break\n"
        "    except duckdb.IOException:\n"
        "        time.sleep(0.05)\n"
        "print('held', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(opened.execute('select count(*) from raw_mbp.quotes').fetchone()[0], flush=True)\n"
    )
    with running(pair) as process:
        wait_for(has(pair, 10))
        with subprocess.Popen(
            [sys.executable, "-c", held],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=pair.program_environment(),
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            for number in range(1, 6):
                pair.execute(market.quotes(10_000 * number, 9_000))
                time.sleep(0.3)
            assert process.poll() is None
            told, _ = holder.communicate("go\n")
        assert told == "10\n"
        wait_for(has(pair, 45_010))
    pair.reconciles()


def streams(pair: Pair) -> Callable[[], bool]:
    return lambda: bool((slot_state(pair.source) or {}).get("active"))


@contextmanager
def traffic(pair: Pair) -> Iterator[None]:
    """Rows in a table that is not captured, and in another database of the server."""
    pair.execute("create table other (x text)")
    pair.server.create_database("neighbour")
    market.execute(pair.server, "neighbour", "create table other (x text)")
    ended = threading.Event()

    def write(database: str) -> None:
        while not ended.is_set():
            try:
                connection = pair.server.connect(database)
                with connection.cursor() as cursor:
                    while not ended.wait(0.01):
                        cursor.execute("insert into other select repeat('x', 300)")
                connection.close()
            except psycopg2.Error:
                ended.wait(0.1)  # the server restarts

    threads = [
        threading.Thread(target=write, args=(name,)) for name in (pair.source.database, "neighbour")
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        pair.server.drop_database("neighbour")


def is_behind(pair: Pair) -> bool:
    """What is confirmed is in the warehouse, always."""
    confirmed = (slot_state(pair.source) or {})["confirmed_lsn"]
    return bool(confirmed <= pair.rows("select max(position) from raw_mbp._cdc_position")[0][0])


@pytest.mark.parametrize("stops", [4, pytest.param(50, id="long")])
def test_no_stop_leaves_the_slot_ahead_of_the_warehouse(pair: Pair, stops: int) -> None:
    """Beside traffic that is not captured, and (on PostgreSQL) with the warehouse on the server of the source."""
    settings = {}
    if pair.target == "postgres":
        pair.server.create_database("own_warehouse")
        settings = pair.server.environment("own_warehouse")
    how = (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
    with environment(settings), traffic(pair):
        with connect(pair.root, pair.target) as warehouse:
            initialise(pair.root, warehouse)
        for number in range(stops):
            with running(pair) as process:
                wait_for(streams(pair))
                pair.execute(market.quotes(10 * number, 1))
                if number % 2:
                    wait_for(has(pair, number + 1))
                process.send_signal(how[number % len(how)])
                _, said = process.communicate(timeout=DEADLINE)
            assert process.returncode != 2, said
            assert is_behind(pair)
        pair.read()
        pair.reconciles()
    if settings:
        pair.server.drop_database("own_warehouse")


def test_a_source_that_restarts_politely_does_not_wait_and_is_read_on(pair: Pair) -> None:
    pair.execute(market.quotes(1, 1))
    with traffic(pair), running(pair) as process:
        for number in range(1, 4):
            wait_for(has(pair, number))
            began = time.monotonic()
            pair.server.restart()
            # Its own limit for a reader that does not confirm everything is a minute.
            assert time.monotonic() - began < 45
            wait_for(lambda: is_behind(pair))
            pair.execute(market.quotes(10 * number + 10, 1))
        wait_for(has(pair, 4))
        assert process.poll() is None
    pair.read()
    pair.reconciles()


@pytest.mark.parametrize("when", ["at once", "while it streams"])
def test_a_reader_that_is_asked_to_stop_ends_well(pair: Pair, when: str) -> None:
    pair.execute(market.quotes(1, 10))
    with running(pair) as process:
        wait_for(streams(pair) if when == "while it streams" else lambda: handles(process.pid))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, said
    assert "position" in said
    assert str(pair.source.password) not in said
    pair.reconciles()


def handles(process_id: int) -> bool:
    """Whether a process has its own answer to SIGTERM."""
    (caught,) = (
        line.split()[1]
        for line in Path(f"/proc/{process_id}/status").read_text().splitlines()
        if line.startswith("SigCgt")
    )
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
