"""Connections: the right one, in UTC, and one clear message when there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from lab.postgres_server import PostgresServer
from mbp.core.errors import MbpError
from mbp.warehouse import connect, quote_identifier
from mbp.warehouse.profile import read_target


@pytest.fixture
def project(tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the example profile alone, and no profile at home."""
    (tmp_path / "dbt_project.yml").write_text("profile: mbp\n")
    (tmp_path / "profiles.example.yml").write_text(
        (project_root / "profiles.example.yml").read_text()
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DBT_PROFILES_DIR", "DBT_TARGET", "MBP_DUCKDB_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_example_serves_when_there_is_no_profile(project: Path) -> None:
    name, settings = read_target(project)
    assert (name, settings["type"], settings["path"]) == ("duckdb", "duckdb", "mbp.duckdb")


def test_a_profile_of_your_own_wins(project: Path) -> None:
    (project / "profiles.yml").write_text(
        "mbp: {target: mine, outputs: {mine: {type: duckdb, path: own.db}}}"
    )
    assert read_target(project)[1]["path"] == "own.db"


def test_an_unknown_target_names_the_known_ones(project: Path) -> None:
    with pytest.raises(MbpError, match=r"no target 'oracle'.*duckdb, postgres"):
        read_target(project, "oracle")


def test_a_demanded_variable_that_is_not_set_is_named(project: Path) -> None:
    text = "mbp: {target: t, outputs: {t: {type: duckdb, path: \"{{ env_var('NOT_SET_HERE') }}\"}}}"
    (project / "profiles.yml").write_text(text)
    with pytest.raises(MbpError, match="NOT_SET_HERE is not set"):
        read_target(project)


def test_sessions_run_in_utc_and_a_failed_transaction_leaves_nothing(project: Path) -> None:
    with connect(project) as warehouse:
        assert warehouse.query("select current_setting('TimeZone')")[1] == [("UTC",)]
        warehouse.execute("create table kept (a integer)")
        with pytest.raises(duckdb.Error), warehouse.transaction():
            warehouse.execute("insert into kept values (1)")
            warehouse.execute("insert into nowhere values (1)")
        assert warehouse.query("select count(*) as n from kept") == (["n"], [(0,)])


def test_a_locked_file_is_named_with_a_fix(project: Path) -> None:
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(project / "mbp.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(
            MbpError, match=r"mbp\.duckdb: another process has this DuckDB file open"
        ):
            connect(project)
    finally:
        holder.communicate()


def test_reading_a_warehouse_that_is_not_there_makes_no_file(project: Path) -> None:
    with pytest.raises(MbpError, match="mbp build"):
        connect(project, read_only=True)
    assert not (project / "mbp.duckdb").exists()


def test_a_postgres_that_is_down_is_told_without_the_password(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBP_PG_HOST", "127.0.0.1")
    monkeypatch.setenv("MBP_PG_PORT", "1")
    monkeypatch.setenv("MBP_PG_PASSWORD", "do-not-tell")
    with pytest.raises(MbpError, match=r"127\.0\.0\.1:1/mbp cannot be reached") as caught:
        connect(project, "postgres")
    assert "do-not-tell" not in str(caught.value)


@pytest.mark.postgres
def test_a_real_postgres(
    project: Path,
    postgres_server: PostgresServer,
    postgres_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in postgres_server.environment(postgres_database).items():
        monkeypatch.setenv(name, value)
    with connect(project, "postgres") as warehouse:
        assert warehouse.query("select current_setting('TimeZone')")[1] == [("UTC",)]
    monkeypatch.setenv("MBP_PG_PASSWORD", "wrong")
    with pytest.raises(MbpError, match="refuses the user"):
        connect(project, "postgres")


@pytest.mark.postgres
def test_the_server_dies_with_a_killed_test() -> None:
    script = (
        "import os, signal; from lab.postgres_server import PostgresServer\n"
        "s = PostgresServer(); s.start(); print(s._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    pid = int(finished.stdout)
    for _ in range(1200):
        if (
            not Path(f"/proc/{pid}").exists()
            or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]
        ):
            return
        subprocess.run(["sleep", "0.1"], check=True)
    pytest.fail("the server outlived its parent")


def test_identifiers_are_quoted() -> None:
    assert quote_identifier('a"; drop table x') == '"a""; drop table x"'
