"""One suite for all readers: the same statements at the source, the same change log in the warehouse."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from lab.postgres_server import PostgresServer
from mbp.core.errors import MbpError
from mbp.ingest.cdc import change_shape
from mbp.ingest.raw_tables import raw_tables
from mbp.runs.dbt_process import environment
from tests.python.ingest.cdc import market
from tests.python.ingest.cdc.conformance import READERS, Harness
from tests.python.ingest.cdc.conftest import Pair

QUOTES = "quote_id, market_id, quoted_at, price, volume, depth_2pct, twap_5m"
MARKETS = "market_id, name, truth_source, opened_at, min_liquidity"


@pytest.fixture(params=READERS)
def harness(request: pytest.FixtureRequest, pair: Pair, tmp_path: Path) -> Iterator[Harness]:
    with environment({"MBP_STATE_DIR": str(tmp_path / "state")}):
        found = Harness(request.param, pair, tmp_path / "landing")
        yield found
        found.close()


def expected(pair: Pair, table: str, columns: str) -> dict[str, tuple[object, ...]]:
    return {row[0]: row[1:] for row in pair.at_source(f"select {columns} from {table}")}


def texts(prefix: str) -> str:
    values = "), (".join(
        f"'{prefix}-{place}', '{text.replace(chr(39), chr(39) * 2)}', 'table',"
        f" '2026-01-05 00:00:00.123456+00', {'-' if place % 2 else ''}1234567890.12345678"
        for place, text in enumerate(market.TEXTS)
    )
    return f"insert into markets ({MARKETS}) values ({values})"


def test_values_are_exact_in_snapshot_and_stream(harness: Harness) -> None:
    pair = harness.pair
    pair.execute(
        "create type truth as enum ('table', 'manual')",
        "alter table markets alter column truth_source type truth using truth_source::truth",
        texts("snapshot"),
        "insert into markets (market_id) values ('null')",
    )
    harness.read()
    assert {row[0] for row in pair.rows("select __op from raw_mbp.markets")} == {"r"}
    pair.execute(
        texts("stream"),
        "update markets set min_liquidity = 0.00000001, opened_at = '1969-12-31 23:59:59.999999+00'"
        " where market_id = 'stream-0'",
        "update markets set name = null where market_id = 'snapshot-0'",
        "update markets set name = '' where market_id = 'null'",
    )
    harness.read()
    assert harness.state("markets", MARKETS) == expected(pair, "markets", MARKETS)
    kinds = pair.rows("select distinct __op, __deleted from raw_mbp.markets order by 1")
    assert kinds == [("c", "false"), ("r", "false"), ("u", "false")]


def test_history_is_in_order_and_times_are_plausible(harness: Harness) -> None:
    pair = harness.pair
    began = int(time.time() * 1000)
    pair.execute(market.quotes(1, 2))
    harness.read()
    pair.execute(
        market.quotes(3, 1),
        "update quotes set volume = 7 where quote_id = 'q-3'",
        "delete from quotes where quote_id = 'q-3'",
        market.quotes(3, 1),
    )
    harness.read()
    log = pair.rows(
        f"select __op, __deleted, __source_ts_ms, __source_lsn, extract(epoch from _loaded_at), {QUOTES}"
        " from raw_mbp.quotes order by __source_lsn, quote_id"
    )
    assert [(row[0], row[1], row[5]) for row in log] == [
        ("r", "false", "q-1"),
        ("r", "false", "q-2"),
        ("c", "false", "q-3"),
        ("u", "false", "q-3"),
        ("d", "true", "q-3"),
        ("c", "false", "q-3"),
    ]
    streamed = [row[3] for row in log[2:]]
    assert streamed == sorted(set(streamed))
    assert log[0][3] < streamed[0]
    assert all(began - 1000 <= row[2] <= float(row[4]) * 1000 for row in log)
    # A delete carries the row that is gone.
    assert log[4][5:] == log[3][5:]


def test_a_row_whose_key_changes_is_gone_under_the_old_one(harness: Harness) -> None:
    pair = harness.pair
    pair.execute(market.quotes(1, 3))
    harness.read()
    pair.execute("update quotes set quote_id = 'moved' where quote_id = 'q-2'")
    harness.read()
    assert harness.state("quotes", QUOTES) == expected(pair, "quotes", QUOTES)


def test_a_truncated_table_is_empty_and_can_be_filled_again(harness: Harness) -> None:
    if harness.reader == "landing-flat":
        pytest.skip("Debezium's flattening leaves truncates out: docs/cdc_readers.md says so")
    pair = harness.pair
    pair.execute(market.quotes(1, 3), texts("m"))
    harness.read()
    pair.execute(market.quotes(4, 1), "truncate quotes, markets", market.quotes(2, 1))
    harness.read()
    assert harness.state("quotes", QUOTES) == expected(pair, "quotes", QUOTES)
    assert harness.state("markets", MARKETS) == {}
    gone = pair.rows("select quote_id from raw_mbp.quotes where __op = 'd' order by 1")
    assert gone == [("q-1",), ("q-2",), ("q-3",), ("q-4",)]


def test_snapshot_and_stream_have_no_gap_under_load(harness: Harness) -> None:
    pair = harness.pair
    pair.execute(market.quotes(1000, 2000))
    ended = threading.Event()

    def load() -> None:
        seed = 0
        while not ended.is_set():
            pair.execute(*market.changes(seed, 20))
            seed += 1

    thread = threading.Thread(target=load)
    thread.start()
    try:
        harness.read()
        harness.read()
    finally:
        ended.set()
        thread.join()
    harness.read()
    pair.reconciles()


def test_what_comes_again_is_not_taken_twice(harness: Harness) -> None:
    pair = harness.pair
    pair.execute(market.quotes(1, 50))
    harness.read()
    pair.execute(*market.changes(3, 60))
    harness.read()
    before = pair.rows("select count(*), max(__source_lsn) from raw_mbp.quotes")
    harness.deliver_again()
    harness.read()
    assert pair.rows("select count(*), max(__source_lsn) from raw_mbp.quotes") == before
    pair.reconciles()


def test_a_large_transaction_is_whole(harness: Harness) -> None:
    pair = harness.pair
    pair.execute(market.quotes(1, 10))
    harness.read()
    pair.execute(
        market.quotes(11, 25_000), "update quotes set volume = volume + 1 where volume > 20000"
    )
    harness.read()
    counts = pair.rows("select __op, count(*) from raw_mbp.quotes group by 1 order by 1")
    assert counts == [("c", 25_000), ("r", 10), ("u", 5_010)]
    pair.reconciles()


def test_a_large_value_that_was_left_alone_is_kept(harness: Harness) -> None:
    pair = harness.pair
    harness.read()
    pair.execute(
        "insert into abuse_events (abuse_event_id, details) select 'a', string_agg(md5(random()::text), '')"
        " from generate_series(1, 2000)",
        "update abuse_events set kind = 'burst'",
    )
    harness.read()
    columns = "abuse_event_id, kind, md5(details)"
    assert harness.state("abuse_events", columns) == expected(pair, "abuse_events", columns)
    assert pair.rows("select count(distinct details) from raw_mbp.abuse_events") == [(1,)]


def test_a_transaction_that_is_open_at_the_snapshot_wins_over_it(harness: Harness) -> None:
    """It wrote before the snapshot and committed after it: its changes have lower LSNs, and come later."""
    pair = harness.pair
    pair.execute(market.quotes(1, 4))
    first, second, third = (pair.server.connect(pair.source.database) for _ in range(3))
    for connection in (first, second, third):
        connection.autocommit = False
    first.cursor().execute(market.quotes(11, 1))
    reading = threading.Thread(target=harness.read)
    reading.start()
    # A slot waits for those that were open when it was begun, and then for those that were open at that moment.
    wait_for_a_slot_that_waits(pair, first)
    second.cursor().execute(market.quotes(12, 1))
    first.commit()
    wait_for_a_slot_that_waits(pair, second)
    third.cursor().execute(
        "update quotes set volume = 99 where quote_id = 'q-1'; delete from quotes where quote_id = 'q-2';"
        " update quotes set volume = 1 where quote_id = 'q-3'; update quotes set volume = 2 where quote_id = 'q-3';"
        " update quotes set quote_id = 'moved' where quote_id = 'q-4'; insert into quotes (quote_id) values ('new')"
    )
    second.commit()
    reading.join()
    snapshot = pair.rows("select max(__source_lsn) from raw_mbp.quotes where __op = 'r'")
    third.commit()
    harness.read()
    assert harness.state("quotes", QUOTES) == expected(pair, "quotes", QUOTES)
    later = pair.rows("select min(__source_lsn) from raw_mbp.quotes where __op = 'u'")
    assert later > snapshot
    harness.deliver_again()
    pair.reconciles()
    for connection in (first, second, third):
        connection.close()


def wait_for_a_slot_that_waits(pair: Pair, holder: psycopg2.extensions.connection) -> None:
    deadline = time.monotonic() + 120
    with holder.cursor() as cursor:
        cursor.execute("select pg_current_xact_id()::text")
        ((number,),) = cursor.fetchall()
    waits = f"select 1 from pg_locks where transactionid::text = '{number}' and not granted"
    while not pair.at_source(waits):
        assert time.monotonic() < deadline, "no slot waits for it"
        time.sleep(0.02)


def test_a_key_that_goes_and_comes_between_transactions_is_what_was_committed_last(
    harness: Harness,
) -> None:
    """A key that is checked at the commit can be written before the row that has it is deleted."""
    pair = harness.pair
    pair.execute(
        market.quotes(1, 2),
        "alter table quotes drop constraint quotes_pkey",
        "alter table quotes add primary key (quote_id) deferrable initially deferred",
    )
    harness.read()
    connection = pair.server.connect(pair.source.database)
    connection.autocommit = False
    connection.cursor().execute("insert into quotes (quote_id, volume) values ('q-1', 77)")
    pair.execute("delete from quotes where quote_id = 'q-1'")
    connection.commit()
    connection.close()
    harness.read()
    assert harness.state("quotes", QUOTES) == expected(pair, "quotes", QUOTES)
    harness.deliver_again()
    pair.reconciles()


def test_another_server_is_a_new_epoch_and_its_changes_win(
    harness: Harness, project_root: Path
) -> None:
    """Dumped and restored: its LSNs begin anew, below those that the log has."""
    pair, old = harness.pair, harness.pair.source
    pair.execute(market.quotes(1, 5), "select pg_switch_wal()", market.quotes(6, 1))
    harness.read()
    pair.execute("update quotes set volume = 50 where quote_id = 'q-1'", "select pg_switch_wal()")
    harness.read()
    harness.close()
    former = pair.server
    with PostgresServer(market.SETTINGS) as server:
        columns = change_shape.by_name(raw_tables(project_root))
        source = market.create(server, old.database, columns)
        market.execute(
            server,
            old.database,
            market.quotes(1, 4),
            "update quotes set volume = 51 where quote_id = 'q-1'",
        )
        pair.server, pair.source = server, source
        if harness.pipeline is None:
            with pytest.raises(MbpError, match=r"another server \(system .*`mbp cdc resnapshot`"):
                harness.read()
        highest = pair.rows("select max(__source_lsn) from raw_mbp.quotes")[0][0]
        assert pair.at_source("select pg_current_wal_lsn() - '0/0'")[0][0] < highest
        harness.begin_at(source)
        pair.execute(
            "update quotes set volume = 52 where quote_id = 'q-1'",
            "update quotes set volume = 53 where quote_id = 'q-1'",
            "delete from quotes where quote_id = 'q-2'",
            market.quotes(7, 1),
        )
        harness.read()
        state = harness.state("quotes", QUOTES)
        if harness.pipeline is not None:
            # A pipeline's snapshot does not say what is gone: only what both have is compared.
            state = {key: row for key, row in state.items() if key not in ("q-5", "q-6")}
        assert state == expected(pair, "quotes", QUOTES)
        harness.deliver_again()
        harness.close()
        harness.pipeline = None
        pair.server, pair.source = former, old


@pytest.mark.parametrize("seconds", [3, pytest.param(30, id="long")])
def test_whatever_is_interleaved_the_log_is_the_source(harness: Harness, seconds: int) -> None:
    """Eight writers in transactions of random lengths; snapshots of all and of one table meanwhile."""
    pair = harness.pair
    pair.execute(market.quotes(1, 60), "insert into markets (market_id) values ('m-0')")
    ended, failures = threading.Event(), []

    def write(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311
        connection = pair.server.connect(pair.source.database)
        connection.autocommit = False
        try:
            with connection.cursor() as cursor:
                while not ended.is_set():
                    for number in sorted(chance.sample(range(1, 90), chance.randrange(1, 7))):
                        cursor.execute(_random_change(chance, number))
                        time.sleep(chance.random() * 0.02)
                    connection.commit() if chance.random() < 0.9 else connection.rollback()
        except psycopg2.Error as error:
            failures.append(str(error))
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(8)]
    for writer in writers:
        writer.start()
    chance, deadline = random.Random(7), time.monotonic() + seconds  # noqa: S311
    try:
        harness.read()
        while time.monotonic() < deadline:
            chance.choice(
                [harness.read, harness.copy_again, lambda: harness.copy_again("quotes")]
            )()
    finally:
        ended.set()
        for writer in writers:
            writer.join()
    harness.read()
    assert failures == []
    assert harness.state("quotes", QUOTES) == expected(pair, "quotes", QUOTES)
    assert harness.state("markets", MARKETS) == expected(pair, "markets", MARKETS)
    pair.reconciles()
    # The time of commits grows with the number, so what compares by either agrees.
    back = pair.rows(
        "select count(*) from (select __source_ts_ms, lag(__source_ts_ms) over (partition by quote_id"
        " order by __source_lsn) as before from raw_mbp.quotes where __op <> 'r') as log"
        " where __source_ts_ms < before"
    )
    assert back == [(0,)]


def _random_change(chance: random.Random, number: int) -> str:
    key = f"q-{number}"
    insert = (
        f"insert into quotes (quote_id, volume) values ('{key}', {chance.randrange(1000)})"
        " on conflict (quote_id) do update set volume = excluded.volume"
    )
    again = f"update quotes set volume = volume + 1 where quote_id = '{key}'"
    delete = f"delete from quotes where quote_id = '{key}'"
    market_too = "insert into markets (market_id) values (gen_random_uuid()::text)"
    return chance.choice([insert, again, f"{again}; {again}", delete, f"{insert}; {market_too}"])


def test_the_padding_of_a_column_is_no_part_of_its_value(harness: Harness) -> None:
    """char(n): PostgreSQL compares without the padding, so a key is one key in snapshot and stream."""
    if harness.reader != "pgoutput":
        pytest.skip("a record does not say that a text is char(n): docs/cdc_readers.md says so")
    pair = harness.pair
    pair.execute(
        "alter table quotes alter column quote_id type char(12)",
        "alter table quotes alter column market_id type char(20)",
        market.quotes(1, 4),
    )
    harness.read()
    pair.execute(
        market.quotes(5, 2),
        "update quotes set market_id = ' x ', volume = 7 where quote_id = 'q-1'",
        "delete from quotes where quote_id = 'q-2'",
        "update quotes set quote_id = 'moved' where quote_id = 'q-3'",
    )
    harness.read()
    columns = "quote_id::text, market_id::text, volume"
    there = expected(pair, "quotes", columns)
    assert harness.state("quotes", "quote_id, market_id, volume") == there
    assert there["q-1"][0] == " x"
    harness.copy_again("quotes")
    assert pair.rows("select count(*) from raw_mbp.quotes") == [(4 + 2 + 1 + 1 + 2,)]


@pytest.mark.parametrize("constraint", ["primary key (quote_id) deferrable initially deferred", ""])
def test_keys_that_are_rotated_in_one_statement_end_right(
    harness: Harness, constraint: str
) -> None:
    if harness.reader != "pgoutput":
        pytest.skip("a pipeline does not say which keys are checked at once: docs/cdc_readers.md")
    pair = harness.pair
    pair.execute(market.quotes(1, 5), "alter table quotes drop constraint quotes_pkey")
    if constraint:
        pair.execute(f"alter table quotes add {constraint}")
    harness.read()
    rotated = (
        "update quotes set quote_id = case quote_id when 'q-1' then 'q-2' when 'q-2' then 'q-3'"
        " else 'q-1' end where quote_id in ('q-1', 'q-2', 'q-3')"
    )
    pair.execute(
        rotated,
        # Both of two, there and back; and a row that leaves a key which another one has by then.
        "begin; update quotes set quote_id = case quote_id when 'q-4' then 'q-5' else 'q-4' end"
        " where quote_id in ('q-4', 'q-5'); update quotes set volume = volume + 10 where quote_id = 'q-5'; commit",
        "begin; insert into quotes (quote_id, volume) values ('q-3', 77);"
        " delete from quotes where quote_id = 'q-3' and volume <> 77; commit",
        f"begin; {rotated}; {rotated}; delete from quotes where quote_id = 'q-2'; commit",
    )
    harness.read()
    assert harness.state("quotes", QUOTES) == expected(pair, "quotes", QUOTES)
