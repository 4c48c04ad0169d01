"""What a message of change data capture says to do is done, and leads out of the state."""

from __future__ import annotations

import re

import psycopg2
import pytest

from mbp.contracts.alarm_limits import load_limits
from mbp.core.errors import MbpError
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.capture import SlotReader
from mbp.ingest.cdc.market_source import SLOT, MarketSource, drop_slot, setup_sql
from mbp.ingest.cdc.replay import replay_tables
from mbp.ingest.cdc.watched import alarms, read_watched
from mbp.ingest.initialise import initialise
from mbp.ingest.raw_tables import raw_tables
from mbp.warehouse import connect
from tests.python.ingest.cdc import market
from tests.python.ingest.cdc.conftest import Pair


def refusal(pair: Pair) -> str:
    """What the reader says instead of reading."""
    with pytest.raises(MbpError) as caught:
        pair.read()
    return str(caught.value)


def resnapshot(pair: Pair) -> None:
    reader = pair.reader()
    reader.run(once=True, anew=list(reader.columns))


def set_up(pair: Pair) -> None:
    pair.execute("begin", *setup_sql(change_shape.by_name(raw_tables(pair.root))), "commit")


def test_a_publication_that_is_gone(pair: Pair) -> None:
    pair.execute(market.quotes(1, 3))
    pair.read()
    pair.execute("drop publication mbp_cdc", market.quotes(4, 1))
    reader = pair.reader()
    reader.run(once=True)
    assert "quotes is stopped" in reader.problems
    reason = "select reason from raw_mbp._cdc_streams where table_name = 'quotes'"
    ((why,),) = pair.rows(reason)
    assert "the publication mbp_cdc lacks it; only `mbp cdc resnapshot` knows its state" in why
    with pytest.raises(MbpError, match="run the SQL that `mbp cdc setup` prints"):
        resnapshot(pair)
    set_up(pair)
    resnapshot(pair)
    pair.execute(market.quotes(5, 1))
    pair.read()
    pair.reconciles()


def test_a_table_that_does_not_send_old_rows(pair: Pair) -> None:
    pair.execute(market.quotes(1, 3), "alter table quotes replica identity default")
    told = refusal(pair)
    statement = re.search(r"alter table public.quotes replica identity full", told)
    assert statement, told
    pair.execute(statement[0])
    pair.read()
    pair.reconciles()


def test_a_slot_that_serves_another_warehouse(pair: Pair) -> None:
    pair.execute(market.quotes(1, 3))
    pair.read()
    pair.at_warehouse("delete from raw_mbp._cdc_position")
    assert "or drop it at the source when it is not needed any more" in refusal(pair)
    drop_slot(pair.source)
    pair.execute(market.quotes(4, 1))
    pair.read()
    pair.reconciles()


def test_a_slot_of_another_database(pair: Pair) -> None:
    pair.execute(market.quotes(1, 3))
    pair.read()
    here = pair.source
    pair.server.create_database("elsewhere")
    try:
        set_up_database(pair, "elsewhere")
        there = MarketSource(here.host, here.port, here.user, here.password, "elsewhere")
        with pytest.raises(MbpError, match=f"set MBP_SOURCE_DATABASE={here.database}"):
            SlotReader(pair.root, pair.target, there, lambda _: None, lambda: False).run(once=True)
    finally:
        pair.server.drop_database("elsewhere")
    pair.read()
    pair.reconciles()


def set_up_database(pair: Pair, database: str) -> None:
    columns = change_shape.by_name(raw_tables(pair.root))
    tables = (
        f"create table {table} ({', '.join(f'{name} {kind}' for name, kind in listed)})"
        for table, listed in columns.items()
    )
    market.execute(pair.server, database, *tables, *setup_sql(columns))


@pytest.mark.parametrize("table", ["_cdc_position", "_cdc_epochs"])
def test_a_warehouse_of_an_older_release(pair: Pair, table: str) -> None:
    pair.execute(market.quotes(1, 3))
    pair.at_warehouse(f"drop table raw_mbp.{table}")
    assert "run `mbp db init`" in refusal(pair)
    with connect(pair.root, pair.target) as warehouse:
        initialise(pair.root, warehouse)
    pair.read()
    pair.reconciles()


def test_a_position_without_its_server_is_of_the_one_that_is_there(pair: Pair) -> None:
    """As an older release left it: nothing is copied again, and what comes is after what was there."""
    pair.execute(market.quotes(1, 3))
    pair.read()
    pair.at_warehouse("delete from raw_mbp._cdc_epochs")
    pair.execute("update quotes set volume = 9 where quote_id = 'q-1'")
    pair.read()
    pair.reconciles()
    assert pair.rows("select count(*) from raw_mbp._cdc_epochs") == [(1,)]


@pytest.mark.parametrize("tables", [None, ["quotes"]])
def test_a_letter_that_cannot_be_read(pair: Pair, tables: list[str] | None) -> None:
    pair.read()
    pair.execute(
        "alter table quotes rename column price to prize",
        "insert into quotes (quote_id) values ('q')",
    )
    pair.read()
    pair.at_warehouse("update raw_mbp._cdc_dead_letters set relation = 'broken'")
    pair.execute("alter table quotes rename column prize to price")
    assert "`mbp cdc resnapshot` the table" in refusal(pair)
    reader = pair.reader()
    reader.run(once=True, anew=tables or list(reader.columns))
    assert reader.problems == ""
    pair.reconciles()


def test_an_alarm_of_dead_letters(pair: Pair) -> None:
    pair.execute("alter table quotes alter column price type numeric")
    pair.read()
    pair.execute("insert into quotes (quote_id, price) values ('q', 'NaN')")
    pair.read()
    with connect(pair.root, pair.target, read_only=True) as warehouse:
        seen = read_watched(warehouse)
    (alarm,) = alarms(seen, load_limits(pair.root), seen.read_at)
    assert alarm.fix == "see `mbp cdc replay --list`, fix the cause, then `mbp cdc replay`"
    pair.execute("update quotes set price = 0.5")
    pair.read()
    _, left = replay_tables(pair.root, pair.target, ["quotes"])
    assert left == 0
    pair.reconciles()


def test_a_slot_that_another_reader_moved(pair: Pair) -> None:
    pair.execute(market.quotes(1, 3))
    pair.read()
    pair.execute(market.quotes(4, 3))
    connection = pair.server.connect(pair.source.database)
    with connection.cursor() as cursor:
        cursor.execute("checkpoint")  # what is not flushed cannot be given away
        cursor.execute(f"select pg_replication_slot_advance('{SLOT}', pg_current_wal_lsn())")
    connection.close()
    told = refusal(pair)
    assert "the slot is ahead of this warehouse" in told
    assert "`mbp cdc resnapshot`" in told
    resnapshot(pair)
    pair.execute(market.quotes(9, 1))
    pair.read()
    pair.reconciles()


def test_an_error_of_the_source_that_a_server_of_an_older_release_gives(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.read()

    def refuse(*_: object) -> None:
        raise psycopg2.errors.UndefinedObject('publication "mbp_cdc" does not exist')

    monkeypatch.setattr("mbp.ingest.cdc.capture.ReplicationStream", refuse)
    assert "then `mbp cdc resnapshot`" in refusal(pair)
