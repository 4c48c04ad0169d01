"""Live grants on a real PostgreSQL: what `mbp db init` makes passes, and each privilege too many is found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab.postgres_server import PostgresServer
from mbp.core.paths import project_root
from mbp.ingest.cdc.change_shape import captured_tables
from mbp.ingest.cdc.market_source import setup_sql
from mbp.ingest.initialise import statements
from mbp.release.security.live import asking, compare, least_privilege, read_grants
from mbp.release.security.security_policy import SecurityPolicy, load_security

TABLES = captured_tables(project_root(Path(__file__).parent))
pytestmark = pytest.mark.postgres
# What stands for a build: relations of the transformer, made with its role.
BUILT = (
    "set role mbp_transformer",
    "create table marts.mbp_markets (market_id text, name text)",
    "create view published.mbp_markets as select market_id from marts.mbp_markets",
    "create table staging.hidden (a text)",
    "reset role",
)


class Live:
    """A database inside of one transaction that never ends well: what a test changes is undone."""

    def __init__(self, connection: Any, policy: SecurityPolicy) -> None:
        self.connection, self.policy = connection, policy

    def run(self, *sql: str) -> None:
        with self.connection.cursor() as cursor:
            for statement in sql:
                cursor.execute(statement)

    def problems(self, side: str = "warehouse") -> list[str]:
        roles = getattr(self.policy.least_privilege, side)
        grants = read_grants(asking(self.connection), sorted(roles))
        return [
            f"{one.place}: {one.message}" for one in compare(grants, roles, self.policy, side=side)
        ]


@pytest.fixture(scope="module")
def initialised(project_root: Path, postgres_server: PostgresServer) -> Iterator[Any]:
    postgres_server.create_database("grants")
    connection = postgres_server.connect("grants")
    with connection.cursor() as cursor:
        for statement in [*statements(project_root, "postgres"), *BUILT]:
            cursor.execute(statement)
    connection.autocommit = False
    yield connection
    connection.close()
    postgres_server.drop_database("grants")


@pytest.fixture
def live(initialised: Any, project_root: Path) -> Iterator[Live]:
    yield Live(initialised, load_security(project_root))
    initialised.rollback()


def test_what_db_init_makes_is_what_the_policy_says(live: Live) -> None:
    assert live.problems() == []


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (["alter role mbp_reader superuser"], "mbp_reader: has the attribute SUPERUSER"),
        (["alter role mbp_loader createrole"], "mbp_loader: has the attribute CREATEROLE"),
        (["alter role mbp_reader bypassrls"], "mbp_reader: has the attribute BYPASSRLS"),
        (["alter role mbp_reader login"], "mbp_reader: has the attribute LOGIN"),
        (["grant pg_read_all_data to mbp_reader"], "mbp_reader: is a member of pg_read_all_data"),
        (["grant pg_read_all_data to mbp_reader"], "mbp_reader: has SELECT on staging.hidden"),
        (["grant mbp_transformer to mbp_loader"], "mbp_loader: is a member of mbp_transformer"),
        (
            ["grant usage on schema staging to mbp_reader"],
            "mbp_reader: has USAGE on the schema staging",
        ),
        (
            ["grant select on staging.hidden to mbp_reader"],
            "mbp_reader: has SELECT on staging.hidden",
        ),
        (
            ["grant select (a) on staging.hidden to mbp_reader"],
            "mbp_reader: has SELECT on staging.hidden (a)",
        ),
        (
            ["grant update on raw_mbp.quotes to mbp_loader"],
            "mbp_loader: has UPDATE on raw_mbp.quotes",
        ),
        (
            ["grant delete on raw_mbp.quotes to mbp_loader"],
            "mbp_loader: has DELETE on raw_mbp.quotes",
        ),
        (
            ["grant truncate on raw_mbp.quotes to mbp_transformer"],
            "mbp_transformer: has TRUNCATE on raw_mbp.quotes",
        ),
        (["grant select on raw_mbp.quotes to public"], "everybody: has SELECT on raw_mbp.quotes"),
        (
            ["grant select (price) on raw_mbp.quotes to public"],
            "everybody: has SELECT on raw_mbp.quotes.price",
        ),
        (["grant usage on schema raw_ops to public"], "everybody: has USAGE on raw_ops"),
        (["grant usage on schema public to public"], "everybody: has USAGE on public"),
        (
            ["grant create on database grants to mbp_transformer"],
            "mbp_transformer: has CREATE on the database",
        ),
        (["grant create on database grants to public"], "everybody: has CREATE on the database"),
        (
            ["grant select on marts.mbp_markets to mbp_reader with grant option"],
            "mbp_reader: may pass on",
        ),
        (
            ["create sequence raw_mbp.s", "grant usage on sequence raw_mbp.s to mbp_loader"],
            "mbp_loader: has USAGE on raw_mbp.s",
        ),
        (
            ["alter table raw_mbp.quotes owner to mbp_loader"],
            "mbp_loader: owns the relation raw_mbp.quotes",
        ),
        (["alter schema reference owner to mbp_reader"], "mbp_reader: owns the schema reference"),
        (
            ["alter default privileges in schema staging grant select on tables to mbp_reader"],
            "will have SELECT on what postgres makes in the schema staging",
        ),
        (
            ["alter default privileges grant select on tables to mbp_reader"],
            "will have SELECT on what postgres makes in every schema",
        ),
        (
            ["alter default privileges in schema marts grant update on tables to mbp_reader"],
            "will have UPDATE",
        ),
        (
            ["alter default privileges in schema marts grant select on tables to public"],
            "everybody: will have SELECT",
        ),
        (
            ["create function marts.f() returns int language sql security definer as 'select 1'"],
            "everybody: may run marts.f with the rights of its owner",
        ),
        (
            ["create schema stray", "grant usage on schema stray to mbp_reader"],
            "has USAGE on the schema stray",
        ),
        (
            ["revoke select on published.mbp_markets from mbp_reader"],
            "mbp_reader: lacks SELECT on published.mbp_markets",
        ),
        (
            ["revoke insert on raw_mbp.quotes from mbp_loader"],
            "mbp_loader: lacks INSERT on raw_mbp.quotes",
        ),
        (
            ["revoke usage on schema published from mbp_reader"],
            "mbp_reader: lacks USAGE on the schema published",
        ),
        (["drop table raw_mbp._cdc_position"], "raw_mbp._cdc_position is not there"),
    ],
)
def test_a_privilege_too_many_or_too_few_is_found(
    live: Live, sql: Sequence[str], told: str
) -> None:
    live.run(*sql)

    found = live.problems()

    assert any(told in one for one in found), found


def test_a_policy_of_columns_gives_no_whole_relation(live: Live) -> None:
    """How a masked dataset is stated: the reader gets some columns of the table, and no more."""
    from dataclasses import replace

    from mbp.release.security.security_policy import Grant

    sides = live.policy.least_privilege
    reader = sides.warehouse["mbp_reader"]
    some = Grant(
        frozenset({"SELECT"}),
        relations=frozenset({"marts.mbp_markets"}),
        columns=frozenset({"market_id"}),
    )
    changed = replace(reader, relations=(some, reader.relations[0]))
    sides = replace(sides, warehouse={**sides.warehouse, "mbp_reader": changed})
    live.policy = replace(live.policy, least_privilege=sides)

    live.run(
        "grant usage on schema marts to mbp_reader",
        "grant select on marts.mbp_markets to mbp_reader",
    )
    assert "warehouse:mbp_reader: has SELECT on marts.mbp_markets" in live.problems()
    live.run(
        "revoke select on marts.mbp_markets from mbp_reader",
        "grant select (market_id) on marts.mbp_markets to mbp_reader",
    )
    assert "warehouse:mbp_reader: has SELECT on marts.mbp_markets" not in live.problems()
    live.run("grant select (name) on marts.mbp_markets to mbp_reader")
    assert "warehouse:mbp_reader: has SELECT on marts.mbp_markets (name)" in live.problems()


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ([], ""),
        (
            ["create table secrets (a text)", "grant select on secrets to mbp_cdc_reader"],
            "has SELECT on public.secrets",
        ),
        (
            ["create table open (a text)", "grant select on open to public"],
            "has SELECT on public.open",
        ),
        (["grant insert on markets to mbp_cdc_reader"], "has INSERT on public.markets"),
        (["alter role mbp_cdc_reader superuser"], "has the attribute SUPERUSER"),
        (["alter role mbp_cdc_reader noreplication"], "lacks the attribute REPLICATION"),
        (["grant create on schema public to mbp_cdc_reader"], "has CREATE on the schema public"),
        (["revoke select on quotes from mbp_cdc_reader"], "lacks SELECT on public.quotes"),
    ],
)
def test_the_reader_of_the_source_reads_the_tables_of_the_change_logs(
    postgres_server: PostgresServer,
    postgres_database: str,
    project_root: Path,
    sql: Sequence[str],
    told: str,
) -> None:
    connection = postgres_server.connect(postgres_database)
    try:
        connection.autocommit = False
        live = Live(connection, load_security(project_root))
        live.run(
            *(f"create table {name} (id text primary key)" for name in TABLES),
            *setup_sql(TABLES),
            *sql,
        )
        found = live.problems("source")
        connection.rollback()
    finally:
        connection.close()

    assert any(told in one for one in found) if told else found == []


def test_a_role_that_is_not_there_is_a_finding(
    postgres_server: PostgresServer, postgres_database: str, project_root: Path
) -> None:
    from dataclasses import replace

    connection = postgres_server.connect(postgres_database)
    try:
        live = Live(connection, load_security(project_root))
        sides = live.policy.least_privilege
        role = replace(sides.source["mbp_cdc_reader"], name="nobody_knows")
        sides = replace(sides, source={"nobody_knows": role})
        live.policy = replace(live.policy, least_privilege=sides)
        assert "source:nobody_knows: the role is not there" in live.problems("source")
    finally:
        connection.close()


def test_duckdb_has_no_roles_and_is_not_measured(project_root: Path) -> None:
    result = least_privilege(project_root, load_security(project_root), target="duckdb")

    assert (result.verdict, "--target postgres" in result.reason) == ("not_measured", True)


def test_a_target_without_its_source_is_not_measured(
    project_root: Path,
    initialised: Any,
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    initialised.rollback()
    for name, value in postgres_server.environment("grants").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MBP_SOURCE_HOST", raising=False)

    result = least_privilege(project_root, load_security(project_root), target="postgres")

    assert (result.verdict, result.looked_at["roles"]) == ("not_measured", 3)
    assert "MBP_SOURCE_HOST" in result.reason
