"""The bad project, whole, on both engines: the sentence that the tests can be trusted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.proof.proof_score import CLEAN, render
from lab.proof.prove import prove
from mbp.cli import main as cli
from mbp.core.errors import MbpError


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MBP_RAW", "MBP_NOW", "DBT_PROFILES_DIR", "DBT_TARGET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path / "target"))
    monkeypatch.setenv("DBT_LOG_PATH", str(tmp_path / "logs"))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_every_fault_is_found_by_its_own_rule_alone(project_root: Path, engine: str) -> None:
    score = prove(project_root, engine=engine)
    assert score.passed, render(score)
    assert score.rules == len(score.faults) == score.caught > 0
    assert score.outcomes[0].fault == CLEAN
    assert score.outcomes[0].seen == ()


def test_one_fault_by_the_command(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBP_PROJECT_DIR", str(project_root))
    cli.register()
    result = CliRunner().invoke(
        cli.app, ["quality", "prove", "--fault", "mbp_quotes_fk", "--format", "json"]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["passed"] is True
    assert document["complete"] is False
    assert [one["fault"] for one in document["outcomes"]] == [CLEAN, "mbp_quotes_fk"]


def test_an_unknown_fault_is_refused(project_root: Path) -> None:
    with pytest.raises(MbpError, match="mbp_quotes_fkk"):
        prove(project_root, chosen=["mbp_quotes_fkk"])


def test_an_unknown_engine_is_refused(project_root: Path) -> None:
    with pytest.raises(MbpError, match="unknown engine 'oracle'"):
        prove(project_root, engine="oracle")
