"""A relation of PostgreSQL gets a successor: what depends on it stays, or nothing happens at all."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from jinja2 import Environment

from lab.postgres_server import PostgresServer
from mbp.operate.degrade import reader_views
from mbp.warehouse.connection import PostgresWarehouse

pytestmark = pytest.mark.postgres

FUNCTIONS = "macros/engine/replace_functions.sql"
SETUP = """
create schema snapshot; create schema marts; create schema analysts;
create table marts.one (id integer not null, name text, price numeric(10, 2));
insert into marts.one values (1, 'old', 1.5);
create index on marts.one (id);
comment on table marts.one is 'of one'; comment on column marts.one.name is 'its name';
create table marts.other (id integer);
create view marts.direct with (security_barrier = true) as select id, name from marts.one where name <> '';
create view analysts.deep as select direct.id, upper(direct.name) as name from marts.direct;
create view analysts.joined as select one.id, deep.name from marts.one join analysts.deep on deep.id = one.id;
comment on view marts.direct is 'direct view'; comment on column analysts.deep.name is 'upper';
"""
READER, OWNER, ANALYST = "reader_of_one", "owner_of_one", "analyst_of_one"
SAME = (
    "create table marts.fresh as select 2 as id, 'new'::text as name, 2.5::numeric(10, 2) as price"
)
WIDER = "create table marts.fresh as select 2 as id, 'new'::text as name, 2.5::numeric(10, 2) as price, 3 as more"
OTHER_ORDER = (
    "create table marts.fresh as select 'new'::text as name, 2 as id, 2.5::numeric(10, 2) as price"
)
OTHER_TYPE = "create table marts.fresh as select 2::bigint as id, 'new'::text as name, 2.5::numeric(10, 2) as price"
A_VIEW = (
    "create view marts.fresh as select 2 as id, 'new'::text as name, 2.5::numeric(10, 2) as price"
)
NO_NAME = "create table marts.fresh as select 2 as id, 2.5::numeric(10, 2) as price"
VIEWS = ("marts.direct", "analysts.deep", "analysts.joined")


class World:
    """A connection of the role that builds."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def run(self, *statements: str) -> None:
        with self.connection, self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def replace(self, fresh: str, old: str, *rebuilt: str) -> str:
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(
                "select snapshot.replace_relation(%s, %s, %s::text[], '2 minutes')",
                [fresh, old, list(rebuilt)],
            )
            return str(cursor.fetchone()[0])

    def relations(self) -> set[tuple[Any, ...]]:
        return set(
            self.rows(
                "select relnamespace::regnamespace::text, relname, relkind::text, relowner::regrole::text,"
                " relacl::text, reloptions::text, obj_description(oid, 'pg_class') from pg_class"
                " where relkind in ('r', 'v', 'm') and relnamespace::regnamespace::text in ('marts', 'analysts')"
            )
        )


@pytest.fixture
def world(
    project_root: Path, postgres_server: PostgresServer, postgres_database: str
) -> Iterator[World]:
    text = (project_root / FUNCTIONS).read_text(encoding="utf-8")
    returned: list[str] = []
    environment = Environment()  # noqa: S701  (SQL)
    environment.globals["return"] = returned.extend
    environment.from_string(text).module.replace_functions()
    with closing(postgres_server.connect(postgres_database)) as admin:
        admin.autocommit = True
        with admin.cursor() as cursor:
            for role in (READER, OWNER, ANALYST):
                cursor.execute(f"drop role if exists {role}")
                cursor.execute(f"create role {role}")
            cursor.execute(f"grant create on database {postgres_database} to {OWNER}")
    connection = postgres_server.connect(postgres_database)
    found = World(connection)
    connection.autocommit = False
    with connection, connection.cursor() as cursor:
        cursor.execute(f"set session authorization {OWNER}")
    found.run(SETUP, ";\n".join(returned))
    found.run(
        f"grant usage on schema marts to {READER}, {ANALYST}",
        f"grant select on marts.one to {READER} with grant option",
        f"grant update (name) on marts.one to {READER}",
        f"grant select on marts.direct, analysts.deep to {READER}",
        f"grant select on marts.one to {ANALYST}",
        f"alter default privileges in schema marts grant insert on tables to {ANALYST}",
    )
    yield found
    connection.close()
    with closing(postgres_server.connect(postgres_database)) as admin, admin.cursor() as cursor:
        for role in (OWNER, READER, ANALYST):
            cursor.execute(f"drop owned by {role} cascade")
            cursor.execute(f"drop role {role}")
        admin.commit()


def shows_new(world: World) -> None:
    assert world.rows("select id, name from marts.direct") == [(2, "new")]
    assert world.rows("select id, name from analysts.deep") == [(2, "NEW")]
    assert world.rows("select id, name from analysts.joined") == [(2, "NEW")]


