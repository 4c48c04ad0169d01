"""`MBP_PG_ROLE`: a role that is not there, or is not the user's, is named with its fix wherever one connects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg2 import sql

from lab.postgres_server import PostgresServer
from mbp.cli import main as cli
from mbp.cli.doctor.examine import examine
from mbp.core.errors import MbpError
from mbp.ingest.initialise import CANCELLING, LOADER, READER, TRANSFORMER
from mbp.runs.dbt_process import environment
from mbp.warehouse import connect
from mbp.warehouse.connection import RoleError

USER, PASSWORD = "role_probe", "role-probe"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def settings(
    postgres_server: PostgresServer, postgres_database: str, project_root: Path, tmp_path: Path
) -> Iterator[None]:
    """A user who is a member of nothing."""
    with postgres_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(USER)))
        cursor.execute(
            sql.SQL("create role {} login password {}").format(
                sql.Identifier(USER), sql.Literal(PASSWORD)
            )
        )
        cursor.execute("select 1 from pg_roles where rolname = 'role_of_others'")
        if not cursor.fetchone():
            cursor.execute("create role role_of_others")
    own = {
        "MBP_PROJECT_DIR": str(project_root),
        "DBT_TARGET_PATH": str(tmp_path),
        "DBT_TARGET": "postgres",
        "MBP_STATE_DIR": str(tmp_path),
    }
    user = {"MBP_PG_USER": USER, "MBP_PG_PASSWORD": PASSWORD}
    with environment({**postgres_server.environment(postgres_database), **own, **user}):
        yield


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["mbp", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert isinstance(end.value.code, int)
        return end.value.code, capsys.readouterr().err

    return command


WRONG = {
    "no such role": ("no_such_role", "has no role 'no_such_role'", "mbp db init"),
    "not a member": ("role_of_others", "not a member of the role", 'grant "role_of_others"'),
    "a name to be quoted": ('odd "role', "has no role 'odd \"role'", "mbp db init"),
}
COMMANDS = {
    "quality history": ("quality", "history"),
    "status": ("status",),
    "build": ("build",),
}


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_role_is_named_with_its_fix(project_root: Path, wrong: str) -> None:
    role, told, fix = WRONG[wrong]
    with environment({"MBP_PG_ROLE": role}):
        for read_only in (True, False):
            with pytest.raises(RoleError) as refused:
                connect(project_root, "postgres", read_only=read_only)
            assert told in refused.value.what
            assert fix in str(refused.value.fix)
            assert "MBP_PG_ROLE" in refused.value.what
        found = {one.id: one for one in examine(project_root, "postgres").checks}
    assert found["dbt debug"].state == "finding"
    assert found["role"].state == "finding"
    assert told in found["role"].message
    assert fix in found["role"].fix
    assert found["permissions"].state == "not checked"


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_it_in_one_line(run: Run, command: str) -> None:
    with environment({"MBP_PG_ROLE": "no_such_role"}):
        code, said = run(*COMMANDS[command])
    assert code == 2
    (line,) = [one for one in said.splitlines() if one.startswith("mbp: ")]
    assert "has no role 'no_such_role'" in line
    assert "Fix: " in line


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("role", [LOADER, TRANSFORMER, READER])
def test_the_roles_can_be_made_while_one_of_them_is_named(
    run: Run, postgres_server: PostgresServer, project_root: Path, role: str
) -> None:
    administrator = {
        "MBP_PG_USER": postgres_server.user,
        "MBP_PG_PASSWORD": postgres_server.password,
    }
    with environment({**administrator, "MBP_PG_ROLE": role}):
        code, said = run("db", "init", "--target", "postgres")
        assert code == 0, said
        assert f"MBP_PG_ROLE ({role}) is not used here" in said
        with connect(project_root, "postgres", read_only=True) as warehouse:
            assert warehouse.query("select current_user")[1] == [(role,)]
        assert run("db", "init", "--target", "postgres")[0] == 0, "and again"


@pytest.mark.usefixtures("settings")
def test_a_wrong_password_is_not_a_missing_database(project_root: Path) -> None:
    for name, value, what, fix in (
        ("MBP_PG_PASSWORD", "wrong", "refuses the user", "correct MBP_PG_USER or MBP_PG_PASSWORD"),
        ("MBP_PG_DATABASE", "no_such", "has no database 'no_such'", 'create database "no_such"'),
        ("MBP_PG_PORT", "1", "cannot be reached", "start it"),
    ):
        with environment({name: value}), pytest.raises(MbpError) as refused:
            connect(project_root, "postgres")
        assert what in refused.value.what
        assert fix in str(refused.value.fix)


@pytest.mark.usefixtures("settings")
def test_an_administrator_who_is_no_superuser_makes_the_roles(
    run: Run, postgres_server: PostgresServer, postgres_database: str
) -> None:
    """He creates roles and owns the database; the one right that he cannot give is named with its fix."""
    # Other tests of this server may have made the roles already.
    given = [f"grant {role} to {USER} with admin option" for role in (LOADER, TRANSFORMER, READER)]
    with postgres_server.connect() as connection, connection.cursor() as cursor:
        for statement in (*given, f"revoke {CANCELLING} from {TRANSFORMER}"):
            cursor.execute(
                f"do $$ begin {statement}; exception when undefined_object then null; end $$"
            )
        cursor.execute(f"alter role {USER} createrole")
        cursor.execute(f"alter database {postgres_database} owner to {USER}")
    for _ in range(2):
        code, said = run("db", "init", "--target", "postgres")
        assert code == 0, said
        assert f"grant {CANCELLING} to {TRANSFORMER}" in said
    superuser = {"MBP_PG_USER": postgres_server.user, "MBP_PG_PASSWORD": postgres_server.password}
    with environment(superuser):
        code, said = run("db", "init", "--target", "postgres")
    assert (code, said) == (0, "")


@pytest.mark.usefixtures("settings")
def test_another_role_is_taken_when_the_roles_are_made(run: Run) -> None:
    with environment({"MBP_PG_ROLE": "no_such_role"}):
        code, said = run("db", "init", "--target", "postgres")
    assert code == 2
    assert "has no role 'no_such_role'" in said
    with environment({"MBP_PG_ROLE": ""}):
        code, said = run("db", "init", "--target", "postgres")
    assert code == 2, "a user who may not make roles"
    assert "PostgreSQL refused: permission denied" in said
