"""`mbp dbt`: dbt's own commands, with the exit codes of the house."""

from __future__ import annotations

from pathlib import Path

import pytest

from mbp.cli import main as cli
from mbp.cli.commands.dbt import without_target
from mbp.core.errors import MbpError
from mbp.runs import parsed
from tests.python.runs.small import PROJECT

PROFILE = """
mbp:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, path: "{{ env_var('MBP_DUCKDB_PATH') }}"}
"""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one model, whose test passes, and a test that fails."""
    files = {
        "dbt_project.yml": PROJECT,
        "profiles.yml": PROFILE,
        "sql/one.sql": "select 1 as one",
        "checks/assert_one.sql": "select * from {{ ref('one') }} where one <> 1",
        "checks/assert_two.sql": "select * from {{ ref('one') }} where one <> 2",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(parsed, "_memory", {})
    monkeypatch.setenv("MBP_DUCKDB_PATH", str(tmp_path / "small.duckdb"))
    monkeypatch.setenv("MBP_PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit code of `mbp dbt ...`."""
    monkeypatch.setattr("sys.argv", ["mbp", "dbt", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    return code if isinstance(code, int) else 0


def test_passes_findings_and_what_could_not_run(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "build", "--exclude", "assert_two") == 0
    assert list((small / parsed.FOLDER).iterdir()), "what was parsed is kept"
    assert run(monkeypatch, "test", "--select", "assert_two", "--target", "duckdb") == 1
    capsys.readouterr()
    assert run(monkeypatch, "ls", "--resource-type", "model") == 0
    assert "small.one" in capsys.readouterr().out


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no dbt command"),
        (("--select", "one"), "--select comes before the dbt command"),
        (("build", "--select", "no_such_test"), "dbt build ran nothing"),
        (("bulid",), "No such command 'bulid'"),
        (("ls", "--select"), "requires an argument"),
        (("ls", "--target", "nowhere"), "no target 'nowhere'"),
        (("ls", "--target"), "--target without a name"),
        (("ls", "--project-dir", "/"), "--project-dir is not taken here"),
    ],
)
def test_one_clear_line_for_what_cannot_run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    assert run(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Fix: " in error
    assert "Traceback" not in error


def test_the_target_is_taken_out_of_the_arguments() -> None:
    assert without_target(["build", "-t", "postgres", "--select", "a"]) == (
        ["build", "--select", "a"],
        "postgres",
    )
    assert without_target(["build", "--target=duckdb"]) == (["build"], "duckdb")
    with pytest.raises(MbpError, match="without a name"):
        without_target(["build", "--target="])
