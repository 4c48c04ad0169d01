"""Commands that judge what an earlier run left: missing or unreadable is exit 2, never 0 or 1.

That a run of something else is no verdict either is shown in tests/python/runs/test_measured_of.py, for every reader.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mbp.cli import main as cli
from mbp.contracts import all_rules, load_contracts
from mbp.core.paths import StateFolder
from mbp.operate.hooks.hook_state import LockOf, write_lock
from mbp.runs.dbt_process import environment
from mbp.runs.envelope import source_digest

OLD = datetime.now(UTC) - timedelta(days=4000)

# Command -> what makes it believe that everything is well: dbt's artifacts, the catalog, the release lock.
FROM_ARTIFACTS = {
    "quality failures": ["quality", "failures", "--limit", "0"],
    "quality record": ["quality", "record"],
}
FROM_CATALOG = {"docs coverage": ["docs", "coverage"]}
FROM_LOCK = {"deploy-check": ["deploy-check"], "deploy-check --merge": ["deploy-check", "--merge"]}
FROM_EVIDENCE = {"report": ["report", "--output", "{folder}/report.html"]}
FROM_WAREHOUSE = {
    "kpi collect": ["kpi", "collect"],
    "watch --once": ["watch", "--once"],
    "watch --dry-run": ["watch", "--dry-run"],
    "status": ["status"],
    "degrade on": ["degrade", "on"],
    "degrade off": ["degrade", "off"],
    "degrade status": ["degrade", "status"],
    "quality history": ["quality", "history"],
    "quality monitor": ["quality", "monitor"],
    "quality run": ["quality", "run"],
    "metrics query": ["metrics", "query", "traded_volume"],
}


@pytest.fixture
def folder(project_root: Path, tmp_path: Path) -> Iterator[Path]:
    """A place of its own for artifacts, state and warehouse."""
    settings = {
        "MBP_PROJECT_DIR": str(project_root),
        "DBT_TARGET_PATH": str(tmp_path),
        "MBP_STATE_DIR": str(tmp_path),
        "MBP_DUCKDB_PATH": str(tmp_path / "mbp.duckdb"),
        "DBT_TARGET": "duckdb",
        "MBP_RAW": "sample",
    }
    with environment(settings):
        yield tmp_path


@pytest.fixture
def warehouse(folder: Path) -> str:
    """A warehouse with an identity and nothing else; its id."""
    with duckdb.connect(str(folder / "mbp.duckdb")) as connection:
        connection.execute("create schema verification")
        connection.execute(
            "create table verification.warehouse as select 'one' as warehouse_id, now() as created_at"
        )
        connection.execute(
            "create table verification.runs (invocation_id text, warehouse_id text, command text,"
            " event text, happened_at timestamptz, nodes_digest text)"
        )
    return "one"


def write(folder: Path, name: str, document: Any) -> None:
    (folder / name).write_text(json.dumps(document))


def green(root: Path, artifacts: Any) -> tuple[Any, Any]:
    """The artifacts of a run just now in which every rule held."""
    for rule in all_rules(load_contracts(root)):
        severity = "warn" if rule.severity == "warning" else "error"
        artifacts.test(rule.id, "pass", severity=severity, in_contract=False)
    manifest, results = artifacts.manifest, artifacts.run_results
    for document in (manifest, results):
        document["metadata"]["generated_at"] = datetime.now(UTC).isoformat()
    return manifest, results


Run = Callable[[list[str]], tuple[int, str]]


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `mbp` as it is installed; (exit code, what it wrote to stderr)."""

    def command(words: list[str]) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["mbp", *(word.format(folder=folder) for word in words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert isinstance(end.value.code, int)
        return end.value.code, capsys.readouterr().err

    return command


def ends_with_2(run: Run, words: list[str]) -> str:
    """What it said."""
    code, said = run(words)
    assert code == 2, said
    assert any(line.startswith("mbp: ") for line in said.splitlines()), said
    assert "Traceback" not in said
    assert "report this" not in said
    return said


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"metadata": {}, "results": 1}'])
@pytest.mark.parametrize("command", ["quality failures", "quality record"])
def test_a_run_that_cannot_be_read_is_no_verdict(
    run: Run, project_root: Path, folder: Path, artifacts: Any, command: str, text: str | None
) -> None:
    manifest, _ = green(project_root, artifacts)
    write(folder, "manifest.json", manifest)
    if text is not None:
        (folder / "run_results.json").write_text(text)
    assert "run_results.json" in ends_with_2(run, FROM_ARTIFACTS[command])


def catalog(hours: float) -> dict[str, Any]:
    moment = datetime.now(UTC) - timedelta(hours=hours)
    return {"metadata": {"generated_at": moment.isoformat()}, "nodes": {}, "sources": {}}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (None, "is missing"),
        (catalog(5), "older than the last"),
        ({"metadata": {}}, "catalog.json"),
    ],
)
def test_coverage_of_another_build_is_no_coverage(
    run: Run, project_root: Path, folder: Path, artifacts: Any, document: Any, told: str
) -> None:
    manifest, results = green(project_root, artifacts)
    results["args"] = {"which": "build"}
    write(folder, "manifest.json", manifest)
    write(folder, "run_results.json", results)
    if document is not None:
        write(folder, "catalog.json", document)
    assert told in ends_with_2(run, FROM_CATALOG["docs coverage"])


