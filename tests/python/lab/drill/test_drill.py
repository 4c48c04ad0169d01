"""The drill's own instruments: what reconciles, what breaks a network, what loads, what is told."""

from __future__ import annotations

import itertools
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from typer.testing import CliRunner
from typer.testing import Result as ClickResult

from lab.drill import market, quota
from lab.drill.drill_report import ScenarioResult, as_markdown, as_table, write_report
from lab.drill.proxy import REPLICATION, Proxy
from lab.drill.row_for_row import Compared, compare, log_sql, source_sql, twice_sql
from lab.drill.scenario_runs import SCENARIOS, drill, watcher_problems
from lab.drill.transactions import Load
from lab.drill.watching import HookEvaluation, WatchedScenario, stretched, window_end
from lab.postgres_server import PostgresServer
from mbp.cli import main as cli
from mbp.core.errors import MbpError
from mbp.operate.hooks.decide import Colour, State
from mbp.operate.hooks.measurements import Decision
from mbp.runs.dbt_process import environment
from mbp.warehouse import Warehouse, connect

# Of an answer that comes at once on an idle machine.
PATIENCE = 60
COLUMNS = [
    ("quote_id", "text"),
    ("market_id", "text"),
    ("quoted_at", "timestamptz"),
    ("price", "decimal(18,8)"),
]
INNER = ", ".join(f"{name} {kind}" for name, kind in COLUMNS)
VALUES = [
    ("a", "text", "2026-01-05 00:00:00.123456+00", "0.12345678"),
    ("b", "", "1969-12-31 23:59:59.999999+00", "-1.5"),
    ("c", None, None, None),
    ("d", "ünïcode ✓ 日本 |:-", "2026-01-05 00:00:00+00", "0"),
]


@pytest.fixture(params=["duckdb", "postgres"])
def logged(
    request: pytest.FixtureRequest,
    project_root: Path,
    postgres_server: PostgresServer,
    postgres_database: str,
    tmp_path: Path,
) -> Iterator[tuple[Warehouse, Callable[[], Compared]]]:
    """A source table and its log with the same rows; what the reconciler says of them."""
    engine = request.param
    settings = {
        **postgres_server.environment(postgres_database),
        "MBP_DUCKDB_PATH": str(tmp_path / "mbp.duckdb"),
    }
    source = postgres_server.connect(postgres_database)
    with source.cursor() as cursor:
        cursor.execute(f"create table quotes ({INNER})")
        cursor.executemany("insert into quotes values (%s, %s, %s, %s)", VALUES)
    with environment(settings), connect(project_root, engine) as warehouse:
        warehouse.execute(f"create table log ({INNER}, __op text, __source_lsn bigint)")
        mark = "?" if engine == "duckdb" else "%s"
        for place, row in enumerate(VALUES):
            # An older state of each, so that the newest has to be found.
            for position, price in ((10 + place, "9"), (20 + place, row[3])):
                warehouse.execute(
                    f"insert into log values ({', '.join([mark] * 6)})",
                    [*row[:3], price, "u", position],
                )
        warehouse.execute("insert into log values ('gone', null, null, null, 'c', 1)")
        warehouse.execute("insert into log values ('gone', null, null, null, 'd', 2)")

        def look() -> Compared:
            with source.cursor() as cursor:
                cursor.execute(source_sql("quotes", COLUMNS))
                there = cursor.fetchall()
            here = warehouse.query(log_sql("log", COLUMNS, engine))[1]
            twice = warehouse.query(twice_sql("log", COLUMNS))[1]
            count = warehouse.query("select count(*) from log")[1][0][0]
            return compare("quotes", there, here, twice, count)

        yield warehouse, look
    source.close()


def counts(found: Compared) -> tuple[int, int, int, int]:
    return found.missing, found.extra, found.other, found.twice


Logged = tuple[Warehouse, Callable[[], Compared]]


def test_the_same_rows_are_the_same_on_both_engines(logged: Logged) -> None:
    found = logged[1]()
    assert found.same
    assert (found.rows, found.changes) == (4, 10)


@pytest.mark.parametrize(
    ("statement", "expected", "told"),
    [
        ("delete from log where quote_id = 'a'", (1, 0, 0, 0), "a missing"),
        ("update log set __op = 'd' where quote_id = 'b'", (1, 0, 0, 0), "b missing"),
        ("delete from log where __op = 'd'", (0, 1, 0, 0), "gone too many"),
        ("update log set market_id = 'Text' where quote_id = 'a'", (0, 0, 1, 0), "a differs"),
        ("update log set market_id = null where quote_id = 'b'", (0, 0, 1, 0), "b differs"),
        ("update log set market_id = '' where quote_id = 'c'", (0, 0, 1, 0), "c differs"),
        (
            "update log set quoted_at = quoted_at + interval '1 microsecond' where quote_id = 'd'",
            (0, 0, 1, 0),
            "d differs",
        ),
        ("update log set price = 0.00000001 where quote_id = 'd'", (0, 0, 1, 0), "d differs"),
        ("insert into log select * from log where quote_id = 'c'", (0, 0, 0, 2), "c twice"),
        # The last change is lost: an older state stands.
        ("delete from log where __source_lsn = 20", (0, 0, 1, 0), "a differs"),
    ],
)
def test_every_difference_is_found(
    logged: Logged, statement: str, expected: tuple[int, ...], told: str
) -> None:
    warehouse, look = logged
    warehouse.execute(statement)
    found = look()
    assert counts(found) == expected
    assert told in found.examples
    assert not found.same
    assert told in found.sentence


