"""`mbp contracts new`: one command from a name to a dataset that dbt builds with its tests."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lab.exercises.project_copy import copy_parts
from mbp.cli.main import app, register
from mbp.contracts.lint.runner import lint
from mbp.core.errors import MbpError
from mbp.operate.build import check_rendered
from mbp.runs.dbt_process import environment, run_dbt
from mbp.runs.preflight import install_packages
from tests.python.built import judged

COLUMNS = (
    "note_id:string",
    "written_at:timestamptz",
    "stars:decimal(18,8)",
    "shown:boolean",
    "day:date",
)


@pytest.fixture
def root(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    register()
    folder = tmp_path / "project"
    copy_parts(project_root, folder)
    (folder / ".github").mkdir()
    shutil.copy(project_root / ".github/CODEOWNERS", folder / ".github")
    monkeypatch.setenv("MBP_PROJECT_DIR", str(folder))
    return folder


def new(*columns: str, dataset: str = "mbp_notes") -> Result:
    options = [word for column in columns for word in ("--column", column)]
    return CliRunner().invoke(app, ["contracts", "new", dataset, *options])


def test_a_new_dataset_is_whole_and_builds(root: Path, tmp_path: Path) -> None:
    done = new(*COLUMNS)
    assert done.exit_code == 0, done.output
    for path in (
        "contracts/a106/mbp_notes.odcs.yaml",
        "models/sources/_raw_mbp__sources.gen.yml",
        "models/staging/mbp/stg_mbp__notes.sql",
        "models/intermediate/int_mbp__notes_latest.sql",
        "models/marts/mbp/mbp_notes.sql",
        "seeds/sample/raw_mbp__notes.csv",
        "seeds/sample/_sample__seeds.gen.yml",
        ".github/CODEOWNERS",
    ):
        assert f"wrote {path}\n" in done.output
        assert "note" in (root / path).read_text(encoding="utf-8")
    check_rendered(root)
    # What only a person knows is left, and said.
    found = [one for one in lint(root, date(2026, 11, 28)).findings if "mbp_notes" in one.path]
    assert any("TODO" in one.message for one in found)
    with environment({"MBP_DUCKDB_PATH": str(tmp_path / "mbp.duckdb"), "MBP_RAW": "sample"}):
        install_packages(root)
        select = ["--select", "+mbp_notes", "--indirect-selection", "cautious"]
        outcome = run_dbt(root, ["build", *select], target="duckdb", quiet=True)
    assert outcome.success, outcome.problem or [
        (one.node.name, one.message) for one in judged(outcome) if str(one.status) != "pass"
    ]
    assert len(judged(outcome)) > len(COLUMNS)


@pytest.mark.parametrize(
    ("columns", "dataset", "told"),
    [
        (("note_id",), "mbp_notes", "'note_id' has no type"),
        (("note_id:string", "Bad:string"), "mbp_notes", "'Bad' is not a lower-case name"),
        (("note_id:sometype!",), "mbp_notes", "the type sometype! of note_id"),
        (("market_id:string",), "mbp_markets", "the file is there already"),
    ],
)
def test_what_could_not_be_a_dataset_is_refused_and_nothing_is_written(
    root: Path, columns: tuple[str, ...], dataset: str, told: str
) -> None:
    before = sorted(root.rglob("*"))
    refused = new(*columns, dataset=dataset)
    assert isinstance(refused.exception, MbpError)
    assert told in refused.exception.what
    assert sorted(root.rglob("*")) == before
