"""The warehouse of the target: is it there, may we write, is its clock right?"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import psycopg2

from mbp.cli.doctor.machine_checks import MachineCheck, blind, finding, good, note
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
from mbp.warehouse.connection import (
    DuckdbWarehouse,
    LockedError,
    PostgresWarehouse,
    RoleError,
    Warehouse,
)

# hash_record_extended(), which snapshots for degraded readers are compared with.
OLDEST_POSTGRES = 140000
HOLDER = re.compile(
    r"held in (?P<program>[^(]+) \(PID (?P<process>\d+)\)(?: by user (?P<user>\S+?))?[.\s]"
)
INITIALISE = "run `mbp db init --target postgres` as an administrator"
# What is looked at once the server lets us in.
BEHIND = ("server version", "encoding", "time zone", "clock", "permissions", "ownership", "roles")
# The server's words -> what to do; the first that is found counts.
REFUSALS = {
    "password authentication failed": "check MBP_PG_USER and MBP_PG_PASSWORD",
    "no password supplied": "set MBP_PG_PASSWORD",
    "does not exist": "create it, or check MBP_PG_DATABASE and MBP_PG_USER",
    "Connection refused": "start the server, or check MBP_PG_HOST and MBP_PG_PORT",
}


def look_at_duckdb(path: Path) -> Iterator[MachineCheck]:
    """The file of the embedded engine."""
    name = "duckdb file"
    if not path.exists():
        # Asked by doing: what root may, and what a read-only disk refuses, no permission bit says.
        trial = path.with_name(f".{path.name}.doctor")
        try:
            trial.touch()
            trial.unlink()
        except OSError as error:
            yield finding(
                name, f"{path}: {error.strerror}", "set MBP_DUCKDB_PATH to a file of yours"
            )
            return
        yield note(name, f"{path.name} is not there yet", "run `make build`")
        return
    try:
        DuckdbWarehouse(path, read_only=False).close()
    except LockedError as error:
        yield finding(name, _holder(error), "let it end, or set MBP_DUCKDB_PATH to a file of yours")
    except (MbpError, duckdb.Error) as error:
        message = error.what if isinstance(error, MbpError) else str(error).splitlines()[0]
        yield finding(name, message, "restore the file, or remove it and run `make build`")
    else:
        yield good(name, f"{path.name} is there, may be written, and nobody holds it")


def _holder(error: LockedError) -> str:
    """Whose the lock is; DuckDB says it in its own words."""
    matched = HOLDER.search(str(error.__cause__))
    if not matched:
        return error.what
    user = f" of {matched['user']}" if matched["user"] else ""
    return f"held by process {matched['process']} ({Path(matched['program']).name}){user}"


def look_at_postgres(root: Path, settings: Mapping[str, Any]) -> Iterator[MachineCheck]:
    """The server, the database in it, and what the user may do there."""
    place = f"{settings.get('host')}:{settings.get('port')}/{settings.get('dbname')}"
    try:
        warehouse = PostgresWarehouse(dict(settings), read_only=True)
    except RoleError as error:
        yield good("server", f"{place} answers")
        yield finding("role", error.what, error.fix or "check MBP_PG_ROLE")
        for name in BEHIND:
            yield blind(name, "there is no session as the role", "fix the role first")
        return
    except (MbpError, psycopg2.Error) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        fix = next((message for words, message in REFUSALS.items() if words in reason), None)
        yield finding("server", f"{place}: {reason}", fix or "check the MBP_PG_ variables")
        for name in BEHIND:
            yield blind(name, "the server does not let us in", "mend that first")
        return
    with warehouse:
        yield good("server", f"{place} answers")
        for name, ask in (
            ("server version", _version),
            ("encoding", _encoding),
            ("time zone", _time_zone),
            ("clock", lambda told, one: _clock(told, one, root)),
            ("permissions", _permissions),
            ("ownership", _ownership),
            ("roles", _roles),
        ):
            try:
                yield ask(name, warehouse)
            except psycopg2.Error as error:
                yield blind(name, " ".join(str(error).split()), "look as the user who builds")


def _value(warehouse: Warehouse, sql: str, *params: Any) -> Any:
    return warehouse.query(sql, params)[1][0][0]


def _version(name: str, warehouse: Warehouse) -> MachineCheck:
    number = int(_value(warehouse, "select current_setting('server_version_num')"))
    version = f"PostgreSQL {number // 10000}.{number % 10000}"
    if number < OLDEST_POSTGRES:
        return finding(name, version, f"use PostgreSQL {OLDEST_POSTGRES // 10000} or newer")
    return good(name, version)


def _encoding(name: str, warehouse: Warehouse) -> MachineCheck:
    encoding = str(_value(warehouse, "select current_setting('server_encoding')"))
    if encoding != "UTF8":
        return finding(name, encoding, "create the database with `encoding 'UTF8'`")
    return good(name, encoding)


def _time_zone(name: str, warehouse: Warehouse) -> MachineCheck:
    """What a session gets that asks for nothing: ours ask for UTC, those of readers may not."""
    rows = warehouse.query(
        "select coalesce("
        "(select split_part(setting, '=', 2) from pg_db_role_setting, unnest(setconfig) as setting"
        " where setdatabase = (select oid from pg_database where datname = current_database())"
        " and setrole = 0 and lower(setting) like 'timezone=%%'), boot_val)"
        " from pg_settings where name = 'TimeZone'",
        (),
    )[1]
    zone = str(rows[0][0]) if rows and rows[0][0] else "not told"
    if zone in ("UTC", "Etc/UTC", "GMT"):
        return good(name, f"{zone}; our sessions ask for UTC")
    return note(name, f"{zone} for sessions that ask for nothing; ours ask for UTC")


def _clock(name: str, warehouse: Warehouse, root: Path) -> MachineCheck:
    """Lag is a difference of two clocks."""
    limit = yaml_io.load(root / "dbt_project.yml", shown_as="dbt_project.yml")["vars"]
    most = float(limit["mbp_clock_skew_seconds"])
    before = time.time()
    theirs = float(_value(warehouse, "select extract(epoch from clock_timestamp())"))
    after = time.time()
    apart = theirs - min(max(theirs, before), after)
    difference = f"{abs(apart):.1f} s {'behind' if apart < 0 else 'ahead of'} this machine, {most:g} s allowed"
    if abs(apart) > most:
        return finding(name, difference, "synchronise both clocks (NTP)")
    return good(name, difference)


def _permissions(name: str, warehouse: Warehouse) -> MachineCheck:
    user = str(_value(warehouse, "select current_user"))
    create = _value(
        warehouse, "select has_database_privilege(current_user, current_database(), 'CREATE')"
    )
    temporary = _value(
        warehouse, "select has_database_privilege(current_user, current_database(), 'TEMPORARY')"
    )
    there = {
        str(schema): bool(may)
        for schema, may in warehouse.query(
            "select nspname, has_schema_privilege(current_user, oid, 'CREATE')"
            " from pg_namespace where nspname = any(%s)",
            (list(BUILT_SCHEMAS),),
        )[1]
    }
    missing = [built_schema for built_schema in BUILT_SCHEMAS if built_schema not in there]
    closed = [built_schema for built_schema in BUILT_SCHEMAS if there.get(built_schema) is False]
    wrong = []
    if missing and not create:
        wrong.append(f"may not create the schema {missing[0]}")
    if closed:
        wrong.append(f"may not create tables in {', '.join(closed)}")
    if not temporary:
        wrong.append("may not create temporary tables")
    if wrong:
        fix = f"build as {TRANSFORMER} (MBP_PG_ROLE), or {INITIALISE}"
        return finding(name, f"{user} {', '.join(wrong)}", fix)
    return good(name, f"{user} may create schemas, tables and temporary tables as a build needs")


def _ownership(name: str, warehouse: Warehouse) -> MachineCheck:
    """A build replaces what an earlier one made, and only an owner may: who built first under another name is told."""
    user = str(_value(warehouse, "select current_user"))
    foreign = warehouse.query(
        "select nspname || '.' || relname, pg_get_userbyid(relowner) from pg_class"
        " join pg_namespace on pg_namespace.oid = relnamespace"
        " where nspname = any(%s) and relkind in ('r', 'v', 'm', 'p')"
        " and not pg_has_role(current_user, relowner, 'USAGE') order by 1",
        (list(BUILT_SCHEMAS),),
    )[1]
    if not foreign:
        return good(name, f"{user} may replace everything that was built")
    first, owner = foreign[0]
    return finding(
        name,
        f"{len(foreign)} relations are not {user}'s to replace, such as {first}, which is {owner}'s",
        f"an administrator gives them to {TRANSFORMER} (`alter table ... owner to`), or drops the schemas",
    )


def _roles(name: str, warehouse: Warehouse) -> MachineCheck:
    wanted = [LOADER, TRANSFORMER, READER]
    rows = warehouse.query("select rolname from pg_roles where rolname = any(%s)", (wanted,))[1]
    missing = [one for one in wanted if (one,) not in rows]
    if missing:
        return finding(name, f"no role {', '.join(missing)}", INITIALISE)
    allowed = {
        str(row[0])
        for row in warehouse.query(
            "select nspname from pg_namespace where nspname = any(%s)"
            " and has_schema_privilege(%s, oid, 'USAGE')",
            ([*PUBLIC_SCHEMAS, *RAW_SCHEMAS], READER),
        )[1]
    }
    closed = [public_schema for public_schema in PUBLIC_SCHEMAS if public_schema not in allowed]
    if closed:
        return finding(name, f"{READER} may not read {', '.join(closed)}", INITIALISE)
    if open_raw := sorted(allowed & set(RAW_SCHEMAS)):
        return finding(name, f"{READER} may look into {', '.join(open_raw)}", INITIALISE)
    return good(name, f"{', '.join(wanted)}; readers read {' and '.join(PUBLIC_SCHEMAS)} alone")
