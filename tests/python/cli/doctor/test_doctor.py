"""A machine that can do the work is told so; on every other one each thing is named with its fix."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from lab.postgres_server import PostgresServer
from mbp.cli.doctor.examine import examine
from mbp.cli.doctor.machine import (
    CHECKS,
    MEBIBYTE,
    Examination,
    Machine,
    MachineCheck,
    installed_version,
)
from mbp.ingest.initialise import initialise
from mbp.runs.dbt_process import environment
from mbp.warehouse import connect
from tests.python.cli.commands.terminal import in_a_pipe


@pytest.fixture
def root(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, with a warehouse and a home folder of its own."""
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "mine.duckdb"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("DBT_TARGET", "DBT_PROFILES_DIR"):
        monkeypatch.delenv(name, raising=False)
    return project_root


@pytest.fixture
def empty_project(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the doctor reads, less the profile."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DBT_PROFILES_DIR", raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("pyproject.toml", "dbt_project.yml", "requirements.lock"):
        (folder / name).write_text((project_root / name).read_text())
    return folder


def check(found: Examination, name: str) -> MachineCheck:
    (one,) = (each for each in found.checks if each.id == name)
    return one


def states(found: Examination, *names: str) -> set[str]:
    return {check(found, name).state for name in names}


@pytest.fixture
def postgres(postgres_server: PostgresServer, postgres_database: str) -> Iterator[dict[str, str]]:
    settings = {**postgres_server.environment(postgres_database), "MBP_PG_ROLE": ""}
    with environment(settings):
        yield settings


SERVER = ("dbt debug", *CHECKS)


def test_a_good_machine(root: Path) -> None:
    with connect(root, "duckdb") as warehouse:
        warehouse.execute("select 1")
    found = examine(root, "duckdb")
    assert found.passed, found.open
    named = {"locked versions", "dbt packages", "profile", "disk", "java", "dbt debug"}
    assert named <= {one.id for one in found.checks}
    assert states(found, "locked versions", "dbt debug") == {"good"}
    assert found.suite().table.endswith("duckdb: this machine is ready")


@pytest.mark.usefixtures("postgres")
def test_a_good_server(root: Path) -> None:
    with connect(root, "postgres") as warehouse:
        initialise(root, warehouse)
    found = examine(root, "postgres")
    assert found.passed, found.open
    assert states(found, *SERVER) == {"good"}
    assert "PostgreSQL 18" in check(found, "server version").message


@pytest.mark.usefixtures("postgres")
def test_before_the_roles_are_made_it_says_how(root: Path) -> None:
    one = check(examine(root, "postgres"), "roles")
    # Roles are of the whole server: another test may have made them, but not the schemas of this database.
    assert one.state == "finding"
    assert "mbp db init" in one.fix


def test_a_missing_profile(empty_project: Path) -> None:
    found = examine(empty_project, None)
    assert check(found, "profile").state == "not checked"
    assert "profiles.example.yml" in check(found, "profile").fix
    assert check(found, "dbt debug").state == "not checked"


def test_a_profile_that_is_no_yaml(empty_project: Path) -> None:
    (empty_project / "profiles.yml").write_text("mbp: [\n")
    one = check(examine(empty_project, None), "target")
    assert one.state == "finding"
    assert "not valid YAML" in one.message


def test_an_unknown_target(root: Path) -> None:
    found = examine(root, "oracle")
    assert check(found, "target").state == "finding"
    assert "duckdb, postgres" in check(found, "target").fix
    assert check(found, "locked versions").state == "good", "the machine is checked all the same"


def test_a_closed_port(root: Path, postgres: dict[str, str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with environment({**postgres, "MBP_PG_PORT": port}):
        found = examine(root, "postgres")
    assert check(found, "dbt debug").state == "finding"
    assert "MBP_PG_PORT" in check(found, "dbt debug").fix
    assert states(found, *SERVER[1:]) == {"not checked"}
    assert len(found.open) == len(SERVER)


def test_a_wrong_password(root: Path, postgres: dict[str, str]) -> None:
    with environment({**postgres, "MBP_PG_PASSWORD": "not-this-one"}):
        one = check(examine(root, "postgres"), "dbt debug")
    assert one.state == "finding"
    assert one.fix == "check MBP_PG_USER and MBP_PG_PASSWORD"
    assert "not-this-one" not in one.message


def test_a_role_that_is_not_there(root: Path, postgres: dict[str, str]) -> None:
    with environment({**postgres, "MBP_PG_ROLE": "nobody_at_all"}):
        one = check(examine(root, "postgres"), "role")
    assert one.state == "finding"
    assert "MBP_PG_ROLE" in one.fix


def test_a_user_without_the_right_to_create(
    root: Path, postgres: dict[str, str], postgres_server: PostgresServer
) -> None:
    with connect(root, "postgres") as warehouse:
        initialise(root, warehouse)
        warehouse.execute(
            f"create role bystander login password '{postgres_server.password}' in role mbp_reader"
        )
    try:
        with environment({**postgres, "MBP_PG_USER": "bystander"}):
            found = examine(root, "postgres")
        one = check(found, "permissions")
        assert one.state == "finding"
        assert "may not create tables in" in one.message
        assert "mbp_transformer" in one.fix
        assert states(found, "dbt debug", "server version", "roles") == {"good"}
    finally:
        with connect(root, "postgres") as warehouse:
            warehouse.execute("drop role bystander")


def test_what_another_user_built_first(root: Path, postgres: dict[str, str]) -> None:
    with connect(root, "postgres") as warehouse:
        initialise(root, warehouse)
        warehouse.execute("create table marts.mbp_quotes (quote_id text)")
    with environment({**postgres, "MBP_PG_ROLE": "mbp_transformer"}):
        one = check(examine(root, "postgres"), "ownership")
    assert one.state == "finding"
    assert "marts.mbp_quotes" in one.message
    assert "owner to" in one.fix


def test_a_duckdb_file_that_somebody_holds(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.duckdb"
    hold = f"import duckdb, sys; held = duckdb.connect({str(path)!r}); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        one = check(examine(root, "duckdb"), "dbt debug")
        assert one.state == "finding"
        assert f"PID {holder.pid}" in one.message
        assert "MBP_DUCKDB_PATH" in one.fix
        holder.communicate()


def test_a_duckdb_file_in_a_folder_that_is_not_there(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "nowhere" / "mine.duckdb"))
    one = check(examine(root, "duckdb"), "dbt debug")
    assert one.state == "finding"
    assert one.fix == "set MBP_DUCKDB_PATH to a file of yours"


def test_no_warehouse_is_made(root: Path, tmp_path: Path) -> None:
    found = examine(root, "duckdb")
    assert states(found, "dbt debug") == {"good"}
    assert check(found, "duckdb file").fix == "run `make build`"
    assert not list(tmp_path.glob("*duckdb*"))


def test_no_warehouse_is_made_for_a_path_written_in_the_profile(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = {"type": "duckdb", "path": str(tmp_path / "literal.duckdb")}
    profile = {"mbp": {"target": "duckdb", "outputs": {"duckdb": output}}}
    (tmp_path / "own").mkdir()
    (tmp_path / "own/profiles.yml").write_text(json.dumps(profile))
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path / "own"))
    assert states(examine(root, "duckdb"), "dbt debug") == {"good"}
    assert not list(tmp_path.rglob("*literal*"))


def test_a_file_that_is_no_warehouse(root: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.duckdb").write_text("not a database, not at all\n" * 500)
    one = check(examine(root, "duckdb"), "dbt debug")
    assert one.state == "finding"
    assert "set MBP_DUCKDB_PATH to a new file" in one.fix


def test_a_full_disk(root: Path) -> None:
    one = check(examine(root, "duckdb", Machine(free=lambda _: MEBIBYTE)), "disk")
    assert one.state == "finding"
    assert "1 MiB free" in one.message
    assert "make room" in one.fix


def test_old_versions(root: Path) -> None:
    def version_of(name: str) -> str | None:
        return "1.10.0" if name == "dbt-core" else installed_version(name)

    one = check(examine(root, "duckdb", Machine(version_of=version_of)), "locked versions")
    assert one.state == "finding"
    assert "dbt-core 1.10.0 (locked 1." in one.message
    assert "make setup" in one.fix


def test_what_is_optional_is_a_note(root: Path) -> None:
    found = examine(root, "duckdb", Machine(program=lambda _: None))
    assert states(found, "java", "chromium") == {"note"}
    assert found.passed, found.open


def test_what_cannot_be_checked_is_no_pass(empty_project: Path) -> None:
    (empty_project / "requirements.lock").unlink()
    found = examine(empty_project, None)
    assert check(found, "locked versions").state == "not checked"
    assert not found.passed


def test_spark_wants_java_and_its_wheel(root: Path) -> None:
    found = examine(root, "spark", Machine(program=lambda name: None if name == "java" else name))
    assert check(found, "java").state == "finding"
    there = find_spec("pyspark") is not None
    assert check(found, "spark").state == ("good" if there else "finding")


def test_nothing_looked_at_is_no_pass() -> None:
    assert not Examination("duckdb", ()).passed


def test_the_command_says_it_as_json_and_by_its_exit_code(root: Path, tmp_path: Path) -> None:
    told = in_a_pipe(root, ["doctor", "--target", "oracle", "--format", "json"])
    assert told.returncode == 1, told.stderr
    document = json.loads(told.stdout)
    assert document["target"] == "oracle"
    assert document["passed"] is False
    assert {"id", "state", "message", "fix"} == set(document["checks"][0])
    outside = in_a_pipe(tmp_path, ["doctor"], {"PYTHONPATH": str(root / "src")})
    assert outside.returncode == 2
    assert "Fix:" in outside.stderr
