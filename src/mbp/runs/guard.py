"""What dbt lacks: one build of a warehouse at a time, and an end that leaves no session with locks on the server.

`run_dbt` installs it, and src/dbt_mbp for plain dbt. dbt closes its connections after every node, so the lock of a run
needs its own session; the server ends that session, and the kernel its file lock, when the process ends.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.runs.run_control import is_recorded, recorded
from mbp.warehouse.profile import read_target

# dbt commands that replace relations; the others only read them.
WRITING = ("build", "run", "seed", "snapshot", "clone", "retry")
# The number has no meaning. Session level: of the whole run, where those of mbp.operate.degrade.reader_views are of a
# transaction.
BUILD_LOCK = 4106113
CANCEL_SECONDS = 10.0
FIX = "wait until it has ended, or give this build its own warehouse"
# The server notices within seconds that a client has disconnected, even in a statement or while it waits for a lock.
SESSION = {
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
HOLDER = """
select coalesce(application_name, ''), usename, pid, backend_start::timestamptz(0)
from pg_stat_activity where pid in (
    select pid from pg_locks where locktype = 'advisory' and objid = %s and objsubid = 1 and granted
    and database = (select oid from pg_database where datname = current_database())
)
"""
_held: set[str] = set()


class SecondBuildError(MbpError):
    """Another build of the same warehouse is running."""


@contextmanager
def one_build(engine: str, place: str, connection: Any = None) -> Iterator[None]:
    """Holds the warehouse for a build; the process may ask again for what it holds.

    Args:
        engine: 'postgres', or another, whose lock is a file.
        place: what names the warehouse; of file engines the path that the lock file is beside; empty: no lock.
        connection: an open psycopg2 connection for the lock alone, closed at the end.

    Raises:
        SecondBuildError: another process holds it.
    """
    if not place or place in _held:
        if connection is not None:
            connection.close()
        yield
        return
    locked = _session_lock(connection) if engine == "postgres" else _file_lock(Path(place))
    with locked:
        _held.add(place)
        try:
            yield
        finally:
            _held.discard(place)


@contextmanager
def build_of(root: Path, target: str | None) -> Iterator[None]:
    """`one_build` for a target of the profile, before dbt is started.

    Raises:
        SecondBuildError: another process builds the warehouse of the target.
        MbpError: the profile or the warehouse cannot be used.
    """
    from mbp.warehouse import connect

    settings = read_target(root, target)[1]
    engine = str(settings.get("type"))
    if engine == "postgres":
        place = _server(settings.get("host"), settings.get("port"), settings.get("dbname"))
        connection = getattr(connect(root, target), "connection")  # noqa: B009  (of this engine only)
        with one_build(engine, place, connection):
            yield
    else:
        with one_build(engine, _file(engine, settings, root)):
            yield


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C reaches the block even while it waits for a statement of mbp.warehouse on PostgreSQL.

    Python runs its own handler of the signal only when the driver comes back: so the statement is canceled.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    receiving, sending = socket.socketpair()
    sending.setblocking(False)
    ended = threading.Event()
    watching = threading.Thread(target=_cancel_when_asked, args=(receiving, ended), daemon=True)
    before = signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        sending.close()
        watching.join(1)
        receiving.close()


def _cancel_when_asked(receiving: socket.socket, ended: threading.Event) -> None:
    import psycopg2

    from mbp.warehouse.connection import SESSIONS

    asked = False
    while not asked:
        numbers = receiving.recv(64)
        if not numbers:
            return
        asked = signal.SIGINT in numbers
    # Again: one that comes between two statements is lost.
    while not ended.wait(0.1):
        for session in list(SESSIONS):
            with suppress(psycopg2.Error):
                session.cancel()


@cache
def install() -> None:
    """Puts both guards into dbt, and one parse for all files of DuckDB; once for this process."""
    from dbt.task.runnable import GraphRunnableTask

    execute = GraphRunnableTask.execute_with_hooks

    def execute_alone(self: Any, selected_uids: Any) -> Any:
        from dbt_common.exceptions import DbtRuntimeError

        from dbt import flags

        root = Path(self.config.project_root)
        command = str(flags.get_flags().WHICH)  # type: ignore[no-untyped-call]
        with _refusal_of_dbt(DbtRuntimeError), _build_of_task(self):
            if not is_recorded(root, command, self.config.credentials.type):
                return execute(self, selected_uids)
            with recorded(self, command):
                return execute(self, selected_uids)

    setattr(GraphRunnableTask, "execute_with_hooks", execute_alone)  # noqa: B010  (dbt has no place for it)
    parse_of_any_file()
    with suppress(ImportError):
        _guard_sessions()


@contextmanager
def _refusal_of_dbt(kind: type[Exception]) -> Iterator[None]:
    """dbt ends with 2 and the message for its own errors."""
    try:
        yield
    except SecondBuildError as error:
        raise kind(str(error)) from error
    except Exception as error:
        if "Could not set lock on file" not in str(error):
            raise
        message = "another process has this DuckDB file open: close it, or set MBP_DUCKDB_PATH to your own file"
        raise kind(message) from error


@contextmanager
def _build_of_task(task: Any) -> Iterator[None]:
    from dbt import flags

    if flags.get_flags().WHICH not in WRITING:  # type: ignore[no-untyped-call]
        yield
        return
    credentials = task.config.credentials
    if credentials.type == "postgres":
        from dbt.adapters.contracts.connection import Connection, Identifier
        from dbt.adapters.postgres.connections import PostgresConnectionManager

        place = _server(credentials.host, credentials.port, credentials.database)
        connection = Connection(Identifier("postgres"), "build", credentials)
        PostgresConnectionManager.open(connection)  # type: ignore[no-untyped-call]
        with one_build("postgres", place, connection.handle):
            yield
    else:
        with one_build(credentials.type, _file(credentials.type, credentials.__dict__, Path.cwd())):
            yield


def _server(*words: Any) -> str:
    return "postgres " + " ".join(map(str, words))


def _file(engine: str, settings: Any, root: Path) -> str:
    """The path of a warehouse of files; empty when there is none on this machine."""
    path = ""
    if engine == "duckdb":
        path = str(settings.get("path") or "")
    elif engine == "spark" and settings.get("method") == "session":
        parameters = settings.get("server_side_parameters") or {}
        path = str(parameters.get("spark.sql.warehouse.dir") or "")
    if not path or ":" in path:  # :memory:, md:, hdfs://
        return ""
    return str((root / path).resolve())


@contextmanager
def _file_lock(warehouse: Path) -> Iterator[None]:
    file = warehouse.with_name(f"{warehouse.name}.build.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.seek(0)
            raise SecondBuildError(
                f"another build of this warehouse is running ({handle.read().strip()})",
                path=warehouse.name,
                fix=FIX,
            ) from error
        # The file stays: who deleted it could delete the one that the next build has just locked.
        handle.truncate(0)
        handle.write(_signature())
        handle.flush()
        yield


@contextmanager
def _session_lock(connection: Any) -> Iterator[None]:
    try:
        connection.rollback()
        connection.autocommit = True
        with connection.cursor() as cursor:
            _settle(cursor)
            cursor.execute("select set_config('application_name', %s, false)", [_signature()[:63]])
            cursor.execute("select pg_try_advisory_lock(%s)", [BUILD_LOCK])
            if not cursor.fetchone()[0]:
                cursor.execute(HOLDER, [BUILD_LOCK])
                holders = [
                    f"{name or 'session'} of {user}, process {pid} of the server, since {since}"
                    for name, user, pid, since in cursor.fetchall()
                ]
                raise SecondBuildError(
                    f"another build of this warehouse is running ({'; '.join(holders)})", fix=FIX
                )
        yield
    finally:
        connection.close()


def _signature() -> str:
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"process {os.getpid()} on {socket.gethostname()[:20]} since {since}"


def _settle(cursor: Any) -> None:
    """The settings of a session, as far as the server has them."""
    for name, value in SESSION.items():
        cursor.execute(
            "select set_config(name, %s, false) from pg_settings where name = %s", [value, name]
        )


def _guard_sessions() -> None:
    """Every session of dbt ends with its client, and Ctrl-C closes it without asking the server for a right.

    dbt ends its sessions by `pg_terminate_backend` as the role that builds, which may not end sessions of the user.
    """
    import psycopg2
    from dbt.adapters.postgres.connections import PostgresConnectionManager

    opening = vars(PostgresConnectionManager)["open"].__func__

    def open_settled(cls: Any, connection: Any) -> Any:
        before = connection.state
        opened = opening(cls, connection)
        if before != "open":
            handle = opened.handle
            try:
                with handle.cursor() as cursor:
                    _settle(cursor)
                handle.commit()  # a rollback would take the settings, and the role, back
            except psycopg2.Error:
                handle.rollback()
        return opened

    def close_at_once(_: Any, connection: Any) -> None:
        handle = connection.handle
        # It waits for the statement that another thread has begun, so that one is canceled until the session is closed.
        closing = threading.Thread(target=handle.close, daemon=True)
        closing.start()
        deadline = time.monotonic() + CANCEL_SECONDS
        while closing.is_alive() and time.monotonic() < deadline:
            with suppress(psycopg2.Error):
                handle.cancel()
            closing.join(0.05)

    setattr(PostgresConnectionManager, "open", classmethod(open_settled))  # noqa: B010
    setattr(PostgresConnectionManager, "cancel", close_at_once)  # noqa: B010


def parse_of_any_file() -> None:
    """Takes the path of the DuckDB file out of what dbt compares before it uses an earlier parse.

    dbt itself reads the whole project again when only the path differs. The name of the catalog stays a part of
    what must be equal: models are compiled with it.
    """
    from dbt.parser.manifest import ManifestLoader

    compared = ManifestLoader.build_manifest_state_check

    def without_path(self: Any) -> Any:
        credentials = self.root_project.credentials
        if credentials.type != "duckdb":
            return compared(self)  # type: ignore[no-untyped-call]
        whole = credentials.connection_info

        def connection_info(**options: Any) -> Iterator[tuple[str, Any]]:
            return (pair for pair in whole(**options) if pair[0] != "path")

        credentials.connection_info = connection_info
        try:
            return compared(self)  # type: ignore[no-untyped-call]
        finally:
            del credentials.connection_info

    setattr(ManifestLoader, "build_manifest_state_check", without_path)  # noqa: B010
