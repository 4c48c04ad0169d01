"""Functions that a query calls without showing it, on a real PostgreSQL: each really has an effect, and is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab.postgres_server import PostgresServer
from mbp.core.errors import MbpError
from mbp.warehouse.called_functions import demand_query_on, demand_read_only
from tests.python.built import Built

# Every function leaves a row in `effects`: so it is seen that a statement really calls it.
EVIL = """
create schema evil;
create sequence evil.effects;
create table public.t (a integer, b text);
insert into public.t values (1, 'x'), (2, 'y');
create table evil.other (like public.t);
insert into evil.other values (1, 'x');
create function evil.fire() returns boolean language sql volatile as $$ select nextval('evil.effects') > 0 $$;
create function public.attribute(public.t) returns boolean language sql volatile as $$ select evil.fire() $$;
create function public.sly(integer) returns integer language plpgsql immutable as
    $$ begin perform evil.fire(); return $1; end $$;
create function public.upper(integer) returns text language sql volatile as $$ select evil.fire()::text $$;
create function evil.plus(integer, integer) returns integer language sql volatile as
    $$ select case when evil.fire() then $1 + $2 end $$;
create operator evil.+ (function = evil.plus, leftarg = integer, rightarg = integer);
create operator public.### (function = evil.plus, leftarg = integer, rightarg = integer);
create type public.pair as (x integer, y integer);
create function evil.to_pair(integer) returns public.pair language sql volatile as
    $$ select row($1, evil.fire()::integer)::public.pair $$;
create cast (integer as public.pair) with function evil.to_pair(integer);
create function evil.check_it(text) returns boolean language plpgsql immutable as
    $$ begin perform evil.fire(); return true; end $$;
create domain public.watched as text check (evil.check_it(value));
create type public.holder as (w public.watched);
create function evil.step(integer, integer) returns integer language sql volatile as
    $$ select case when evil.fire() then $2 end $$;
create aggregate public.total(integer) (sfunc = evil.step, stype = integer);
create function public.rows_of() returns setof integer language sql volatile as
    $$ select 1 where evil.fire() $$;
