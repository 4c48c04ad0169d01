"""Connections to the warehouse on both engines. Sessions run in UTC."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self
from weakref import WeakSet

from mbp.core.errors import MbpError
from mbp.warehouse.profile import read_target

# Change data capture has the DuckDB file open for a moment twice a second.
LOCK_PATIENCE_SECONDS = 2.0
LOCK_PAUSE_SECONDS = 0.05
Rows = list[tuple[Any, ...]]
# Open psycopg2 connections of this process: an interrupted command cancels their queries.
SESSIONS: WeakSet[Any] = WeakSet()


class LockedError(MbpError):
    """Another process has the DuckDB file open for writing; it may be free in a moment."""


class MissingError(MbpError):
    """The DuckDB file is not there."""


class UnreachableError(MbpError):
    """A server does not answer, or refuses to; it may be back in a moment."""


class RoleError(MbpError):
    """The server lets the user in, but not as the role of the profile."""


class Warehouse(ABC):
    """An open connection. Every statement commits by itself, outside of `transaction`.

    Attributes:
        mark: of a parameter in a statement.
        target: of dbt.
    """

    engine: str
    target: str
    mark: str

    @abstractmethod
    def query(self, sql: str, params: Sequence[Any] | None = None) -> tuple[list[str], Rows]:
        """Column names and all rows of a statement that returns rows."""

    @abstractmethod
    def execute(self, sql: str, params: Sequence[Any] | None = None) -> None:
        """Runs a statement for its effect."""

    @abstractmethod
    def close(self) -> None:
        """Ends the connection."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements of the block, or none of them."""
        self.execute("begin")
        try:
            yield
        except BaseException:
            self.execute("rollback")
            raise
        self.execute("commit")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def connect(
    root: Path,
    target: str | None = None,
    *,
    read_only: bool = False,
    create: bool = True,
    take_role: bool = True,
) -> Warehouse:
    """Opens the warehouse of a dbt target.

    Args:
        root: the project, where relative DuckDB paths begin.
        target: dbt target; `DBT_TARGET` or the profile's default without it.
        read_only: refuse writes; on DuckDB several readers may then share a file.
        create: a DuckDB file that is not there is made; not so when `read_only`. Who judges what is in the
            warehouse says no: a new file is empty, and nothing is wrong in it.
        take_role: act as the role of the profile (PostgreSQL), not as the user who logs in.

    Raises:
        MbpError: unknown target or engine, locked or missing DuckDB file, PostgreSQL unreachable.
        RoleError: the role of the profile does not exist, or the user is not a member of it.
    """
    opening = opener(root, target, read_only=read_only, create=create, take_role=take_role)
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        try:
            return opening()
        except LockedError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(LOCK_PAUSE_SECONDS)


def engine_of(root: Path, target: str | None = None) -> str:
    """What kind of warehouse a target is, without opening it.

    Raises:
        MbpError: unknown target.
    """
    return str(read_target(root, target)[1].get("type"))


def opener(
    root: Path,
    target: str | None = None,
    *,
    read_only: bool = False,
    create: bool = True,
    take_role: bool = True,
) -> Callable[[], Warehouse]:
    """What opens the warehouse of a target again and again; the profile is read once.

    Raises:
        MbpError: unknown target or engine.
    """
    name, settings = read_target(root, target)
    engine = settings.get("type")
    if engine == "duckdb":
        file = str(settings.get("path") or ":memory:")
        if file == ":memory:" or file.startswith("md:"):
            raise MbpError(
                f"target {name!r} keeps its rows in no file: {file}",
                fix="give the target a `path` to a DuckDB file in the profile",
            )
        path = root / file
        return partial(DuckdbWarehouse, path, read_only, create, target=name)
    if engine == "postgres":
        if not take_role:
            settings = {**settings, "role": ""}
        return partial(PostgresWarehouse, settings, read_only, target=name)
    if engine == "spark":
        raise MbpError(
            f"target {name!r} is Spark, which this command does not serve",
            fix=f"build and test it with `dbt build --target {name}` (docs/engines.md)",
        )
    raise MbpError(f"target {name!r} is of type {engine!r}", fix="use duckdb or postgres")


def quote_identifier(name: str) -> str:
    """`name` as a quoted SQL identifier, the same on both engines."""
    return '"' + name.replace('"', '""') + '"'