def test_values_do_not_flow_into_one_another() -> None:
    sql = log_sql("log", COLUMNS, "duckdb")
    assert "length" in sql
    assert sql.count("coalesce") == len(COLUMNS)


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that answers what it is told."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer(one: socket.socket) -> None:
        while data := one.recv(1000):
            one.sendall(data)

    def serve() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(one,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield listening.getsockname()[:2]
    listening.close()


def dialled(proxy: Proxy) -> socket.socket:
    one = socket.create_connection(proxy.address)
    one.settimeout(PATIENCE)
    return one


def asked(one: socket.socket, data: bytes = b"hello") -> bytes:
    one.sendall(data)
    return one.recv(1000)


def test_a_network_that_is_cut_breaks_and_does_not_answer(echo: tuple[str, int]) -> None:
    with Proxy(*echo) as proxy:
        before = dialled(proxy)
        assert asked(before) == b"hello"
        proxy.cut()
        with pytest.raises(ConnectionError):
            if not asked(before):
                raise ConnectionResetError
        meanwhile = dialled(proxy)
        meanwhile.settimeout(0.3)
        with pytest.raises(TimeoutError):
            asked(meanwhile)
        proxy.restore()
        assert asked(dialled(proxy)) == b"hello"
        assert proxy.passed == 10


def test_a_network_that_stalls_loses_nothing(echo: tuple[str, int]) -> None:
    with Proxy(*echo) as proxy:
        one = dialled(proxy)
        assert asked(one) == b"hello"
        proxy.stall()
        one.settimeout(0.3)
        with pytest.raises(TimeoutError):
            asked(one, b"late")
        proxy.restore()
        one.settimeout(PATIENCE)
        assert one.recv(1000) == b"late"


def test_only_replication_streams_are_delayed(echo: tuple[str, int]) -> None:
    with Proxy(*echo) as proxy:
        stream, other = dialled(proxy), dialled(proxy)
        assert asked(stream, REPLICATION) == REPLICATION
        proxy.delay(0.5)
        begun = time.monotonic()
        assert asked(stream) == b"hello"
        assert time.monotonic() - begun >= 0.5
        # What waits comes at once when the delay ends.
        proxy.delay(600)
        stream.sendall(b"waits")
        assert asked(other) == b"hello"
        stream.settimeout(0.3)
        with pytest.raises(TimeoutError):
            stream.recv(1000)
        proxy.restore()
        stream.settimeout(PATIENCE)
        assert stream.recv(1000) == b"waits"


def test_load_is_the_same_for_the_same_seed() -> None:
    first, second, other = (
        list(itertools.islice(market.transactions(seed), 200)) for seed in (1, 1, 2)
    )
    assert first == second != other
    for table in market.ROWS:
        assert any(f"insert into {table} " in one for one in first)
        assert any(f"delete from {table} " in one for one in first)
    assert any(one.count(";") > 5 for one in first)


def test_load_reaches_the_source_and_tells_what_is_wrong(
    postgres_server: PostgresServer, postgres_database: str
) -> None:
    statements = [
        "create table {} ({})".format(
            table, sql.split("(", 1)[1].split(")", 1)[0].replace(",", " text,") + " text"
        )
        for table, sql in market.ROWS.items()
    ]
    # Without keys `on conflict` is refused: a load that cannot load must not pass for one that ran.
    market.execute(postgres_server, postgres_database, *statements)
    with (
        pytest.raises(psycopg2.Error, match="ON CONFLICT"),
        Load(postgres_server, postgres_database, 1) as load,
    ):
        load.thread.join(PATIENCE)


def result(**changes: Any) -> ScenarioResult:
    scenario = SCENARIOS["reader_killed"]
    table = Compared("quotes", 10, 20, 0, 0, 0, 0)
    return replace(ScenarioResult.of(scenario, "duckdb"), tables=[table], **changes)


def test_nothing_compared_is_not_passed() -> None:
    assert result().passed
    assert not replace(result(), tables=[]).passed
    assert not replace(result(), tables=[Compared("quotes", 0, 0, 0, 0, 0, 0)]).passed
    assert not result().failed("it broke").passed


def test_the_table_tells_what_is_wrong() -> None:
    lost = Compared("quotes", 10, 20, 1, 2, 3, 4, ("k missing",))
    text = as_table([result(), replace(result(problems=[lost.sentence]), tables=[lost])])
    assert "1 of 2 passed" in text
    assert "FAILED" in text
    assert "1 missing, 2 too many, 3 different, 4 twice: k missing" in text


def test_the_report_keeps_what_was_not_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "target"))
    write_report(tmp_path, list(SCENARIOS), [result()], seed=1)
    again = replace(result(note="again"), target="postgres")
    write_report(tmp_path, list(SCENARIOS), [again], seed=2)
    path = tmp_path / "target" / "evidence" / "cdc_drill.json"
    entries = json.loads(path.read_text())["results"]
    assert [(one["target"], one["run"]["seed"]) for one in entries] == [
        ("duckdb", 1),
        ("postgres", 2),
    ]
    assert {"commit", "cores", "tools"} <= entries[0]["run"].keys()
    markdown = path.with_suffix(".md").read_text()
    assert markdown.count("| reader_killed |") == 2
    # A scenario that is not there any more leaves the file.
    write_report(tmp_path, ["late"], [], seed=3)
    assert json.loads(path.read_text())["results"] == []
    path.write_text("nonsense")
    write_report(tmp_path, list(SCENARIOS), [again], seed=2)
    assert len(json.loads(path.read_text())["results"]) == 1
    assert "seed 2" in as_markdown([again], entries[1]["run"])