create view public.innocent as select a, public.sly(a) as b from public.t;
create view public.more_innocent as select * from public.innocent;
create table public.virtual (a integer);
insert into public.virtual values (1);
create table public.guarded (a integer);
insert into public.guarded values (1);
create policy p on public.guarded using (public.sly(a) > 0);
alter table public.guarded enable row level security;
alter table public.guarded force row level security;
create function public.row_number() returns bigint language sql volatile as $$ select nextval('evil.effects') $$;
create extension postgres_fdw;
create server elsewhere foreign data wrapper postgres_fdw;
create table public.near (a integer) partition by range (a);
create foreign table public.far partition of public.near default server elsewhere;
create role plain;
grant usage on schema evil, public to plain;
grant all on all tables in schema public, evil to plain;
grant all on all sequences in schema evil to plain;
grant temporary on database {database} to plain;
"""
# What it is -> the query.
HIDDEN = {
    "attribute notation": "select t.attribute from t",
    "attribute notation of an alias": "select x.attribute as b from t as x",
    "attribute notation in a filter": "select a from t where t.attribute",
    "attribute notation of a subquery": "select x.attribute from (select * from t) as x",
    "attribute of a row": "select (t).attribute from t",
    "an operator of a schema": "select a operator(evil.+) 1 from t",
    "an operator by its name": "select a ### 1 from t",
    "a cast": "select cast(a as pair) from t",
    "a cast in short": "select a::pair from t",
    "a domain": "select cast(b as watched) from t",
    "an array of a domain": "select cast(array[b] as watched[]) from t",
    "a row with a domain": "select cast(row(b) as holder) from t",
    "an overload of a harmless name": "select upper(a) from t",
    "a function that says it is immutable": "select sly(a) from t",
    "an aggregate": "select total(a) from t",
    "an aggregate as a window": "select total(a) over (order by a) from t",
    "a table function": "select * from rows_of()",
    "a view": "select * from innocent",
    "a view over a view": "select a, b from more_innocent",
    "a policy of rows": "select * from guarded",
    "an overload by a search path": "select evil.plus(a, 1) from t",
    "in a subquery": "select 1 where exists (select 1 from t where t.attribute)",
    "in a common table": "with x as (select t.attribute from t) select * from x",
    "in an order": "select a from t order by t.attribute",
    "in a group": "select count(*) from t group by t.attribute",
    "in a join": "select 1 from t join t as u on u.attribute",
    "in a union": "select true union all select t.attribute from t",
    "in a list of another query": "select a from t where a in (select u.a from t as u where u.attribute)",
    "as a member of another query": "select a from t where t.attribute in (select true)",
    "in a case": "select case when a = 1 then t.attribute end from t",
}
# Of PostgreSQL's own: not called here, refused all the same.
BUILT_IN = (
    "select pg_sleep(0)",
    "select pg_read_file('x')",
    "select pg_ls_dir('.')",
    "select lo_export(1, 'x')",
    "select query_to_xml('select 1', true, true, '')",
    "select table_to_xml('innocent'::regclass, true, true, '')",
    "select schema_to_xml('public', true, true, '')",
    "select database_to_xml(true, true, '')",
    "select pg_input_is_valid('x', 'watched')",
    "select txid_current()",
    "select pg_current_xact_id()",
    "select nextval('evil.effects')",
    "select set_config('a.b', 'c', false)",
    "select pg_advisory_lock(1)",
    "select pg_notify('a', 'b')",
    "select ts_stat('select 1')",
    "select domain_in('x', 'watched'::regtype, -1)",
    "select record_in('(x)', 'holder'::regtype, -1)",
    "select random()",
)
GOOD = (
    "select 1",
    "select 1 as a, 2 as a;",
    "select count(*), max(a), string_agg(b, ',' order by a) from t group by b having count(*) > 0 order by 1",
    "select row_number() over (partition by b order by a), lag(a) over (order by a) from t",
    "select sum(a) over (order by a range between 1 preceding and current row) from t",
    "with x as (select * from t) select x.a, u.b from x left join evil.other as u on x.a = u.a where u.a is null",
    "select a::text, cast(b as varchar(3)), b ~ '^x', b like 'x%', a + 1.5, a / 2.0 from t",
    "select coalesce(b, 'z'), nullif(a, 1), greatest(a, 2), case when a in (1, 2) then 1 end from t",
    "select now(), current_date, date_trunc('day', now()), extract(epoch from now()) from t",
    "select percentile_cont(0.95) within group (order by a) from t",
    "select * from generate_series(1, 3) as g(n)",
    "select * from t where a in (select a from t group by a having count(*) > 1)",
    "select * from t where a > all (select u.a from t as u where u.b = t.b) or a = (select max(a) from t)",
    "select distinct a from t union select 3 except select 4",
    "select a from t where a = any (array[1, 2]) and (a, b) > (0, 'a') and b is distinct from 'q'",
    "select now() - interval '5 minutes', timestamp with time zone '2026-01-01' at time zone 'UTC'",
)


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[str]:
    name = "guard"
    postgres_server.create_database(name)
    connection = postgres_server.connect(name)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(EVIL.format(database=name))
        if connection.server_version >= 180000:
            # PostgreSQL itself takes no user function here; the guard reads the expression all the same.
            cursor.execute("alter table virtual add c integer generated always as (a + 1) virtual")
    connection.close()
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def session(postgres_server: PostgresServer, database: str) -> Iterator[Any]:
    """As a command opens it: read-only, each statement by itself, under a plain role."""
    connection = postgres_server.connect(database)
    connection.set_session(readonly=True, autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute("set role plain")
    yield connection
    connection.close()


def effects(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("select case when is_called then last_value else 0 end from evil.effects")
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("name", HIDDEN)
def test_what_a_query_calls_without_showing_it_is_refused(
    postgres_server: PostgresServer,
    database: str,
    session: Any,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Without the guard that reads the text, which refuses some of them too.
    monkeypatch.setattr("mbp.warehouse.called_functions.demand_query", lambda *_, **__: None)
    before = effects(session)
    with pytest.raises(MbpError, match=r"refused as SQL: the (function|operator)"):
        demand_read_only(session, HIDDEN[name])
    assert effects(session) == before, "the guard itself called it"
    unguarded = postgres_server.connect(database)
    unguarded.autocommit = True
    with unguarded.cursor() as cursor:
        cursor.execute("set role plain")
        cursor.execute(HIDDEN[name])
    unguarded.close()
    assert effects(session) > before, "the case is not honest: nothing happens when it runs"


@pytest.mark.parametrize("sql", BUILT_IN)
def test_functions_of_postgresql_with_effects_are_refused_by_the_catalog_too(
    session: Any, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    # Without the guard that reads names: the catalog must refuse by itself.
    monkeypatch.setattr("mbp.warehouse.called_functions.demand_query", lambda *_, **__: None)
    with pytest.raises(MbpError, match="refused as SQL: the function"):
        demand_read_only(session, sql)


@pytest.mark.parametrize("sql", GOOD)
def test_a_query_that_only_reads_passes_and_leaves_nothing(session: Any, sql: str) -> None:
    demand_read_only(session, sql)
    with session.cursor() as cursor:
        cursor.execute("select count(*) from pg_class where relname = 'mbp_sql_guard'")
        assert cursor.fetchone() == (0,)
        cursor.execute("show transaction_read_only")
        assert cursor.fetchone() == ("on",)
        cursor.execute(sql)


def test_every_view_of_the_project_only_reads(built: Built) -> None:
    with built.open("postgres") as warehouse:
        _, views = warehouse.query(
            "select schemaname, viewname from pg_catalog.pg_views"
            " where schemaname not in ('pg_catalog', 'information_schema')"
        )
        assert len(views) > 10
        for schema, name in views:
            demand_query_on(warehouse, f'select * from "{schema}"."{name}"')


def test_a_catalog_that_does_not_answer_refuses(session: Any) -> None:
    for sql in ("select * from no_such_table", "select no_such_column from t"):
        with pytest.raises(MbpError, match="could not say what it calls"):
            demand_read_only(session, sql)
    session.close()
    for gone in (session, None):
        with pytest.raises(MbpError, match="no session of PostgreSQL"):
            demand_read_only(gone, "select 1")


def test_it_is_not_checked_inside_of_a_transaction(session: Any) -> None:
    with session.cursor() as cursor:
        cursor.execute("begin")
    with pytest.raises(MbpError, match="inside of a transaction"):
        demand_read_only(session, "select 1")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select json_array(1, 2)", "it uses jsonconstructorexpr"),
        ("select * from far", "'far' is neither a table nor a view"),
        ("select * from near", "'far' is neither a table nor a view"),
    ],
)
def test_unknown_words_and_other_machines_are_refused(
    session: Any, monkeypatch: pytest.MonkeyPatch, sql: str, reason: str
) -> None:
    monkeypatch.setattr("mbp.warehouse.called_functions.demand_query", lambda *_, **__: None)
    with pytest.raises(MbpError, match=f"refused as SQL: {reason}"):
        demand_read_only(session, sql)
