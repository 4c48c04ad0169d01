"""`mbp db init`: whole, repeatable, and on PostgreSQL no role may do more than it must."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from lab.postgres_server import PostgresServer
from mbp.ingest.initialise import CONTROL_TABLES, initialise
from mbp.ingest.raw_tables import raw_tables
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.connection import DuckdbWarehouse


@pytest.fixture
def warehouse(
    project_root: Path,
    postgres_server: PostgresServer,
    postgres_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Warehouse]:
    for name, value in postgres_server.environment(postgres_database).items():
        monkeypatch.setenv(name, value)
    with connect(project_root, "postgres") as opened:
        initialise(project_root, opened)
        opened.execute("create table marts.mbp_quotes (a integer)")
        opened.execute("create view published.mbp_quotes as select * from marts.mbp_quotes")
        opened.execute("create table reliability.kpi (a integer)")
        opened.execute("create table staging.stg (a integer)")
        opened.execute("create table intermediate.int (a integer)")
        yield opened
        opened.execute("reset role")


def test_the_embedded_engine_gets_every_raw_table(project_root: Path, tmp_path: Path) -> None:
    with DuckdbWarehouse(tmp_path / "w.duckdb", read_only=False) as warehouse:
        initialise(project_root, warehouse)
        initialise(project_root, warehouse)
        _, found = warehouse.query(
            "select replace(table_schema, 'raw_', '') || '.' || table_name"
            " from information_schema.tables where table_schema like 'raw_%'"
        )
    assert {name for (name,) in found} == {
        *raw_tables(project_root),
        *(name.removeprefix("raw_") for name in CONTROL_TABLES),
    }
    assert len(found) == len(raw_tables(project_root)) + len(CONTROL_TABLES)


@pytest.mark.postgres
def test_running_it_again_changes_nothing(project_root: Path, warehouse: Warehouse) -> None:
    grants = (
        "select table_schema, table_name, grantee, privilege_type"
        " from information_schema.role_table_grants order by 1, 2, 3, 4"
    )
    before = warehouse.query(grants)
    initialise(project_root, warehouse)
    assert warehouse.query(grants) == before


ALLOWED = [
    ("mbp_reader", "select * from published.mbp_quotes"),
    ("mbp_reader", "select * from reliability.kpi"),
    ("mbp_loader", "insert into raw_mbp.quotes (quote_id) values ('q')"),
    ("mbp_loader", "select * from raw_mbp.quotes"),
    ("mbp_transformer", "select * from raw_mbp.quotes"),
    ("mbp_transformer", "create table marts.built (a integer)"),
    ("mbp_transformer", "create table intermediate.built (a integer)"),
]
DENIED = [
    ("mbp_reader", "select * from raw_mbp.quotes"),
    ("mbp_reader", "select * from raw_ops.audit_log"),
    ("mbp_reader", "select * from marts.mbp_quotes"),
    ("mbp_reader", "select * from staging.stg"),
    ("mbp_reader", "select * from intermediate.int"),
    ("mbp_reader", "insert into marts.mbp_quotes values (1)"),
    ("mbp_reader", "delete from marts.mbp_quotes"),
    ("mbp_reader", "create table marts.mine (a integer)"),
    ("mbp_reader", "create table public.mine (a integer)"),
    ("mbp_reader", "create schema mine"),
    ("mbp_loader", "select * from marts.mbp_quotes"),
    ("mbp_loader", "delete from raw_mbp.quotes"),
    ("mbp_loader", "update raw_mbp.quotes set price = 1"),
    ("mbp_loader", "create table raw_mbp.mine (a integer)"),
    ("mbp_transformer", "insert into raw_mbp.quotes (quote_id) values ('q')"),
    ("mbp_transformer", "delete from raw_mbp.quotes"),
    ("mbp_transformer", "drop table raw_mbp.quotes"),
]


@pytest.mark.postgres
@pytest.mark.parametrize(("role", "statement"), ALLOWED)
def test_a_role_can_do_its_work(warehouse: Warehouse, role: str, statement: str) -> None:
    warehouse.execute(f"set role {role}")
    warehouse.execute(statement)


@pytest.mark.postgres
@pytest.mark.parametrize(("role", "statement"), DENIED)
def test_a_role_can_do_nothing_else(warehouse: Warehouse, role: str, statement: str) -> None:
    warehouse.execute(f"set role {role}")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        warehouse.execute(statement)


@pytest.mark.postgres
def test_a_reader_sees_what_the_transformer_builds_later(warehouse: Warehouse) -> None:
    warehouse.execute("set role mbp_transformer")
    warehouse.execute("create table marts.later as select 1 as a")
    warehouse.execute("create view published.later as select a from marts.later")
    warehouse.execute("set role mbp_reader")
    assert warehouse.query("select a from published.later")[1] == [(1,)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        warehouse.query("select a from marts.later")


@pytest.mark.postgres
def test_what_an_earlier_version_granted_readers_is_taken_back(
    project_root: Path, warehouse: Warehouse
) -> None:
    warehouse.execute("grant usage on schema marts to mbp_reader")
    warehouse.execute("grant select on all tables in schema marts to mbp_reader")
    for whose in ("", " for role mbp_transformer"):
        warehouse.execute(
            f"alter default privileges{whose} in schema marts grant select on tables to mbp_reader"
        )
    initialise(project_root, warehouse)
    warehouse.execute("set role mbp_transformer")
    warehouse.execute("create table marts.later as select 1 as a")
    warehouse.execute("reset role")
    for table in ("mbp_quotes", "later"):
        _, rows = warehouse.query(
            f"select has_table_privilege('mbp_reader', 'marts.{table}', 'select')"
        )
        assert rows == [(False,)]