def test_the_clock_of_the_world_keeps_proportions() -> None:
    wall = datetime(2026, 1, 5, 12, 1, 7, tzinfo=UTC)
    clock = stretched(20, wall.timestamp())
    assert clock.world == window_end(clock.world) - (window_end(clock.world) - clock.world)
    assert clock.world.second == clock.world.minute % 5 == 0
    lag = clock.at(wall.timestamp() + 19) - clock.at(wall.timestamp() + 10)
    assert lag.total_seconds() == 180


def test_a_quota_that_cannot_be_mounted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(MbpError, match="could not run: no directory with a quota"),
        quota.mounted(tmp_path / "q"),
    ):
        pass


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["late", "reader_kiled"], "did you mean 'reader_killed'"),
        (["late", "--target", "oracle"], "oracle"),
    ],
)
def test_what_is_unknown_is_refused(words: list[str], told: str) -> None:
    found = command(*words)
    assert found.exit_code != 0
    assert told in f"{found.output}{found.exception}"


def test_without_the_binaries_of_postgres_it_cannot_run(
    project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.postgres_server.find_spec", lambda _: None)
    with pytest.raises(MbpError, match=r"binaries are not installed.*Fix: scripts/setup"):
        drill(project_root, ["late"], ["duckdb"], lambda _: None)


def look(colour: Colour, value: str | None, actions: tuple[str, ...] = ()) -> HookEvaluation:
    now = datetime(2026, 1, 5, 12, 5, 1, tzinfo=UTC)
    number = None if value is None else Decimal(value)
    state = State("cdc_delay", "cdc_lag_p95", "all", colour, False, number, 1, now, None, "")
    reason = "breach" if colour == "red" else "unknown"
    action = "+".join(actions)
    opened = Decision(
        "id", "cdc_delay", "cdc_lag_p95", "all", reason, action, "DATA", now, now, number, "<=120"
    )
    return HookEvaluation(now, state, opened if actions else None, None, "")


def test_a_watcher_that_looks_away_is_a_finding() -> None:
    late, well = look("red", "190", ("degrade", "rollback")), look("green", "3")
    assert watcher_problems(WatchedScenario([well, late]), "degrade+rollback") == []
    assert watcher_problems(WatchedScenario([well]), "none") == []
    for looks, expected, told in (
        ([well], "degrade+rollback", "decided none, not degrade"),
        ([late], "none", "decided degrade.rollback, not none"),
        ([look("unknown", None, ("open_incident",))], "degrade+rollback", "decided open_incident"),
        ([look("unknown", None)], "none", "measured nothing"),
        ([], "none", "measured nothing"),
    ):
        assert re.search(told, " ".join(watcher_problems(WatchedScenario(looks), expected)))


def command(*words: str) -> ClickResult:
    cli.register()
    return CliRunner().invoke(cli.app, ["cdc", "drill", *words], env={"COLUMNS": "200"})


def test_every_scenario_is_described() -> None:
    assert list(SCENARIOS) == [
        "reader_killed",
        "source_restarted",
        "target_restarted",
        "target_disk_full",
        "network_cut",
        "late",
        "schema_drift",
        "large_transaction",
        "slot_invalidated",
    ]
    help_text = command("--help").output
    for scenario in SCENARIOS.values():
        assert scenario.what.endswith(".")
        assert scenario.name in help_text
