"""From a real PostgreSQL into both warehouses: every value, no gap, no loss, no repetition."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from lab.simulate.schema import KEYS
from mbp.core.errors import MbpError
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.capture import SlotReader
from mbp.ingest.cdc.capture_status import read_status, text
from mbp.ingest.cdc.market_source import SLOT, MarketSource, drop_slot, setup_sql, slot_state
from mbp.ingest.raw_tables import raw_tables
from mbp.runs.dbt_process import environment
from mbp.warehouse import connect
from tests.python.ingest.cdc import market
from tests.python.ingest.cdc.conftest import Pair


def test_snapshot_and_stream_have_every_value(pair: Pair) -> None:
    values = "), (".join(
        f"'m-{place}', {quoted(text)}, '2026-01-05 00:00:00.123456+00', 12345.12345678"
        for place, text in enumerate(market.TEXTS)
    )
    insert = f"insert into markets (market_id, name, opened_at, min_liquidity) values ({values})"
    pair.execute(insert, "insert into markets (market_id) values ('m-null')")
    assert pair.read() == len(market.TEXTS) + 1 + len(KEYS)  # and one heartbeat per table
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
    # The row that got another key is gone under the old one.
    assert found == expected
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
    program = [sys.executable, "-m", "mbp.cli.main", "cdc", "run", "--target", pair.target]
    for number in range(6):
        process = subprocess.Popen(
            program,
            cwd=pair.root,
            env=pair.program_environment(),
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
    for _ in range(1200):
        slot = slot_state(pair.source)
        if slot is None or not slot["active"]:
            break
        time.sleep(0.1)
    pair.read()
    pair.reconciles()


def test_setup_beside_a_running_reader_loses_nothing(pair: Pair) -> None:
    pair.execute(market.quotes(1, 10))
    pair.read()
    said: list[str] = []
    ended, begun = threading.Event(), threading.Event()
    columns = change_shape.by_name(raw_tables(pair.root))
    reader = SlotReader(pair.root, pair.target, pair.source, said.append, ended.is_set)
    reading = threading.Thread(target=reader.run, kwargs={"once": False})

    def load() -> None:
        number = 100
        while not ended.is_set():
            pair.execute(market.quotes(number, 1))
            number += 1
            begun.set()

    loading = threading.Thread(target=load)
    reading.start()
    loading.start()
    try:
        begun.wait()
        for _ in range(3):
            # As psql sends them: one by one, within the transaction that is around them.
            pair.execute("begin", *setup_sql(columns), "commit")
            # A table less is put right, too.
            pair.execute("alter publication mbp_cdc drop table trades")
    finally:
        pair.execute(*setup_sql(columns))
        ended.set()
        loading.join()
        reading.join()
    assert [line for line in said if "interrupted" in line] == []
    pair.execute("insert into trades (trade_id) values ('t-1')")
    pair.read()
    pair.reconciles()
    # While it was not published its changes were not sent.
    assert pair.rows("select table_name from raw_mbp._cdc_streams") == [("trades",)]
    pair.reader().run(once=True, anew=["trades"])
    assert pair.rows("select trade_id from raw_mbp.trades") == [("t-1",)]


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
    assert tables["quotes"].position is not None
    assert tables["quotes"].dead_letters == 0
    # Both run on one machine: the clocks differ by no more than the question takes.
    assert found.source_skew_seconds is not None
    assert found.skew_error_seconds is not None
    assert abs(found.source_skew_seconds) <= found.skew_error_seconds + 0.005
    assert found.findings == ["no reader streams: start `mbp cdc run`"]


def test_status_finds_what_somebody_has_to_look_at(pair: Pair) -> None:
    pair.execute("alter table markets alter column min_liquidity type numeric")
    pair.read()
    pair.execute(
        "insert into markets (market_id, min_liquidity) values ('m', 0.123456789)",
        "alter table quotes drop column price",
        "insert into quotes (quote_id) values ('q')",
    )
    pair.read()
    pair.at_warehouse(
        "update raw_mbp._cdc_readers set retained_bytes = 9 * 1048576, retained_limit_bytes = 10 * 1048576"
    )
    found = read_status(pair.root, pair.target, pair.source)
    told = "\n".join(found.findings)
    for expected in (
        "no reader streams",
        "mbp_cdc/markets",
        "mbp_cdc/quotes",
        "quotes.price is missing in the source",
        "its limit is 10 MiB",
    ):
        assert expected in told
    pair.at_warehouse(
        "update raw_mbp._cdc_readers set recorded_at = recorded_at - interval '2 minutes'"
    )
    silent = "\n".join(read_status(pair.root, pair.target, pair.source).findings)
    assert "mbp_cdc: no sign of life for 12" in silent
    assert "NOT streaming" in text(found)
    drop_slot(pair.source)
    assert "is missing" in read_status(pair.root, pair.target, pair.source).findings[0]


def test_the_loader_role_is_enough_for_the_warehouse(pair: Pair) -> None:
    """On PostgreSQL it appends to the logs and moves the position, and may change no row of a log."""
    pair.execute(market.quotes(1, 5))
    with environment({"MBP_PG_ROLE": "mbp_loader"}):
        pair.read()
    pair.reconciles()


@pytest.mark.parametrize("pair", ["duckdb"], indirect=True)
def test_a_duckdb_file_that_is_held_is_waited_for(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.execute(market.quotes(1, 5))
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, os, sys; held = duckdb.connect(os.environ['MBP_DUCKDB_PATH']);"
            " print('held', flush=True); sys.stdin.readline()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        waited: list[float] = []

        def pause(seconds: float) -> None:
            waited.append(seconds)
            if holder.poll() is None:
                holder.communicate("go\n")

        monkeypatch.setattr("mbp.ingest.cdc.sink.time.sleep", pause)
        pair.read()
    assert waited
    pair.reconciles()


def test_a_warehouse_that_was_not_initialised_is_told(pair: Pair) -> None:
    with connect(pair.root, pair.target) as warehouse:
        warehouse.execute("drop table raw_mbp._cdc_position")
    with pytest.raises(MbpError, match="run `mbp db init`"):
        pair.read()


def test_the_slot_of_another_warehouse_is_left_alone(pair: Pair) -> None:
    pair.read()
    with connect(pair.root, pair.target) as warehouse:
        warehouse.execute("delete from raw_mbp._cdc_position")
    with pytest.raises(MbpError, match="has a slot mbp_cdc already"):
        pair.read()
    assert slot_state(pair.source) is not None


def test_a_source_that_was_not_set_up_is_refused(pair: Pair) -> None:
    pair.execute("drop publication mbp_cdc")
    with pytest.raises(
        MbpError, match=f"abuse_events, markets, .*: the publication {SLOT} lacks it"
    ):
        pair.read()
    wrong = MarketSource(pair.source.host, pair.source.port, pair.source.user, "wrong", "nowhere")
    with pytest.raises(MbpError, match="cannot be reached") as caught:
        SlotReader(pair.root, pair.target, wrong, lambda _: None, lambda: True).run(once=True)
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
    assert not any("superuser" in statement for statement in setup_sql(["quotes"]))


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
