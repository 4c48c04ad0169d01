# ruff: noqa: E501 (a form of SQL is one line)
"""What is shown of a query's rows never depends on a personal value, however the query is written.

Each form runs on the real engine, on two tables that differ in their personal columns alone: a cell that differs
between the two shows something of a person, so it must be in a masked column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.postgres_server import PostgresServer
from mbp.quality.classes import Classes
from mbp.quality.column_lineage import UNKNOWN, KnownColumns, Trust, follow, trust_of

Run = Callable[[str], tuple[list[str], list[tuple[Any, ...]]]]

COLUMNS = ("event_id", "market_id", "user_id_hash", "price", "details")
PERSONAL = ("user_id_hash", "details")
BOTH = ("duckdb", "postgres")
# `{t}` is the table. Every one of these reads a personal value and returns something of it.
LEAKS: dict[str, tuple[str, ...]] = {
    # names
    "select * from {t}": BOTH,
    "select user_id_hash as price from {t}": BOTH,
    "select user_id_hash price from {t}": BOTH,
    'select "user_id_hash" as "price" from {t}': BOTH,
    "select a.user_id_hash as b from {t} as a": BOTH,
    "select p.price from (select user_id_hash as price from {t}) as p": BOTH,
    "select price from (select user_id_hash as price from {t}) as p, lateral (select p.price as q) as l": BOTH,
    # lists of column names
    "with c (price, event_id, market_id) as (select user_id_hash, details, event_id from {t}) select * from c": BOTH,
    "with c (price) as (select user_id_hash from {t}), d (event_id) as (select price from c) select * from d": BOTH,
    "select x.a, x.b, x.c from {t} as x (a, b, c, d, e)": BOTH,
    "select price from {t} as x (event_id, market_id, price, user_id_hash, details)": BOTH,
    "select q.price from (select user_id_hash, price from {t}) as q (price, other)": BOTH,
    "select * from (values (1, 'x')) as v (n, m) cross join (select details from {t}) as q (price)": BOTH,
    # whole rows
    "select x from {t} as x": BOTH,
    "select x as price from {t} as x": BOTH,
    "select to_json(x) as price from {t} as x": BOTH,
    "select row_to_json(x) as price from {t} as x": ("postgres",),
    "select to_jsonb(x) ->> 'user_id_hash' as price from {t} as x": ("postgres",),
    "select row(event_id, user_id_hash) as price from {t}": BOTH,
    "select row(x.*) as price from {t} as x": ("postgres",),
    "select (x).user_id_hash as price from {t} as x": ("postgres",),
    "select (x).* from {t} as x": ("postgres",),
    "select array_agg(x) as price from {t} as x": BOTH,
    "select cast(x as varchar) as price from {t} as x": BOTH,
    "select (select x) as price from {t} as x": ("postgres",),
    "select q.w as price from (select x as w from {t} as x) as q": BOTH,
    "select (q.w).user_id_hash as price from (select x as w from {t} as x) as q": ("postgres",),
    "select q.w.user_id_hash as price from (select x as w from {t} as x) as q": ("duckdb",),
    "select {{'a': user_id_hash}} as price from {t}": ("duckdb",),
    "select struct_pack(price := user_id_hash) as price from {t}": ("duckdb",),
    "select unnest(x) from {t} as x": ("duckdb",),
    "select struct_pack(a := user_id_hash).a as price from {t}": ("duckdb",),
    "select [user_id_hash] as price from {t}": ("duckdb",),
    "select array[user_id_hash] as price from {t}": BOTH,
    # positions
    "select price::text as price from {t} union all select user_id_hash from {t}": BOTH,
    "select event_id from {t} union select details from {t} order by 1": BOTH,
    "select event_id from {t} where false union all (select event_id from {t} union all select details from {t})": BOTH,
    "select details as price from {t} except select event_id from {t}": BOTH,
    "select details as price from {t} intersect select details from {t}": BOTH,
    "select price::text as price from {t} union all by name select user_id_hash as price from {t}": ("duckdb",),
    "with recursive r (price, n) as (select event_id, 1 from {t} union all"
    " select x.user_id_hash, n + 1 from r join {t} as x on x.event_id = r.price where n < 2) select * from r": BOTH,
    "with recursive r (a, b, n) as (select event_id, user_id_hash, 1 from {t} union all"
    " select b, a, n + 1 from r where n < 3) select a, n from r": BOTH,
    # stars
    "select * exclude (price) from {t}": ("duckdb",),
    "select * replace (user_id_hash as price) from {t}": ("duckdb",),
    "select * rename (user_id_hash as shown, price as user_id_hash) from {t}": ("duckdb",),
    "select columns('user.*') from {t}": ("duckdb",),
    "select columns(*)::varchar from {t}": ("duckdb",),
    "select * like 'user%' from {t}": ("duckdb",),
    "select hash(*columns(*)) as price from {t}": ("duckdb",),
    "select x.* exclude (event_id, price) from {t} as x": ("duckdb",),
    "from {t} select user_id_hash as price": ("duckdb",),
    "from {t}": ("duckdb",),
    "select * from {t} join (select event_id, 1 as one from {t}) as q using (event_id)": BOTH,
    "select * from {t} natural join (select event_id, details as price2 from {t}) as q": BOTH,
    "select a.*, b.user_id_hash from {t} as a join {t} as b on a.event_id = b.event_id": BOTH,
    "select * from (select a.*, b.* from {t} as a join {t} as b on a.event_id = b.event_id) as q": ("duckdb",),
    # pivots
    "select * from (pivot {t} on event_id using max(user_id_hash))": ("duckdb",),
    "select * from {t} pivot (max(user_id_hash) for event_id in ('e1', 'e2'))": ("duckdb",),
    "select * from {t} unpivot (price for name in (user_id_hash, details))": ("duckdb",),
    "pivot {t} on user_id_hash using count(*) group by market_id": ("duckdb",),
    # expressions
    "select lower(user_id_hash) || 'x' as price from {t}": BOTH,
    "select concat(event_id, details) as event_id from {t}": BOTH,
    "select md5(user_id_hash) as price from {t}": BOTH,
    "select substr(user_id_hash, 1, 2) as price from {t}": BOTH,
    "select reverse(user_id_hash) as price from {t}": BOTH,
    "select length(user_id_hash) as price from {t}": BOTH,
    "select coalesce(null, user_id_hash) as price from {t}": BOTH,
    "select case when price > 0 then user_id_hash else 'x' end as price from {t}": BOTH,
    "select case user_id_hash when 'ana@example.org' then 'A' else 'B' end as price from {t}": BOTH,
    "select user_id_hash = 'ana@example.org' as price from {t}": BOTH,
    "select user_id_hash like 'a%' as price from {t}": BOTH,
    "select cast(user_id_hash as varchar) as price from {t}": BOTH,
    "select (select max(user_id_hash) from {t}) as price": BOTH,
    "select (select i.user_id_hash from {t} as i where i.event_id = o.event_id) as price from {t} as o": BOTH,
    "select (select o.user_id_hash) as price from {t} as o": BOTH,
    "select 'e1' in (select user_id_hash from {t}) or 'ana@example.org' in (select user_id_hash from {t}) as price": BOTH,
    "select user_id_hash as a, a || 'x' as price from {t}": ("duckdb",),
    "select list_transform([user_id_hash], z -> z || 'x') as price from {t}": ("duckdb",),
    "select [z || 'x' for z in [user_id_hash]] as price from {t}": ("duckdb",),
    # aggregates and windows
    "select string_agg(user_id_hash, ',' order by event_id) as price from {t}": BOTH,
    "select max(details) as price from {t} group by market_id": BOTH,
    "select list(user_id_hash) as price from {t}": ("duckdb",),
    "select arg_max(user_id_hash, price) as price from {t}": ("duckdb",),
    "select mode() within group (order by user_id_hash) as price from {t}": ("postgres",),
    "select first_value(user_id_hash) over (order by event_id) as price from {t}": BOTH,
    "select lag(user_id_hash, 1, 'none') over (order by event_id) as price from {t}": BOTH,
    "select max(user_id_hash) filter (where price > 0) as price from {t}": BOTH,
    "select sum(length(user_id_hash)) over () as price from {t}": BOTH,
    # rows out of values
    "select u.price from {t} as x, unnest(array[x.user_id_hash]) as u (price)": BOTH,
    "select u from {t} as x, unnest(array[x.user_id_hash]) as u": BOTH,
    "select l.price from {t} as x cross join lateral (select x.details as price) as l": BOTH,
    "select v.price from {t} as x cross join lateral (values (x.details)) as v (price)": BOTH,
    "select s.price from {t} as x cross join lateral generate_series(1, length(x.user_id_hash)) as s (price)": ("postgres",),
    "select j.value from {t} as x, jsonb_each_text(to_jsonb(x)) as j": ("postgres",),
    # names that mean something else inside
    "with price as (select user_id_hash as event_id from {t}) select event_id from price": BOTH,
    "with q as (select user_id_hash as price from {t}) select (with q as (select 1 as n) select max(o.price) from q) as n from q as o": BOTH,
    "select market_id from (select max(user_id_hash) from {t}) as s (market_id)": BOTH,
    "select max from (select max(user_id_hash) from {t}) as s": ("postgres",),
    "select (select max from (select max(user_id_hash) from {t}) as s) as price from (select 1 as max) as o": ("postgres",),
    "select md5 from (select md5(user_id_hash) from {t}) as s": ("postgres",),
    "select distinct on (market_id) user_id_hash as price from {t} order by market_id, event_id": BOTH,
    "(select user_id_hash as price from {t})": BOTH,
    "with c as (select * from {t}) (select details as price from c)": BOTH,
    "values ((select max(user_id_hash) from {t}))": BOTH,
}  # fmt: skip
# What must be shown though the query reads personal columns elsewhere, or none at all.
SHOWN: dict[str, tuple[str, ...]] = {
    "select event_id, market_id, price from {t}": BOTH,
    "select * from (select event_id, price from {t}) as q": BOTH,
    "with c as (select * from {t}) select c.event_id, c.price * 2 as twice from c": BOTH,
    "with c (a, b) as (select event_id, user_id_hash from {t}) select a from c": BOTH,
    "select x.a, x.d from {t} as x (a, b, c, d, e)": BOTH,
    "select market_id as unique_field, count(*) as n_records from {t} group by market_id": BOTH,
    "select count(user_id_hash) as n, count(distinct details) as m from {t}": BOTH,
    "select market_id, count(*) filter (where user_id_hash is null) as n from {t} group by market_id": BOTH,
    "select event_id, row_number() over (partition by user_id_hash order by event_id) as n from {t}": BOTH,
    "select event_id, user_id_hash is null as missing from {t}": BOTH,
    "select event_id, case when details is null then 'no' else 'yes' end as told from {t}": BOTH,
    "select event_id from {t} where user_id_hash is not null order by event_id": BOTH,
    "select event_id, 'text' as what, 7 as n from {t} union all select market_id, 'other', 8 from {t}": BOTH,
    "select a.event_id, b.price from {t} as a left join {t} as b on a.market_id = b.market_id": BOTH,
    "select string_agg(event_id, ',') as events from {t}": BOTH,
    "select * exclude (user_id_hash, details) from {t}": ("duckdb",),
    "select * replace ('-' as user_id_hash, null as details) from {t}": ("duckdb",),
    "with recursive r (n) as (select 1 union all select n + 1 from r where n < 3) select n from r": BOTH,
    "select s.n, x.event_id from {t} as x cross join generate_series(1, 2) as s (n)": BOTH,
    "select exists (select 1 from {t} where price > 0) as any_price": BOTH,
    "select max(price) over (partition by market_id order by event_id) as m, event_id from {t}": BOTH,
}


def manifest(engine: str) -> dict[str, Any]:
    catalog = {"duckdb": "memory", "postgres": "test"}[engine]
    return {
        "nodes": {},
        "sources": {
            f"source.{schema}": {
                "name": "people",
                "relation_name": f'"{catalog}"."{schema}"."people"',
                "columns": {
                    name: {"meta": {"classification": "personal"} if name in PERSONAL else {}}
                    for name in COLUMNS
                },
            }
            for schema in ("one", "two")
        },
    }


def fill(execute: Callable[[str], object]) -> None:
    """Two tables that differ in the personal columns alone."""
    for schema, people in (
        ("one", ("ana@example.org", "ana saw it", "eva@example.org", "eva was late")),
        ("two", ("bob@example.com", "a note", "carl.long@example.com", "zz top of it all")),
    ):
        execute(f"create schema {schema}")
        execute(
            f"create table {schema}.people (event_id varchar, market_id varchar,"
            " user_id_hash varchar, price int, details varchar)"
        )
        first, told, second, other = people
        execute(
            f"insert into {schema}.people values ('e1', 'm1', '{first}', 5, '{told}'),"
            f" ('e2', 'm1', '{second}', 7, '{other}'), ('e3', 'm2', '{second}', 9, '{told}')"
        )


class Engine:
    """One engine with both tables."""

    def __init__(self, name: str, run: Run) -> None:
        self.name, self.run = name, run
        self.classes = Classes([], manifest(name), dialect=name, columns_of=self._columns)

    def _columns(self, relation: str) -> Sequence[str] | None:
        return self.run(f"select * from {relation} limit 0")[0]

    def seen(self, form: str) -> tuple[list[Trust], bool]:
        """The trust of the columns, and whether a column that is shown tells the tables apart."""
        trusts, cells = [], []
        for schema in ("one", "two"):
            catalog = {"duckdb": "memory", "postgres": "test"}[self.name]
            sql = form.format(t=f'"{catalog}"."{schema}"."people"')
            columns, rows = self.run(sql)
            assert rows, "the form returns nothing, so it shows nothing"
            trusts = trust_of(self.classes.follow(sql), columns)
            shown = [place for place, trust in enumerate(trusts) if trust is Trust.OPEN]
            # How many rows there are is no value of a person.
            cells.append({repr([row[place] for place in shown]) for row in rows})
        return trusts, cells[0] != cells[1]

    def depends(self, form: str) -> bool:
        """Whether the rows differ at all: the form would leak if it were shown whole."""
        catalog = {"duckdb": "memory", "postgres": "test"}[self.name]
        answers = [
            sorted(map(repr, self.run(form.format(t=f'"{catalog}"."{schema}"."people"'))[1]))
            for schema in ("one", "two")
        ]
        names = [
            self.run(form.format(t=f'"{catalog}"."{schema}"."people"'))[0]
            for schema in ("one", "two")
        ]
        return answers[0] != answers[1] or names[0] != names[1]


@pytest.fixture(scope="module")
def on_duckdb() -> Iterator[Engine]:
    connection = duckdb.connect(":memory:")
    fill(connection.execute)

    def run(sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        done = connection.execute(sql)
        return [one[0] for one in done.description], done.fetchall()

    yield Engine("duckdb", run)
    connection.close()


@pytest.fixture(scope="module")
def on_postgres(postgres_server: PostgresServer) -> Iterator[Engine]:
    postgres_server.create_database("test")
    connection = postgres_server.connect("test")
    connection.autocommit = True
    cursor = connection.cursor()
    fill(cursor.execute)

    def run(sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        cursor.execute(sql)
        return [one.name for one in cursor.description or ()], cursor.fetchall()

    yield Engine("postgres", run)
    connection.close()
    postgres_server.drop_database("test")


def forms(table: dict[str, tuple[str, ...]], engine: str) -> list[str]:
    return [form for form, engines in table.items() if engine in engines]


def hides(engine: Engine, form: str) -> None:
    assert engine.depends(form), "the form shows nothing of a person"
    trusts, told_apart = engine.seen(form)
    assert not told_apart, f"a shown column depends on a personal one: {trusts}"


@pytest.mark.parametrize("form", forms(LEAKS, "duckdb"))
def test_duckdb_shows_nothing_of_a_person(on_duckdb: Engine, form: str) -> None:
    hides(on_duckdb, form)


@pytest.mark.postgres
@pytest.mark.parametrize("form", forms(LEAKS, "postgres"))
def test_postgres_shows_nothing_of_a_person(on_postgres: Engine, form: str) -> None:
    hides(on_postgres, form)


@pytest.mark.parametrize("form", forms(SHOWN, "duckdb"))
def test_duckdb_shows_what_is_open(on_duckdb: Engine, form: str) -> None:
    assert set(on_duckdb.seen(form)[0]) == {Trust.OPEN}


@pytest.mark.postgres
@pytest.mark.parametrize("form", forms(SHOWN, "postgres"))
def test_postgres_shows_what_is_open(on_postgres: Engine, form: str) -> None:
    assert set(on_postgres.seen(form)[0]) == {Trust.OPEN}


@pytest.mark.parametrize(
    "sql",
    [
        "select from where (",
        "select price from nowhere.at_all",
        "select price from people",
        'select unknown_column from "memory"."one"."people"',
        'select no_function_of_ours(price) from "memory"."one"."people"',
        "select * from read_csv('people.csv')",
        "select current_user as price",
        'select #1 from "memory"."one"."people"',
        "(" * 2000 + "select 1" + ")" * 2000,
    ],
)
def test_what_cannot_be_followed_is_masked(on_duckdb: Engine, sql: str) -> None:
    assert set(trust_of(on_duckdb.classes.follow(sql), ["price"])) == {Trust.UNKNOWN}


def test_columns_of_another_query_are_masked() -> None:
    relation = KnownColumns((("price", Trust.OPEN),))
    assert trust_of(relation, ["price"]) == [Trust.OPEN]
    assert trust_of(relation, ["user_id_hash"]) == [Trust.UNKNOWN]
    assert trust_of(relation, ["price", "other"]) == [Trust.UNKNOWN, Trust.UNKNOWN]
    assert trust_of(UNKNOWN, ["price"]) == [Trust.UNKNOWN]


WRAPS = (
    "select * from ({q}) as w{n}",
    "with c{n} (a, b) as ({q}) select b, a from c{n}",
    "select a as b, b as a from ({q}) as w{n}",
    "select w{n}.p as a, w{n}.q as b from ({q}) as w{n} (p, q)",
    "select a, a || b as b from ({q}) as w{n}",
    "select a, b from ({q}) as w{n} union all select b, 'x' from ({q}) as v{n}",
    "select a, max(b) over (partition by a) as b from ({q}) as w{n}",
    "select min(a) as a, string_agg(b, ',' order by a, b) as b from ({q}) as w{n} group by a",
    "select w{n}::varchar as a, 'y' as b from ({q}) as w{n}",
    "select (select max(i.a) from ({q}) as i) as a, o.b from ({q}) as o",
    "select w{n}.a, l{n}.b from ({q}) as w{n}, lateral (select w{n}.b as b) as l{n}",
    "select case when a is null then 'n' else b end as b, count(*)::varchar as a from ({q}) as w{n} group by a, b",
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    columns=st.tuples(st.sampled_from(COLUMNS), st.sampled_from(COLUMNS)),
    wraps=st.lists(st.sampled_from(WRAPS), max_size=3),
)
def test_however_queries_are_nested(
    on_duckdb: Engine, columns: tuple[str, str], wraps: list[str]
) -> None:
    first, second = columns
    sql = f"select {first}::varchar as a, {second}::varchar as b from {{t}}"
    for number, wrap in enumerate(wraps):
        sql = wrap.format(q=sql.replace("{t}", "{{t}}"), n=number).replace("{{t}}", "{t}")
    trusts, told_apart = on_duckdb.seen(sql)
    assert not told_apart, sql
    # Nothing here is out of reach: what reads no personal column is shown.
    assert Trust.UNKNOWN not in trusts, sql
    if not set(columns) & set(PERSONAL):
        assert set(trusts) == {Trust.OPEN}


def test_a_model_is_followed_through_its_sql() -> None:
    catalog = {"raw": ["key", "who"], "renamed": ["key", "price"], "itself": ["key", "price"]}
    nodes = {
        name: {
            "name": name,
            "resource_type": "model",
            "relation_name": f'"w"."s"."{name}"',
            "compiled_code": sql,
            "columns": {"key": {}, "price": {}},
        }
        for name, sql in {
            "renamed": 'select key, who as price from "w"."s"."raw"',
            # Incremental: what is new, beside what it holds already.
            "itself": 'select key, key as price from "w"."s"."raw" union all'
            ' select price, key from "w"."s"."itself"',
            "lost": "",
        }.items()
    }
    catalog["lost"] = ["key", "price"]
    nodes["lost"]["columns"]["price"] = {"meta": {"classification": "internal"}}
    raw = {
        "name": "raw",
        "relation_name": '"w"."s"."raw"',
        "columns": {"key": {}, "who": {"config": {"meta": {"classification": "top secret"}}}},
    }
    classes = Classes(
        [],
        {"nodes": nodes, "sources": {"raw": raw}},
        dialect="duckdb",
        columns_of=lambda relation: catalog.get(relation.split(".")[-1].strip('"')),
    )

    def trusts(name: str) -> list[Trust]:
        return [trust for _, trust in classes.follow(f"select * from w.s.{name}").columns]

    assert trusts("renamed") == [Trust.OPEN, Trust.CLASSIFIED]
    assert trusts("itself") == [Trust.OPEN, Trust.OPEN]
    # Its SQL is not known; what the project says of a column itself counts.
    assert trusts("lost") == [Trust.UNKNOWN, Trust.OPEN]


def test_a_column_that_is_declared_nowhere_is_masked() -> None:
    raw = {"name": "raw", "relation_name": '"w"."s"."raw"', "columns": {"key": {}}}
    classes = Classes(
        [],
        {"nodes": {}, "sources": {"raw": raw}},
        dialect="duckdb",
        columns_of=lambda _: ["key", "surprise"],
    )
    relation = classes.follow("select * from w.s.raw")
    assert relation.columns == (("key", Trust.OPEN), ("surprise", Trust.UNKNOWN))


def test_a_recursion_that_does_not_settle_is_masked() -> None:
    sql = "with recursive r as (select * from r) select * from r"
    assert not follow(sql, "duckdb", lambda _: None).known
