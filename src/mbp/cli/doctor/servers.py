"""PostgreSQL behind a connection that works: version, encoding, clock, and what the user may do there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg2

from mbp.cli.doctor.machine import MachineCheck, blind, finding, good
from mbp.core import yaml_io
from mbp.core.errors import MbpError
from mbp.ingest.initialise import (
    BUILT_SCHEMAS,
    LOADER,
    PUBLIC_SCHEMAS,
    RAW_SCHEMAS,
    READER,
    TRANSFORMER,
)
from mbp.warehouse.connection import PostgresWarehouse, RoleError

INITIALISE = "run `mbp db init --target postgres` as an administrator"
# Check -> a query for whether it holds and what was found, with a fix. Version 14 has hash_record_extended(), by which
# snapshots for degraded readers are compared. Lag is a difference of two clocks.
CHECKS = {
    "server version": (
        "select current_setting('server_version_num')::int >= 140000,"
        " 'PostgreSQL ' || current_setting('server_version')",
        "use PostgreSQL 14 or newer",
    ),
    "encoding": (
        "select current_setting('server_encoding') = 'UTF8', current_setting('server_encoding')",
        "create the database with `encoding 'UTF8'`",
    ),
    "clock": (
        "select abs(apart) <= %(most)s,"
        " round(abs(apart)::numeric, 1) || ' s apart from this machine, ' || %(most)s || ' s allowed'"
        " from (select extract(epoch from clock_timestamp()) - %(now)s as apart) as difference",
        "synchronise both clocks (NTP)",
    ),
    "permissions": (
        "select count(*) = 0, current_user || coalesce(' ' || string_agg(problem, ', '),"
        " ' may create schemas, tables and temporary tables as a build needs') from ("
        "select 'may not create the schema ' || name as problem from unnest(%(built)s) as name"
        " where to_regnamespace(name) is null"
        " and not has_database_privilege(current_database(), 'CREATE')"
        " union all select 'may not create tables in ' || nspname from pg_namespace"
        " where nspname = any(%(built)s) and not has_schema_privilege(oid, 'CREATE')"
        " union all select 'may not create temporary tables'"
        " where not has_database_privilege(current_database(), 'TEMPORARY')) as problems",
        f"build as {TRANSFORMER} (MBP_PG_ROLE), or {INITIALISE}",
    ),
    "ownership": (
        "select count(*) = 0, case count(*) when 0"
        " then current_user || ' may replace everything that was built'"
        " else count(*) || ' relations are not ' || current_user || '''s to replace, such as '"
        " || min(nspname || '.' || relname || ', owned by ' || pg_get_userbyid(relowner)) end"
        " from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
        " where nspname = any(%(built)s) and relkind in ('r', 'v', 'm', 'p')"
        " and not pg_has_role(current_user, relowner, 'USAGE')",
        f"an administrator gives them to {TRANSFORMER} (`alter table ... owner to`), or drops the schemas",
    ),
    "roles": (
        "select count(*) = 0, coalesce(string_agg(problem, ', '),"
        " array_to_string(%(roles)s, ', ') || '; readers read ' || array_to_string(%(public)s, ', '))"
        " from (select 'no role ' || name as problem from unnest(%(roles)s) as name"
        " where not exists (select from pg_roles where rolname = name)"
        " union all select reader.rolname || ' may not read ' || name"
        " from pg_roles as reader cross join unnest(%(public)s) as name"
        " where reader.rolname = %(reader)s"
        " and coalesce(not has_schema_privilege(reader.oid, to_regnamespace(name)::oid, 'USAGE'), true)"
        " union all select reader.rolname || ' may read ' || nspname"
        " from pg_roles as reader cross join pg_namespace where reader.rolname = %(reader)s"
        " and nspname = any(%(raw)s) and has_schema_privilege(reader.oid, pg_namespace.oid, 'USAGE')"
        ") as problems",
        INITIALISE,
    ),
}


def postgres_checks(root: Path, settings: Mapping[str, Any]) -> Iterator[MachineCheck]:
    """Every check of the server; none is made when it refuses the user or the role."""
    variables = yaml_io.load(root / "dbt_project.yml", shown_as="dbt_project.yml")["vars"]
    values = {
        "most": float(variables["mbp_clock_skew_seconds"]),
        "built": list(BUILT_SCHEMAS),
        "public": list(PUBLIC_SCHEMAS),
        "raw": list(RAW_SCHEMAS),
        "roles": [LOADER, TRANSFORMER, READER],
        "reader": READER,
    }
    checked = []
    try:
        with (
            PostgresWarehouse(dict(settings), read_only=True) as warehouse,
            warehouse.connection.cursor() as cursor,
        ):
            for name, (sql, fix) in CHECKS.items():
                cursor.execute(sql, {**values, "now": time.time()})
                holds, message = cursor.fetchone() or (False, "no answer")
                checked.append(name)
                yield good(name, message) if holds else finding(name, message, fix)
    except RoleError as error:
        yield finding("role", error.what, error.fix or "check MBP_PG_ROLE")
    except MbpError:
        pass  # dbt debug says why there is no connection
    except psycopg2.Error as error:
        yield blind("server", " ".join(str(error).split()), "check as the user who builds")
    yield from (
        blind(name, "no session", "fix that first") for name in CHECKS if name not in checked
    )
