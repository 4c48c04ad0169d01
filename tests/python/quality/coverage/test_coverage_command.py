"""`mbp docs coverage` and scripts/doc_coverage.py: options, outputs and exit codes 0, 1 and 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from coverage_artifacts import GOOD, node, written
from typer.testing import CliRunner

from mbp.cli.main import app, register
from mbp.contracts.policy import load_policy
from mbp.core.errors import MbpError
from mbp.quality.coverage.documentation_coverage import judge, measure_project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Artifacts of a project in which 2 of 3 things are described."""
    nodes = {"model.mbp.q": node("q", {"price": GOOD})}
    return written(tmp_path / "artifacts", nodes, {"model.mbp.q": ["price", "depth"]})


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    """Artifacts of a project in which everything is described."""
    nodes = {"model.mbp.q": node("q", {"price": GOOD})}
    return written(tmp_path / "complete", nodes, {"model.mbp.q": ["price"]})


@pytest.fixture(autouse=True)
def in_the_project(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MBP_PROJECT_DIR", str(project_root))


def command(artifacts: Path, *arguments: str) -> Any:
    register()
    return CliRunner().invoke(app, ["docs", "coverage", "--artifacts", str(artifacts), *arguments])


def script(project_root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(project_root / "scripts" / "doc_coverage.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_policy_demands_95_percent(project_root: Path) -> None:
    assert load_policy(project_root).documentation.threshold_percent == 95


def test_the_threshold_of_the_policy_decides(folder: Path, complete: Path) -> None:
    result = command(folder)
    assert result.exit_code == 1
    assert "missing: model.mbp.q.depth" in result.stdout
    assert "not good enough: coverage is 66.6 %, demanded 95 %" in result.stdout
    assert result.stderr == ""
    assert command(complete).exit_code == 0


@pytest.mark.parametrize(("fail_under", "code"), [("0", 0), ("66.6", 0), ("66.7", 1), ("100", 1)])
def test_fail_under_replaces_the_policy(folder: Path, fail_under: str, code: int) -> None:
    assert command(folder, "--fail-under", fail_under).exit_code == code


@pytest.mark.parametrize("fail_under", ["nan", "-1", "101", "inf"])
def test_a_threshold_that_is_no_percentage_is_an_error(folder: Path, fail_under: str) -> None:
    result = command(folder, "--fail-under", fail_under)
    assert isinstance(result.exception, MbpError)
    assert "is no percentage" in str(result.exception)


def test_exactly_the_threshold_is_enough(folder: Path, project_root: Path) -> None:
    report = measure_project(project_root, folder)
    assert judge(project_root, report, report.count.percent).objections == ()


def test_json_is_stable_and_alone_on_stdout(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "coverage.json"
    result = command(folder, "--format", "json", "--output", str(target))
    assert "not good enough" in result.stderr
    first = target.read_text()
    result = command(folder, "--format", "json")
    assert result.exit_code == 1
    assert result.stdout == first
    assert "not good enough" in result.stderr
    assert json.loads(first)["percent"] == 66.6667
    assert [one.name for one in target.parent.iterdir()] == ["coverage.json"]


def test_compare_with_a_worse_and_a_better_run(
    folder: Path, complete: Path, tmp_path: Path
) -> None:
    worse, better = tmp_path / "worse.json", tmp_path / "better.json"
    command(folder, "--format", "json", "--output", str(worse))
    command(complete, "--format", "json", "--output", str(better))
    for artifacts, earlier in ((folder, worse), (complete, worse), (complete, better)):
        result = command(artifacts, "--fail-under", "0", "--compare", str(earlier))
        assert (result.exit_code, "not good enough" in result.output) == (0, False)
    result = command(folder, "--fail-under", "0", "--compare", str(better))
    assert result.exit_code == 1
    assert "not good enough: coverage fell from 100 % to 66.6667 %" in result.stdout


def test_the_earlier_run_is_read_before_the_new_one_replaces_it(
    folder: Path, complete: Path, tmp_path: Path
) -> None:
    path = tmp_path / "coverage.json"
    command(complete, "--format", "json", "--output", str(path))
    arguments = (
        "--fail-under",
        "0",
        "--compare",
        str(path),
        "--format",
        "json",
        "--output",
        str(path),
    )
    assert command(folder, *arguments).exit_code == 1
    assert json.loads(path.read_text())["percent"] == 66.6667


def test_documented_but_not_there_fails_whatever_the_percentage(tmp_path: Path) -> None:
    written(tmp_path, {"model.mbp.q": node("q", {"gone": GOOD})}, {"model.mbp.q": []})
    result = command(tmp_path, "--fail-under", "0")
    assert result.exit_code == 1
    assert "1 documented but not there: remove the description" in result.stdout


def test_not_in_the_warehouse_fails_whatever_the_percentage(tmp_path: Path) -> None:
    nodes = {"model.mbp.q": node("q", {}), "model.mbp.r": node("r", {})}
    result = command(written(tmp_path, nodes, {"model.mbp.q": []}), "--fail-under", "0")
    assert result.exit_code == 1
    assert "1 not in the warehouse: build it" in result.stdout


def test_a_place_that_cannot_be_written_is_an_error(complete: Path, tmp_path: Path) -> None:
    result = command(complete, "--output", str(tmp_path))
    assert isinstance(result.exception, MbpError)
    assert "cannot be written" in str(result.exception)


@pytest.mark.parametrize("name", ["manifest.json", "catalog.json"])
@pytest.mark.parametrize("content", [None, b"", b"[]", b"{", b"\xff", b'{"metadata": {}}'])
def test_an_artifact_that_cannot_be_read_is_an_error(
    complete: Path, name: str, content: bytes | None
) -> None:
    path = complete / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    result = command(complete)
    assert isinstance(result.exception, MbpError)
    assert name in str(result.exception)
    assert "Fix: " in str(result.exception)


def test_exit_codes_of_the_script(folder: Path, complete: Path, project_root: Path) -> None:
    passed = script(project_root, "--artifacts", str(complete))
    assert (passed.returncode, passed.stderr) == (0, "")
    total = next(line for line in passed.stdout.splitlines() if line.startswith("all "))
    assert total.split() == ["all", "2", "0", "0", "100.0%"]
    failed = script(project_root, "--artifacts", str(folder))
    assert failed.returncode == 1
    assert "not good enough" in failed.stdout
    (complete / "catalog.json").unlink()
    refused = script(project_root, "--artifacts", str(complete))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1
    assert "catalog.json" in refused.stderr
    assert script(project_root, "--no-such-option").returncode == 2


def test_the_help_has_an_example() -> None:
    register()
    result = CliRunner().invoke(app, ["docs", "coverage", "--help"])
    assert result.exit_code == 0
    assert "Example: mbp docs coverage" in result.stdout
