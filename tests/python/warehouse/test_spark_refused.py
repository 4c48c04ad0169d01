"""Spark belongs to dbt: what of `mbp` does not serve it says so, by name, before it does anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mbp.cli import main as cli
from mbp.core.errors import MbpError
from mbp.warehouse import connect


@pytest.mark.parametrize("target", ["spark", "spark_cluster"])
def test_spark_is_refused_with_what_serves_it(project_root: Path, target: str) -> None:
    with pytest.raises(MbpError, match=f"dbt build --target {target}"):
        connect(project_root, target)


@pytest.mark.parametrize(
    "command",
    [["build"], ["degrade", "status"], ["watch", "--once"]],
    ids=" ".join,
)
def test_commands_refuse_spark(
    command: list[str], project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MBP_PROJECT_DIR", str(project_root))
    monkeypatch.setenv("MBP_STATE_DIR", str(tmp_path))
    cli.register()
    outcome = CliRunner().invoke(cli.app, [*command, "--target", "spark"])
    assert isinstance(outcome.exception, MbpError)  # `mbp` makes one line and exit code 2 of it
    assert "dbt build --target spark" in str(outcome.exception)
