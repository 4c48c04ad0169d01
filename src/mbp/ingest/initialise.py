"""Schemas, raw tables and, on PostgreSQL, the roles of least privilege.

Roles (PostgreSQL): `mbp_loader` appends to the raw tables, `mbp_transformer` reads them and owns
everything dbt builds, `mbp_reader` reads the published views of the datasets and what is measured of
them (KPI windows, the semantic layer), and nothing else: in the views classified columns are masked, in
the tables behind them they are not. They cannot log in; an administrator grants them to users.
"""

from __future__ import annotations

from pathlib import Path

from mbp.ingest.raw_tables import (
    CDC_CONTROL_TABLES,
    LOAD_CONTROL_TABLES,
    create_statement,
    raw_tables,
)
from mbp.runs.run_control import WAREHOUSE as IDENTITY
from mbp.runs.run_control import statements as identity_statements
from mbp.warehouse.connection import Warehouse

RAW_SCHEMAS = ("raw_mbp", "raw_ops")
PUBLIC_SCHEMAS = ("reliability", "published", "semantic")
BUILT_SCHEMAS = (
    "sample_mbp",
    "sample_ops",
    "reference",
    "staging",
    "intermediate",
    "snapshot",
    "marts",
    "verification",
    *PUBLIC_SCHEMAS,
)
CONTROL_TABLES = {**CDC_CONTROL_TABLES, **LOAD_CONTROL_TABLES}
CANCELLING = "pg_signal_backend"
LOADER, TRANSFORMER, READER = "mbp_loader", "mbp_transformer", "mbp_reader"


def statements(root: Path, engine: str) -> list[str]:
    """Every statement, in order; running them again changes nothing.

    Raises:
        MbpError: the contracts, which say what the raw tables hold, cannot be read.
    """
    results = [f"create schema if not exists {name}" for name in (*RAW_SCHEMAS, *BUILT_SCHEMAS)]
    for name, columns in raw_tables(root).items():
        family, table = name.split(".")
        results.append(create_statement(f"raw_{family}", table, columns))
    for name, (control, _) in CONTROL_TABLES.items():
        schema, _, table = name.partition(".")
        results.append(create_statement(schema, table, control))
    results += identity_statements()
    return results + _indexes(root) + _grants() if engine == "postgres" else results


def initialise(root: Path, warehouse: Warehouse) -> list[str]:
    """Runs `statements` in one transaction and gives them back."""
    todo = statements(root, warehouse.engine)
    with warehouse.transaction():
        for statement in todo:
            warehouse.execute(statement)
    return todo


def _indexes(root: Path) -> list[str]:
    """Arrivals of the raw tables, which only ever grow by the newest: increments begin at one, "now" is the last.

    A b-tree and no BRIN index, although that is a hundredth of its size: only a b-tree knows the newest.
    """
    return [
        f"create index if not exists {table}_loaded_at on raw_{family}.{table} (_loaded_at)"
        for family, table in (name.split(".") for name in raw_tables(root))
    ]


def _grants() -> list[str]:
    results = [
        f"do $$ begin create role {role} nologin; exception when duplicate_object then null; end $$"
        for role in (LOADER, TRANSFORMER, READER)
    ]
    # An administrator who is no superuser makes roles without being a member of them, and then may not say who reads
    # what they make. A session that plain dbt cancels is of the user, not of the role: without the right to end it,
    # the query goes on. Only a superuser can give that right.
    results += [
        f"do $$ begin if not pg_has_role(current_user, '{TRANSFORMER}', 'usage') then"
        f" execute format('grant {TRANSFORMER} to %I', current_user); end if; end $$",
        f"do $$ begin grant {CANCELLING} to {TRANSFORMER}; exception when insufficient_privilege"
        " then null; end $$",
        "revoke all on schema public from public",
    ]
    for schema in (*RAW_SCHEMAS, *BUILT_SCHEMAS):
        results += [
            f"revoke all on schema {schema} from public, {LOADER}, {TRANSFORMER}, {READER}",
            f"revoke all on all tables in schema {schema} from public, {LOADER}, {READER}",
            # What an earlier version of the project granted for tables to come.
            f"alter default privileges in schema {schema} revoke all on tables from {READER}",
            f"alter default privileges for role {TRANSFORMER} in schema {schema} revoke all on tables from {READER}",
        ]
    for schema in RAW_SCHEMAS:
        results += [
            f"grant usage on schema {schema} to {LOADER}, {TRANSFORMER}",
            f"grant select, insert on all tables in schema {schema} to {LOADER}",
            f"revoke all on all tables in schema {schema} from {TRANSFORMER}",
            f"grant select on all tables in schema {schema} to {TRANSFORMER}",
            f"alter default privileges in schema {schema} grant select, insert on tables to {LOADER}",
            f"alter default privileges in schema {schema} grant select on tables to {TRANSFORMER}",
        ]
    # Positions move, and letters are delivered; rows of the logs are only ever added.
    for name, (_, replaced) in CONTROL_TABLES.items():
        if replaced:
            results.append(f"grant delete on {name} to {LOADER}")
    for schema in BUILT_SCHEMAS:
        results.append(f"grant usage, create on schema {schema} to {TRANSFORMER}")
    results.append(f"grant select on {IDENTITY} to {TRANSFORMER}")
    # dbt makes the schemas of its models when they are missing, and replaces tables it owns: what the
    # transformer will create must be readable too, whichever of the two creates it.
    for schema in PUBLIC_SCHEMAS:
        results += [
            f"grant usage on schema {schema} to {READER}",
            f"grant select on all tables in schema {schema} to {READER}",
            f"alter default privileges in schema {schema} grant select on tables to {READER}",
            f"alter default privileges for role {TRANSFORMER} in schema {schema}"
            f" grant select on tables to {READER}",
        ]
    return results
