"""What dbt does not check: locked versions, packages, disk, the copy of the profile, programs, a PostgreSQL server."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import psycopg2

from mbp.contracts.alarm_limits import SKEW_VARIABLE
from mbp.core.dbt_project import read_project
from mbp.core.errors import MbpError
from mbp.core.paths import shown
from mbp.core.reporting import Finding, Suite
from mbp.core.settings import load_settings
from mbp.ingest.initialise import (
    BUILT_SCHEMAS,
    LOADER,
    PUBLIC_SCHEMAS,
    RAW_SCHEMAS,
    READER,
    TRANSFORMER,
)
from mbp.runs.dbt_process import target_path
from mbp.runs.preflight import packages_are_installed
from mbp.warehouse.connection import PostgresWarehouse, RoleError
from mbp.warehouse.profile import EXAMPLE, OWN, is_copy_of_example, profiles_file

# A note is about something optional. What could not be checked is not a note: it counts as a finding.
State = Literal["good", "note", "finding", "not checked"]


@dataclass(frozen=True)
class MachineCheck:
    """One check.

    Attributes:
        id: stable name.
        message: what was seen.
        fix: what to do about it; empty where nothing is to be done.
    """

    id: str
    state: State
    message: str
    fix: str = ""


@dataclass(frozen=True)
class Examination:
    """All checks of one machine for one target."""

    target: str
    checks: Sequence[MachineCheck]

    @property
    def open(self) -> list[MachineCheck]:
        """What has to be fixed, or could not be checked."""
        return [check for check in self.checks if check.state in ("finding", "not checked")]

    @property
    def passed(self) -> bool:
        """Everything required was checked and is in order."""
        return bool(self.checks) and not self.open

    def document(self) -> dict[str, Any]:
        """As JSON; keys are only ever added."""
        return {**asdict(self), "passed": self.passed}

    def suite(self) -> Suite:
        """A line per check that is in order as the table; a finding for each other one."""
        lines = [
            f"ok    {check.id:<22}{check.message}" for check in self.checks if check.state == "good"
        ]
        message = "this machine is ready" if self.passed else f"{len(self.open)} to fix first"
        table = "\n".join([*lines, f"{self.target}: {message}"])
        findings = [
            Finding(
                check.id,
                check.message,
                fix=check.fix,
                severity="note" if check.state == "note" else "error",
                not_measured=check.state == "not checked",
            )
            for check in self.checks
            if check.state != "good"
        ]
        checks = [check.id for check in self.checks]
        return Suite("mbp doctor", checks, findings, unit="condition", table=table)


def good(name: str, message: str) -> MachineCheck:
    """In order."""
    return MachineCheck(name, "good", message)


def note(name: str, message: str, fix: str = "") -> MachineCheck:
    """Something optional."""
    return MachineCheck(name, "note", message, fix)


def finding(name: str, message: str, fix: str) -> MachineCheck:
    """Something to fix."""
    return MachineCheck(name, "finding", message, fix)


def blind(name: str, why: str, fix: str) -> MachineCheck:
    """What could not be checked."""
    return MachineCheck(name, "not checked", f"not checked: {why}", fix)


LOCK = "requirements.lock"
SETUP = "run `make setup`"
MEBIBYTE = 2**20
# A build writes the warehouse and its artifacts beside the old ones. Before the first one there is nothing to go
# by: the sample made 13 MB of warehouse and 13 MB of artifacts of 2.1 MB of seeds (measured 2026-11-25).
FIRST_BUILD_PER_SEED_BYTE = 13
SHOWN = 3


def installed_version(name: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Machine:
    """How the machine is examined; the defaults examine this one."""

    version_of: Callable[[str], str | None] = installed_version
    free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free
    program: Callable[[str], str | None] = shutil.which


def locked(root: Path, machine: Machine) -> Iterator[MachineCheck]:
    """The packages of dbt are linked; each one of Python has the version of the lock, which another project lacks.

    Raises:
        MbpError: the lock cannot be read.
    """
    from mbp.release.security.lock import read_lock

    yield (
        good("dbt packages", "installed")
        if packages_are_installed(root)
        else finding("dbt packages", "not installed, or older than packages.yml", "run `dbt deps`")
    )
    if load_settings(root).hosted:
        return
    pins = [pin for pin in read_lock(root, LOCK) if pin.wanted_here]
    wrong = [
        f"{pin.name} {version or 'not installed'} (locked {pin.version})"
        for pin in pins
        if (version := machine.version_of(pin.name)) != pin.version
    ]
    more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    yield (
        finding("locked versions", f"{', '.join(wrong[:SHOWN])}{more}", SETUP)
        if wrong
        else good("locked versions", f"all {len(pins)} packages as in {LOCK}")
    )


def disk(root: Path, machine: Machine, warehouse_file: Path | None) -> Iterator[MachineCheck]:
    """A build fits on the disks that it writes to."""
    sizes = {root: _size(target_path(root)), Path(tempfile.gettempdir()): 0}
    if warehouse_file is not None and warehouse_file.is_file():
        folder = warehouse_file.parent
        sizes[folder] = sizes.get(folder, 0) + _size(warehouse_file)
    elif warehouse_file is not None:
        sizes[root] += FIRST_BUILD_PER_SEED_BYTE * _size(root / "seeds")
    for folder, needed in sizes.items():
        free = machine.free(folder)
        message = (
            f"{folder}: {free / MEBIBYTE:,.0f} MiB free, a build needs {needed / MEBIBYTE:,.0f}"
        )
        if free <= needed:
            fix = "make room, or set MBP_DUCKDB_PATH, DBT_TARGET_PATH, TMPDIR"
            yield finding("disk", message, fix)
            return
    yield good("disk", f"{machine.free(root) / MEBIBYTE:,.0f} MiB free")


def profile(root: Path) -> Iterator[MachineCheck]:
    """`dbt` by itself and `mbp` read the same profile.

    Raises:
        MbpError: there is none.
    """
    path, own, example = profiles_file(root), root / OWN, root / EXAMPLE
    both = own.is_file() and example.is_file()
    if both and own.samefile(example):
        what = f"{OWN} is a link to the committed {EXAMPLE}: editing one overwrites the other"
        yield finding("profile", what, SETUP)
    elif (
        both
        and is_copy_of_example(own)
        and not own.read_bytes().endswith(b"\n" + example.read_bytes())
    ):
        what = f"{OWN} is a copy of an older {EXAMPLE}: `dbt` reads the copy, `mbp` the example"
        yield finding("profile", what, SETUP)
    elif path.name == EXAMPLE:
        yield note("profile", f"{shown(path, root)}, as there is no {OWN} of yours")
    else:
        yield good("profile", shown(path, root))


def programs(machine: Machine, spark: bool) -> Iterator[MachineCheck]:
    """Java and its wheel, which Spark needs, and Chromium, which tests of pages use."""
    if machine.program("java"):
        yield good("java", "installed")
    elif spark:
        yield finding("java", "not installed, and this target needs it", "install Java 17")
    else:
        yield note("java", "not installed: only Spark needs it")
    if spark and find_spec("pyspark") is None:
        yield finding(
            "spark", "pyspark is not installed", "install the extra `spark`: docs/scale.md"
        )
    elif spark:
        yield good("spark", "pyspark is installed; Spark starts with the build")
    if not machine.program("chromium"):
        yield note("chromium", "not installed: the tests of pages are skipped")


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


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
    """Every check of the server; none is made when it refuses the user or the role.

    Another project has neither the roles nor the schemas of this one: there the checks without parameters apply.
    """
    hosted = load_settings(root).hosted
    checks = {name: check for name, check in CHECKS.items() if not hosted or "%(" not in check[0]}
    variables = read_project(root).get("vars") or {}
    values = {
        "most": float(variables.get(SKEW_VARIABLE, 0)),
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
            for name, (sql, fix) in checks.items():
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
        blind(name, "no session", "fix that first") for name in checks if name not in checked
    )