@pytest.mark.parametrize("command", FROM_LOCK)
@pytest.mark.parametrize("text", [None, "", "[]", "{}", json.dumps({"blocks": []})])
def test_without_a_release_lock_nothing_is_allowed(
    run: Run, folder: Path, warehouse: str, command: str, text: str | None
) -> None:
    assert warehouse
    if text is not None:
        (folder / "release.lock").write_text(text)
    assert "release.lock" in ends_with_2(run, FROM_LOCK[command])


@pytest.mark.parametrize("command", FROM_LOCK)
def test_an_old_release_lock_allows_nothing(
    run: Run, project_root: Path, folder: Path, warehouse: str, command: str
) -> None:
    origin = LockOf("duckdb", warehouse, source_digest(project_root))
    write_lock(StateFolder(folder), [], "0" * 64, of=origin)
    assert run(FROM_LOCK[command])[0] == 0
    lock = json.loads((folder / "release.lock").read_text())
    write(folder, "release.lock", {**lock, "written_at": OLD.isoformat()})
    assert "ago, at most" in ends_with_2(run, FROM_LOCK[command])


def test_a_page_of_nothing_is_written_and_no_success(run: Run, folder: Path) -> None:
    said = ends_with_2(run, FROM_EVIDENCE["report"])
    assert "without a current measurement" in said
    assert "NO-GO" in (folder / "report.html").read_text()


@pytest.mark.parametrize("command", FROM_WAREHOUSE)
def test_a_warehouse_that_is_not_there_is_not_made_to_be_judged(
    run: Run, folder: Path, command: str
) -> None:
    said = ends_with_2(run, FROM_WAREHOUSE[command])
    assert "does not exist" in said
    assert not (folder / "mbp.duckdb").exists()


@pytest.mark.parametrize(
    "command",
    [
        "watch --once",
        "watch --dry-run",
        "status",
        "degrade on",
        "degrade status",
        "quality monitor",
    ],
)
def test_an_empty_warehouse_is_nothing_measured(run: Run, folder: Path, command: str) -> None:
    duckdb.connect(str(folder / "mbp.duckdb")).close()
    ends_with_2(run, FROM_WAREHOUSE[command])


@pytest.mark.parametrize("command", ["watch --once", "degrade on", "quality history"])
def test_a_file_that_is_no_warehouse_is_named(run: Run, folder: Path, command: str) -> None:
    (folder / "mbp.duckdb").write_bytes(os.urandom(4096))
    assert "mbp.duckdb" in ends_with_2(run, FROM_WAREHOUSE[command])
