"""What does not fit waits with its reason, nothing of it is lost, and after the fix it is all there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mbp.core.errors import MbpError
from mbp.core.paths import project_root
from mbp.ingest.cdc.change_shape import captured_tables
from mbp.ingest.cdc.commit_order import SourcePlace
from mbp.ingest.cdc.market_source import drop_slot
from mbp.ingest.cdc.replay import list_letters, replay_tables
from mbp.ingest.cdc.sink import Sink
from mbp.warehouse import connect
from tests.python.ingest.cdc import market
from tests.python.ingest.cdc.conftest import Pair

TABLES = captured_tables(project_root(Path(__file__).parent))
BREAKS = [
    ("alter table quotes drop column depth_2pct", "quotes.depth_2pct is missing in the source"),
    ("alter table quotes rename column price to prize", "quotes.price is missing in the source"),
    ("alter table quotes alter column price type text", "quotes.price has another type"),
    (
        "alter table quotes alter column market_id type text[] using array[market_id]",
        "quotes.market_id has another type",
    ),
    ("alter table quotes replica identity default", "quotes does not send old rows whole"),
]


def events(pair: Pair, kind: str) -> list[tuple[str, str]]:
    return pair.rows(
        f"select table_name, detail from raw_mbp._cdc_events where kind = '{kind}' order by 1, 2"
    )


@pytest.mark.parametrize(("statement", "told"), BREAKS)
def test_a_broken_contract_stops_its_table_before_a_wrong_row_and_no_other(
    pair: Pair, statement: str, told: str
) -> None:
    pair.execute(market.quotes(1, 5))
    pair.read()
    before = pair.rows("select * from raw_mbp.quotes order by quote_id")
    pair.execute(
        statement,
        "insert into quotes (quote_id) values ('after')",
        "insert into markets (market_id) values ('m')",
        "update quotes set quote_id = 'again' where quote_id = 'after'",
    )
    said: list[str] = []
    reader = pair.reader(said)
    reader.run(once=True)
    assert any(line.startswith(f"data_contract_break: {told}") for line in said)
    assert "quotes is stopped" in reader.problems
    assert pair.rows("select * from raw_mbp.quotes order by quote_id") == before
    assert pair.rows("select market_id from raw_mbp.markets") == [("m",)]
    ((table, position, reason),) = pair.rows(
        "select table_name, position, reason from raw_mbp._cdc_streams"
    )
    assert (table, reason.startswith("data_contract_break")) == ("quotes", True)
    letters = pair.rows("select kind, position from raw_mbp._cdc_dead_letters order by position")
    assert [kind for kind, _ in letters] == ["parked", "parked"]
    assert letters[0][1] >= position
    assert events(pair, "stopped") == [("quotes", told)] or told in str(events(pair, "stopped"))
    # Started again it is still stopped, and repeats nothing.
    pair.execute("insert into quotes (quote_id) values ('later')")
    again = pair.reader()
    again.run(once=True)
    assert "quotes is stopped" in again.problems
    assert pair.rows("select count(*) from raw_mbp._cdc_dead_letters") == [(3,)]


def test_a_table_goes_on_after_the_source_was_mended(pair: Pair) -> None:
    pair.execute(market.quotes(1, 50))
    pair.read()
    pair.execute(
        "alter table quotes rename column price to prize",
        "update quotes set prize = 0.5 where quote_id = 'q-3'",
        "delete from quotes where quote_id = 'q-4'",
        market.quotes(100, 10).replace("price", "prize"),
    )
    pair.read()
    pair.execute(
        "alter table quotes rename column prize to price",
        "update quotes set price = 0.6 where quote_id = 'q-5'",
        "delete from quotes where quote_id = 'q-6'",
    )
    # Mended or not, the shape that the changes in between were sent in does not fit.
    pair.read()
    assert pair.rows("select count(*) from raw_mbp._cdc_streams") == [(1,)]
    said: list[str] = []
    reader = pair.reader(said)
    pair.execute(market.quotes(200, 10))
    reader.run(once=True, anew=["quotes"])
    assert reader.problems == ""
    pair.reconciles()
    assert pair.rows("select count(*) from raw_mbp._cdc_streams") == [(0,)]
    assert pair.rows("select count(*) from raw_mbp._cdc_dead_letters") == [(0,)]
    assert any(
        "quotes reconciled: 22 rows were new or other, 2 were removed" in one for one in said
    )
    pair.execute(market.quotes(300, 10), "delete from quotes where quote_id = 'q-7'")
    pair.read()
    pair.reconciles()


def test_a_table_goes_on_by_itself_after_the_contract_was_changed(pair: Pair) -> None:
    """A contract that demands another type than the source has is corrected: every change is there."""
    pair.execute(market.quotes(1, 5))
    pair.read()
    reader = pair.reader()
    contracted = reader.columns["quotes"]
    # A contract that says another type than the source, as of now.
    reader.columns["quotes"] = [
        (name, "boolean" if name == "volume" else kind) for name, kind in contracted
    ]
    pair.execute(*market.changes(7, 40), "truncate quotes", *market.changes(8, 40))
    reader.run(once=True)
    assert "quotes is stopped" in reader.problems
    parked = pair.rows("select count(*) from raw_mbp._cdc_dead_letters")
    said: list[str] = []
    pair.reader(said).run(once=True)
    assert f"quotes goes on: {parked[0][0]} parked changes" in said
    pair.reconciles()
    assert pair.rows("select count(*) from raw_mbp._cdc_dead_letters") == [(0,)]
    assert [kind for kind, _ in events(pair, "resumed")] == ["quotes"]


@pytest.mark.parametrize(
    ("column", "kind", "value", "told"),
    [
        ("price", "numeric", "0.123456789", "price is not an exact decimal"),
        ("volume", "numeric", "12345678901.0", "volume is not an exact decimal"),
        ("price", "numeric(18,8)", "'NaN'", "price is not an exact decimal"),
        ("quoted_at", "timestamptz", "'infinity'", "quoted_at is not an exact timestamptz"),
        ("quoted_at", "timestamptz", "'0044-03-15 12:00+00 BC'", "quoted_at is not an exact"),
    ],
)
def test_a_value_that_does_not_fit_exactly_waits_alone(
    pair: Pair, column: str, kind: str, value: str, told: str
) -> None:
    pair.execute(f"alter table quotes alter column {column} type {kind}", market.quotes(1, 3))
    pair.read()
    pair.execute(
        f"insert into quotes (quote_id, {column}) values ('bad', {value}), ('good', null)",
        market.quotes(10, 3),
    )
    reader = pair.reader()
    reader.run(once=True)
    assert reader.problems.startswith("1 change in quarantine")
    keys = {row[0] for row in pair.rows("select quote_id from raw_mbp.quotes")}
    assert keys == {"good", "q-1", "q-2", "q-3", "q-10", "q-11", "q-12"}
    ((table, letter, reason, payload),) = pair.rows(
        "select table_name, kind, reason, payload from raw_mbp._cdc_dead_letters"
    )
    assert (table, letter) == ("quotes", "value")
    assert re.match(told, reason)
    assert b"bad" in bytes.fromhex(payload)
    lines, left = list_letters(pair.root, pair.target, TABLES)
    assert left == 1
    assert value.strip("'") not in " ".join(lines)
    # Nothing was fixed: it stays.
    lines, left = replay_tables(pair.root, pair.target, TABLES)
    assert left == 1
    assert any(told in line for line in lines)


def test_a_letter_that_fits_by_now_is_delivered_once_with_its_own_position(pair: Pair) -> None:
    pair.execute("alter table quotes alter column price type numeric")
    pair.read()
    narrow = pair.reader()
    narrow.sink.columns = {
        **narrow.sink.columns,
        "mbp.quotes": [
            (name, "decimal(18, 2)" if name == "price" else kind)
            for name, kind in narrow.sink.columns["mbp.quotes"]
        ],
    }
    pair.execute(
        "insert into quotes (quote_id, price) values ('q-1', 0.25), ('q-2', 0.12345678), ('q-3', 0.87654321)",
        "update quotes set price = 0.5 where quote_id = 'q-2'",
        "delete from quotes where quote_id = 'q-3'",
    )
    narrow.run(once=True)
    assert pair.rows("select count(*) from raw_mbp._cdc_dead_letters") == [(3,)]
    _, left = replay_tables(pair.root, pair.target, TABLES)
    assert left == 0
    pair.reconciles()
    before = pair.rows("select count(*) from raw_mbp.quotes")
    replay_tables(pair.root, pair.target, TABLES)
    assert pair.rows("select count(*) from raw_mbp.quotes") == before == [(5,)]
    position = pair.rows("select position from raw_mbp._cdc_position")
    pair.read()
    assert pair.rows("select position from raw_mbp._cdc_position") >= position


def test_a_truncated_table_is_empty_and_the_event_is_kept(pair: Pair) -> None:
    pair.execute(market.quotes(1, 5), "insert into markets (market_id) values ('stays')")
    pair.read()
    pair.execute(
        market.quotes(10, 5),
        "delete from quotes where quote_id = 'q-1'",
        "truncate quotes, resolutions",
        market.quotes(12, 2),
    )
    said: list[str] = []
    pair.reader(said).run(once=True)
    assert "quotes was emptied at the source: its rows are deleted" in said
    pair.reconciles()
    assert [table for table, _ in events(pair, "truncate")] == ["quotes", "resolutions"]
    # Nine rows were there: each is deleted once, with the values that it had.
    assert pair.rows(
        "select count(*), count(price) from raw_mbp.quotes where __op = 'd'"
        " and __source_lsn in (select position from raw_mbp._cdc_events where kind = 'truncate')"
    ) == [(9, 9)]
    assert pair.rows("select count(*) from raw_mbp.markets where __op = 'd'") == [(0,)]
    pair.read()
    pair.reconciles()


def test_a_letter_from_before_a_truncate_does_not_come_back_with_its_replay(pair: Pair) -> None:
    pair.execute("alter table quotes alter column price type numeric")
    pair.read()
    narrow = pair.reader()
    narrow.sink.columns = {
        **narrow.sink.columns,
        "mbp.quotes": [
            (name, "decimal(18, 2)" if name == "price" else kind)
            for name, kind in narrow.sink.columns["mbp.quotes"]
        ],
    }
    pair.execute("insert into quotes (quote_id, price) values ('q-1', 0.125)", "truncate quotes")
    narrow.run(once=True)
    replay_tables(pair.root, pair.target, ["quotes"])
    assert pair.rows("select __op from raw_mbp.quotes order by __source_lsn") == [("c",), ("d",)]
    pair.reconciles()


def test_a_new_column_is_reported_and_its_rows_arrive(pair: Pair) -> None:
    pair.read()
    pair.execute(
        "alter table quotes add column mood text",
        "insert into quotes (quote_id, mood) values ('q', 'good')",
    )
    said: list[str] = []
    pair.reader(said).run(once=True)
    assert "drift: quotes has columns without a contract: mood" in said
    assert events(pair, "drift") == [("quotes", "columns without a contract: mood")]
    assert pair.rows("select quote_id from raw_mbp.quotes") == [("q",)]


def test_a_lost_slot_is_told_and_the_state_is_taken_over_anew(pair: Pair) -> None:
    pair.execute(market.quotes(1, 30))
    pair.read()
    drop_slot(pair.source)
    pair.execute(
        market.quotes(31, 5),
        "delete from quotes where quote_id = 'q-1'",
        "update quotes set volume = 7 where quote_id = 'q-2'",
    )
    with pytest.raises(MbpError, match=r"the slot was removed.*`mbp cdc resnapshot`"):
        pair.read()
    before = pair.rows("select count(*) from raw_mbp.quotes")
    reader = pair.reader()
    reader.run(once=True, anew=TABLES)
    pair.reconciles()
    # Only what differs was written: five new, one other, one gone.
    assert pair.rows("select count(*) from raw_mbp.quotes") == [(before[0][0] + 7,)]
    pair.execute(market.quotes(50, 5), "delete from quotes where quote_id = 'q-3'")
    pair.read()
    pair.reconciles()


def test_a_warehouse_older_than_its_slot_is_refused(pair: Pair) -> None:
    """Restored from a backup: what the slot gave away meanwhile would be missing."""
    pair.read()
    old = pair.rows("select position from raw_mbp._cdc_position")[0][0]
    pair.execute(market.quotes(1, 5))
    pair.read()
    with connect(pair.root, pair.target) as warehouse:
        warehouse.execute(f"update raw_mbp._cdc_position set position = {old}")
        warehouse.execute("delete from raw_mbp.quotes")
    with pytest.raises(MbpError, match="the slot is ahead of this warehouse"):
        pair.read()
    pair.reader().run(once=True, anew=TABLES)
    pair.reconciles()


def test_a_source_older_than_its_warehouse_is_refused(pair: Pair) -> None:
    """Restored from a copy of its files: what is written up to the old position would never be read."""
    pair.execute(market.quotes(1, 5))
    pair.read()
    beyond = pair.at_source("select (pg_current_wal_lsn() - '0/0')::bigint + 100000000")[0][0]
    pair.at_warehouse(f"update raw_mbp._cdc_position set position = {beyond}")
    pair.execute("delete from quotes where quote_id = 'q-1'", market.quotes(10, 2))
    with pytest.raises(MbpError, match="the source was restored from an older state"):
        pair.read()
    pair.reader().run(once=True, anew=TABLES)
    pair.reconciles()
    pair.execute(market.quotes(20, 2))
    pair.read()
    pair.reconciles()


@pytest.mark.parametrize("has_rows", [False, True])
def test_a_snapshot_that_was_cut_off_leaves_everything_as_it_was(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, has_rows: bool
) -> None:
    pair.execute(market.quotes(1, 5))
    if has_rows:
        pair.read()
        drop_slot(pair.source)
        pair.execute("delete from quotes where quote_id = 'q-1'", market.quotes(10, 2))
    with monkeypatch.context() as patched:
        patched.setattr(
            "mbp.ingest.cdc.replication_stream.snapshot_rows",
            lambda *_: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            pair.reader().run(once=True, anew=TABLES if has_rows else None)
    # Nothing at the source is kept for a reader that does not know of it.
    assert pair.at_source("select slot_name from pg_replication_slots where not temporary") == []
    said: list[str] = []
    if has_rows:
        with pytest.raises(MbpError, match=r"the slot was removed.*`mbp cdc resnapshot`"):
            pair.read()
        pair.reader(said).run(once=True, anew=TABLES)
    else:
        pair.reader(said).run(once=True)
        assert said[0] == "the last snapshot did not end; it begins again"
    pair.reconciles()


def test_a_snapshot_of_a_source_that_does_not_fit_writes_nothing(pair: Pair) -> None:
    pair.execute("alter table markets drop column name", market.quotes(1, 5))
    with pytest.raises(MbpError, match=r"markets\.name is missing in the source"):
        pair.read()
    assert pair.rows("select count(*) from raw_mbp.quotes") == [(0,)]


def test_nothing_can_be_taken_over_anew_before_the_first_snapshot(pair: Pair) -> None:
    with pytest.raises(MbpError, match="nothing was ever read"):
        pair.reader().run(once=True, anew=TABLES)
    with pytest.raises(MbpError, match="nothing was ever read"):
        replay_tables(pair.root, pair.target, TABLES)
    with pytest.raises(MbpError, match="nothing was ever read"):
        list_letters(pair.root, pair.target, TABLES)


UNFIT = (
    "alter table quotes alter column price type numeric",
    "insert into quotes (quote_id, price, volume) values ('k-nan', 'NaN', 1), ('good', 0.5, 1)",
    "insert into quotes (quote_id, quoted_at) values ('k-inf', 'infinity'), ('k-far', '10001-01-01 00:00+00')",
)
UNFIT_KEYS = ("k-far", "k-inf", "k-nan")


def letter_keys(pair: Pair) -> list[str]:
    payloads = pair.rows("select payload from raw_mbp._cdc_dead_letters")
    texts = [bytes.fromhex(row[0]).decode("latin-1") for row in payloads]
    assert all(any(key in text for key in UNFIT_KEYS) for text in texts)
    return sorted(key for key in UNFIT_KEYS for text in texts if key in text)


def test_values_of_the_first_snapshot_that_do_not_fit_are_kept_as_letters(pair: Pair) -> None:
    pair.execute(*UNFIT, "insert into markets (market_id) values ('m')")
    reader = pair.reader()
    reader.run(once=True)
    assert reader.problems.startswith("3 changes in quarantine")
    assert letter_keys(pair) == list(UNFIT_KEYS)
    assert pair.rows("select quote_id from raw_mbp.quotes") == [("good",)]
    assert pair.rows("select market_id from raw_mbp.markets") == [("m",)]


@pytest.mark.parametrize("tables", [TABLES, ("quotes",)])
def test_a_value_that_does_not_fit_does_not_keep_the_others_from_a_resnapshot(
    pair: Pair, tables: tuple[str, ...]
) -> None:
    pair.execute(market.quotes(1, 3), "insert into quotes (quote_id, volume) values ('k-nan', 5)")
    pair.read()
    pair.at_warehouse("delete from raw_mbp.quotes where quote_id = 'q-2'")
    pair.execute("delete from quotes where quote_id = 'k-nan'", *UNFIT)
    reader = pair.reader()
    reader.run(once=True, anew=tables)
    assert "changes in quarantine" in reader.problems
    assert letter_keys(pair) == list(UNFIT_KEYS)
    keys = {row[0] for row in pair.rows("select quote_id from raw_mbp.quotes")}
    assert keys == {"q-1", "q-2", "q-3", "good", "k-nan"}
    # Of the row that does not fit the log keeps what it had: nothing is deleted that is there.
    newest = pair.rows(
        "select __op from raw_mbp.quotes where quote_id = 'k-nan' order by __source_lsn desc limit 1"
    )
    assert newest == [("d" if tables == ("quotes",) else "r",)]
    # Its fix at the source leads out of it.
    pair.execute(
        "update quotes set price = 0.5 where quote_id = 'k-nan'",
        "update quotes set quoted_at = null where quote_id = 'k-inf'",
        "delete from quotes where quote_id = 'k-far'",
    )
    pair.read()
    # A delete does not wait for what its row held.
    deleted = "select __op, quoted_at from raw_mbp.quotes where quote_id = 'k-far'"
    assert pair.rows(deleted) == [("d", None)]
    _, left = replay_tables(pair.root, pair.target, TABLES)
    assert left == 0
    assert pair.rows(deleted) == [("d", None)]
    pair.reconciles()


@pytest.mark.parametrize("tables", [TABLES, ("quotes",)])
def test_a_resnapshot_that_fails_leaves_position_and_slot_as_they_were(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, tables: tuple[str, ...]
) -> None:
    pair.execute(market.quotes(1, 5))
    pair.read()

    def state() -> tuple[object, ...]:
        slots = pair.at_source(
            "select slot_name, confirmed_flush_lsn from pg_replication_slots order by 1"
        )
        return slots, pair.rows("select slot, position from raw_mbp._cdc_position")

    before = state()
    with monkeypatch.context() as patched:
        patched.setattr(
            "mbp.ingest.cdc.replication_stream.snapshot_rows",
            lambda *_: (_ for _ in ()).throw(MbpError("cut off", fix="none")),
        )
        with pytest.raises(MbpError, match="cut off"):
            pair.reader().run(once=True, anew=tables)
    after = state()
    if tables == TABLES:
        assert after == before
    else:
        # The others were read up to the snapshot first.
        assert [slot for slot, _ in after[0]] == [slot for slot, _ in before[0]]  # type: ignore[attr-defined]
    assert pair.rows("select count(*) from raw_mbp._cdc_streams") == [(0,)]
    pair.execute(market.quotes(9, 1))
    pair.read()
    pair.reconciles()


def test_a_parked_value_that_does_not_fit_does_not_keep_its_table_stopped(pair: Pair) -> None:
    pair.read()
    pair.execute("alter table quotes alter column price type numeric")
    reader = pair.reader()
    reader.columns["quotes"] = [
        (name, "boolean" if name == "volume" else kind) for name, kind in reader.columns["quotes"]
    ]
    pair.execute(market.quotes(1, 2), *UNFIT[1:], market.quotes(3, 1))
    reader.run(once=True)
    assert "quotes is stopped" in reader.problems
    pair.read()
    assert pair.rows("select count(*) from raw_mbp._cdc_streams") == [(0,)]
    keys = {row[0] for row in pair.rows("select quote_id from raw_mbp.quotes")}
    assert keys == {"q-1", "q-2", "q-3", "good"}
    assert letter_keys(pair) == list(UNFIT_KEYS)


def test_a_snapshot_that_cannot_be_committed_leaves_no_slot(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.execute(market.quotes(1, 5))
    with monkeypatch.context() as patched:
        commit = Sink.commit

        def refuse(sink: Sink, place: SourcePlace | None, *_: object) -> None:
            if place is not None and place.lsn > 0:
                raise MbpError("no space left", fix="none")
            commit(sink, place)

        patched.setattr(Sink, "commit", refuse)
        with pytest.raises(MbpError, match="no space left"):
            pair.read()
    assert pair.at_source("select slot_name from pg_replication_slots where not temporary") == []
    pair.read()
    pair.reconciles()


def test_the_slot_survives_a_failover(pair: Pair) -> None:
    pair.read()
    if pair.at_source("show server_version_num")[0][0] >= "170000":
        assert pair.at_source("select failover from pg_replication_slots") == [(True,)]
