"""One build of a warehouse at a time, and a build that is interrupted leaves no session behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.postgres_server import PostgresServer
from mbp.runs import guard
from mbp.runs.guard import SecondBuildError, build_of, one_build
from tests.python.runs.small import PROJECT

PROFILE = """
mbp:
  target: postgres
  outputs:
    duckdb: {type: duckdb, path: "{{ env_var('MBP_DUCKDB_PATH') }}"}
    postgres:
      type: postgres
      host: "{{ env_var('MBP_PG_HOST') }}"
      port: "{{ env_var('MBP_PG_PORT') | as_number }}"
      user: "{{ env_var('MBP_PG_USER') }}"
      password: "{{ env_var('MBP_PG_PASSWORD') }}"
      dbname: "{{ env_var('MBP_PG_DATABASE') }}"
      role: "{{ env_var('MBP_PG_ROLE', '') }}"
      schema: public
      threads: 2
"""
# What holds the swap lock in its transaction, and what waits for it: as two datasets in their post-hooks.
MODEL = """
{{{{ config(materialized='table', post_hook="{hook}") }}}}
select 1 as one
"""
HOLDS = "select pg_advisory_xact_lock(4106111), pg_sleep(600)"
WAITS = "select pg_advisory_xact_lock(4106111)"
DEADLINE = 120
SESSIONS = (
    "select pid, state, query from pg_stat_activity"
    " where datname = current_database() and pid <> pg_backend_pid()"
)


@dataclass
class Small:
    """A project of two models that hold and want one lock, and a third that takes a moment."""

    root: Path
    settings: dict[str, str]
    connection: Any = None

    @contextmanager
    def started(self, *words: str, **changes: str) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name(words[0])), *words[1:]],
            cwd=self.root,
            env={**os.environ, **self.settings, **changes},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A parent in the background may ignore it, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def run(self, *words: str, **changes: str) -> tuple[int, str]:
        with self.started(*words, **changes) as process:
            told, _ = process.communicate(timeout=DEADLINE * 2)
            return process.returncode, told

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    files = {
        "dbt_project.yml": PROJECT.replace("name: small", "name: mbp"),
        "profiles.yml": PROFILE,
        "sql/moment.sql": "{{ config(materialized='table') }} select 1 as one",
        "sql/held/holds.sql": MODEL.format(hook=HOLDS),
        "sql/held/waits.sql": MODEL.format(hook=WAITS),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Small(
        tmp_path,
        {
            "MBP_DUCKDB_PATH": str(tmp_path / "small.duckdb"),
            "MBP_PROJECT_DIR": str(tmp_path),
            "DBT_PROFILES_DIR": str(tmp_path),
        },
    )


@pytest.fixture
def served(
    small: Small, postgres_server: PostgresServer, postgres_database: str
) -> Iterator[Small]:
    small.settings.update(postgres_server.environment(postgres_database))
    with closing(postgres_server.connect(postgres_database)) as connection:
        small.connection = connection
        yield small


def in_the_critical_section(small: Small) -> bool:
    """One session sleeps with the lock and the other waits for it."""
    found = small.rows(
        "select count(*) filter (where granted), count(*) filter (where not granted)"
        " from pg_locks where locktype = 'advisory' and objid = 4106111"
    )
    return found == [(1, 1)]


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("number", "role"),
    [
        (signal.SIGINT, ""),
        (signal.SIGINT, "builder"),
        (signal.SIGTERM, "builder"),
        (signal.SIGKILL, ""),
    ],
)
def test_an_interrupted_build_ends_and_leaves_no_session(
    served: Small, number: signal.Signals, role: str
) -> None:
    """With a role that may not end sessions of the user, too."""
    if role:
        served.rows(
            "do $$ begin create role builder; exception when duplicate_object then null; end $$;"
            " do $$ begin create role small_user login password 'secret' in role builder;"
            " exception when duplicate_object then null; end $$;"
            " grant all on schema public to builder; select 1"
        )
        served.settings |= {
            "MBP_PG_ROLE": role, "MBP_PG_USER": "small_user", "MBP_PG_PASSWORD": "secret"
        }  # fmt: skip
    with served.started("dbt", "build", "--target", "postgres") as process:
        wait_until(lambda: in_the_critical_section(served), "the build is not where it should be")
        began = time.monotonic()
        process.send_signal(number)
        told, _ = process.communicate(timeout=DEADLINE)
        wait_until(lambda: not served.rows(SESSIONS), f"sessions are left: {served.rows(SESSIONS)}")
        assert time.monotonic() - began < 60
        if number == signal.SIGINT:
            assert process.returncode == 2, told
        else:
            assert process.returncode == -number, told
    code, told = served.run("dbt", "build", "--target", "postgres", "--select", "moment")
    assert code == 0, told
    if role:
        served.rows("drop owned by builder cascade; select 1")


@pytest.mark.postgres
def test_the_second_build_is_refused_on_postgres(served: Small) -> None:
    words = ("dbt", "build", "--target", "postgres")
    with served.started(*words) as first:
        wait_until(lambda: in_the_critical_section(served), "the build is not where it should be")
        code, told = served.run(*words, "--select", "moment")
        assert code == 2, told
        assert "another build of this warehouse is running (process" in " ".join(told.split())
        assert served.rows("select to_regclass('public.moment')::text") == [("moment",)]
        code, told = served.run("dbt", "test", "--target", "postgres")  # who only reads may
        assert code == 0, told
        first.kill()
        first.communicate(timeout=DEADLINE)
        wait_until(lambda: not served.rows(SESSIONS), "sessions are left")
    code, told = served.run(*words, "--select", "moment")
    assert code == 0, told


def test_the_second_build_is_refused_on_duckdb(small: Small) -> None:
    words = ("dbt", "build", "--target", "duckdb", "--select", "moment")
    with one_build("duckdb", small.settings["MBP_DUCKDB_PATH"]):
        code, told = small.run(*words)
    assert code == 2, told
    assert "another build of this warehouse is running (process" in " ".join(told.split())
    assert not Path(small.settings["MBP_DUCKDB_PATH"]).exists()
    code, told = small.run(*words)
    assert code == 0, told


def test_a_build_may_ask_again_for_what_it_holds(tmp_path: Path) -> None:
    place = str(tmp_path / "a.duckdb")
    with one_build("duckdb", place), one_build("duckdb", place):
        pass
    with one_build("duckdb", place):
        guard._held.clear()  # as another process would
        with pytest.raises(SecondBuildError, match="another build"), one_build("duckdb", place):
            pass


@pytest.mark.parametrize(
    ("engine", "settings", "file"),
    [
        ("duckdb", {"path": "a.duckdb"}, "a.duckdb"),
        ("duckdb", {"path": ":memory:"}, ""),
        ("duckdb", {"path": "md:cloud"}, ""),
        (
            "spark",
            {"method": "session", "server_side_parameters": {"spark.sql.warehouse.dir": "house"}},
            "house",
        ),
        ("spark", {"method": "session", "server_side_parameters": {}}, ""),
        ("spark", {"method": "thrift", "host": "far"}, ""),
    ],
)
def test_the_lock_is_beside_what_is_on_this_machine(
    tmp_path: Path, engine: str, settings: dict[str, Any], file: str
) -> None:
    assert guard._file(engine, settings, tmp_path) == (str(tmp_path / file) if file else "")


def test_mbp_build_is_refused_before_it_reads_anything(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "a.duckdb")
    monkeypatch.setenv("MBP_DUCKDB_PATH", path)
    with one_build("duckdb", path):
        ended = subprocess.run(
            [str(Path(sys.executable).with_name("mbp")), "build"],
            cwd=project_root,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE * 2,
        )
    assert ended.returncode == 2
    assert "another build of this warehouse is running" in ended.stderr
    with build_of(project_root, "duckdb"):
        pass


WAITING = """
from mbp.runs.guard import interruptible
from mbp.core.paths import project_root
from mbp.warehouse import connect
with interruptible(), connect(project_root(), "postgres") as warehouse, warehouse.transaction():
    warehouse.execute("select pg_sleep(600)")
"""


@pytest.mark.postgres
def test_ctrl_c_cancels_a_statement_of_mbp_itself(served: Small) -> None:
    with served.started("python", "-c", WAITING) as process:
        asleep = "select 1 from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()"
        wait_until(lambda: bool(served.rows(asleep)), "the statement did not begin")
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=DEADLINE)
        assert "KeyboardInterrupt" in told
        wait_until(lambda: not served.rows(SESSIONS), "sessions are left")