@pytest.mark.parametrize("fresh", [SAME, WIDER, OTHER_ORDER, OTHER_TYPE])
def test_views_privileges_and_comments_stay(world: World, fresh: str) -> None:
    before = world.relations()
    world.run(fresh)
    assert world.replace("marts.fresh", "marts.one") == "swapped"
    shows_new(world)
    assert world.relations() == before
    assert world.rows(
        "select col_description('marts.one'::regclass, attnum), attacl::text from pg_attribute"
        " where attrelid = 'marts.one'::regclass and attname = 'name'"
    ) == [("its name", f"{{{READER}=w/{OWNER}}}")]
    assert world.rows("select col_description('analysts.deep'::regclass, 2)") == [("upper",)]


def test_views_with_the_same_columns_are_not_made_anew(world: World) -> None:
    """What others have on them, in places that we may not see, stays."""
    numbers = "select 'marts.direct'::regclass::oid, 'analysts.deep'::regclass::oid"
    before = world.rows(numbers)
    world.run(SAME)
    world.replace("marts.fresh", "marts.one")
    assert world.rows(numbers) == before


def test_a_table_becomes_a_view_and_a_table_again(world: World) -> None:
    world.run(A_VIEW)
    world.replace("marts.fresh", "marts.one")
    shows_new(world)
    world.run(SAME)
    world.replace("marts.fresh", "marts.one")
    shows_new(world)
    assert world.rows("select relkind::text from pg_class where oid = 'marts.one'::regclass") == [
        ("r",)
    ]


def test_a_view_that_needs_what_is_gone_keeps_everything(world: World) -> None:
    before = world.relations()
    world.run(NO_NAME)
    with pytest.raises(
        psycopg2.Error, match=r'view marts\.direct cannot read the new marts\.one: column.*"?name'
    ):
        world.replace("marts.fresh", "marts.one")
    world.run("drop table marts.fresh")
    assert world.relations() == before
    assert world.rows("select id, name from marts.direct") == [(1, "old")]


def test_a_view_of_the_same_run_stays_on_the_old_rows_until_it_is_made(world: World) -> None:
    before = world.relations()
    world.run(NO_NAME)
    assert world.replace("marts.fresh", "marts.one", "marts.direct") == "swapped"
    assert world.rows("select id from marts.one") == [(2,)]
    assert world.rows("select name from analysts.deep") == [("OLD",)]
    assert world.relations() > before - {one for one in before if one[1] == "one"}
    world.run("create view marts.fresh as select id, 'no name'::text as name from marts.one")
    assert world.replace("marts.fresh", "marts.direct") == "redefined"
    assert world.rows("select name from analysts.deep") == [("NO NAME",)]
    assert {one[:3] for one in world.relations()} == {one[:3] for one in before}


@pytest.mark.parametrize(
    ("fresh", "how"),
    [
        ("select id, name from marts.one where name <> ''", "the same"),
        ("select id, name from marts.one", "redefined"),
        ("select id, name, price from marts.one", "redefined"),
        ("select name, id from marts.one", "swapped"),
        ("select id::bigint as id, name from marts.one", "swapped"),
    ],
)
def test_views_are_replaced_by_views(world: World, fresh: str, how: str) -> None:
    before = world.relations()
    world.run(f"create view marts.fresh as {fresh}")
    assert world.replace("marts.fresh", "marts.direct") == how
    assert world.rows("select name from analysts.joined") == [("OLD",)]
    assert {one[:5] for one in world.relations()} == {one[:5] for one in before}


PINS = {
    "a view of somebody else": f"set session authorization {ANALYST};"
    " create view theirs.own as select id, name from marts.one",
    "a materialized view": "create materialized view theirs.kept as select id from marts.one",
    "a function": "create function theirs.ask() returns bigint begin atomic select count(*) from marts.one; end",
    "a policy": "create policy mine on marts.one using (true)",
    "a trigger": "create function theirs.nothing() returns trigger language plpgsql as 'begin return null; end';"
    " create trigger mine after update on marts.one for each row execute function theirs.nothing()",
    "a publication": "alter table marts.one replica identity full; create publication mine for table marts.one",
}


@pytest.mark.parametrize("pin", PINS)
def test_what_cannot_come_along_keeps_its_table_and_gets_the_new_rows(
    world: World, pin: str
) -> None:
    world.run(
        f"create schema theirs; grant usage, create on schema theirs to {ANALYST}",
        PINS[pin],
        f"reset session authorization; set session authorization {OWNER}",
    )
    (before,) = world.rows("select 'marts.one'::regclass::oid")
    world.run(SAME, "alter table marts.fresh alter id set not null")
    assert world.replace("marts.fresh", "marts.one") == "rows"
    assert world.rows("select 'marts.one'::regclass::oid") == [before]
    shows_new(world)
    for fresh in (NO_NAME, A_VIEW):
        world.run(fresh)
        with pytest.raises(psycopg2.Error, match="cannot get another shape"):
            world.replace("marts.fresh", "marts.one")
        world.run(f"drop {'view' if 'view' in fresh.split()[1] else 'table'} marts.fresh")
    shows_new(world)


