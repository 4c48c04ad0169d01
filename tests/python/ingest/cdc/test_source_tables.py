"""A row of the log is a row of the very table that is configured, whole, or the table is stopped and says why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.market_server import create
from mbp.core.errors import MbpError
from mbp.ingest.cdc import change_shape, watch_source
from mbp.ingest.cdc.market_source import ROLE, setup_sql
from mbp.ingest.cdc.replay import replay_tables
from mbp.ingest.raw_tables import raw_tables
from tests.python.ingest.cdc import market
from tests.python.ingest.cdc.conftest import Pair

pytestmark = pytest.mark.parametrize("pair", ["postgres"], indirect=True)

HOSTILE = {"PGCLIENTENCODING": "LATIN1", "PGDATESTYLE": "SQL", "PGTZ": "EST"}
OTHERS = "abuse_events, markets, resolutions, trades"
PUBLISH_ALL = "alter publication mbp_cdc set (publish = 'insert, update, delete, truncate')"
UNFIT = [
    ("drop publication mbp_cdc", "the publication mbp_cdc lacks it"),
    ("alter publication mbp_cdc drop table quotes", "quotes: the publication mbp_cdc lacks it"),
    *(
        (
            f"alter publication mbp_cdc set (publish = '{', '.join(kept)}')",
            f"the publication mbp_cdc does not publish {lacking}",
        )
        for lacking in ("insert", "update", "delete", "truncate")
        for kept in [
            [kind for kind in ("insert", "update", "delete", "truncate") if kind != lacking]
        ]
    ),
    (
        f"alter publication mbp_cdc set table quotes where (volume > 10), {OTHERS}",
        "quotes: the publication mbp_cdc has a row filter for it",
    ),
    (
        f"alter publication mbp_cdc set table quotes (quote_id, volume), {OTHERS}",
        "quotes: the publication mbp_cdc has a column list for it",
    ),
    (
        "alter table quotes enable row level security",
        "quotes: row security hides rows from this role",
    ),
    ("alter table quotes set unlogged", "quotes: it is not an ordinary logged table"),
    ("create table part () inherits (quotes)", "quotes: it is partitioned"),
    ("alter table quotes rename to other", "quotes: public.quotes is not at the source"),
    ("create schema market; alter table quotes set schema market", "is not at the source"),
    (
        "alter table quotes drop column twap_5m, add column twap_5m numeric(18,8) generated always as (price) virtual",
        "quotes: twap_5m is a generated column that the publication does not send",
    ),
    ("alter table quotes replica identity default", "its replica identity is default"),
    ("alter table quotes replica identity nothing", "its replica identity is nothing"),
    (
        "alter table quotes replica identity using index quotes_pkey",
        "its replica identity is using index",
    ),
    (
        "create domain code as char(8); alter table quotes alter column market_id type code",
        "quotes: market_id is a domain over character",
    ),
]


@pytest.mark.parametrize(("statement", "message"), UNFIT)
def test_what_would_make_the_log_another_is_refused_before_anything_is_written(
    pair: Pair, statement: str, message: str
) -> None:
    for part in statement.split("; "):
        if "set unlogged" in part:
            pair.execute("alter publication mbp_cdc drop table quotes")
        pair.execute(part)
    with pytest.raises(MbpError) as caught:
        pair.read()
    assert message in str(caught.value)
    assert pair.rows("select count(*) from raw_mbp.quotes") == [(0,)]
    assert pair.at_source(
        "select count(*) from pg_replication_slots where database = current_database()"
    ) == [(0,)]
    if "publication" in statement:
        # What the message says to do leads out.
        pair.execute(*setup_sql(change_shape.by_name(raw_tables(pair.root))), market.quotes(1, 3))
        pair.read()
        pair.execute("delete from quotes where quote_id = 'q-2'", market.quotes(4, 1))
        pair.read()
        pair.reconciles()


def another_table(pair: Pair) -> None:
    pair.execute(
        "create table newer (like quotes including all)",
        "alter table newer replica identity full",
        f"grant select on newer to {ROLE}",
        "insert into newer (quote_id, volume) values ('other', 1)",
        "alter table quotes rename to older",
        "alter table newer rename to quotes",
    )


def swapped(pair: Pair) -> None:
    another_table(pair)
    pair.execute("alter publication mbp_cdc add table quotes")


def created_again(pair: Pair) -> None:
    pair.execute(
        "create table newer (like quotes including all)",
        "drop table quotes",
        "alter table newer rename to quotes",
        *setup_sql(change_shape.by_name(raw_tables(pair.root))),
    )


def left_for_a_while(pair: Pair) -> None:
    pair.execute(
        "alter publication mbp_cdc drop table quotes",
        "delete from quotes where quote_id = 'q-1'",
        "alter publication mbp_cdc add table quotes",
    )


def sql(*statements: str) -> Callable[[Pair], None]:
    return lambda pair: pair.execute(*statements)


# What happens to the table, the reason that is given, and how the source is put right.
GAPS = [
    pytest.param(swapped, "another table has its name", sql(), id="swapped"),
    pytest.param(
        another_table,
        "the publication mbp_cdc lacks it",
        sql("alter publication mbp_cdc add table quotes"),
        id="swapped and not published",
    ),
    pytest.param(created_again, "another table has its name", sql(), id="created again"),
    pytest.param(left_for_a_while, "it left the publication", sql(), id="left for a while"),
    pytest.param(
        sql("alter publication mbp_cdc set (publish = 'insert')", "delete from quotes"),
        "does not publish update, delete, truncate",
        sql(PUBLISH_ALL),
        id="publish",
    ),
    pytest.param(
        sql(
            "alter table quotes drop column price, add column price numeric(18,8)",
        ),
        "its column price is another one",
        sql(),
        id="dropped and added again",
    ),
    pytest.param(
        sql(
            "alter table quotes rename column price to x",
            "alter table quotes rename column twap_5m to price",
            "alter table quotes rename column x to twap_5m",
        ),
        "is another one",
        sql(),
        id="renamed into each other",
    ),
    pytest.param(
        sql("alter table quotes alter column price type numeric(18,8) using price / 2"),
        "its column price was retyped",
        sql(),
        id="using, and the same type",
    ),
    pytest.param(
        sql("alter table quotes alter column volume type bigint using volume::bigint + 1"),
        "its column volume was retyped",
        sql(),
        id="using",
    ),
]


def test_options_of_the_publication_that_were_others_for_a_while(pair: Pair) -> None:
    """What was deleted meanwhile is nowhere in the log."""
    pair.execute(market.quotes(1, 5))
    pair.read()
    pair.execute(*setup_sql(pair.reader().columns))
    reader = pair.reader()
    reader.run(once=True)
    assert reader.problems == ""  # the setup alters only what differs
    pair.execute(
        "alter publication mbp_cdc set (publish = 'insert')",
        "delete from quotes where quote_id = 'q-1'",
        PUBLISH_ALL,
    )
    reader = pair.reader()
    reader.run(once=True)
    assert "quotes is stopped" in reader.problems
    pair.reader().run(once=True, anew=list(reader.columns))
    pair.reconciles()


def test_a_label_of_an_enum_that_is_renamed_changes_rows_without_a_change(pair: Pair) -> None:
    pair.execute(
        "create type side as enum ('a', 'b')",
        "alter table quotes alter column market_id type side using 'a'",
        "insert into quotes (quote_id, market_id) values ('q', 'a')",
    )
    pair.read()
    pair.execute("alter type side add value 'c'")
    reader = pair.reader()
    reader.run(once=True)
    assert reader.problems == ""
    pair.execute("alter type side rename value 'a' to 'z'")
    reader = pair.reader()
    reader.run(once=True)
    assert "quotes is stopped" in reader.problems
    pair.reader().run(once=True, anew=["quotes"])
    pair.reconciles()


@pytest.mark.parametrize(("change", "reason", "fix"), GAPS)
def test_a_table_whose_log_has_a_gap_is_stopped_until_its_state_is_copied(
    pair: Pair,
    change: Callable[[Pair], None],
    reason: str,
    fix: Callable[[Pair], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair.execute(market.quotes(1, 5))
    pair.read()
    for name, value in pair.program_environment().items():
        if name.startswith("MBP_SOURCE_"):
            monkeypatch.setenv(name, value)
    before = pair.rows("select * from raw_mbp.quotes order by quote_id")
    change(pair)
    pair.execute(
        "insert into quotes (quote_id, volume) values ('new', 7)",
        "insert into markets (market_id) values ('m')",
    )
    messages: list[str] = []
    reader = pair.reader(messages)
    reader.run(once=True)
    assert "quotes is stopped" in reader.problems
    assert any(line.startswith("data_contract_break: ") and reason in line for line in messages)
    assert pair.rows("select * from raw_mbp.quotes order by quote_id") == before
    fix(pair)
    if "publish" not in reason:
        assert pair.rows("select market_id from raw_mbp.markets") == [("m",)]
    # What was parked does not lead to the state of the source: only a copy does.
    _, left = replay_tables(pair.root, pair.target, ["quotes"])
    assert left
    again = pair.reader()
    again.run(once=True)
    assert "quotes is stopped" in again.problems
    for table in sorted(again.applier.stopped):
        pair.reader().run(once=True, anew=[table])
    pair.reconciles()
    pair.execute(
        market.quotes(20, 3),
        "update quotes set volume = 8 where quote_id = 'new'",
        "delete from quotes where quote_id = 'q-20'",
    )
    last = pair.reader()
    last.run(once=True)
    assert last.problems == ""
    pair.reconciles()


def test_what_leaves_the_values_alone_stops_nothing(pair: Pair) -> None:
    pair.execute("alter table quotes alter column market_id type varchar(20)", market.quotes(1, 5))
    pair.read()
    for statement in (
        "vacuum full quotes",
        "alter table quotes alter column volume set not null",
        "alter table quotes alter column market_id type varchar(40)",
        "alter table quotes alter column market_id type text",
        "alter table quotes add column mood text default md5(random()::text)",
        "alter table quotes rename column price to prize",
        "alter table quotes rename column prize to price",
        "alter table quotes drop column mood",
        "analyze quotes",
        "create index on quotes (market_id)",
    ):
        pair.execute(statement)
        pair.read()
    pair.execute(market.quotes(10, 5), "delete from quotes where quote_id = 'q-2'")
    reader = pair.reader()
    reader.run(once=True)
    assert reader.problems == ""
    pair.reconciles()


def test_a_running_reader_sees_that_the_publication_changed(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_source, "HEARTBEAT_SECONDS", 0.0)
    pair.execute(market.quotes(1, 5))
    pair.read()
    reader = pair.reader()
    rounds = []

    def stopping() -> bool:
        rounds.append(1)
        if len(rounds) == 5:
            pair.execute("alter publication mbp_cdc set (publish = 'insert')")
        return bool(reader.applier.stopped) or len(rounds) > 1000

    reader.stopping = stopping
    reader.run(once=False)
    assert "quotes" in reader.applier.stopped
    ((reason,),) = pair.rows("select reason from raw_mbp._cdc_streams where table_name = 'quotes'")
    assert "does not publish update, delete, truncate" in reason


def test_a_publication_of_all_tables_is_one_too(pair: Pair) -> None:
    drop, create_all = "drop publication mbp_cdc", "create publication mbp_cdc for all tables"
    pair.execute(drop, create_all, market.quotes(1, 3))
    pair.read()
    pair.execute(market.quotes(4, 1))
    reader = pair.reader()
    reader.run(once=True)
    assert reader.problems == ""
    pair.reconciles()
    pair.execute(drop, "delete from quotes", create_all)
    reader = pair.reader()
    reader.run(once=True)
    assert "quotes is stopped" in reader.problems
    pair.execute(drop, "create publication mbp_cdc for tables in schema public")
    pair.reader().run(once=True, anew=list(reader.columns))
    pair.reconciles()


def test_a_table_that_is_not_ours_is_ignored(pair: Pair) -> None:
    pair.execute(
        "create table orders (id int primary key, t text)",
        "create schema archive",
        "create table archive.quotes (like public.quotes including all)",
        "alter table archive.quotes replica identity full",
        "alter publication mbp_cdc add table orders, archive.quotes",
        market.quotes(1, 3),
    )
    pair.read()
    pair.execute(
        "insert into orders values (1, 'x')",
        "insert into archive.quotes (quote_id) values ('q-1'), ('old')",
        "delete from archive.quotes where quote_id = 'q-1'",
        "truncate orders, archive.quotes",
        market.quotes(4, 1),
        "alter publication mbp_cdc drop table orders",
    )
    reader = pair.reader()
    reader.run(once=True)
    assert reader.problems == ""
    pair.reconciles()


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (
            [
                "alter table quotes rename to old",
                "create table quotes (like old) partition by range (quoted_at)",
            ],
            "quotes is partitioned",
        ),
        (["create table part () inherits (quotes)"], "quotes is a parent of other tables"),
        (
            [
                "alter table quotes drop column twap_5m, add column twap_5m numeric(18,8)"
                " generated always as (price) virtual"
            ],
            "quotes.twap_5m is a generated column",
        ),
    ],
)
def test_the_setup_refuses_what_cannot_be_captured(
    pair: Pair, statements: list[str], message: str
) -> None:
    pair.execute("drop publication mbp_cdc", *statements)
    with pytest.raises(Exception, match=message):
        pair.execute(*setup_sql(change_shape.by_name(raw_tables(pair.root))))
    assert pair.at_source("select count(*) from pg_publication") == [(0,)]


def test_a_stored_generated_column_is_captured(pair: Pair) -> None:
    pair.execute(
        "alter table quotes drop column twap_5m, add column twap_5m numeric(18,8) generated always as (price) stored",
        "insert into quotes (quote_id, price) values ('q-1', 0.5)",
    )
    pair.read()
    pair.execute(
        "insert into quotes (quote_id, price) values ('q-2', 0.25)",
        "update quotes set price = 0.75 where quote_id = 'q-1'",
    )
    reader = pair.reader()
    reader.run(once=True)
    assert reader.problems == ""
    pair.reconciles()


def test_a_role_that_may_see_all_rows_is_not_refused(pair: Pair) -> None:
    pair.execute("alter table quotes enable row level security", market.quotes(1, 3))
    pair.execute(f"create policy everything on quotes to {ROLE} using (true)")
    with pytest.raises(MbpError, match="row security"):
        pair.read()
    pair.execute(f"alter role {ROLE} bypassrls")
    try:
        pair.read()
    finally:
        pair.execute(f"alter role {ROLE} nobypassrls")
    pair.reconciles()


def test_the_settings_of_role_and_environment_change_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = pair.source.database
    for name, value in {
        "statement_timeout": "1",
        "lock_timeout": "1",
        "idle_in_transaction_session_timeout": "1",
        "transaction_timeout": "60000",
        "datestyle": "German, DMY",
        "timezone": "Asia/Tokyo",
        "intervalstyle": "iso_8601",
        "extra_float_digits": "-5",
        "client_encoding": "LATIN1",
        "row_security": "on",
    }.items():
        pair.execute(f"alter role {ROLE} in database {database} set {name} = '{value}'")
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    for replication in (False, True):
        connection = pair.source.connect(replication=replication)
        with connection.cursor() as cursor:
            cursor.execute("select name, setting from pg_settings")
            settings = dict(cursor.fetchall())
        connection.close()
        assert settings["client_encoding"] == "UTF8"
        assert settings["TimeZone"] == "UTC"
        assert settings["DateStyle"] == "ISO, YMD"
        assert settings["statement_timeout"] == settings["lock_timeout"] == "0"
        assert settings["idle_in_transaction_session_timeout"] == "0"
        assert settings["transaction_timeout"] == "0"
        assert settings["row_security"] == "off"
    pair.execute(market.quotes(1, 5), "update quotes set market_id = chr(252) || chr(10003)")
    pair.read()
    pair.execute(market.quotes(6, 5), "update quotes set market_id = chr(252) || chr(26085)")
    messages: list[str] = []
    pair.reader(messages).run(once=True)
    assert messages == []
    for name in HOSTILE:
        monkeypatch.delenv(name)
    pair.reconciles()


def test_a_source_in_latin1_arrives_as_it_is(pair: Pair) -> None:
    with_latin1 = "market_latin1"
    market.execute(
        pair.server,
        "postgres",
        "drop database if exists latin1",
        "create database latin1 encoding 'LATIN1' locale 'C' template template0",
    )
    columns = change_shape.by_name(raw_tables(pair.root))
    pair.source = create(pair.server, with_latin1, columns, "latin1")
    try:
        pair.execute(market.quotes(1, 2), "update quotes set market_id = 'Übergröße ñ'")
        pair.read()
        pair.execute(
            market.quotes(3, 2), "update quotes set market_id = 'déjà vu' where volume > 1"
        )
        reader = pair.reader()
        reader.run(once=True)
        assert reader.problems == ""
        pair.reconciles()
    finally:
        market.execute(
            pair.server,
            with_latin1,
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = 'market_latin1'",
        )
        pair.server.drop_database(with_latin1)