class DuckdbWarehouse(Warehouse):
    """The embedded engine: one file, one writer."""

    engine, mark = "duckdb", "?"

    def __init__(
        self, path: Path, read_only: bool, create: bool = True, target: str = "duckdb"
    ) -> None:
        import duckdb

        self.target = target

        if (read_only or not create) and not path.is_file():
            raise MissingError(
                "the warehouse does not exist",
                path=path.name,
                fix="run `mbp build` or `dbt build`, or correct the path in the profile",
            )
        try:
            self.connection = duckdb.connect(str(path), read_only=read_only)
        except duckdb.IOException as error:
            text = str(error)
            if "lock" in text.lower():
                raise LockedError(
                    "another process has this DuckDB file open",
                    path=path.name,
                    fix="close it, or set MBP_DUCKDB_PATH to your own file",
                ) from error
            raise MbpError(
                f"cannot open: {text.splitlines()[0]}",
                path=path.name,
                fix="name a DuckDB file in MBP_DUCKDB_PATH; `mbp doctor` checks it",
            ) from error
        self.connection.execute("set TimeZone = 'UTC'")

    def query(self, sql: str, params: Sequence[Any] | None = None) -> tuple[list[str], Rows]:
        cursor = self.connection.execute(sql, params)
        return [str(column[0]) for column in cursor.description or ()], cursor.fetchall()

    def execute(self, sql: str, params: Sequence[Any] | None = None) -> None:
        self.connection.execute(sql, params)

    def close(self) -> None:
        self.connection.close()


def _refusal(reason: str, settings: Mapping[str, Any]) -> UnreachableError:
    """Why there is no connection: the password, the database, or anything else.

    libpq has no code for it; a server that answers in another language is quoted.
    """
    database = str(settings.get("dbname") or settings.get("database"))
    place = f"PostgreSQL at {settings.get('host')}:{settings.get('port')}"
    if "password" in reason:
        what = f"{place} refuses the user {settings.get('user')!r} with this password"
        return UnreachableError(what, fix="correct MBP_PG_USER or MBP_PG_PASSWORD")
    if f'database "{database}" does not exist' in reason:
        fix = f"an administrator runs `create database {quote_identifier(database)}`"
        what = f"{place} has no database {database!r}"
        return UnreachableError(what, fix=f"{fix}, or correct MBP_PG_DATABASE")
    what = f"{place}/{database} cannot be reached: {reason}"
    return UnreachableError(what, fix="start it, or correct MBP_PG_HOST and MBP_PG_PORT")


class PostgresWarehouse(Warehouse):
    """The production engine."""

    engine, mark = "postgres", "%s"

    def __init__(self, settings: dict[str, Any], read_only: bool, target: str = "postgres") -> None:
        import psycopg2

        self.target = target

        try:
            self.connection = psycopg2.connect(
                host=settings.get("host"),
                port=settings.get("port"),
                user=settings.get("user"),
                password=settings.get("password") or settings.get("pass"),
                dbname=settings.get("dbname") or settings.get("database"),
                connect_timeout=int(settings.get("connect_timeout", 10)),
                # Whatever PGCLIENTENCODING says.
                client_encoding="UTF8",
                options="-c timezone=UTC",
            )
        except psycopg2.OperationalError as error:
            raise _refusal(" ".join(str(error).split()), settings) from error
        SESSIONS.add(self.connection)
        self.connection.set_session(readonly=read_only, autocommit=True)
        if settings.get("role"):
            self._take_role(str(settings["role"]), str(settings.get("user")))

    def _take_role(self, role: str, user: str) -> None:
        import psycopg2.errors

        try:
            self.execute(f"set role {quote_identifier(role)}")
        except (
            psycopg2.errors.InvalidParameterValue,
            psycopg2.errors.UndefinedObject,
        ) as error:
            self.close()
            raise RoleError(
                f"PostgreSQL has no role {role!r} (MBP_PG_ROLE)",
                fix="correct or unset MBP_PG_ROLE; `mbp db init` makes mbp_loader, mbp_transformer and mbp_reader",
            ) from error
        except psycopg2.errors.InsufficientPrivilege as error:
            self.close()
            raise RoleError(
                f"the user {user!r} is not a member of the role {role!r} (MBP_PG_ROLE)",
                fix=f"an administrator runs `grant {quote_identifier(role)} to {quote_identifier(user)}`,"
                " or correct or unset MBP_PG_ROLE",
            ) from error

    def query(self, sql: str, params: Sequence[Any] | None = None) -> tuple[list[str], Rows]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)
            return [column.name for column in cursor.description or ()], cursor.fetchall()

    def execute(self, sql: str, params: Sequence[Any] | None = None) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)

    def close(self) -> None:
        self.connection.close()