def test_a_referenced_table_is_not_replaced_and_keeps_its_key(world: World) -> None:
    world.run(
        "alter table marts.one add primary key (id)",
        "create table analysts.child (id integer references marts.one)",
        "insert into analysts.child values (1)",
        SAME,
        "alter table marts.fresh alter id set not null",
    )
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        world.replace("marts.fresh", "marts.one")
    assert world.rows("select id from marts.one") == [(1,)]


def test_a_reader_that_holds_a_view_is_waited_for_and_never_killed(
    world: World, postgres_server: PostgresServer, postgres_database: str
) -> None:
    """It reads the views in an order that no lock order suits, and is in the middle when the swap begins."""
    world.run(SAME)
    failures: list[str] = []
    held, swapping = threading.Event(), threading.Event()

    def read() -> None:
        with (
            closing(postgres_server.connect(postgres_database)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("begin; select * from marts.one")
            held.set()
            assert swapping.wait(120)
            try:
                cursor.execute(
                    f"select pg_sleep(1.5); select * from {VIEWS[2]}; select * from {VIEWS[0]}"
                )
            except psycopg2.Error as error:
                failures.append(str(error))
            connection.rollback()

    thread = threading.Thread(target=read)
    thread.start()
    assert held.wait(120)
    swapping.set()
    assert world.replace("marts.fresh", "marts.one") == "swapped"
    thread.join(120)
    assert not thread.is_alive()
    assert not failures
    shows_new(world)


def test_a_relation_that_stays_in_use_is_an_error_with_a_deadline(
    world: World, postgres_server: PostgresServer, postgres_database: str
) -> None:
    world.run(SAME)
    with closing(postgres_server.connect(postgres_database)) as other, other.cursor() as cursor:
        cursor.execute("begin; select * from marts.one")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            world.run(
                "select snapshot.replace_relation('marts.fresh', 'marts.one', '{}', '1 second')"
            )
    assert world.rows("select id from marts.direct") == [(1,)]


STRESS = """
create table marts.two as select * from marts.one;
create schema kept; create table kept.one as select * from marts.one; create table kept.two as select * from marts.one;
create schema published;
create view published.one as select id, name from marts.one;
create view published.two as select id, name from marts.two;
create view published.both as select one.id from published.one join published.two using (id)
"""
READS = (
    ("select count(*) from published.one join published.two using (id)",),
    (
        "select count(*) from published.two join published.one using (id)",
        "select count(*) from published.both",
    ),
    ("select count(*) from published.two", "select count(*) from published.one"),
)
SWAPS = SWITCHES = 20


def test_three_readers_swaps_and_switches_do_not_kill_each_other(
    world: World, postgres_server: PostgresServer, postgres_database: str
) -> None:
    """Today's measure on such a load was 22 of 3,390 reads and 3 of 38 switches."""
    world.run(STRESS)
    settings = {
        "host": postgres_server.host,
        "port": postgres_server.port,
        "user": postgres_server.user,
        "password": postgres_server.password,
        "dbname": postgres_database,
    }
    stop = threading.Event()
    errors: list[str] = []
    reads = [0, 0, 0]

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # each is counted
            errors.append(str(error))

    def read(number: int) -> None:
        with PostgresWarehouse(settings, read_only=True) as warehouse:

            def once() -> None:
                with warehouse.transaction():
                    for statement in READS[number]:
                        ((count,),) = warehouse.query(statement)[1]
                        assert count == 1, statement
                        reads[number] += 1

            while not stop.is_set():
                guarded(once)

    def switch() -> None:
        with PostgresWarehouse(settings, read_only=False) as warehouse:
            for schema in itertools.islice(itertools.cycle(("kept", "marts")), SWITCHES):

                def once(schema: str = schema) -> None:
                    reader_views.hold_views(warehouse, ("one", "two"))
                    for name in ("one", "two"):
                        warehouse.execute(
                            f"create or replace view published.{name} as select id, name from {schema}.{name}"
                        )

                guarded(lambda once=once: reader_views.patiently(warehouse, once))

    def swap() -> None:
        for name in itertools.islice(itertools.cycle(("one", "two")), SWAPS):
            guarded(
                lambda name=name: (
                    world.run(f"create table marts.fresh as select * from marts.{name}"),
                    world.replace("marts.fresh", f"marts.{name}"),
                )
            )

    readers = [threading.Thread(target=read, args=(number,)) for number in range(3)]
    writers = [threading.Thread(target=switch), threading.Thread(target=swap)]
    try:
        for thread in (*readers, *writers):
            thread.start()
        for thread in writers:
            thread.join()
    finally:
        stop.set()
        for thread in readers:
            thread.join()
    assert errors == []
    assert min(reads) > SWAPS
    # What the last switch left is the live tables, and nothing else is left over.
    assert world.rows("select count(*) from pg_class where relname ~ '__replaced_'") == [(0,)]
